//! What somebody who was given a little might try in order to get more. Each of these fails if its guard is taken away.

use crate::world::*;
use rhizome_capability::{Command, Delegation, Device, Policy, Principal};
use rhizome_identity::{Create, Genesis, KemSecret, Log, Secret};
use rhizome_ipld::SigningKey;
use rhizome_replica::{Edit, Replica};
use rhizome_share::Predicate;
use rhizome_tuple::{EntityId, Leaf, LeafId, Op, OpId, Value};
use rhizome_view::{Grant, Guests, Moved, Note, Power, Why, write_notes};
use std::collections::{BTreeMap, BTreeSet};

const NOW: i64 = 1_700_000_000_000;

fn shared_photo(pod: &Replica, n: u64) -> EntityId {
    let e = entity(n);
    let edits = vec![
        Edit::Assert(e, attr("shared"), true.into()),
        Edit::Assert(e, attr("title"), "photo".into()),
    ];
    write(pod, Who::Laptop, NOW, edits);
    e
}

fn tended(pod: &Replica, view: &Replica) -> Vec<Why> {
    let done = tend(pod, view, Who::Laptop, NOW, &|_| true, None);
    done.refused.into_iter().map(|r| r.1).collect()
}

#[test]
fn a_private_entity_is_not_tagged_into_a_share() {
    let (pod, view) = (pod(), view());
    shared_photo(&pod, 1);
    let diary = entity(2);
    let secret = vec![Edit::Assert(diary, attr("title"), "diary".into())];
    write(&pod, Who::Laptop, NOW, secret);
    tended(&pod, &view);
    let tag = Leaf {
        entity: diary,
        ops: vec![Op::assert(attr("shared"), true.into())],
    };
    say(&view, Who::Eve, NOW, vec![tag.clone()]);
    assert_eq!(tended(&pod, &view), [Why::NotShared]);
    // nor with a nonce that is not its
    let claim = Op::Create { nonce: vec![1] };
    let ops = vec![claim, tag.ops[0].clone()];
    say(&view, Who::Eve, NOW, vec![Leaf { entity: diary, ops }]);
    assert_eq!(tended(&pod, &view), [Why::NotShared]);
    assert_eq!(
        authors_of(&pod.snapshot(), &diary),
        [Who::Laptop.key()].into()
    );
    assert!(!tuples(&view.snapshot()).iter().any(|t| t.0 == diary));
    // an entity that nobody knows yet might be the owner's on a device that has not come: it is not a guest's
    let unknown = entity(77);
    let ops = vec![Op::assert(attr("shared"), true.into())];
    say(
        &view,
        Who::Eve,
        NOW,
        vec![Leaf {
            entity: unknown,
            ops,
        }],
    );
    assert_eq!(tended(&pod, &view), [Why::NotNew]);
}

#[test]
fn nothing_is_put_into_the_pod_beside_what_is_shared() {
    let (pod, view) = (pod(), view());
    shared_photo(&pod, 1);
    tended(&pod, &view);
    let own = EntityId::derive(BOB, b"his");
    for shared in [Some(false), None] {
        let mut edits = vec![
            Edit::Create(own, b"his".to_vec()),
            Edit::Assert(own, attr("title"), "a letter".into()),
        ];
        edits.extend(shared.map(|yes| Edit::Assert(own, attr("shared"), yes.into())));
        write(&view, Who::Bob, NOW, edits);
        assert_eq!(tended(&pod, &view), [Why::NotNew]);
        assert!(authors_of(&pod.snapshot(), &own).is_empty());
    }
    // an entity that Bob made is his to make, and nobody else's
    let edits = vec![
        Edit::Create(own, b"his".to_vec()),
        Edit::Assert(own, attr("shared"), true.into()),
    ];
    write(&view, Who::Carol, NOW, edits.clone());
    assert_eq!(tended(&pod, &view), [Why::NotNew]);
    write(&view, Who::Bob, NOW, edits);
    assert_eq!(tended(&pod, &view), []);
    assert_eq!(authors_of(&pod.snapshot(), &own), [Who::Bob.key()].into());
}

