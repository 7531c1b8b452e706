//! Commits made by hand, as an author would who keeps to no rule but that of having a key.

use crate::{
    oracle::Known,
    world::{POD, author, epoch},
};
use rhizome_ipld::{Cid, Payload, PublicKey, Signed, SigningKey, Verified, codec};
use rhizome_replica::{LeafBytes, Record};
use rhizome_tuple::{
    Commit, CommitId, EntityId, Head, Hlc, Leaf, LeafId, Op, OpId, SealedLeaf, leaf_hash,
    merkle_root,
};

/// A leaf to be sealed.
pub enum Sheet {
    Ops(EntityId, Vec<Op>),
    /// Sealed as it should be, but not operations.
    Garbage(EntityId, Vec<u8>),
    /// Not sealed at all.
    Noise(Vec<u8>),
}

/// A commit of one author's own making.
#[derive(Clone)]
pub struct Forged {
    pub id: CommitId,
    pub header: Commit,
    pub record: Record,
}

impl Forged {
    pub fn op(&self, leaf: u32, op: u32) -> OpId {
        OpId(self.id, leaf, op)
    }
    pub fn leaf(&self, leaf: u32) -> LeafId {
        LeafId(self.id, leaf)
    }
}

/// A header with root and leaves still open.
pub fn header(key: &SigningKey, seq: u64, prev: Option<CommitId>, hlc: u64, nonce: u128) -> Commit {
    Commit {
        v: 1,
        pod: POD.into(),
        device: key.public(),
        seq,
        prev,
        frontier: Vec::new(),
        hlc: Hlc(hlc),
        cap: None,
        nonce: nonce.to_be_bytes(),
        root: [0; 32],
        leaves: 0,
    }
}

/// Seals and signs whatever it is given: no order of leaves, no sense in the header is asked for.
pub fn forge(key: &SigningKey, mut header: Commit, sheets: &[Sheet]) -> Forged {
    let sealed: Vec<Vec<u8>> = sheets
        .iter()
        .enumerate()
        .map(|(i, sheet)| {
            let (entity, plaintext) = match sheet {
                Sheet::Ops(entity, ops) => (entity, Leaf::encode(ops).unwrap()),
                Sheet::Garbage(entity, bytes) => (entity, bytes.clone()),
                Sheet::Noise(bytes) => return bytes.clone(),
            };
            epoch()
                .seal(entity, &header.address(i as u32), &plaintext)
                .unwrap()
                .to_bytes()
                .unwrap()
        })
        .collect();
    let hashes: Vec<_> = sealed.iter().map(|b| leaf_hash(b)).collect();
    header.leaves = sealed.len() as u32;
    header.root = merkle_root(&hashes).unwrap_or_default();
    let verified = Verified::sign(header.clone(), key).unwrap();
    let record = Record {
        envelope: verified.to_bytes(),
        leaves: sealed.into_iter().map(LeafBytes::Sealed).collect(),
    };
    Forged {
        id: CommitId::from_cid(&verified.id()).unwrap(),
        header,
        record,
    }
}

/// The first commit of author `who`, with one leaf.
pub fn first(who: u8, hlc: u64, entity: EntityId, ops: Vec<Op>) -> Forged {
    let key = author(who).key;
    let nonce = u128::from_be_bytes(crate::world::nonce());
    forge(
        &key,
        header(&key, 0, None, hlc, nonce),
        &[Sheet::Ops(entity, ops)],
    )
}

/// The commit after `before` in its chain, with one leaf.
pub fn after(before: &Forged, who: u8, hlc: u64, entity: EntityId, ops: Vec<Op>) -> Forged {
    let key = author(who).key;
    let nonce = u128::from_be_bytes(crate::world::nonce());
    let header = header(&key, before.header.seq + 1, Some(before.id), hlc, nonce);
    forge(&key, header, &[Sheet::Ops(entity, ops)])
}

/// A head of another chain, true or not.
pub fn head(of: PublicKey, seq: u64, id: CommitId) -> Head {
    Head(of, seq, id)
}

/// Any delegation.
pub fn delegation() -> Cid {
    rhizome_ipld::cid_sha256(b"a delegation")
}

/// What a record says to somebody who has the keys.
pub fn read(record: &Record) -> Known {
    let verified = Signed::<Commit>::from_bytes(&record.envelope)
        .unwrap()
        .verify()
        .unwrap();
    let open = |(i, leaf): (usize, &LeafBytes)| {
        let LeafBytes::Sealed(bytes) = leaf else {
            return None;
        };
        let sealed = SealedLeaf::from_bytes(bytes).ok()?;
        let (entity, plaintext) = epoch().open(&sealed, &verified.address(i as u32)).ok()?;
        Some((entity, Leaf::decode(&plaintext).ok()?))
    };
    Known {
        id: CommitId::from_cid(&verified.id()).unwrap(),
        device: verified.device,
        voice: crate::world::voice(&verified.device),
        hlc: verified.hlc,
        leaves: record.leaves.iter().enumerate().map(open).collect(),
    }
}

/// The payload of an envelope, without a look at the signature.
pub fn payload(envelope: &[u8]) -> Vec<u8> {
    let (payload, _, _): (
        serde_bytes::ByteBuf,
        serde_bytes::ByteBuf,
        serde_bytes::ByteBuf,
    ) = codec::decode(envelope, Signed::<Commit>::MAX_LEN).unwrap();
    payload.into_vec()
}

/// An envelope of these three byte strings.
pub fn envelope(payload: &[u8], header: &[u8], signature: &[u8]) -> Vec<u8> {
    let b = serde_bytes::Bytes::new;
    codec::encode(&(b(payload), b(header), b(signature))).unwrap()
}

/// Signs bytes as a commit, whatever they are.
pub fn sign(key: &SigningKey, payload: &[u8]) -> [u8; 64] {
    let mut input = Commit::DOMAIN.as_bytes().to_vec();
    input.push(0);
    input.extend_from_slice(payload);
    key.sign(&input)
}
