//! Everything a commit is made of: one spelling, bounded, and nothing opens or verifies that was changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::{Input, world};
use rhizome_ipld::{Payload, Signed, SigningKey, Verified, codec};
use rhizome_tuple::{
    Attribute, Commit, CommitId, EntityId, Leaf, MAX_ATTRIBUTE_LEN, MAX_COMMIT_LEN, MAX_FRONTIER,
    MAX_LEAVES, MAX_OPS_PER_LEAF, MAX_POSITION_LEN, MAX_SUPERSEDES, MAX_VALUE_LEN, Op, SealedLeaf,
    Value, leaf_hash,
};

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 6 {
        0 => envelope(data),
        1 => header(data),
        2 => sealed(data),
        3 => operations(data),
        4 => value(data),
        _ => names(data),
    }
});

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

/// An envelope from anywhere.
fn envelope(data: &[u8]) {
    if let Ok(signed) = Signed::<Commit>::from_bytes(data) {
        assert_eq!(signed.to_bytes(), data, "an envelope has one spelling");
        if let Ok(commit) = signed.verify() {
            let id = CommitId::from_cid(&commit.id()).expect("a commit's CID");
            assert_eq!(id.cid(), commit.id());
            checked(&commit);
        }
    }
}

/// A payload from anywhere, and what becomes of it when its author signs it.
fn header(data: &[u8]) {
    let Ok(mut commit) = codec::decode::<Commit>(data, Commit::MAX_LEN) else {
        return;
    };
    assert!(data.len() <= MAX_COMMIT_LEN);
    assert_eq!(codec::encode(&commit).expect("encodes"), data);
    checked(&commit);
    assert!(commit.device == key().public() || Verified::sign(commit.clone(), &key()).is_err());
    commit.device = key().public();
    let Ok(verified) = Verified::sign(commit.clone(), &key()) else {
        return;
    };
    let bytes = verified.to_bytes();
    let again = Signed::<Commit>::from_bytes(&bytes).and_then(Signed::verify);
    assert_eq!(again.expect("our own").into_payload(), commit);
    // any changed byte is noticed
    let mut changed = bytes.clone();
    let at = data.iter().map(|b| usize::from(*b)).sum::<usize>() % changed.len();
    changed[at] ^= 1 << (at % 8);
    assert!(Signed::<Commit>::from_bytes(&changed).and_then(Signed::verify).is_err());
}

/// What `check` promises.
fn checked(commit: &Commit) {
    if commit.check().is_ok() {
        assert_eq!(commit.v, 1);
        assert!(commit.pod.starts_with("did:") && commit.pod.len() <= 256);
        assert_eq!(commit.seq == 0, commit.prev.is_none());
        assert!(commit.frontier.len() <= MAX_FRONTIER);
        assert!((1..=MAX_LEAVES).contains(&(commit.leaves as usize)));
        let leaf: &[&[u8]] = &[b"no leaf of it"];
        assert!(commit.check_leaves(leaf).is_err());
    }
}

/// A sealed leaf from anywhere; and a plaintext from anywhere, sealed.
fn sealed(data: &[u8]) {
    let epoch = world::epoch();
    let header = rhizome_fuzz::forge::header(&key(), 0, None, 0, 1);
    if let Ok(leaf) = SealedLeaf::from_bytes(data) {
        assert!(data.len() <= SealedLeaf::MAX_LEN);
        assert_eq!(leaf.to_bytes().expect("encodes"), data);
        if let Ok((entity, plaintext)) = epoch.open(&leaf, &header.address(0)) {
            let again = epoch.seal(&entity, &header.address(0), &plaintext);
            assert_eq!(again.expect("it was sealed before"), leaf);
        }
    }
    let mut input = Input::new(data);
    let (index, at, flip) = (input.byte(), input.word(), input.byte());
    let entity = world::entity(u64::from(input.byte()));
    let plaintext = input.rest();
    let address = header.address(u32::from(index));
    let leaf = epoch.seal(&entity, &address, plaintext).expect("it is short");
    let opened = epoch.open(&leaf, &address).expect("it was just sealed");
    assert_eq!((opened.0, &opened.1[..]), (entity, plaintext));
    let with_key = epoch.entity_key(&entity).open(&entity, &address, &leaf);
    assert_eq!(with_key.expect("the same"), plaintext);
    // in another place, under another key, or changed, it stays shut
    assert!(epoch.open(&leaf, &header.address(u32::from(index) + 1)).is_err());
    let other = world::entity(1000);
    assert!(epoch.entity_key(&other).open(&entity, &address, &leaf).is_err());
    let mut bytes = leaf.to_bytes().expect("encodes");
    let hash = leaf_hash(&bytes);
    let at = at % bytes.len();
    bytes[at] ^= flip.max(1);
    assert_ne!(leaf_hash(&bytes), hash);
    if let Ok(changed) = SealedLeaf::from_bytes(&bytes) {
        assert!(epoch.open(&changed, &address).is_err());
    }
}

/// The plaintext of a leaf.
fn operations(data: &[u8]) {
    let Ok(ops) = Leaf::decode(data) else {
        return;
    };
    assert!((1..=MAX_OPS_PER_LEAF).contains(&ops.len()));
    for op in &ops {
        assert!(op.supersedes().len() <= MAX_SUPERSEDES);
        if let Some(a) = op.attribute() {
            assert_eq!(Attribute::new(a.as_str()).as_ref().ok(), Some(a));
        }
        match op {
            Op::Assert { value, .. } | Op::Insert { value, .. } => bounded(value),
            Op::List(l) => {
                assert!((1..=MAX_POSITION_LEN).contains(&l.position.len()));
                bounded(&l.value);
            }
            Op::Erase { leaves } => assert!(leaves.len() <= MAX_SUPERSEDES),
            _ => {}
        }
    }
    assert_eq!(Leaf::encode(&ops).expect("what was read can be written"), data);
}

fn bounded(value: &Value) {
    match value {
        Value::Text(t) => assert!(t.len() <= MAX_VALUE_LEN),
        Value::Bytes(b) => assert!(b.len() <= MAX_VALUE_LEN),
        Value::Float(x) => assert!(x.is_finite() && (*x != 0.0 || x.is_sign_positive())),
        _ => {}
    }
}

fn value(data: &[u8]) {
    if let Ok(value) = codec::decode::<Value>(data, data.len()) {
        bounded(&value);
        assert_eq!(codec::encode(&value).expect("encodes"), data);
    }
}

/// Entities and attributes as text.
fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<EntityId>() {
        Ok(id) => assert_eq!(id.to_string(), text),
        Err(error) => assert!(error.to_string().len() < 500),
    }
    match text.parse::<Attribute>() {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert!((1..=MAX_ATTRIBUTE_LEN).contains(&text.len()));
            assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control()));
        }
        Err(error) => assert!(error.to_string().len() < 600),
    }
}
