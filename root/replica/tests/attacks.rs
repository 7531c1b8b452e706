//! Attacks by name: two faces, false names, second signatures, replays.

use crate::{forge::*, oracle::expected, refused::refused, world::*};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use rhizome_ipld::{Payload, SignatureError, codec};
use rhizome_replica::{LeafBytes, Record, ReplicaError};
use rhizome_tuple::{Commit, CommitId, Leaf, ListOp, Op, SealedLeaf, Value, leaf_hash};
use sha2::Sha512;

fn v(s: &str) -> Value {
    Value::from(s)
}

fn named(name: &str) -> Vec<Op> {
    vec![Op::assert(attr("name"), v(name))]
}

#[test]
fn equivocation_in_opposite_order() {
    let e = entity(1);
    let base = first(1, 1 << 16, e, named("base"));
    // two commits with one place in the chain, which contradict one another in every way there is
    let sides = ["left", "right"].map(|side| {
        let ops = vec![
            Op::Assert {
                attribute: attr("name"),
                value: v(side),
                supersedes: vec![base.op(0, 0)],
            },
            Op::Insert {
                attribute: attr("tag"),
                value: v(side),
            },
            Op::Add {
                attribute: attr("count"),
                n: side.len() as i64,
            },
            Op::List(ListOp {
                attribute: attr("list"),
                position: vec![128],
                value: v(side),
                supersedes: Vec::new(),
            }),
        ];
        after(&base, 1, 2 << 16, e, ops)
    });
    // and a reply to one of them, whose author never saw the other
    let reply = first(
        2,
        3 << 16,
        e,
        vec![Op::Retract {
            attribute: attr("tag"),
            supersedes: vec![sides[0].op(0, 1)],
        }],
    );
    let mut all = vec![base.clone(), sides[0].clone(), sides[1].clone(), reply];
    let want = expected(&all.iter().map(|f| read(&f.record)).collect::<Vec<_>>());
    let mut digests = Vec::new();
    for _ in 0..2 {
        let (_, r) = fresh();
        for forged in &all {
            r.receive(vec![forged.record.clone()]).unwrap();
        }
        let s = r.snapshot();
        assert_eq!(s.canonical().unwrap(), want.canonical());
        let forks = s.forks();
        assert_eq!(forks.len(), 1);
        assert_eq!((forks[0].author, forks[0].seq), (author(1).key.public(), 1));
        assert_eq!(
            s.conflicts(s.eid(&e).unwrap(), s.aid("name").unwrap())
                .unwrap()
                .len(),
            2
        );
        let report = s.verify(&mut |_, _| ()).unwrap();
        assert_eq!((report.findings, report.forks), (vec![], 1));
        digests.push((s.digest().unwrap(), s.heads()));
        all.reverse();
    }
    let heads = |h: &[(rhizome_ipld::PublicKey, u64, CommitId)]| {
        let mut h = h.to_vec();
        h.sort();
        h
    };
    assert_eq!(digests[0].0, digests[1].0);
    assert_eq!(heads(&digests[0].1), heads(&digests[1].1));
}

#[test]
fn forged_inner_author() {
    let (_, r) = fresh();
    let honest = first(1, 1 << 16, entity(1), named("hers"));
    r.receive(vec![honest.record.clone()]).unwrap();
    let invalid =
        |e: &ReplicaError| matches!(e, ReplicaError::Signature(SignatureError::Invalid { .. }));

    // a commit that names another author than the key that signed it
    let (mine, hers) = (author(2).key, author(1).key);
    let mut claimed = header(&hers, 1, Some(honest.id), 9 << 16, 1);
    claimed.leaves = 1;
    let LeafBytes::Sealed(leaf) = &honest.record.leaves[0] else {
        panic!()
    };
    claimed.root = leaf_hash(leaf);
    let bytes = codec::encode(&claimed).unwrap();
    let algorithm = rhizome_ipld::varsig::Algorithm::Ed25519.header();
    let record = |signature: &[u8]| Record {
        envelope: envelope(&bytes, algorithm, signature),
        leaves: honest.record.leaves.clone(),
    };
    refused(&r, &record(&sign(&mine, &bytes)), invalid);
    // a signature of hers, but for something else
    let mut other = b"rhizome/other@1\0".to_vec();
    other.extend_from_slice(&bytes);
    refused(&r, &record(&hers.sign(&other)), invalid);
    refused(&r, &record(&hers.sign(&bytes)), invalid);
    refused(&r, &record(&[0; 64]), invalid);
    let old = codec::decode::<(
        serde_bytes::ByteBuf,
        serde_bytes::ByteBuf,
        serde_bytes::ByteBuf,
    )>(&honest.record.envelope, 1 << 20)
    .unwrap()
    .2;
    refused(&r, &record(&old), invalid);
    // her own header with another key in it: the signature does not go with it
    let mut stolen = honest.header.clone();
    stolen.device = mine.public();
    refused(
        &r,
        &Record {
            envelope: envelope(&codec::encode(&stolen).unwrap(), algorithm, &old),
            leaves: honest.record.leaves.clone(),
        },
        invalid,
    );

    // Her leaf in a commit of mine, signed by me: at another place it is void; at the same place (same nonce and index) it is a copy,
    // and I am the one who said it.
    let before = r.snapshot().digest().unwrap();
    let moved = forge(
        &mine,
        header(&mine, 0, None, 9 << 16, 99),
        &[Sheet::Noise(leaf.clone())],
    );
    let shifted = forge(
        &mine,
        {
            let mut h = header(&mine, 1, Some(moved.id), 9 << 16, 0);
            h.nonce = honest.header.nonce;
            h
        },
        &[Sheet::Noise(vec![1]), Sheet::Noise(leaf.clone())],
    );
    r.receive(vec![moved.record, shifted.record]).unwrap();
    assert_eq!(r.snapshot().digest().unwrap(), before);
    let mut same = header(&mine, 2, Some(shifted.id), 9 << 16, 0);
    same.nonce = honest.header.nonce;
    let copy = forge(&mine, same, &[Sheet::Noise(leaf.clone())]);
    r.receive(vec![copy.record]).unwrap();
    let s = r.snapshot();
    let e = s.eid(&entity(1)).unwrap();
    let both: Vec<_> = s
        .conflicts(e, s.aid("name").unwrap())
        .unwrap()
        .into_iter()
        .map(|c| c.1.author)
        .collect();
    assert_eq!(both, [hers.public(), mine.public()]);

    // the entity that a leaf is about cannot be exchanged, nor the pod it was written for
    let mut sealed = SealedLeaf::from_bytes(leaf).unwrap();
    let (from, to) = (entity(1), entity(2));
    for ((x, a), b) in sealed
        .locator
        .iter_mut()
        .zip(from.as_bytes())
        .zip(to.as_bytes())
    {
        *x ^= a ^ b;
    }
    let mut h = header(&mine, 3, None, 9 << 16, 0);
    h.prev = Some(CommitId([0; 32]));
    h.nonce = honest.header.nonce;
    let moved = forge(&mine, h, &[Sheet::Noise(sealed.to_bytes().unwrap())]);
    let mut abroad = header(&mine, 4, Some(moved.id), 9 << 16, 0);
    abroad.nonce = honest.header.nonce;
    let mut address = abroad.address(0);
    address.pod = *blake3::hash(b"did:key:another").as_bytes();
    let plaintext = Leaf::encode(&named("abroad")).unwrap();
    let foreign = epoch()
        .seal(&entity(3), &address, &plaintext)
        .unwrap()
        .to_bytes()
        .unwrap();
    let abroad = forge(&mine, abroad, &[Sheet::Noise(foreign)]);
    r.receive(vec![moved.record, abroad.record]).unwrap();
    let s = r.snapshot();
    assert!(s.eid(&entity(2)).is_none() && s.eid(&entity(3)).is_none());
    let report = s.verify(&mut |_, _| ()).unwrap();
    assert_eq!((report.findings, report.void), (vec![], 5));
}