#[test]
fn what_is_superseded_in_another_entity_stays() {
    let (pod, view) = (pod(), view());
    let a = shared_photo(&pod, 1);
    let b = entity(2);
    let secret = write(
        &pod,
        Who::Laptop,
        NOW,
        vec![Edit::Assert(b, attr("title"), "diary".into())],
    );
    tended(&pod, &view);
    let over = Op::Assert {
        attribute: attr("title"),
        value: "mine".into(),
        supersedes: vec![OpId(secret.unwrap(), 0, 0)],
    };
    let ops = vec![over];
    say(&view, Who::Bob, NOW, vec![Leaf { entity: a, ops }]);
    assert_eq!(tended(&pod, &view), []);
    let now = tuples(&pod.snapshot());
    let diary = format!("{:?}", Value::from("diary"));
    assert!(now.contains(&(b, "title".into(), diary)));
}

#[test]
fn what_decides_is_left_alone() {
    let (pod, view) = (pod(), view());
    let e = shared_photo(&pod, 1);
    tended(&pod, &view);
    write(
        &view,
        Who::Bob,
        NOW,
        vec![Edit::Assert(e, attr("shared"), false.into())],
    );
    assert_eq!(tended(&pod, &view), [Why::Decides]);
    write(
        &view,
        Who::Bob,
        NOW,
        vec![Edit::Retract(e, attr("shared"), None)],
    );
    assert_eq!(tended(&pod, &view), [Why::Decides]);
    assert_eq!(tuples(&view.snapshot()), shared(&pod.snapshot()));
    assert_eq!(shared(&pod.snapshot()).len(), 2);
}

#[test]
fn a_guest_withdraws_erases_and_quotes_nothing() {
    let (pod, view) = (pod(), view());
    let e = shared_photo(&pod, 1);
    tended(&pod, &view);
    let now = view.snapshot();
    let leaves: Vec<LeafId> = now
        .leaves(now.eid(&e).unwrap())
        .unwrap()
        .into_iter()
        .map(|l| l.leaf)
        .collect();
    let before = tuples(&now);
    for op in [
        Op::Withdraw {
            leaves: leaves.clone(),
        },
        Op::Erase { leaves },
    ] {
        say(
            &view,
            Who::Eve,
            NOW,
            vec![Leaf {
                entity: e,
                ops: vec![op],
            }],
        );
        assert_eq!(tuples(&view.snapshot()), before);
        assert_eq!(tended(&pod, &view), [Why::Reserved]);
    }
    assert_eq!(tuples(&view.snapshot()), before);
}

#[test]
fn what_the_owner_erases_goes_with_what_guests_said_of_it() {
    let (pod, view) = (pod(), view());
    let e = shared_photo(&pod, 1);
    tended(&pod, &view);
    let said = vec![Edit::Assert(e, attr("caption"), "nice".into())];
    write(&view, Who::Bob, NOW, said);
    assert_eq!(tended(&pod, &view), []);
    assert_eq!(tuples(&view.snapshot()).len(), 3);
    write(&pod, Who::Laptop, NOW, vec![Edit::Erase(e)]);
    assert!(tuples(&pod.snapshot()).is_empty());
    tended(&pod, &view);
    assert!(tuples(&view.snapshot()).is_empty());
}

#[test]
fn a_reader_says_nothing() {
    let (pod, view) = (pod(), view());
    let e = shared_photo(&pod, 1);
    tended(&pod, &view);
    let before = tuples(&view.snapshot());
    write(
        &view,
        Who::Rita,
        NOW,
        vec![Edit::Assert(e, attr("title"), "hers".into())],
    );
    assert_eq!(tuples(&view.snapshot()), before);
    tended(&pod, &view);
    assert_eq!(shared(&pod.snapshot()), before);
}

