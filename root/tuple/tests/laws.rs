//! What must hold for every input.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use rhizome_ipld::{SigningKey, cid_raw_blake3, codec};
use rhizome_tuple::{
    Attribute, Commit, CommitId, EntityId, EpochSecret, Hlc, Leaf, LeafAddress, LeafId, ListOp,
    MAX_ATTRIBUTE_LEN, MAX_LEAF_LEN, MAX_OPS_PER_LEAF, MAX_SUPERSEDES, MAX_VALUE_LEN, MerkleProof,
    Op, OpId, Quote, SealedLeaf, TupleError, Value, leaf_hash, merkle_root,
};

fn entity() -> impl Strategy<Value = EntityId> {
    any::<[u8; 24]>().prop_map(EntityId::from_bytes)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    "[a-zä-ö🪱]{1,20}(/[a-z]{1,9})?".prop_map(|s| Attribute::new(&s).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter_map("finite", |x| Value::float(x).ok()),
        any::<i64>().prop_map(Value::Time),
        ".{0,40}".prop_map(Value::Text),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        entity().prop_map(Value::Ref),
        any::<[u8; 32]>().prop_map(|h| Value::Blob(cid_raw_blake3(h))),
    ]
}

fn supersedes() -> impl Strategy<Value = Vec<OpId>> {
    let id = any::<([u8; 32], u32, u32)>().prop_map(|(c, l, o)| OpId(CommitId(c), l, o));
    vec(id, 0..4)
}

fn statement() -> impl Strategy<Value = Op> {
    prop_oneof![
        (attribute(), value(), supersedes()).prop_map(|(attribute, value, supersedes)| {
            Op::Assert {
                attribute,
                value,
                supersedes,
            }
        }),
        (attribute(), supersedes()).prop_map(|(attribute, supersedes)| Op::Retract {
            attribute,
            supersedes
        }),
        (attribute(), any::<i64>()).prop_map(|(attribute, n)| Op::Add { attribute, n }),
        (attribute(), vec(any::<u8>(), 0..20))
            .prop_map(|(attribute, payload)| Op::Text { attribute, payload }),
        (attribute(), vec(any::<u8>(), 1..20), value(), supersedes()).prop_map(
            |(attribute, position, value, supersedes)| Op::List(ListOp {
                attribute,
                position,
                value,
                supersedes
            })
        ),
        (attribute(), value()).prop_map(|(attribute, value)| Op::Insert { attribute, value }),
        vec(any::<([u8; 32], u32)>(), 0..4).prop_map(|l| Op::Erase {
            leaves: l.into_iter().map(|(c, i)| LeafId(CommitId(c), i)).collect()
        }),
        vec(any::<u8>(), 0..=64).prop_map(|nonce| Op::Create { nonce }),
    ]
}

fn leaf_id() -> impl Strategy<Value = LeafId> {
    any::<([u8; 32], u32)>().prop_map(|(c, i)| LeafId(CommitId(c), i))
}

/// All kinds.
fn op() -> impl Strategy<Value = Op> {
    let quotable = statement().prop_filter("is quoted", |op| {
        !matches!(op, Op::Erase { .. } | Op::Text { .. })
    });
    let quote = (
        leaf_id(),
        any::<Option<[u8; 32]>>(),
        any::<u64>(),
        btree_map(0u32..65_536, quotable, 1..4),
    );
    prop_oneof![
        6 => statement(),
        1 => vec(leaf_id(), 0..4).prop_map(|leaves| Op::Withdraw { leaves }),
        1 => vec(any::<u8>(), 0..40).prop_map(|payload| Op::Note { payload }),
        1 => quote.prop_map(|(leaf, key, hlc, ops)| Op::Quote(Quote {
            leaf,
            author: key.map(|key| SigningKey::from_seed(key).public()),
            hlc: Hlc(hlc),
            ops: ops.into_iter().collect(),
        })),
    ]
}