#[test]
fn a_second_signature_makes_no_second_commit() {
    let (_, r) = fresh();
    let forged = first(1, 1 << 16, entity(1), named("once"));
    let bytes = payload(&forged.record.envelope);
    let algorithm = rhizome_ipld::varsig::Algorithm::Ed25519.header();
    // Ed25519 signatures are deterministic by convention only: with another prefix for its secret nonce the key signs differently
    let expanded = ExpandedSecretKey::from(&[1; 32]);
    let other = ExpandedSecretKey {
        scalar: expanded.scalar,
        hash_prefix: [5; 32],
    };
    let mut input = Commit::DOMAIN.as_bytes().to_vec();
    input.push(0);
    input.extend_from_slice(&bytes);
    let public = ed25519_dalek::VerifyingKey::from(&expanded);
    let second = raw_sign::<Sha512>(&other, &input, &public).to_bytes();
    let first_signature = sign(&author(1).key, &bytes);
    assert_ne!(second, first_signature);
    let again = Record {
        envelope: envelope(&bytes, algorithm, &second),
        leaves: forged.record.leaves.clone(),
    };
    r.receive(vec![forged.record.clone(), again.clone()])
        .unwrap();
    r.receive(vec![again]).unwrap();
    assert_eq!(r.snapshot().commit_count(), 1);
    assert!(r.snapshot().forks().is_empty());

    // the malleated form (s + ℓ) and flipped bits are no signatures at all
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleated = first_signature;
    let mut carry = 0u16;
    for (s, l) in malleated[32..].iter_mut().zip(order) {
        carry += u16::from(*s) + u16::from(l);
        *s = carry as u8;
        carry >>= 8;
    }
    let (_, r) = fresh();
    for signature in (0..64)
        .map(|i| {
            let mut s = first_signature;
            s[i] ^= 1;
            s
        })
        .chain([malleated])
    {
        let record = Record {
            envelope: envelope(&bytes, algorithm, &signature),
            leaves: forged.record.leaves.clone(),
        };
        refused(&r, &record, |e| matches!(e, ReplicaError::Signature(_)));
    }
}

#[test]
fn replayed_commits_change_nothing() {
    let (kv, r) = fresh();
    let e = entity(1);
    let one = first(
        1,
        1 << 16,
        e,
        vec![Op::Add {
            attribute: attr("count"),
            n: 5,
        }],
    );
    let two = after(
        &one,
        1,
        2 << 16,
        e,
        vec![Op::Retract {
            attribute: attr("count"),
            supersedes: vec![one.op(0, 0)],
        }],
    );
    r.receive(vec![one.record.clone(), two.record.clone()])
        .unwrap();
    let want = (r.snapshot().commit_count(), r.snapshot().digest().unwrap());
    for _ in 0..3 {
        let change = r
            .receive(vec![
                two.record.clone(),
                one.record.clone(),
                one.record.clone(),
            ])
            .unwrap();
        assert!(change.added.is_empty() && change.removed.is_empty() && !change.reset);
    }
    r.flush().unwrap();
    drop(r);
    let r = open(&kv);
    r.receive(vec![one.record]).unwrap();
    assert_eq!(
        (r.snapshot().commit_count(), r.snapshot().digest().unwrap()),
        want
    );
    assert!(r.snapshot().forks().is_empty());
}