#[test]
fn after_a_revocation_nothing_counts_whatever_time_it_claims() {
    let (pod, view) = (pod(), view());
    let e = shared_photo(&pod, 1);
    tended(&pod, &view);
    write(
        &view,
        Who::Bob,
        NOW,
        vec![Edit::Assert(e, attr("caption"), "nice".into())],
    );
    assert_eq!(tended(&pod, &view), []);
    let settled = tuples(&pod.snapshot());
    for at in [0, NOW - 1_000_000, NOW + 1] {
        write(
            &view,
            Who::Bob,
            at,
            vec![Edit::Assert(e, attr("caption"), at.into())],
        );
        let done = tend(&pod, &view, Who::Laptop, NOW, &|_| false, None);
        assert_eq!(done.refused.len(), 1);
        assert_eq!(done.refused[0].1, Why::NotAllowed);
        assert_eq!(tuples(&pod.snapshot()), settled);
        assert_eq!(tuples(&view.snapshot()), settled);
    }
    // what had been admitted stays, and counts once however often it comes
    assert_eq!(tended(&pod, &view), []);
    assert_eq!(tuples(&pod.snapshot()), settled);
}

#[test]
fn what_a_relay_withholds_is_missed() {
    let (pod, full, bob) = (pod(), view(), view());
    for n in 0..3 {
        shared_photo(&pod, n);
        tended(&pod, &full);
    }
    let mut records = full.missing(&BTreeMap::new(), usize::MAX).unwrap();
    assert_eq!(records.len(), 3);
    records.remove(1);
    bob.receive(records).unwrap();
    let report = bob.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(bob.snapshot().gaps().unwrap(), 1);
    give(&full, &bob);
    assert_eq!(bob.snapshot().gaps().unwrap(), 0);
    assert_eq!(tuples(&bob.snapshot()), shared(&pod.snapshot()));
}

/// Somebody with a DID of one device.
struct Person {
    key: SigningKey,
    log: Log,
}

impl Person {
    fn new(n: u8) -> Self {
        let key = SigningKey::from_seed([n; 32]);
        let kem = KemSecret::from_seed(Secret::random(&mut |out: &mut [u8]| out.fill(n)));
        let mut random = |out: &mut [u8]| out.fill(n);
        let create = Create::one_device(key.public(), kem.public(), vec![], vec![], &mut random);
        let log = Log::new(Genesis::create(create, &[&key]).unwrap()).unwrap();
        Self { key, log }
    }

    fn did(&self) -> Principal {
        self.log.did().to_string().parse().unwrap()
    }

    fn device(&self) -> Device<'_> {
        Device::new(&self.did(), &self.key).unwrap()
    }

    fn claim(&self, writes: &SigningKey, of: &Principal) -> Note {
        let command: Command = "/pod/tuple/write".parse().unwrap();
        let to = Delegation::to(Principal::of(&writes.public()), command);
        let proof = to
            .subject(of.clone())
            .sign(&self.device(), b"bob's process")
            .unwrap();
        Note::Claim {
            log: self.log.to_car().unwrap(),
            proofs: vec![proof.bytes().to_vec()],
        }
    }
}

/// A view in which Alice gave Bob something, and Bob said who he is.
fn granted(alice: &Person, bob: &Person, power: Power, until: Option<u64>) -> (Replica, Grant) {
    let view = view();
    let grant = Grant::sign(
        &alice.device(),
        bob.did(),
        power,
        (VIEW, &predicate()),
        until,
        b"grant",
    )
    .unwrap();
    let terms = Note::Terms {
        of: alice.did().to_string(),
        predicate: predicate().to_string(),
        log: alice.log.to_car().unwrap(),
    };
    let notes = [terms, Note::Grant(grant.delegation.bytes().to_vec())];
    say(
        &view,
        Who::Laptop,
        NOW,
        vec![write_notes(VIEW, &notes).unwrap()],
    );
    let claim = bob.claim(&Who::Bob.author().key, &alice.did());
    say(
        &view,
        Who::Bob,
        NOW,
        vec![write_notes(VIEW, &[claim]).unwrap()],
    );
    (view, grant)
}

const SECOND: u64 = 1_700_000_000;

