//! Attacks, each under its name.

use rhizome_capability::container::{self, Framing};
use rhizome_capability::{
    CapabilityError, Context, Delegation, DidKeys, Executor, Invocation, InvocationBuilder, Policy,
    Principal, Proofs, PublicKey, Replays, Revocation, Revocations, Wanted,
};

use crate::{NOW, did, grant, invoke, key, names, now};

fn proofs(of: Vec<Delegation>) -> Proofs {
    of.into_iter().collect()
}

fn pack<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    container::write(Framing::Raw, tokens).unwrap()
}

fn verify(invocation: &Invocation, with: Vec<Delegation>) -> Result<(), CapabilityError> {
    now().verify(invocation, &proofs(with)).map(|_| ())
}

/// ECDSA signatures have a mirror image. Whoever flips s must not get a second token that the revocation does not name.
#[test]
fn flipped_s_after_a_revocation() {
    use p256::ecdsa::signature::Signer as _;
    let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = secret.verifying_key().to_sec1_point(true);
    let public = PublicKey::P256(point.as_bytes().try_into().unwrap());
    let owner = Principal::of(&public);
    let unsigned = Delegation::to(did(2), "/a".parse().unwrap())
        .unsigned(&owner, &public, b"1")
        .unwrap();
    let signature: p256::ecdsa::Signature = secret.sign(unsigned.message());
    let signature = signature.normalize_s();
    let token = unsigned.finish(signature.to_bytes().into()).unwrap();

    let (r, s) = signature.split_scalars();
    let mirrored = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let mut bytes = token.bytes().to_vec();
    bytes[3..67].copy_from_slice(&mirrored.to_bytes());
    let flipped = Delegation::decode(&bytes).unwrap();
    assert_ne!(flipped.cid(), token.cid());
    // The first guard: a high s is no signature.
    assert_eq!(
        flipped.verify_signature(&DidKeys),
        Err(CapabilityError::Signature)
    );
    // The second: the revocation names the payload too.
    let unsigned = Revocation::unsigned(&token, &owner, &public).unwrap();
    let signature: p256::ecdsa::Signature = secret.sign(unsigned.message());
    let revocation = unsigned.finish(signature.to_bytes().into()).unwrap();
    let revocation = Revocation::verify(&revocation, &Proofs::new(), &now()).unwrap();
    let mut revocations = Revocations::default();
    revocations.insert(&revocation).unwrap();
    for token in [&token, &flipped] {
        assert!(revocations.contains(token, |did| did == owner.did()));
    }
}

/// The owner signed one grant twice, under both tags: to revoke one is to revoke it.
#[test]
fn the_same_payload_under_another_tag_after_a_revocation() {
    let first = grant(1, 2, 1, "/a");
    let signed = |from: &[u8], to: &[u8]| {
        let at = first
            .bytes()
            .windows(from.len())
            .position(|part| part == from)
            .unwrap();
        let mut signed = first.bytes()[67..].to_vec();
        signed.splice(at - 67..at - 67 + from.len(), to.iter().copied());
        let mut bytes = vec![0x82, 0x58, 0x40];
        bytes.extend(key(1).sign(&signed));
        bytes.extend(signed);
        bytes
    };
    let second = signed(b"\x73ucan/dlg@1.0.0-rc.1", b"\x6eucan/dlg@1.0.0");
    let second = Delegation::decode(&second).unwrap();
    second.verify_signature(&DidKeys).unwrap();
    assert_ne!(first.cid(), second.cid());
    let revocation = Revocation::sign(&first, &key(1)).unwrap();
    let revocation = Revocation::verify(&revocation, &Proofs::new(), &now()).unwrap();
    let mut revocations = Revocations::default();
    revocations.insert(&revocation).unwrap();
    let call = invoke(2, 1, "/a", &[&second]);
    let cid = *second.cid();
    let known = proofs(vec![second]);
    let verdict = |revocations| {
        Context {
            revocations,
            ..now()
        }
        .verify(&call, &known)
    };
    assert!(verdict(None).is_ok());
    assert_eq!(
        verdict(Some(&revocations)),
        Err(CapabilityError::Revoked(Box::new(cid)))
    );
}

#[test]
fn widened_command() {
    let [first, second] = [grant(1, 2, 1, "/pod/tuple"), grant(2, 3, 1, "/pod/tuplex")];
    let escalation = |command: &str| Err(CapabilityError::Escalation(command.to_owned()));
    let call = invoke(3, 1, "/pod/tuplex", &[&first, &second]);
    assert_eq!(
        verify(&call, vec![first, second]),
        escalation("/pod/tuplex")
    );
    for command in ["/pod/tuplex", "/pod", "/", "/pod/tupl"] {
        let first = grant(1, 2, 1, "/pod/tuple");
        let call = invoke(2, 1, command, &[&first]);
        assert_eq!(verify(&call, vec![first]), escalation(command));
    }
}

