//! The log: commits and their sealed leaves, in the store and, until they are flushed, in memory.
//!
//! A commit lies in one or more parts under (commit number, first leaf of the part), both u32 big-endian: see [`part`].

mod cut;
mod part;

pub use cut::{LogPart, PartView};

use crate::{ReplicaError, store::keyspace};
use arc_swap::ArcSwap;
use parking_lot::RwLock;
use rhizome_ipld::{Payload, Signed, codec};
use rhizome_storage::{Batch, Kv};
use rhizome_tuple::{
    Commit, CommitId, EntityId, EpochSecret, Leaf, Op, SealedLeaf, leaf_hash, merkle_root,
};
use serde_bytes::ByteBuf;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// A commit that the store does not have yet, or does not have like this.
#[derive(Clone)]
pub(crate) struct Pending {
    pub record: Arc<Record>,
    /// The store may have it with bytes that were erased since, or without bytes that came since.
    pub rewritten: bool,
}

pub(crate) type Tail = BTreeMap<u32, Pending>;

/// A sealed leaf as it is stored and sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeafBytes {
    /// The sealed bytes.
    Sealed(Vec<u8>),
    /// The bytes were erased; their hash stays.
    Erased([u8; 32]),
}

impl LeafBytes {
    /// What the Merkle tree holds of it.
    pub fn hash(&self) -> [u8; 32] {
        match self {
            Self::Sealed(b) => leaf_hash(b),
            Self::Erased(h) => *h,
        }
    }

    /// Whether another copy of this leaf has bytes, and this one does not.
    pub(crate) fn lacks(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Erased(_), Self::Sealed(_)))
    }
}

/// A commit with its leaves, as bytes: what is logged and what travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The signed envelope of the header.
    pub envelope: Vec<u8>,
    /// The leaves in order.
    pub leaves: Vec<LeafBytes>,
}

impl Record {
    /// Whether the leaves are exactly the ones the header was signed over.
    pub fn check(&self, header: &Commit) -> Result<(), ReplicaError> {
        let too_large =
            |l: &LeafBytes| matches!(l, LeafBytes::Sealed(b) if b.len() > SealedLeaf::MAX_LEN);
        if self.leaves.iter().any(too_large) {
            return Err(rhizome_tuple::TupleError::LeafTooLarge.into());
        }
        let hashes: Vec<_> = self.leaves.iter().map(LeafBytes::hash).collect();
        if hashes.len() == header.leaves as usize && merkle_root(&hashes) == Some(header.root) {
            Ok(())
        } else {
            Err(rhizome_tuple::TupleError::Root.into())
        }
    }

    pub(crate) fn write(&self, number: u32, batch: &mut Batch) {
        for part in LogPart::cut(&self.envelope, 0, &self.leaves, 8) {
            batch.put(keyspace::LOG, log_key(number, part.first), part.bytes);
        }
    }
}

fn log_key(number: u32, first: u32) -> [u8; 8] {
    ((number as u64) << 32 | first as u64).to_be_bytes()
}

/// The place of the first leaf of the part under this key.
fn first_of(key: &[u8]) -> u32 {
    let place = key.last_chunk::<4>();
    place.map_or(0, |place| u32::from_be_bytes(*place))
}

/// In the store while the log was rewritten and the indexes are still those of before: they must be made anew.
pub(crate) const STALE: &[u8] = b"stale";

const BAD: ReplicaError = ReplicaError::Corrupt("a part of the commit log is missing or malformed");

/// The secrets that open leaves; new ones are sealed under the last. More can come while the pod is open.
pub struct Epochs(ArcSwap<Vec<EpochSecret>>);