proptest! {
    #[test]
    fn leaves_have_one_spelling(ops in vec(op(), 1..6), at in any::<prop::sample::Index>(), bit in 0..8) {
        let bytes = Leaf::encode(&ops).unwrap();
        prop_assert_eq!(&Leaf::decode(&bytes).unwrap(), &ops);
        // whatever else is read, is written as it was read
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= 1u8 << bit;
        if let Ok(other) = Leaf::decode(&changed) {
            prop_assert_ne!(&other, &ops);
            prop_assert_eq!(Leaf::encode(&other).unwrap(), changed);
        }
        prop_assert!(Leaf::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_leaf_opens_with_its_key_at_its_place_and_nowhere_else(
        secret in any::<[u8; 32]>(), e in entity(), pod in any::<[u8; 32]>(), commit_nonce in any::<[u8; 16]>(), index in any::<u32>(),
        plaintext in vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0..8,
    ) {
        let epoch = EpochSecret::new(&secret);
        let place = LeafAddress { pod, commit_nonce, index };
        let leaf = epoch.seal(&e, &place, &plaintext).unwrap();
        prop_assert_eq!(&epoch.seal(&e, &place, &plaintext).unwrap(), &leaf, "sealing is a function");
        let bytes = leaf.to_bytes().unwrap();
        prop_assert_eq!(&SealedLeaf::from_bytes(&bytes).unwrap(), &leaf);
        prop_assert_eq!(epoch.open(&leaf, &place).unwrap(), (e, plaintext.clone()));
        let flip = |b: &mut [u8]| { let n = b.len(); b[at.index(n)] ^= 1u8 << bit; };
        let mut elsewhere = [place; 3];
        flip(&mut elsewhere[0].pod);
        flip(&mut elsewhere[1].commit_nonce);
        elsewhere[2].index ^= 1 << (at.index(32) as u32);
        for other in elsewhere {
            prop_assert!(matches!(epoch.open(&leaf, &other), Err(TupleError::Seal)));
            prop_assert!(epoch.entity_key(&e).open(&e, &other, &leaf).is_err());
        }
        let mut other = *e.as_bytes();
        flip(&mut other);
        prop_assert!(epoch.entity_key(&e).open(&EntityId::from_bytes(other), &place, &leaf).is_err());
        let mut secret = secret;
        flip(&mut secret);
        let stranger = EpochSecret::new(&secret);
        prop_assert!(stranger.open(&leaf, &place).is_err());
        prop_assert!(stranger.entity_key(&e).open(&e, &place, &leaf).is_err());
        // any changed bit of the sealed bytes
        let mut changed = bytes.clone();
        flip(&mut changed);
        if let Ok(changed) = SealedLeaf::from_bytes(&changed) {
            prop_assert!(epoch.open(&changed, &place).is_err());
        }
        prop_assert!(SealedLeaf::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn proofs_lead_to_the_root_from_their_leaf_only(n in 1usize..70, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), bit in 0..8) {
        let hashes: Vec<_> = (0..n).map(|i| leaf_hash(&(i as u64).to_be_bytes())).collect();
        let root = merkle_root(&hashes).unwrap();
        let i = at.index(n);
        let proof = MerkleProof::new(&hashes, i as u32).unwrap();
        prop_assert!(proof.path.len() <= n.next_power_of_two().ilog2() as usize);
        prop_assert_eq!(proof.root(hashes[i]), Some(root));
        let j = other.index(n);
        if j != i {
            prop_assert_ne!(proof.root(hashes[j]), Some(root));
            let moved = MerkleProof { index: j as u32, ..proof.clone() };
            prop_assert_ne!(moved.root(hashes[i]), Some(root));
        }
        let mut leaf = hashes[i];
        leaf[other.index(32)] ^= 1u8 << bit;
        prop_assert_ne!(proof.root(leaf), Some(root));
        // another shape: longer, shorter, another number of leaves that changes where the leaf hangs
        let mut longer = proof.clone();
        longer.path.push([0; 32]);
        prop_assert_ne!(longer.root(hashes[i]), Some(root));
        let mut shorter = proof.clone();
        if shorter.path.pop().is_some() {
            prop_assert_ne!(shorter.root(hashes[i]), Some(root));
        }
        // an inner node passed off as a leaf
        if let Some(mut path) = (n > 1).then(|| proof.path.clone()) {
            let sibling = path.remove(0);
            let inner = MerkleProof { index: i as u32 / 2, leaves: n as u32, path };
            prop_assert_ne!(inner.root(sibling), Some(root));
        }
        prop_assert!(MerkleProof::new(&hashes, n as u32).is_none());
        let outside = MerkleProof { index: n as u32, ..proof };
        prop_assert_eq!(outside.root(hashes[i]), None);
    }

    #[test]
    fn huge_proofs_end(index in any::<u32>(), leaves in any::<u32>(), len in 0usize..80) {
        let proof = MerkleProof { index, leaves, path: vec![[7; 32]; len] };
        prop_assert!(proof.root([1; 32]).is_none() || len <= 32);
    }

    #[test]
    fn the_clock_of_a_chain_goes_up_and_others_pull_it_a_little_at_most(now in any::<i64>(), own in any::<u64>(), seen in any::<u64>()) {
        let next = Hlc::next(now, Hlc(own), Hlc(seen));
        prop_assert!(next > Hlc(own) || own == u64::MAX);
        prop_assert!(next >= Hlc::from_ms(now));
        let honest = Hlc::from_ms(now).0.saturating_add(Hlc::MAX_DRIFT_MS << 16);
        if own < honest {
            prop_assert!(next.0 <= honest.saturating_add(1));
            if seen <= honest && seen < u64::MAX {
                prop_assert!(next.0 > seen || next >= Hlc::from_ms(now));
            }
        }
        prop_assert!(Hlc(seen).display_ms(now) <= now.saturating_add(Hlc::MAX_DRIFT_MS as i64).max(0));
    }

    #[test]
    fn wall_times_are_kept(ms in 0i64..1 << 48) {
        prop_assert_eq!(Hlc::from_ms(ms).ms(), ms);
        prop_assert_eq!(Hlc::from_ms(-ms).ms(), 0);
    }

    #[test]
    fn entity_ids_have_one_text(bytes in any::<[u8; 24]>(), junk in ".{0,50}") {
        let id = EntityId::from_bytes(bytes);
        let text = id.to_string();
        prop_assert_eq!(text.parse::<EntityId>().unwrap(), id);
        let mut last = text.clone();
        // the last character carries two bits: others would be a second spelling
        last.pop();
        let spellings = "abcdefghijklmnopqrstuvwxyz234567".chars();
        let read = spellings.filter(|c| format!("{last}{c}").parse::<EntityId>().is_ok());
        prop_assert_eq!(read.count(), 4);
        prop_assert!(text.to_uppercase().parse::<EntityId>().is_err());
        prop_assert!(last.parse::<EntityId>().is_err());
        if let Ok(id) = junk.parse::<EntityId>() {
            prop_assert_eq!(id.to_string(), junk);
        }
    }

    #[test]
    fn nobody_has_made_the_entity_of_another(creator in "did:[a-z]{1,9}", other in "did:[a-z]{1,9}", nonce in vec(any::<u8>(), 0..40), cut in any::<prop::sample::Index>()) {
        let id = EntityId::derive(&creator, &nonce);
        if creator != other {
            prop_assert_ne!(EntityId::derive(&other, &nonce), id);
        }
        // the border between creator and nonce cannot be moved
        let at = cut.index(creator.len());
        let moved = [&creator.as_bytes()[at..], &[0], &nonce[..]].concat();
        prop_assert_ne!(EntityId::derive(&creator[..at], &moved), id);
    }

    #[test]
    fn attribute_names_are_what_the_specification_says(name in "\\PC{0,20}|.{0,20}|\\s{0,2}[a-z]{0,300}") {
        // written out, because it decides which leaves are void
        let space = |c: char| matches!(c as u32, 9..=13 | 0x20 | 0x85 | 0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000);
        let control = |c: char| matches!(c as u32, 0..=0x1F | 0x7F..=0x9F);
        let good = (1..=MAX_ATTRIBUTE_LEN).contains(&name.len()) && !name.chars().any(|c| space(c) || control(c));
        prop_assert_eq!(Attribute::new(&name).is_ok(), good);
    }
}

#[test]
fn every_character_counts_as_the_specification_says() {
    for c in '\0'..=char::MAX {
        let space = matches!(c as u32, 9..=13 | 0x20 | 0x85 | 0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000);
        let control = matches!(c as u32, 0..=0x1F | 0x7F..=0x9F);
        assert_eq!(
            Attribute::new(c.encode_utf8(&mut [0; 4])).is_err(),
            space || control,
            "{:x}",
            c as u32
        );
    }
}

fn name() -> Attribute {
    Attribute::new("name").unwrap()
}

#[test]
fn limits_hold_on_both_sides() {
    let text = |n: usize| Op::assert(name(), Value::Text("x".repeat(n)));
    let one = OpId(CommitId([0; 32]), 0, 0);
    let retract = |n: usize| Op::Retract {
        attribute: name(),
        supersedes: vec![one; n],
    };
    let erase = |n: usize| Op::Erase {
        leaves: vec![LeafId(CommitId([0; 32]), 0); n],
    };
    let position = |n: usize| {
        Op::List(ListOp {
            attribute: name(),
            position: vec![1; n],
            value: Value::Integer(1),
            supersedes: Vec::new(),
        })
    };
    let create = |n: usize| Op::Create { nonce: vec![0; n] };
    let withdraw = |n: usize| Op::Withdraw {
        leaves: vec![LeafId(CommitId([0; 32]), 0); n],
    };
    let note = |n: usize| Op::Note {
        payload: vec![0; n],
    };
    let quote = |ops: &[(u32, Op)]| {
        Op::Quote(Quote {
            leaf: LeafId(CommitId([1; 32]), 2),
            author: Some(SigningKey::from_seed([3; 32]).public()),
            hlc: Hlc(4),
            ops: ops.to_vec(),
        })
    };
    for (good, bad) in [
        (text(MAX_VALUE_LEN), text(MAX_VALUE_LEN + 1)),
        (retract(MAX_SUPERSEDES), retract(MAX_SUPERSEDES + 1)),
        (erase(MAX_SUPERSEDES), erase(MAX_SUPERSEDES + 1)),
        (position(1024), position(1025)),
        (position(1), position(0)),
        (create(64), create(65)),
        (withdraw(MAX_SUPERSEDES), withdraw(MAX_SUPERSEDES + 1)),
        (note(MAX_VALUE_LEN), note(MAX_VALUE_LEN + 1)),
        (quote(&[(0, create(0))]), quote(&[])),
        (quote(&[(65_535, create(0))]), quote(&[(65_536, create(0))])),
        (
            quote(&[(3, create(1)), (4, create(1))]),
            quote(&[(4, create(1)), (3, create(1))]),
        ),
        (
            quote(&[(3, create(1)), (4, create(1))]),
            quote(&[(4, create(1)), (4, create(1))]),
        ),
        (quote(&[(0, retract(1))]), quote(&[(0, erase(1))])),
        (quote(&[(0, text(1))]), quote(&[(0, withdraw(1))])),
        (
            quote(&[(0, create(0))]),
            quote(&[(0, quote(&[(0, create(0))]))]),
        ),
        (quote(&[(0, create(64))]), quote(&[(0, create(65))])),
    ] {
        let bytes = Leaf::encode(std::slice::from_ref(&good)).unwrap();
        assert_eq!(Leaf::decode(&bytes).unwrap(), [good]);
        assert!(Leaf::encode(std::slice::from_ref(&bad)).is_err());
        let bytes = codec::encode(&[bad]).unwrap();
        assert!(Leaf::decode(&bytes).is_err());
    }
    let many = vec![create(0); MAX_OPS_PER_LEAF];
    assert_eq!(
        Leaf::decode(&Leaf::encode(&many).unwrap()).unwrap().len(),
        MAX_OPS_PER_LEAF
    );
    let more = vec![create(0); MAX_OPS_PER_LEAF + 1];
    assert!(Leaf::encode(&more).is_err());
    assert!(Leaf::decode(&codec::encode(&more).unwrap()).is_err());
    let large = vec![text(MAX_VALUE_LEN); 5];
    assert!(Leaf::encode(&large).is_err());
    assert!(Leaf::decode(&codec::encode(&large).unwrap()).is_err());
    let epoch = EpochSecret::new(&[0; 32]);
    let place = LeafAddress {
        pod: [0; 32],
        commit_nonce: [0; 16],
        index: 0,
    };
    let e = EntityId::from_bytes([0; 24]);
    let largest = epoch.seal(&e, &place, &vec![0; MAX_LEAF_LEN]).unwrap();
    let bytes = largest.to_bytes().unwrap();
    assert!(bytes.len() <= SealedLeaf::MAX_LEN);
    assert_eq!(SealedLeaf::from_bytes(&bytes).unwrap(), largest);
    assert!(epoch.seal(&e, &place, &vec![0; MAX_LEAF_LEN + 1]).is_err());
}

#[test]
fn floats_that_are_no_numbers_are_refused() {
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Value::float(x).is_err());
        assert!(Leaf::encode(&[Op::assert(name(), Value::Float(x))]).is_err());
    }
    let zero = Leaf::encode(&[Op::assert(name(), Value::Float(-0.0))]).unwrap();
    assert_eq!(
        zero,
        Leaf::encode(&[Op::assert(name(), Value::Float(0.0))]).unwrap()
    );
}

#[test]
fn a_commit_is_built_by_its_own_key_of_leaves_in_order() {
    let key = SigningKey::from_seed([1; 32]);
    let header = Commit {
        v: 1,
        pod: "did:key:x".into(),
        device: key.public(),
        seq: 0,
        prev: None,
        frontier: Vec::new(),
        hlc: Hlc(1),
        cap: None,
        nonce: [0; 16],
        root: [9; 32],
        leaves: 7,
    };
    let epoch = EpochSecret::new(&[0; 32]);
    let leaf = |n: u8| Leaf {
        entity: EntityId::from_bytes([n; 24]),
        ops: vec![Op::Create { nonce: vec![n] }],
    };
    let build =
        |leaves: &[Leaf], key: &SigningKey| Commit::build(header.clone(), leaves, &epoch, key);
    let (commit, sealed) = build(&[leaf(1), leaf(2), leaf(3)], &key).unwrap();
    assert_eq!(commit.leaves, 3);
    commit.check_leaves(&sealed).unwrap();
    assert!(matches!(
        commit.check_leaves(&sealed[..2]),
        Err(TupleError::Leaves(2))
    ));
    let mut swapped = sealed.clone();
    swapped.swap(0, 1);
    assert!(matches!(
        commit.check_leaves(&swapped),
        Err(TupleError::Root)
    ));
    // each leaf with its proof alone
    let hashes: Vec<_> = sealed.iter().map(|b| leaf_hash(b)).collect();
    for (i, bytes) in (0..).zip(&sealed) {
        let proof = MerkleProof::new(&hashes, i).unwrap();
        assert_eq!(proof.root(leaf_hash(bytes)), Some(commit.root));
    }
    for leaves in [&[leaf(2), leaf(1)][..], &[leaf(1), leaf(1)]] {
        assert!(matches!(build(leaves, &key), Err(TupleError::LeafOrder)));
    }
    assert!(matches!(build(&[], &key), Err(TupleError::Leaves(0))));
    let empty = Leaf {
        ops: Vec::new(),
        ..leaf(1)
    };
    assert!(matches!(build(&[empty], &key), Err(TupleError::EmptyLeaf)));
    let other = SigningKey::from_seed([2; 32]);
    assert!(matches!(
        build(&[leaf(1)], &other),
        Err(TupleError::Header(_))
    ));
    let id = CommitId::from_cid(&commit.id()).unwrap();
    assert_eq!(id.cid(), commit.id());
    assert_eq!(CommitId::from_cid(&cid_raw_blake3(id.0)), None);
}