#[test]
fn proof_of_another_subject() {
    // 2 may do something of 1, and says it is of 5.
    let own = grant(1, 2, 1, "/");
    let call = invoke(2, 5, "/a", &[&own]);
    let error = Err(CapabilityError::Subject(Box::new(*own.cid())));
    assert_eq!(verify(&call, vec![own]), error);
    // In the middle of a chain.
    let [first, second] = [grant(1, 2, 1, "/"), grant(2, 3, 5, "/")];
    let call = invoke(3, 1, "/a", &[&first, &second]);
    let error = Err(CapabilityError::Subject(Box::new(*second.cid())));
    assert_eq!(verify(&call, vec![first, second]), error);
    // Issued by somebody who is not the subject.
    let stolen = grant(2, 2, 1, "/");
    let call = invoke(2, 1, "/a", &[&stolen]);
    assert_eq!(
        verify(&call, vec![stolen]),
        Err(CapabilityError::RootIssuer)
    );
}

#[test]
fn expired_in_the_middle_of_a_chain() {
    let middle = Delegation::to(did(3), "/".parse().unwrap())
        .subject(did(1))
        .expires(NOW - 1)
        .sign(&key(2), b"")
        .unwrap();
    let chain = vec![grant(1, 2, 1, "/"), middle, grant(3, 4, 1, "/")];
    let call = invoke(4, 1, "/a", &chain.iter().collect::<Vec<_>>());
    assert_eq!(verify(&call, chain), Err(CapabilityError::Expired(NOW - 1)));
}

#[test]
fn replayed_invocation() {
    let proof = grant(1, 2, 1, "/");
    let call = invoke(2, 1, "/a", &[&proof]);
    let message = pack([proof.bytes(), call.bytes()]);
    let mut executor = Executor::new(did(1));
    assert_eq!(
        executor.admit(&message, NOW).unwrap().chain(),
        names([&proof])
    );
    assert_eq!(
        executor.admit(&message, NOW).err(),
        Some(CapabilityError::Replayed)
    );
    // Not after it was forgotten either, nor if the clock goes back then.
    let expired = Some(CapabilityError::Expired(NOW + 60));
    assert_eq!(executor.admit(&message, NOW + 61).err(), expired);
    let later = Invocation::on(did(1), "/a".parse().unwrap())
        .expires(NOW + 100)
        .sign(&key(1), b"later")
        .unwrap();
    executor.admit(&pack([later.bytes()]), NOW + 61).unwrap();
    assert_eq!(executor.admit(&message, NOW).err(), expired);
}

/// The same under another tag is the same.
#[test]
fn replayed_under_another_tag() {
    let call = invoke(1, 1, "/a", &[]);
    let from = b"\x73ucan/inv@1.0.0-rc.1";
    let at = call
        .bytes()
        .windows(from.len())
        .position(|part| part == from)
        .unwrap();
    let mut signed = call.bytes()[67..].to_vec();
    signed.splice(at - 67..at - 67 + from.len(), *b"\x6eucan/inv@1.0.0");
    let mut again = vec![0x82, 0x58, 0x40];
    again.extend(key(1).sign(&signed));
    again.extend(signed);
    let mut executor = Executor::new(did(1));
    executor.admit(&pack([call.bytes()]), NOW).unwrap();
    let replayed = executor.admit(&pack([&*again]), NOW).err();
    assert_eq!(replayed, Some(CapabilityError::Replayed));
}

#[test]
fn invocations_that_cannot_be_remembered() {
    let mut executor = Executor::new(did(1)).with_replays(Replays::new(2, 100));
    let mut admit = |end: Option<u64>, nonce: u8, now| {
        let call = Invocation::on(did(1), "/a".parse().unwrap());
        let call = end.into_iter().fold(call, InvocationBuilder::expires);
        let call = call.sign(&key(1), &[nonce]).unwrap();
        executor.admit(&pack([call.bytes()]), now).err()
    };
    assert_eq!(admit(None, 0, NOW), Some(CapabilityError::Lifetime(100)));
    assert_eq!(
        admit(Some(NOW + 101), 0, NOW),
        Some(CapabilityError::Lifetime(100))
    );
    assert_eq!(admit(Some(NOW + 10), 1, NOW), None);
    assert_eq!(admit(Some(NOW + 100), 2, NOW), None);
    assert!(matches!(
        admit(Some(NOW + 100), 3, NOW),
        Some(CapabilityError::Full(_))
    ));
    // One has expired.
    assert_eq!(admit(Some(NOW + 100), 3, NOW + 11), None);
}

