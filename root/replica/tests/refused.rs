//! What is refused, and what is kept although somebody lied.

use crate::{forge::*, oracle::expected, world::*};
use rhizome_ipld::{SignatureError, codec};
use rhizome_replica::{Edit, LeafBytes, Record, Replica, ReplicaError};
use rhizome_tuple::{
    Commit, CommitId, EpochSecret, Leaf, MAX_FRONTIER, MAX_LEAVES, Op, SealedLeaf, TupleError,
    Value,
};

fn v(s: &str) -> Value {
    Value::from(s)
}

fn named(name: &str) -> Vec<Op> {
    vec![Op::assert(attr("name"), v(name))]
}

/// The record is refused, for a reason that `why` accepts, and nothing of a batch with it is taken.
#[track_caller]
pub fn refused(r: &Replica, record: &Record, why: impl Fn(&ReplicaError) -> bool) {
    let before = (
        r.snapshot().commit_count(),
        r.snapshot().digest().unwrap(),
        records(r),
    );
    let good = first(8, 1 << 16, entity(77), named("good"));
    for batch in [
        vec![record.clone()],
        vec![good.record.clone(), record.clone()],
        vec![record.clone(), good.record.clone()],
    ] {
        match r.receive(batch) {
            Ok(_) => panic!("it was taken"),
            Err(e) => assert!(why(&e), "{e:?}"),
        }
    }
    let after = (
        r.snapshot().commit_count(),
        r.snapshot().digest().unwrap(),
        records(r),
    );
    assert_eq!(before, after);
}

#[test]
fn broken_records_are_refused_and_nothing_of_their_batch_is_taken() {
    let (_, r) = fresh();
    let key = author(1).key;
    let sheets = [
        Sheet::Ops(entity(1), named("one")),
        Sheet::Ops(entity(2), named("two")),
        Sheet::Ops(entity(3), named("three")),
    ];
    let forged = forge(&key, header(&key, 0, None, 1 << 16, 1), &sheets);
    let whole = &forged.record;
    let signature = |e: &ReplicaError| matches!(e, ReplicaError::Signature(_));
    let root = |e: &ReplicaError| matches!(e, ReplicaError::Tuple(TupleError::Root));

    // every truncation and every changed byte of the envelope
    for n in 0..whole.envelope.len() {
        let mut cut = whole.clone();
        cut.envelope.truncate(n);
        assert!(matches!(r.receive(vec![cut]), Err(e) if signature(&e)));
        let mut changed = whole.clone();
        changed.envelope[n] ^= 1;
        assert!(matches!(r.receive(vec![changed]), Err(e) if signature(&e)));
    }
    let mut longer = whole.clone();
    longer.envelope.push(0);
    refused(&r, &longer, signature);
    longer.envelope = vec![0; 1 << 20];
    refused(&r, &longer, signature);
    longer.envelope.clear();
    refused(&r, &longer, signature);

    // leaves: too few, too many, in another order, changed, exchanged for hashes of others
    let with = |f: &dyn Fn(&mut Vec<LeafBytes>)| {
        let mut record = whole.clone();
        f(&mut record.leaves);
        record
    };
    refused(&r, &with(&|l| drop(l.pop())), root);
    refused(&r, &with(&Vec::clear), root);
    refused(&r, &with(&|l| l.push(l[0].clone())), root);
    refused(&r, &with(&|l| l.swap(0, 1)), root);
    refused(&r, &with(&|l| l[1] = LeafBytes::Sealed(Vec::new())), root);
    refused(&r, &with(&|l| l[1] = LeafBytes::Erased([0; 32])), root);
    refused(&r, &with(&|l| l[1] = LeafBytes::Erased(l[0].hash())), root);
    for i in 0..20 {
        let change = |l: &mut Vec<LeafBytes>| {
            if let LeafBytes::Sealed(b) = &mut l[i % 3] {
                let n = b.len();
                b[i * 7 % n] ^= 0x80;
            }
        };
        refused(&r, &with(&change), root);
    }

    // a leaf larger than any leaf may be, properly signed
    let huge = Sheet::Noise(vec![0; SealedLeaf::MAX_LEN + 1]);
    let huge = forge(&key, header(&key, 0, None, 1 << 16, 2), &[huge]);
    refused(&r, &huge.record, |e| {
        matches!(e, ReplicaError::Tuple(TupleError::LeafTooLarge))
    });

    // headers that are signed, and wrong
    let wrong: [fn(&mut Commit); 8] = [
        |h| h.v = 2,
        |h| h.pod = "key:no-did".into(),
        |h| h.pod = format!("did:{}", "x".repeat(300)),
        |h| h.prev = Some(CommitId([1; 32])),
        |h| h.seq = 1,
        |h| h.leaves = 0,
        |h| h.leaves = MAX_LEAVES as u32 + 1,
        |h| {
            let one = rhizome_tuple::Head(h.device, 0, CommitId([0; 32]));
            h.frontier = vec![one; MAX_FRONTIER + 1];
        },
    ];
    let algorithm = rhizome_ipld::varsig::Algorithm::Ed25519.header();
    let signed = |payload: &[u8]| Record {
        envelope: envelope(payload, algorithm, &sign(&key, payload)),
        leaves: whole.leaves.clone(),
    };
    for change in wrong {
        let mut h = forged.header.clone();
        change(&mut h);
        refused(&r, &signed(&codec::encode(&h).unwrap()), |e| {
            matches!(
                e,
                ReplicaError::Tuple(TupleError::Header(_) | TupleError::Leaves(_))
            )
        });
    }
    // a payload that is signed, but not the one encoding of a header: a field more, one missing, another order, trailing bytes
    let good = codec::encode(&forged.header).unwrap();
    let mut map: ipld_core::ipld::Ipld = codec::decode(&good, good.len()).unwrap();
    let ipld_core::ipld::Ipld::Map(fields) = &mut map else {
        panic!()
    };
    let hlc = fields.remove("hlc").unwrap();
    let missing = codec::encode(&map).unwrap();
    let ipld_core::ipld::Ipld::Map(fields) = &mut map else {
        panic!()
    };
    fields.insert("hlc".into(), hlc);
    fields.insert("more".into(), ipld_core::ipld::Ipld::Null);
    let more = codec::encode(&map).unwrap();
    let mut trailing = good.clone();
    trailing.push(0);
    let long = codec::encode(&vec![0u8; 70_000]).unwrap();
    for payload in [&missing[..], &more, &trailing, &long, &[], b"\xa0", b"\x80"] {
        refused(&r, &signed(payload), |e| {
            matches!(
                e,
                ReplicaError::Signature(SignatureError::Payload(_) | SignatureError::Envelope(_))
            )
        });
    }

    assert_eq!(r.snapshot().commit_count(), 0);
    r.receive(vec![whole.clone()]).unwrap();
    assert_eq!(r.snapshot().len(), 3);
}