impl Epochs {
    /// Secrets in order of age, oldest first; at least one is needed to write.
    pub fn new(secrets: Vec<EpochSecret>) -> Self {
        Self(ArcSwap::from_pointee(secrets))
    }
    pub(crate) fn set(&self, secrets: Vec<EpochSecret>) {
        self.0.store(Arc::new(secrets));
    }
    pub(crate) fn all(&self) -> Arc<Vec<EpochSecret>> {
        self.0.load_full()
    }
    /// Opens a leaf of a commit. `None` means that the leaf is *void*: it was erased, or its author made it so that nobody can read
    /// it, and it has no effect anywhere.
    pub(crate) fn open(
        &self,
        header: &Commit,
        index: u32,
        bytes: &LeafBytes,
    ) -> Result<Option<(EntityId, Vec<Op>)>, ReplicaError> {
        let LeafBytes::Sealed(bytes) = bytes else {
            return Ok(None);
        };
        let Ok(sealed) = SealedLeaf::from_bytes(bytes) else {
            return Ok(None);
        };
        let secrets = self.0.load();
        // the name of an epoch is short: somebody could make two secrets with one name, of which a leaf opens under one at most
        let mut named = secrets
            .iter()
            .rev()
            .filter(|e| e.id() == sealed.epoch)
            .peekable();
        if named.peek().is_none() {
            return Err(ReplicaError::NoKey(sealed.epoch.0));
        }
        let address = header.address(index);
        let opened = named.find_map(|secret| secret.open(&sealed, &address).ok());
        Ok(opened.and_then(|(entity, plaintext)| {
            let ops = Leaf::decode(&plaintext).ok()?;
            Some((entity, ops))
        }))
    }
}

/// Reads commits back, from the store and from those that are not flushed yet.
#[derive(Clone)]
pub(crate) struct Log {
    pub kv: Option<Arc<dyn Kv>>,
    pub epochs: Arc<Epochs>,
    /// Commits that the store does not have yet.
    pub tail: Arc<RwLock<Tail>>,
    /// The log's number of each commit, for a state that holds only some of them.
    numbers: Option<Arc<Vec<u32>>>,
}

impl Log {
    pub fn new(kv: Option<Arc<dyn Kv>>, epochs: Arc<Epochs>) -> Self {
        Self {
            kv,
            epochs,
            tail: Arc::default(),
            numbers: None,
        }
    }

    /// The same log for a state whose commit `i` is the log's commit `numbers[i]`.
    pub fn renumbered(&self, numbers: Vec<u32>) -> Self {
        let numbers = numbers.into_iter().map(|n| self.number(n)).collect();
        Self {
            numbers: Some(Arc::new(numbers)),
            ..self.clone()
        }
    }

    /// The same log with these commits in memory as well.
    pub fn with(&self, more: &Tail) -> Self {
        let mut tail = self.tail.read().clone();
        tail.extend(more.iter().map(|(n, p)| (*n, p.clone())));
        Self {
            tail: Arc::new(RwLock::new(tail)),
            ..self.clone()
        }
    }

    /// The same log with nothing in memory.
    pub fn stored(&self) -> Self {
        Self {
            tail: Arc::default(),
            ..self.clone()
        }
    }

    /// What brings the store up to the commits in memory, and those commits. Once it is committed, tell [`Self::saved`].
    pub fn batch(&self) -> Result<(Batch, Tail), ReplicaError> {
        let taken = self.tail.read().clone();
        let mut batch = Batch::new();
        for (number, pending) in &taken {
            if pending.rewritten {
                // its parts may be cut in other places now
                let snap = self.kv.as_ref().ok_or(BAD)?.snapshot()?;
                let (lo, hi) = (log_key(*number, 0), log_key(number.saturating_add(1), 0));
                snap.scan(keyspace::LOG, &lo, Some(&hi), false, &mut |key, _| {
                    batch.delete(keyspace::LOG, key);
                    ControlFlow::Continue(())
                })?;
                batch.put(keyspace::META, STALE, []);
            }
            pending.record.write(*number, &mut batch);
        }
        Ok((batch, taken))
    }

    /// Forgets what the store has, unless it was rewritten meanwhile.
    pub fn saved(&self, taken: &Tail) {
        self.tail.write().retain(|number, now| {
            !taken
                .get(number)
                .is_some_and(|then| Arc::ptr_eq(&then.record, &now.record))
        });
    }

    fn number(&self, n: u32) -> u32 {
        self.numbers
            .as_ref()
            .map_or(n, |m| m.get(n as usize).copied().unwrap_or(u32::MAX))
    }