#[test]
fn a_key_writes_by_a_chain_that_begins_with_the_owner() {
    let (alice, bob, eve) = (Person::new(31), Person::new(32), Person::new(33));
    let guests = |view: &Replica| Guests::read(VIEW, &view.snapshot()).unwrap();
    let (view, grant) = granted(&alice, &bob, Power::Write, Some(SECOND + 10));
    let now = guests(&view);
    assert_eq!(now.predicate, Some(predicate()));
    assert_eq!(
        now.writer(&Who::Bob.key(), SECOND).unwrap().unwrap().did,
        bob.did().to_string()
    );
    assert_eq!(
        now.rights(bob.did().did(), SECOND).power,
        Some(Power::Write)
    );
    // expired
    assert_eq!(
        now.writer(&Who::Bob.key(), SECOND + 11),
        Some(Err(Why::NotAllowed))
    );
    // nobody has said whose key this is
    assert_eq!(now.writer(&Who::Carol.key(), SECOND), None);
    // somebody else claims to be Bob: her device is none of his
    let mut forged = bob.claim(&Who::Eve.author().key, &alice.did());
    if let (Note::Claim { proofs, .. }, Note::Claim { proofs: hers, .. }) =
        (&mut forged, eve.claim(&Who::Eve.author().key, &alice.did()))
    {
        *proofs = hers;
    }
    say(
        &view,
        Who::Eve,
        NOW,
        vec![write_notes(VIEW, &[forged]).unwrap()],
    );
    assert_eq!(guests(&view).writer(&Who::Eve.key(), SECOND), None);
    // and as herself she was given nothing
    let own = eve.claim(&Who::Eve.author().key, &alice.did());
    say(
        &view,
        Who::Eve,
        NOW,
        vec![write_notes(VIEW, &[own]).unwrap()],
    );
    assert_eq!(
        guests(&view).writer(&Who::Eve.key(), SECOND),
        Some(Err(Why::NotAllowed))
    );
    // a guest's note does not revoke, or grant
    let hers = Grant::sign(
        &eve.device(),
        eve.did(),
        Power::Write,
        (VIEW, &predicate()),
        None,
        b"hers",
    )
    .unwrap();
    let notes = [
        Note::Revoked(*grant.id()),
        Note::Grant(hers.delegation.bytes().to_vec()),
    ];
    say(
        &view,
        Who::Eve,
        NOW,
        vec![write_notes(VIEW, &notes).unwrap()],
    );
    let now = guests(&view);
    assert_eq!(
        now.writer(&Who::Eve.key(), SECOND),
        Some(Err(Why::NotAllowed))
    );
    assert!(now.writer(&Who::Bob.key(), SECOND).unwrap().is_ok());
    // the owner's does
    let note = Note::Revoked(*grant.id());
    say(
        &view,
        Who::Phone,
        NOW,
        vec![write_notes(VIEW, &[note]).unwrap()],
    );
    let now = guests(&view);
    assert_eq!(
        now.writer(&Who::Bob.key(), SECOND),
        Some(Err(Why::NotAllowed))
    );
    assert_eq!(now.rights(bob.did().did(), SECOND).power, None);
}

#[test]
fn a_grant_of_another_view_is_none_of_this_one() {
    let (alice, bob) = (Person::new(31), Person::new(32));
    let (view, _) = granted(&alice, &bob, Power::Read, None);
    let other = (
        "did:key:z6MkAnotherView",
        &"title: x".parse::<Predicate>().unwrap(),
    );
    let foreign = Grant::sign(
        &alice.device(),
        bob.did(),
        Power::Write,
        other,
        None,
        b"other",
    )
    .unwrap();
    let bytes = foreign.delegation.bytes().to_vec();
    let mut claim = bob.claim(&Who::Bob.author().key, &alice.did());
    if let Note::Claim { proofs, .. } = &mut claim {
        proofs.push(bytes.clone());
    }
    let notes = [claim, Note::Grant(bytes)];
    say(
        &view,
        Who::Bob,
        NOW,
        vec![write_notes(VIEW, &notes).unwrap()],
    );
    let now = Guests::read(VIEW, &view.snapshot()).unwrap();
    assert_eq!(
        now.writer(&Who::Bob.key(), SECOND),
        Some(Err(Why::NotAllowed))
    );
    assert_eq!(now.rights(bob.did().did(), SECOND).power, Some(Power::Read));
}