#[test]
fn cyclic_proofs() {
    // One proof twice.
    let [there, back] = [grant(1, 2, 1, "/"), grant(2, 1, 1, "/")];
    let call = invoke(2, 1, "/a", &[&there, &back, &there]);
    let error = Err(CapabilityError::RepeatedProof(Box::new(*there.cid())));
    assert_eq!(verify(&call, vec![there, back]), error);
    // Principals who delegate to each other do not keep the search, and there is nothing to find.
    let mut circle = proofs(Vec::new());
    for (from, to) in [(2, 3), (3, 4), (4, 2), (2, 4), (4, 3), (3, 2), (2, 2)] {
        circle.insert(grant(from, to, 1, "/"));
    }
    let call = invoke(2, 1, "/a", &[]);
    let wanted = Wanted {
        invoker: call.issuer(),
        subject: call.subject(),
        command: call.command(),
        arguments: None,
    };
    assert_eq!(circle.search(&wanted, &now()), None);
    circle.insert(grant(1, 3, 1, "/"));
    let found = circle.search(&wanted, &now()).unwrap();
    assert_eq!(found.len(), 2);
}

#[test]
fn chains_that_are_too_long() {
    let chain: Vec<Delegation> = (1..35).map(|n| grant(n, n + 1, 1, "/")).collect();
    let call = Invocation::on(did(1), "/".parse().unwrap())
        .proofs(names(&chain))
        .sign(&key(35), b"");
    assert!(matches!(
        call,
        Err(CapabilityError::Claim { field: "prf", .. })
    ));
    let (by, subject, command) = (did(35), did(1), "/".parse().unwrap());
    let wanted = Wanted {
        invoker: &by,
        subject: &subject,
        command: &command,
        arguments: None,
    };
    let mut known = proofs(chain);
    assert_eq!(known.search(&wanted, &now()), None);
    known.insert(grant(1, 4, 1, "/"));
    assert_eq!(known.search(&wanted, &now()).unwrap().len(), 32);
}

#[test]
fn powerline_abuse() {
    let powerline = |from: u8, to: u8| {
        Delegation::to(did(to), "/".parse().unwrap())
            .powerline()
            .sign(&key(from), b"")
            .unwrap()
    };
    // A chain cannot begin with one, not even with that of the subject itself.
    for from in [1, 2] {
        let token = powerline(from, 3);
        let call = invoke(3, 1, "/a", &[&token]);
        assert_eq!(
            verify(&call, vec![token]),
            Err(CapabilityError::RootPowerline)
        );
    }
    // It passes on what its issuer has, and no more: not the subject, not the command.
    let [first, second] = [grant(1, 2, 1, "/a"), powerline(2, 3)];
    let call = invoke(3, 1, "/a/b", &[&first, &second]);
    let escalated = CapabilityError::Escalation("/".to_owned());
    assert_eq!(verify(&call, vec![first, second]), Err(escalated));
    let [first, second] = [grant(1, 2, 1, "/"), powerline(2, 3)];
    let call = invoke(3, 1, "/a", &[&first, &second]);
    assert_eq!(verify(&call, vec![first, second]), Ok(()));
    let [first, second] = [grant(1, 2, 1, "/"), powerline(2, 3)];
    let call = invoke(3, 5, "/a", &[&first, &second]);
    let other = CapabilityError::Subject(Box::new(*first.cid()));
    assert_eq!(verify(&call, vec![first, second]), Err(other));
}

#[test]
fn an_invocation_for_somebody_else() {
    let mut executor = Executor::new(did(9));
    let call = invoke(1, 1, "/a", &[]);
    let refused = executor.admit(&pack([call.bytes()]), NOW).err();
    assert_eq!(refused, Some(CapabilityError::Audience));
    // One at a time, and at least one.
    for tokens in [vec![], vec![call.bytes(), invoke(1, 1, "/b", &[]).bytes()]] {
        let refused = executor.admit(&pack(tokens), NOW).err();
        assert_eq!(refused, Some(CapabilityError::OneInvocation));
    }
}

