//! Where everything lies in the store: `docs/spec/sealed.md`.

use rhizome_ipld::PublicKey;
use rhizome_storage::{Snap, StorageError, Visit};
use rhizome_tuple::CommitId;

/// `sealed` → format u32, next pod number u64
pub(crate) const META: u8 = 0;
/// genesis digest → [`crate::row::PodRow`]
pub(crate) const PODS: u8 = 1;
/// pod → [`crate::view::View`]
pub(crate) const VIEWS: u8 = 2;
/// pod, certificate → 0 in the set, 1 waiting
pub(crate) const CERTIFICATES: u8 = 3;
/// pod, certificate → its bytes
pub(crate) const CERTIFICATE_BYTES: u8 = 4;
/// hidden key, pod → genesis digest
pub(crate) const POLICIES: u8 = 5;
/// pod, Multikey → [`crate::author::Author`]
pub(crate) const AUTHORS: u8 = 6;
/// pod, author, seq, commit → the commit before it
pub(crate) const ORDER: u8 = 7;
/// pod, commit → [`Place`]
pub(crate) const IDS: u8 = 8;
/// pod, number of the commit, first leaf → part
pub(crate) const LOG: u8 = 9;
/// pod, author, commit → nothing
pub(crate) const VOID: u8 = 10;
/// pod, commit → places of leaves whose bytes are wanted
pub(crate) const HOLES: u8 = 11;
/// pod, commit → places of leaves whose bytes are to stay away
pub(crate) const FORGOTTEN: u8 = 12;
/// pod → nothing: it was removed, and its rows are being deleted
pub(crate) const GONE: u8 = 13;
/// who sponsors which view: `purse.rs`
pub(crate) const SPONSORS: u8 = 14;

/// The keyspaces whose keys begin with the pod.
pub(crate) const OF_PODS: [u8; 10] = [
    VIEWS,
    CERTIFICATES,
    CERTIFICATE_BYTES,
    AUTHORS,
    ORDER,
    IDS,
    LOG,
    VOID,
    HOLES,
    FORGOTTEN,
];

/// Bytes of a key in [`LOG`].
pub(crate) const LOG_KEY: usize = 20;

/// The number of a pod in this store. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PodNo(pub u64);

impl PodNo {
    pub fn key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The end of all keys of this pod.
    pub fn end(self) -> [u8; 8] {
        self.0.saturating_add(1).to_be_bytes()
    }

    /// The key of something with an id.
    pub fn with(self, id: &[u8; 32]) -> [u8; 40] {
        let mut key = [0; 40];
        key[..8].copy_from_slice(&self.key());
        key[8..].copy_from_slice(id);
        key
    }

    pub fn author(self, key: &PublicKey) -> Vec<u8> {
        [&self.key()[..], &key.to_bytes()].concat()
    }

    pub fn order(self, author: u32, seq: u64, id: &[u8; 32]) -> [u8; 52] {
        let mut key = [0; 52];
        key[..8].copy_from_slice(&self.key());
        key[8..12].copy_from_slice(&author.to_be_bytes());
        key[12..20].copy_from_slice(&seq.to_be_bytes());
        key[20..].copy_from_slice(id);
        key
    }

    pub fn void(self, author: u32, id: &[u8; 32]) -> [u8; 44] {
        let mut key = [0; 44];
        key[..8].copy_from_slice(&self.key());
        key[8..12].copy_from_slice(&author.to_be_bytes());
        key[12..].copy_from_slice(id);
        key
    }

    pub fn log(self, commit: u64, first: u32) -> [u8; LOG_KEY] {
        let mut key = [0; LOG_KEY];
        key[..8].copy_from_slice(&self.key());
        key[8..16].copy_from_slice(&commit.to_be_bytes());
        key[16..].copy_from_slice(&first.to_be_bytes());
        key
    }
}

/// The last 32 bytes of a key.
pub(crate) fn id_of(key: &[u8]) -> [u8; 32] {
    key.last_chunk().copied().unwrap_or_default()
}

/// The number at these bytes of a key.
pub(crate) fn u64_at(key: &[u8], at: usize) -> u64 {
    let bytes = key.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |b| u64::from_be_bytes(*b))
}

/// The number at these bytes of a key.
pub(crate) fn u32_at(key: &[u8], at: usize) -> u32 {
    let bytes = key.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |b| u32::from_be_bytes(*b))
}

/// Where a commit stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub author: u32,
    pub seq: u64,
    /// Its number in the log.
    pub number: u64,
    pub leaves: u32,
}

impl Place {
    pub fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..4].copy_from_slice(&self.author.to_be_bytes());
        out[4..12].copy_from_slice(&self.seq.to_be_bytes());
        out[12..20].copy_from_slice(&self.number.to_be_bytes());
        out[20..].copy_from_slice(&self.leaves.to_be_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 24).then(|| Self {
            author: u32_at(bytes, 0),
            seq: u64_at(bytes, 4),
            number: u64_at(bytes, 12),
            leaves: u32_at(bytes, 20),
        })
    }
}

/// A row of [`ORDER`]: place, commit, the one before.
pub(crate) fn order_row(key: &[u8], value: &[u8]) -> (u64, CommitId, Option<CommitId>) {
    let prev = <[u8; 32]>::try_from(value).ok().map(CommitId);
    (u64_at(key, 12), CommitId(id_of(key)), prev)
}

/// Visits all rows of a pod in a keyspace.
pub(crate) fn scan_pod(
    snap: &dyn Snap,
    keyspace: u8,
    pod: PodNo,
    visit: Visit<'_>,
) -> Result<(), StorageError> {
    snap.scan(keyspace, &pod.key(), Some(&pod.end()), false, visit)
}