#[test]
fn who_may_read_may_not_write() {
    let (alice, bob) = (Person::new(31), Person::new(32));
    for power in [Power::Read, Power::Propose] {
        let (view, _) = granted(&alice, &bob, power, None);
        let now = Guests::read(VIEW, &view.snapshot()).unwrap();
        assert_eq!(
            now.writer(&Who::Bob.key(), SECOND),
            Some(Err(Why::NotAllowed))
        );
    }
}

#[test]
fn a_predicate_with_an_empty_list_grants_nothing() {
    let (alice, bob) = (Person::new(31), Person::new(32));
    let has = || "shared: true".parse::<Predicate>().unwrap();
    for empty in [
        Predicate::All(vec![]),
        Predicate::Any(vec![]),
        Predicate::Any(vec![has(), Predicate::All(vec![])]),
        Predicate::All(vec![has(), Predicate::Any(vec![])]),
    ] {
        let signed = Grant::sign(
            &alice.device(),
            bob.did(),
            Power::Write,
            (VIEW, &empty),
            None,
            b"grant",
        );
        assert!(signed.is_err(), "{empty:?}");
    }
}

#[test]
fn what_one_device_does_not_know_it_does_not_take_back() {
    let (laptop, phone) = (pod(), pod());
    let (one, two) = (view(), view());
    let e = shared_photo(&laptop, 1);
    give(&laptop, &phone);
    tended(&laptop, &one);
    give(&one, &two);
    write(
        &laptop,
        Who::Laptop,
        NOW + 1,
        vec![Edit::Assert(e, attr("title"), "new".into())],
    );
    tend(&laptop, &one, Who::Laptop, NOW, &|_| true, None);
    give(&one, &two);
    // the phone has the view of now and the pod of before
    tend(&phone, &two, Who::Phone, NOW, &|_| true, None);
    assert_eq!(tuples(&two.snapshot()), shared(&laptop.snapshot()));
    let some: BTreeSet<_> = [e].into();
    let again = tend(&laptop, &one, Who::Laptop, NOW, &|_| true, Some(&some));
    assert_eq!(again.changed, 0);
}

/// A delegation that says it is in place of Bob's grant.
struct Word<'a> {
    by: &'a Device<'a>,
    subject: Principal,
    to: Principal,
    instead: String,
    predicate: Predicate,
}

impl Word<'_> {
    fn note(&self, n: u8) -> Note {
        let command: Command = Power::Write.command().parse().unwrap();
        let policy: Policy = self.predicate.to_policy().unwrap();
        let delegation = Delegation::to(self.to.clone(), command)
            .subject(self.subject.clone())
            .policy(policy)
            .meta("view", "did:key:z6MkNew")
            .meta("instead", self.instead.clone())
            .meta("key", Who::Bob.key().to_did_key());
        let delegation = delegation.sign(self.by, &[n; 8]).unwrap();
        Note::Moved(Moved {
            delegation: delegation.bytes().to_vec(),
            places: Vec::new(),
            wraps: Vec::new(),
        })
    }
}