#[test]
fn revoked_by_whoever_stands_before_it_and_by_nobody_else() {
    let chain = vec![
        grant(1, 2, 1, "/"),
        grant(2, 3, 1, "/"),
        grant(3, 4, 1, "/"),
    ];
    let mut calls = 0;
    let mut call = |executor: &mut Executor| {
        calls += 1;
        let call = Invocation::on(did(1), "/a".parse().unwrap())
            .proofs(names(&chain))
            .expires(NOW + 60)
            .sign(&key(4), &[calls])
            .unwrap();
        let tokens = chain.iter().map(Delegation::bytes).chain([call.bytes()]);
        executor.admit(&pack(tokens), NOW).map(|_| ())
    };
    let message = |by: u8| {
        let revocation = Revocation::sign(&chain[1], &key(by)).unwrap();
        let tokens = chain
            .iter()
            .map(Delegation::bytes)
            .chain([revocation.bytes()]);
        pack(tokens)
    };
    let revoked = Err(CapabilityError::Revoked(Box::new(*chain[1].cid())));
    for by in 1..6 {
        let mut executor = Executor::new(did(1));
        assert_eq!(call(&mut executor), Ok(()));
        let standing = executor.revoke(&message(by), NOW).map(|_| ());
        if by <= 2 {
            assert_eq!(standing, Ok(()), "{by}");
            assert_eq!(call(&mut executor), revoked);
            // Once is enough; twice is no more.
            executor.revoke(&message(by), NOW).unwrap();
            assert_eq!(executor.revocations().len(), 2);
        } else {
            assert_eq!(standing, Err(CapabilityError::Standing), "{by}");
            // Even if it is known from elsewhere it has no effect.
            let revocation = Revocation::sign(&chain[1], &key(by)).unwrap();
            let revocation = Revocation::verify(&revocation, &Proofs::new(), &now()).unwrap();
            executor.revocations_mut().insert(&revocation).unwrap();
            assert_eq!(call(&mut executor), Ok(()));
        }
    }
    // A revocation without the chain shows nothing, and neither does another invocation.
    let mut executor = Executor::new(did(1));
    let alone = Revocation::sign(&chain[1], &key(2)).unwrap();
    for tokens in [vec![alone.bytes()], vec![alone.bytes(), chain[1].bytes()]] {
        let refused = executor.revoke(&pack(tokens), NOW).err();
        assert_eq!(refused, Some(CapabilityError::Standing));
    }
    let other = invoke(1, 1, "/a", &[]);
    assert_eq!(
        executor.revoke(&pack([other.bytes()]), NOW).err(),
        Some(CapabilityError::Kind)
    );
}

#[test]
fn a_revocation_that_somebody_else_signs() {
    let token = grant(1, 2, 1, "/");
    // 3 may revoke in the name of 1, 4 may not.
    let may = grant(1, 3, 1, "/ucan/revoke");
    let sign = |by: u8, with: &[&Delegation]| {
        Invocation::on(did(1), "/ucan/revoke".parse().unwrap())
            .argument("ucan", *token.cid())
            .proofs(with.iter().map(|proof| *proof.cid()))
            .sign(&key(by), b"")
            .unwrap()
    };
    let allowed = sign(3, &[&may]);
    let not = sign(4, &[]);
    let mut executor = Executor::new(did(1));
    let refused = executor
        .revoke(&pack([not.bytes(), token.bytes()]), NOW)
        .err();
    assert_eq!(refused, Some(CapabilityError::NoProof));
    let tokens = [allowed.bytes(), token.bytes(), may.bytes()];
    let revocation = executor.revoke(&pack(tokens), NOW).unwrap();
    assert_eq!(
        (revocation.revoker(), revocation.token()),
        (did(1).did(), token.cid())
    );
    // It said nothing of the payload, which is known all the same.
    assert_eq!(executor.revocations().len(), 2);
}

#[test]
fn the_memory_of_revocations_refuses_when_it_is_full() {
    let mut revocations = Revocations::new(3);
    let insert = |revocations: &mut Revocations, n: u8| {
        let revocation = Revocation::sign(&grant(1, n, 1, "/"), &key(1)).unwrap();
        let revocation = Revocation::verify(&revocation, &Proofs::new(), &now()).unwrap();
        revocations.insert(&revocation)
    };
    assert_eq!(insert(&mut revocations, 2), Ok(()));
    assert!(matches!(
        insert(&mut revocations, 3),
        Err(CapabilityError::Full(_))
    ));
    assert_eq!(insert(&mut revocations, 2), Ok(()));
}