#[test]
fn strangers_other_pods_and_unknown_epochs_are_refused() {
    let (_, r) = fresh();
    let stranger = rhizome_ipld::SigningKey::from_seed([200; 32]);
    let strange = forge(
        &stranger,
        header(&stranger, 0, None, 1 << 16, 1),
        &[Sheet::Ops(entity(1), named("stranger"))],
    );
    refused(
        &r,
        &strange.record,
        |e| matches!(e, ReplicaError::UnknownAuthor(k) if *k == stranger.public()),
    );

    let key = author(1).key;
    let mut abroad = header(&key, 0, None, 1 << 16, 2);
    abroad.pod = "did:key:z6MkAnotherPod".into();
    let abroad = forge(&key, abroad, &[Sheet::Ops(entity(1), named("abroad"))]);
    refused(
        &r,
        &abroad.record,
        |e| matches!(e, ReplicaError::WrongPod { found, .. } if found == "did:key:z6MkAnotherPod"),
    );

    let unknown = EpochSecret::new(&[77; 32]);
    let h = header(&key, 0, None, 1 << 16, 3);
    let plaintext = Leaf::encode(&named("later")).unwrap();
    let sealed = unknown
        .seal(&entity(1), &h.address(0), &plaintext)
        .unwrap()
        .to_bytes()
        .unwrap();
    let later = forge(&key, h, &[Sheet::Noise(sealed)]);
    refused(
        &r,
        &later.record,
        |e| matches!(e, ReplicaError::NoKey(id) if *id == unknown.id().0),
    );

    // once there is a certificate, what the stranger wrote is welcome
    r.admit(stranger.public(), "a friend").unwrap();
    r.receive(vec![strange.record]).unwrap();
    let s = r.snapshot();
    assert_eq!(values(&s, entity(1), "name"), [v("stranger")]);
    let conflicts = s.history(s.eid(&entity(1)).unwrap()).unwrap();
    assert_eq!(conflicts[0].by.app.as_deref(), Some("a friend"));
}