    pub fn record(&self, number: u32) -> Result<Arc<Record>, ReplicaError> {
        let number = self.number(number);
        if let Some(p) = self.tail.read().get(&number) {
            return Ok(p.record.clone());
        }
        let kv = self.kv.as_ref().ok_or(BAD)?;
        let mut envelope = Vec::new();
        let mut leaves = Vec::new();
        let mut good = true;
        kv.snapshot()?.scan(
            keyspace::LOG,
            &log_key(number, 0),
            Some(&log_key(number.saturating_add(1), 0)),
            false,
            &mut |key, part| {
                let Some(view) = PartView::read(first_of(key), part) else {
                    good = false;
                    return ControlFlow::Break(());
                };
                if let Some(bytes) = view.envelope() {
                    envelope = bytes.to_vec();
                }
                for place in view.places() {
                    match view.leaf(place) {
                        Some(l) => leaves.push(l),
                        None => good = false,
                    }
                }
                ControlFlow::Continue(())
            },
        )?;
        if good && !envelope.is_empty() {
            Ok(Arc::new(Record { envelope, leaves }))
        } else {
            Err(BAD)
        }
    }

    /// The header of a commit.
    pub fn header_at(&self, number: u32) -> Result<Commit, ReplicaError> {
        self.header(self.number(number))
    }

    /// The header of a commit, by the log's own number.
    fn header(&self, number: u32) -> Result<Commit, ReplicaError> {
        if let Some(p) = self.tail.read().get(&number) {
            return header_of(&p.record.envelope);
        }
        let part = self
            .kv
            .as_ref()
            .ok_or(BAD)?
            .snapshot()?
            .get(keyspace::LOG, &log_key(number, 0))?
            .ok_or(BAD)?;
        let view = PartView::read(0, &part).ok_or(BAD)?;
        header_of(view.envelope().ok_or(BAD)?)
    }

    /// Opens one leaf: `None` if it is void.
    pub fn leaf(
        &self,
        number: u32,
        index: u32,
    ) -> Result<Option<(EntityId, Vec<Op>)>, ReplicaError> {
        let (header, bytes) = self.leaf_bytes(number, index)?;
        self.epochs.open(&header, index, &bytes)
    }

    fn leaf_bytes(&self, number: u32, index: u32) -> Result<(Commit, LeafBytes), ReplicaError> {
        let number = self.number(number);
        if let Some(Pending { record, .. }) = self.tail.read().get(&number) {
            let leaf = record.leaves.get(index as usize).cloned().ok_or(BAD)?;
            return Ok((header_of(&record.envelope)?, leaf));
        }
        let snap = self.kv.as_ref().ok_or(BAD)?.snapshot()?;
        let mut found = None;
        let mut head = None;
        let end = log_key(number, index.saturating_add(1));
        snap.scan(
            keyspace::LOG,
            &log_key(number, 0),
            Some(&end),
            true,
            &mut |k, part| {
                if let Some(view) = PartView::read(first_of(k), part) {
                    found = view.leaf(index);
                    head = view.envelope().map(<[u8]>::to_vec);
                }
                ControlFlow::Break(())
            },
        )?;
        let header = match head {
            Some(envelope) => header_of(&envelope)?,
            None => self.header(number)?,
        };
        Ok((header, found.ok_or(BAD)?))
    }
}

/// The header inside an envelope of our own log. Its signature was verified when it was accepted and is verified again by the doctor;
/// checking it on every read of the log would cost more than the read.
pub(crate) fn header_of(envelope: &[u8]) -> Result<Commit, ReplicaError> {
    codec::decode(&payload_of(envelope)?, Commit::MAX_LEN).map_err(|_| BAD)
}

/// The id of the commit in an envelope of our own log.
pub(crate) fn payload_id(envelope: &[u8]) -> Result<CommitId, ReplicaError> {
    Ok(CommitId(*blake3::hash(&payload_of(envelope)?).as_bytes()))
}

/// The payload inside an envelope of our own log.
fn payload_of(envelope: &[u8]) -> Result<Vec<u8>, ReplicaError> {
    type Parts = (ByteBuf, ByteBuf, ByteBuf);
    let (payload, _, _): Parts =
        codec::decode(envelope, Signed::<Commit>::MAX_LEN).map_err(|_| BAD)?;
    Ok(payload.into_vec())
}