#[test]
fn forged_signatures() {
    // An invocation that somebody else signed.
    let unsigned = Invocation::on(did(1), "/a".parse().unwrap())
        .expires(NOW)
        .unsigned(&did(1), &key(2).public(), b"")
        .unwrap();
    let signature = key(2).sign(unsigned.message());
    let call = unsigned.finish(signature).unwrap();
    assert_eq!(verify(&call, vec![]), Err(CapabilityError::Signature));
    // A proof.
    let unsigned = Delegation::to(did(2), "/".parse().unwrap())
        .unsigned(&did(1), &key(2).public(), b"")
        .unwrap();
    let signature = key(2).sign(unsigned.message());
    let forged = unsigned.finish(signature).unwrap();
    let call = invoke(2, 1, "/a", &[&forged]);
    assert_eq!(verify(&call, vec![forged]), Err(CapabilityError::Signature));
}

#[test]
fn a_chain_that_does_not_meet() {
    let chain = vec![grant(1, 2, 1, "/"), grant(3, 4, 1, "/")];
    let call = invoke(4, 1, "/a", &chain.iter().collect::<Vec<_>>());
    assert_eq!(verify(&call, chain), Err(CapabilityError::Alignment));
    let stolen = grant(1, 2, 1, "/");
    let call = invoke(3, 1, "/a", &[&stolen]);
    assert_eq!(verify(&call, vec![stolen]), Err(CapabilityError::Alignment));
    let lone = invoke(2, 1, "/a", &[]);
    assert_eq!(verify(&lone, vec![]), Err(CapabilityError::NoProof));
}

#[test]
fn every_policy_of_a_chain_is_asked() {
    let limited = |from: u8, to: u8, most: i64| {
        Delegation::to(did(to), "/".parse().unwrap())
            .subject(did(1))
            .policy(Policy::new().at_most(".quota", most).unwrap())
            .sign(&key(from), b"")
            .unwrap()
    };
    for (first, second, refusing) in [(10, 20, 0), (20, 10, 1)] {
        let chain = vec![limited(1, 2, first), limited(2, 3, second)];
        let call = |quota: i64| {
            Invocation::on(did(1), "/a".parse().unwrap())
                .argument("quota", quota)
                .proofs(names(&chain))
                .sign(&key(3), b"")
                .unwrap()
        };
        let [small, large] = [call(10), call(11)];
        let error = CapabilityError::PolicyMismatch(Box::new(*chain[refusing].cid()));
        let known = proofs(chain);
        assert!(now().verify(&small, &known).is_ok());
        assert_eq!(now().verify(&large, &known), Err(error));
    }
}

/// Of two ways, the shorter leads over a token that somebody in the middle took back.
#[test]
fn the_search_goes_round_what_was_revoked() {
    let chain = [
        grant(1, 2, 1, "/"),
        grant(2, 3, 1, "/"),
        grant(3, 5, 1, "/"),
    ];
    let round = [
        grant(1, 6, 1, "/"),
        grant(6, 7, 1, "/"),
        grant(7, 3, 1, "/"),
    ];
    let known = proofs(chain.into_iter().chain(round).collect());
    let (invoker, subject, command) = (did(5), did(1), "/a".parse().unwrap());
    let wanted = Wanted {
        invoker: &invoker,
        subject: &subject,
        command: &command,
        arguments: None,
    };
    let length = |revocations: &Revocations| {
        let context = Context {
            revocations: Some(revocations),
            ..now()
        };
        known.search(&wanted, &context).map(|chain| chain.len())
    };
    let mut revocations = Revocations::default();
    assert_eq!(length(&revocations), Some(3));
    let mut revoke = |by: u8, token: &Delegation| {
        let revocation = Revocation::sign(token, &key(by)).unwrap();
        let revocation = Revocation::verify(&revocation, &known, &now()).unwrap();
        revocations.insert(&revocation).unwrap();
        length(&revocations)
    };
    // 9 has no say. 2 has where it stands before, which is not the other way.
    let last = grant(3, 5, 1, "/");
    assert_eq!(revoke(9, &last), Some(3));
    assert_eq!(revoke(2, &last), Some(4));
    assert_eq!(revoke(7, &last), None);
}

/// Everybody may do everything to himself, without any proof. That must not let him in where he is not served.
#[test]
fn ones_own_subject() {
    let call = Invocation::on(did(1), "/a".parse().unwrap())
        .audience(did(9))
        .expires(NOW)
        .sign(&key(1), b"")
        .unwrap();
    let message = pack([call.bytes()]);
    let mut executor = Executor::new(did(9));
    let foreign = Some(CapabilityError::ForeignSubject);
    assert_eq!(executor.admit(&message, NOW).err(), foreign);
    let serves = |who: u8| move |subject: &Principal| *subject == did(who);
    assert_eq!(executor.admit_for(serves(2), &message, NOW).err(), foreign);
    let allowed = executor.admit_for(serves(1), &message, NOW).unwrap();
    assert_eq!((allowed.root(), allowed.invocation()), (None, &call));
}
