//! Tokens: minted, read back, refused.

use std::collections::BTreeMap;

use p256::ecdsa::signature::Signer as _;
use proptest::prelude::*;
use rhizome_capability::{
    CapabilityError, Command, Context, Delegation, Device, DidKeys, ErrorKind, Invocation, Ipld,
    MAX_TIME, MAX_TOKEN, Policy, PolicyError, Principal, Proofs, PublicKey, Signer, VERSIONS,
};
use rhizome_ipld::codec;
use rhizome_ipld::varsig::Algorithm;

use crate::{NOW, did, grant, invoke, key};

#[test]
fn a_delegation_comes_back_as_it_was() {
    let token = Delegation::to(did(2), "/pod/tuple/read".parse().unwrap())
        .subject(did(3))
        .policy(Policy::from_json(r#"[["==", ".entity[\"is-photo\"]", true]]"#).unwrap())
        .not_before(NOW)
        .expires(NOW + 1)
        .meta("why", "because")
        .sign(&key(1), b"nonce")
        .unwrap();
    let again = Delegation::decode(token.bytes()).unwrap();
    assert_eq!(again, token);
    assert_eq!(again.cid(), token.cid());
    assert_eq!((again.issuer(), again.audience()), (&did(1), &did(2)));
    assert_eq!(again.subject(), Some(&did(3)));
    assert_eq!(again.command().as_str(), "/pod/tuple/read");
    assert_eq!(again.policy(), token.policy());
    assert_eq!(again.nonce(), b"nonce");
    assert_eq!(again.meta()["why"], "because".into());
    assert_eq!(
        (again.not_before(), again.expires()),
        (Some(NOW), Some(NOW + 1))
    );
    again.verify_signature(&DidKeys).unwrap();
    assert_eq!(
        again.check_time(NOW - 1),
        Err(CapabilityError::TooEarly(NOW))
    );
    assert_eq!(again.check_time(NOW), Ok(()));
    assert_eq!(again.check_time(NOW + 1), Ok(()));
    assert_eq!(
        again.check_time(NOW + 2),
        Err(CapabilityError::Expired(NOW + 1))
    );
    assert_eq!(
        Invocation::decode(token.bytes()),
        Err(CapabilityError::Kind)
    );
}

#[test]
fn an_invocation_comes_back_as_it_was() {
    let proof = grant(1, 2, 1, "/");
    let token = Invocation::on(did(1), "/a".parse().unwrap())
        .audience(did(4))
        .argument("n", 1)
        .proofs([*proof.cid()])
        .meta("m", vec![Ipld::Null])
        .issued_at(NOW)
        .expires(NOW + 1)
        .cause(*proof.cid())
        .sign(&key(2), b"nonce")
        .unwrap();
    let again = Invocation::decode(token.bytes()).unwrap();
    assert_eq!(again, token);
    assert_eq!((again.issuer(), again.audience()), (&did(2), &did(4)));
    assert_eq!(again.subject(), &did(1));
    assert_eq!(again.argument("n"), Some(&1.into()));
    assert_eq!(again.proofs(), [*proof.cid()]);
    assert_eq!(
        (again.issued_at(), again.expires()),
        (Some(NOW), Some(NOW + 1))
    );
    assert_eq!(
        (again.nonce(), again.cause()),
        (&b"nonce"[..], Some(proof.cid()))
    );
    assert_eq!(again.meta()["m"], Ipld::List(vec![Ipld::Null]));
    again.verify_signature(&DidKeys).unwrap();
    assert_eq!(
        Delegation::decode(token.bytes()),
        Err(CapabilityError::Kind)
    );
}

/// A header that is not of the issuer's kind of key, though the issuer signed it.
#[test]
fn the_header_is_that_of_the_key() {
    let token = grant(1, 2, 1, "/a");
    let [own, other] = [Algorithm::Ed25519, Algorithm::EcdsaP256].map(Algorithm::header);
    let at = token
        .bytes()
        .windows(own.len())
        .position(|part| part == own);
    let at = at.unwrap();
    let mut bytes = token.bytes().to_vec();
    bytes[at..at + own.len()].copy_from_slice(other);
    let signature = key(1).sign(&bytes[67..]);
    bytes[3..67].copy_from_slice(&signature);
    let token = Delegation::decode(&bytes).unwrap();
    assert_eq!(
        token.verify_signature(&DidKeys),
        Err(CapabilityError::Signature)
    );
}

/// A token with these fields changed, signed as it should be.
fn forge(token: &Delegation, change: impl Fn(&mut BTreeMap<String, Ipld>)) -> Vec<u8> {
    forge_tagged(token, None, change)
}

fn forge_tagged(
    token: &Delegation,
    tag: Option<&str>,
    change: impl Fn(&mut BTreeMap<String, Ipld>),
) -> Vec<u8> {
    let Ipld::List(list) = codec::decode(token.bytes(), MAX_TOKEN).unwrap() else {
        panic!("an envelope is a list")
    };
    let Ipld::Map(mut signed) = list[1].clone() else {
        panic!("what is signed is a map")
    };
    let (old, payload) = signed.pop_last().unwrap();
    let Ipld::Map(mut payload) = payload else {
        panic!("a payload is a map")
    };
    change(&mut payload);
    signed.insert(tag.map_or(old, str::to_owned), Ipld::Map(payload));
    let signed = Ipld::Map(signed);
    let signature = key(1).sign(&codec::encode(&signed).unwrap());
    codec::encode(&Ipld::List(vec![Ipld::Bytes(signature.to_vec()), signed])).unwrap()
}

#[test]
fn fields_that_are_refused() {
    let token = grant(1, 2, 1, "/a");
    let with = |name: &str, value: Ipld| {
        let bytes = forge(&token, |payload| {
            payload.insert(name.to_owned(), value.clone());
        });
        Delegation::decode(&bytes)
    };
    assert!(with("exp", NOW.into()).is_ok());
    for (name, value) in [
        ("iss", Ipld::from("alice")),
        ("iss", 1.into()),
        ("aud", Ipld::Null),
        ("aud", format!("did:key:{}", "z".repeat(600)).into()),
        ("sub", "did:key:".into()),
        ("cmd", "a".into()),
        ("cmd", "/a/".into()),
        ("cmd", "/A".into()),
        ("cmd", "/a//b".into()),
        ("cmd", "".into()),
        ("pol", Ipld::Null),
        ("pol", Ipld::List(vec![Ipld::List(vec!["~".into()])])),
        ("nonce", "text".into()),
        ("exp", (MAX_TIME + 1).into()),
        ("exp", (-1).into()),
        ("exp", 1.5.into()),
        ("nbf", Ipld::Null),
        ("meta", Ipld::Null),
        ("prf", Ipld::List(Vec::new())),
    ] {
        let error = with(name, value.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidClaim, "{name} {value:?}");
    }
    for name in ["iss", "aud", "sub", "cmd", "pol", "nonce", "exp"] {
        let bytes = forge(&token, |payload| {
            payload.remove(name);
        });
        let error = Delegation::decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidClaim, "{name}");
    }
}

#[test]
fn tags_and_versions() {
    let token = grant(1, 2, 1, "/a");
    let emitted = b"ucan/dlg@1.0.0-rc.1";
    let mut parts = token.bytes().windows(emitted.len());
    assert!(parts.any(|part| part == emitted));
    for version in VERSIONS {
        let bytes = forge_tagged(&token, Some(&format!("ucan/dlg@{version}")), |_| {});
        let other = Delegation::decode(&bytes).unwrap();
        other.verify_signature(&DidKeys).unwrap();
        assert_eq!(other.payload_cid(), token.payload_cid());
    }
    for tag in [
        "ucan/dlg@1.0.1",
        "ucan/dlg",
        "ucan/rcpt@1.0.0",
        "dlg@1.0.0",
        "z",
    ] {
        let bytes = forge_tagged(&token, Some(tag), |_| {});
        let refused = CapabilityError::Tag(tag.to_owned());
        assert_eq!(Delegation::decode(&bytes), Err(refused));
    }
}

#[test]
fn only_the_issuer_signs() {
    let token = grant(1, 2, 1, "/a");
    let with_issuer = |issuer: &str| {
        let bytes = forge(&token, |payload| {
            payload.insert("iss".to_owned(), issuer.into());
        });
        let forged = Delegation::decode(&bytes).unwrap();
        forged.verify_signature(&DidKeys)
    };
    assert_eq!(with_issuer(did(1).as_str()), Ok(()));
    assert_eq!(
        with_issuer(did(3).as_str()),
        Err(CapabilityError::Signature)
    );
    // P-384 is not among the accepted kinds.
    let p384 = "did:key:z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9";
    let no_key = CapabilityError::IssuerKey(p384.to_owned());
    assert_eq!(with_issuer(p384), Err(no_key));
    for at in 0..token.bytes().len() {
        let mut bytes = token.bytes().to_vec();
        bytes[at] ^= 1;
        let verified =
            Delegation::decode(&bytes).and_then(|token| token.verify_signature(&DidKeys));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn too_long_for_a_token() {
    let token = Delegation::to(did(2), "/a".parse().unwrap())
        .meta("long", vec![0_u8; MAX_TOKEN])
        .sign(&key(1), b"");
    assert_eq!(token.unwrap_err().kind(), ErrorKind::Limit);
    let many = Invocation::on(did(1), "/a".parse().unwrap())
        .proofs(vec![*grant(1, 2, 1, "/").cid(); 33])
        .sign(&key(1), b"");
    assert_eq!(many.unwrap_err().kind(), ErrorKind::InvalidClaim);
}

#[test]
fn what_is_not_portable_is_not_minted() {
    let error = Delegation::to(did(2), "/a".parse().unwrap())
        .policy(Policy::from_json(r#"[["not", ["==", ".a", 1]]]"#).unwrap())
        .sign(&key(1), b"")
        .unwrap_err();
    assert!(matches!(
        error,
        CapabilityError::Policy(PolicyError::NotPortable(_))
    ));
}

#[test]
fn keys_that_sign_elsewhere() {
    let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = secret.verifying_key().to_sec1_point(true);
    let public = PublicKey::P256(point.as_bytes().try_into().unwrap());
    for n in 0..16 {
        let unsigned = Delegation::to(did(2), "/a".parse().unwrap())
            .unsigned(&Principal::of(&public), &public, &[n])
            .unwrap();
        // Half of these come with a high S.
        let signature: p256::ecdsa::Signature = secret.sign(unsigned.message());
        let signature = if n % 2 == 0 {
            signature
        } else {
            let (r, s) = signature.normalize_s().split_scalars();
            p256::ecdsa::Signature::from_scalars(r, -s).unwrap()
        };
        let token = unsigned.finish(signature.to_bytes().into()).unwrap();
        token.verify_signature(&DidKeys).unwrap();
    }
    let unsigned = Delegation::to(did(2), "/a".parse().unwrap())
        .unsigned(&Principal::of(&public), &public, b"")
        .unwrap();
    assert_eq!(unsigned.finish([1; 64]), Err(CapabilityError::Signer));
}

#[test]
fn a_key_of_secp256k1() {
    let secret = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = secret.verifying_key().to_sec1_point(true);
    let public = PublicKey::Secp256k1(point.as_bytes().try_into().unwrap());
    let unsigned = Delegation::to(did(2), "/a".parse().unwrap())
        .unsigned(&Principal::of(&public), &public, b"")
        .unwrap();
    let signature: k256::ecdsa::Signature = secret.sign(unsigned.message());
    let token = unsigned.finish(signature.to_bytes().into()).unwrap();
    let proofs = Proofs::from_iter([token]);
    let call = Invocation::on(Principal::of(&public), "/a/b".parse().unwrap())
        .proofs(proofs.iter().map(|proof| *proof.cid()))
        .sign(&key(2), b"")
        .unwrap();
    assert!(Context::at(NOW).verify(&call, &proofs).is_ok());
}

#[test]
fn a_device_signs_for_its_person() {
    let person: Principal =
        "did:rhizome:bafyreic7wmvhyrx4d4obghmapuz57l4s5ggv7jqxdvq7pwkfvdqvr3dk4q"
            .parse()
            .unwrap();
    let laptop = key(1);
    let device = Device::new(&person, &laptop).unwrap();
    assert_eq!(device.issuer(), person);
    // The person delegates to Bob, and Bob to his own phone.
    let token = Delegation::to(did(2), "/pod".parse().unwrap())
        .sign(&device, b"1")
        .unwrap();
    assert_eq!(token.subject(), Some(&person));
    assert_eq!(
        token.issuer().fragment(),
        Some(&*laptop.public().to_multibase())
    );
    let invocation = Invocation::on(person.clone(), "/pod/read".parse().unwrap())
        .proofs([*token.cid()])
        .sign(&key(2), b"2")
        .unwrap();
    let mut proofs = Proofs::new();
    proofs.insert(token);
    let listed = |did: &str, fragment: &str| {
        let key: PublicKey = fragment.parse().ok()?;
        (did == person.did() && key == laptop.public()).then_some(key)
    };
    let verify = |resolver| {
        Context {
            resolver,
            ..Context::at(NOW)
        }
        .verify(&invocation, &proofs)
    };
    assert_eq!(verify(&listed).unwrap().len(), 1);
    // Taken out of the DID, the device's signature counts no more, though it was checked before.
    let removed = verify(&DidKeys).unwrap_err();
    assert!(matches!(removed, CapabilityError::IssuerKey(_)));
    assert_eq!(removed.kind(), ErrorKind::InvalidSignature);
    assert_eq!(verify(&listed).unwrap().len(), 1);
    // A fragment names a key and is not the key: the resolver says which it is.
    let other = |_: &str, _: &str| Some(key(9).public());
    assert_eq!(verify(&other), Err(CapabilityError::Signature));
}

#[test]
fn principals() {
    let text = did(1).to_string();
    let key_id = text.strip_prefix("did:key:").unwrap();
    let with: Principal = format!("{text}#{key_id}").parse().unwrap();
    assert_eq!(with, did(1));
    assert_eq!((with.did(), with.fragment()), (&*text, Some(key_id)));
    for wrong in [
        "",
        "did:",
        "did:key",
        "did:key:",
        "did:Key:a",
        "did:a:b/c",
        "did:a:b#",
        "did:a:b#c#d",
        "did:a:b?c",
        "did:a:é",
    ] {
        assert_eq!(
            wrong.parse::<Principal>(),
            Err(CapabilityError::Did),
            "{wrong}"
        );
    }
    // A did:key with a fragment that is another key signs nothing.
    let other = format!("{text}#{}", key(2).public());
    let bytes = forge(&grant(1, 2, 1, "/a"), |payload| {
        payload.insert("iss".to_owned(), other.clone().into());
    });
    let token = Delegation::decode(&bytes).unwrap();
    assert_eq!(
        token.verify_signature(&DidKeys),
        Err(CapabilityError::IssuerKey(other))
    );
}

#[test]
fn commands() {
    let command = |text: &str| text.parse::<Command>().unwrap();
    for (above, below, covers) in [
        ("/", "/", true),
        ("/", "/a", true),
        ("/a", "/", false),
        ("/a", "/a", true),
        ("/a", "/a/b", true),
        ("/a", "/ab", false),
        ("/a/b", "/a", false),
        ("/pod/tuple", "/pod/tuplex", false),
    ] {
        assert_eq!(
            command(above).covers(&command(below)),
            covers,
            "{above} {below}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Delegation::decode(&bytes);
        let _ = Invocation::decode(&bytes);
    }

    #[test]
    fn damaged_tokens_are_refused(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let token = invoke(1, 1, "/a", &[]);
        let mut bytes = token.bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != with);
        bytes[at] = with;
        let verified = Invocation::decode(&bytes).and_then(|token| token.verify_signature(&DidKeys));
        prop_assert!(verified.is_err());
    }
}