#[test]
fn where_a_grant_goes_on_is_said_by_a_device_of_the_owners_and_by_nobody_else() {
    let (mut alice, bob, eve) = (Person::new(61), Person::new(62), Person::new(63));
    let (view, grant) = granted(&alice, &bob, Power::Write, None);
    // a phone that is taken out later
    let stolen = SigningKey::from_seed([64; 32]);
    let kem = KemSecret::from_seed(Secret::random(&mut |out: &mut [u8]| out.fill(64)));
    let device = rhizome_identity::Device {
        key: stolen.public(),
        kem: kem.public(),
        role: rhizome_identity::Role::Admin,
    };
    let mut add = alice.log.add_device(&alice.key.public(), device).unwrap();
    add.sign(&alice.key).unwrap();
    add.sign(&stolen).unwrap();
    alice.log.insert(add.complete().unwrap()).unwrap();
    let before = alice.log.clone();
    let target = before
        .resolve()
        .device(&stolen.public())
        .unwrap()
        .incarnation;
    let mut remove = alice
        .log
        .remove_device(&alice.key.public(), target, Vec::new())
        .unwrap();
    remove.sign(&alice.key).unwrap();
    alice.log.insert(remove.complete().unwrap()).unwrap();

    let own = alice.did();
    let (hers, phone, other) = (
        alice.device(),
        Device::new(&own, &stolen).unwrap(),
        eve.device(),
    );
    let word = |by| Word {
        by,
        subject: own.clone(),
        to: bob.did(),
        instead: grant.id().to_string(),
        predicate: predicate(),
    };
    let nothing = Grant::sign(
        &hers,
        bob.did(),
        Power::Write,
        (VIEW, &predicate()),
        None,
        b"not there",
    );
    let bad = [
        // by somebody else
        word(&other),
        // about somebody else's pod
        Word {
            subject: eve.did(),
            ..word(&hers)
        },
        // more than there was
        Word {
            predicate: "is-photo: true".parse().unwrap(),
            ..word(&hers)
        },
        // in place of what was never given here
        Word {
            instead: nothing.unwrap().id().to_string(),
            ..word(&hers)
        },
        Word {
            instead: "nonsense".into(),
            ..word(&hers)
        },
    ];
    let mut notes: Vec<Note> = bad.iter().zip(0..).map(|(word, n)| word.note(n)).collect();
    notes.push(Note::Moved(Moved {
        delegation: vec![0x82],
        places: Vec::new(),
        wraps: Vec::new(),
    }));
    notes.push(word(&phone).note(9));
    let later = NOW + 1000;
    let who = eve.claim(&Who::Eve.author().key, &alice.did());
    let leaf = write_notes(VIEW, &[who]).unwrap();
    say(&view, Who::Eve, NOW, vec![leaf]);
    // whoever can leave notes there
    for (n, note) in notes.iter().enumerate() {
        let leaf = write_notes(VIEW, std::slice::from_ref(note)).unwrap();
        say(
            &view,
            Who::Eve,
            later + i64::try_from(n).unwrap(),
            vec![leaf],
        );
    }
    let mut now = Guests::read(VIEW, &view.snapshot()).unwrap();
    now.learn(&before);
    let count = now.moved().count();
    assert_eq!(
        count, 1,
        "the phone's word counts until it is known to be out"
    );
    now.learn(&alice.log);
    assert_eq!(now.moved().count(), 0);
    // the laptop's counts, by whatever key it was left
    let leaf = write_notes(VIEW, &[word(&hers).note(10)]).unwrap();
    say(&view, Who::Eve, later + 100, vec![leaf]);
    let mut now = Guests::read(VIEW, &view.snapshot()).unwrap();
    now.learn(&alice.log);
    let found: Vec<_> = now.moved().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.id(), grant.id());
    let instead = found[0].1.instead().unwrap();
    assert_eq!((instead.grant, instead.key), (*grant.id(), Who::Bob.key()));
}

#[test]
fn a_key_is_said_to_be_known_by_its_guest_alone() {
    let (alice, bob, eve) = (Person::new(71), Person::new(72), Person::new(73));
    let (view, grant) = granted(&alice, &bob, Power::Write, None);
    let claim = eve.claim(&Who::Eve.author().key, &alice.did());
    let key = SigningKey::from_seed([74; 32]).public();
    let handed = rhizome_view::Handed {
        to: bob.did().did().to_owned(),
        grant: *grant.id(),
        key,
        wraps: Vec::new(),
    };
    let known = |who: Who, at: i64, notes: &[Note]| {
        say(
            &view,
            who,
            NOW + at,
            vec![write_notes(VIEW, notes).unwrap()],
        );
        Guests::read(VIEW, &view.snapshot())
            .unwrap()
            .is_known(&handed)
    };
    assert!(!known(Who::Eve, 1, &[claim, Note::Known(key)]));
    assert!(!known(Who::Bob, 2, &[Note::Known(eve.key.public())]));
    assert!(known(Who::Bob, 3, &[Note::Known(key)]));
}