#[test]
fn lies_about_chains_are_kept_as_they_are_and_reported() {
    let (kv, r) = fresh();
    let key = author(1).key;
    let e = entity(1);
    let sheet = |n: &str| [Sheet::Ops(e, named(n))];
    let forged = |seq, prev, nonce: u128, n: &str| {
        let mut h = header(&key, seq, prev, (nonce as u64) << 16, nonce);
        // heads that do not exist, of keys that do not exist, twice
        let nobody = rhizome_ipld::PublicKey::Ed25519([3; 32]);
        h.frontier = vec![head(nobody, u64::MAX, CommitId([3; 32])); 2];
        forge(&key, h, &sheet(n))
    };
    let gap = forged(
        7,
        Some(CommitId([8; 32])),
        1,
        "a gap and a predecessor from nowhere",
    );
    let stranger = first(2, 2 << 16, e, named("another chain"));
    let wrong_chain = forged(1, Some(stranger.id), 3, "a predecessor in another chain");
    let wrong_place = forged(100, Some(gap.id), 4, "a predecessor at another place");
    let last = forged(u64::MAX, Some(gap.id), 5, "the last place");
    let after_last = forged(0, None, 6, "the first place");
    let all = [gap, stranger, wrong_chain, wrong_place, last, after_last];
    let records: Vec<Record> = all.iter().map(|f| f.record.clone()).collect();
    r.receive(records.clone()).unwrap();
    let want = expected(&records.iter().map(read).collect::<Vec<_>>());
    assert_eq!(r.snapshot().canonical().unwrap(), want.canonical());
    r.flush().unwrap();
    drop(r);
    let r = open(&kv);
    let report = r.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!((report.findings, report.strays), (vec![], 3));
    // the chain has no place left; other keys go on
    let edit = || vec![Edit::Assert(e, attr("name"), v("next"))];
    let full = r.write(
        &author(1),
        edit(),
        9,
        nonce(),
        rhizome_storage::Durability::Durable,
    );
    assert!(matches!(full, Err(ReplicaError::Full(_))));
    let full = r.import(&author(1), edit(), 9, &mut |b| b.fill(1));
    assert!(matches!(full, Err(ReplicaError::Full(_))));
    write(&r, 2, 9, edit());
    assert_eq!(values(&r.snapshot(), e, "name"), [v("next")]);
}

#[test]
fn clocks_that_lie_win_but_lose_nothing_and_pull_nobody_along() {
    let (_, r) = fresh();
    let e = entity(1);
    let liar = first(1, u64::MAX, e, named("from the future"));
    r.receive(vec![liar.record]).unwrap();
    write(&r, 2, 5000, vec![Edit::Assert(e, attr("name"), v("now"))]);
    let s = r.snapshot();
    // whoever saw it replaces it, whatever its clock says
    assert_eq!(values(&s, e, "name"), [v("now")]);
    let by = s.history(s.eid(&e).unwrap()).unwrap();
    let mine = by.iter().find(|h| h.by.author == author(2).key.public());
    let drift = mine.unwrap().by.hlc.ms() - 5000;
    assert!((0..=rhizome_tuple::Hlc::MAX_DRIFT_MS as i64).contains(&drift));
}

#[test]
fn withheld_leaves_are_missed_and_taken_when_they_come() {
    let (kv, r) = fresh();
    let key = author(1).key;
    let sheets: Vec<Sheet> = (0..4).map(|n| Sheet::Ops(entity(n), named("x"))).collect();
    let forged = forge(&key, header(&key, 0, None, 1 << 16, 1), &sheets);
    let mut hollow = forged.record.clone();
    for i in [1, 2] {
        hollow.leaves[i] = LeafBytes::Erased(hollow.leaves[i].hash());
    }
    r.receive(vec![hollow.clone()]).unwrap();
    let report = r.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!(
        (report.findings, report.missing, report.tuples),
        (vec![], 2, 2)
    );
    // one of them comes with a commit that erases it: it stays away
    let erase = after(
        &forged,
        1,
        2 << 16,
        entity(2),
        vec![Op::Erase {
            leaves: vec![forged.leaf(2)],
        }],
    );
    let change = r
        .receive(vec![forged.record.clone(), erase.record, hollow])
        .unwrap();
    assert!(change.reset);
    r.flush().unwrap();
    let (_, other) = fresh();
    other.receive(records(&r)).unwrap();
    drop(r);
    for r in [open(&kv), other] {
        let report = r.snapshot().verify(&mut |_, _| ()).unwrap();
        assert_eq!(
            (
                report.findings,
                report.missing,
                report.erased,
                report.tuples
            ),
            (vec![], 0, 1, 3)
        );
        let bytes = |i: usize| records(&r)[0].leaves[i].clone();
        assert!(matches!(bytes(1), LeafBytes::Sealed(_)));
        assert!(matches!(bytes(2), LeafBytes::Erased(_)));
    }
}
