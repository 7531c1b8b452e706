//! Where lazily loaded blocks come from, and the latch that remembers a failed load.

use crate::ReplicaError;
use parking_lot::Mutex;
use rhizome_storage::{Kv, Snap, StorageError, fitting_value_len};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Keyspaces of the key-value store that a replica uses.
pub(crate) mod keyspace {
    /// (commit number u32, first part u32) -> parts of a commit: envelope, then sealed leaves
    pub const LOG: u8 = 0;
    /// (tree or table u8, first key u128) -> (block id u64, entries u32)
    pub const DIRECTORY: u8 = 1;
    /// block id u64 -> packed block, CRC-32 of it (u32 big-endian)
    pub const BLOCKS: u8 = 2;
    /// names -> counters, checkpoint mark, lists of retired blocks
    pub const META: u8 = 3;
}

/// Longest packed block that just fits a 4 KiB page of the store, with its key, its checksum and the page's header.
pub(crate) const FULL: usize = fitting_value_len(8, 0) - CHECKSUM;
const CHECKSUM: usize = 4;

/// What is stored of a packed block.
pub(crate) fn sealed(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(packed.len() + CHECKSUM);
    out.extend_from_slice(packed);
    out.extend_from_slice(&crc32fast::hash(packed).to_be_bytes());
    out
}

/// The packed block, if it is the one that was stored.
pub(crate) fn checked(stored: &[u8]) -> Result<&[u8], ReplicaError> {
    stored
        .split_last_chunk::<CHECKSUM>()
        .filter(|(packed, sum)| crc32fast::hash(packed).to_be_bytes() == **sum)
        .map(|(packed, _)| packed)
        .ok_or(ReplicaError::Corrupt("an index block has a wrong checksum"))
}

/// Reads blocks by id. A read that fails is latched: the reader sees an empty block, and whoever asked the query must look at
/// [`BlockStore::fault`] before trusting the answer.
#[derive(Default)]
pub(crate) struct BlockStore {
    kv: Option<Arc<dyn Kv>>,
    snap: Mutex<Option<Arc<dyn Snap>>>,
    fault: Mutex<Option<Arc<ReplicaError>>>,
    failed: AtomicBool,
}

impl BlockStore {
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self {
            kv: Some(kv),
            ..Self::default()
        }
    }

    /// Forgets the cached view of the store: called after a checkpoint wrote new blocks.
    pub fn refresh(&self) {
        *self.snap.lock() = None;
    }

    pub fn read<T>(&self, id: u64, f: impl FnOnce(&[u8]) -> Result<T, ReplicaError>) -> Option<T> {
        let result = self.fetch(id).and_then(|bytes| f(checked(&bytes)?));
        match result {
            Ok(v) => Some(v),
            Err(e) => {
                self.fault.lock().get_or_insert(Arc::new(e));
                self.failed.store(true, Ordering::Release);
                None
            }
        }
    }

    fn fetch(&self, id: u64) -> Result<bytes::Bytes, ReplicaError> {
        let kv = self.kv.as_ref().ok_or(ReplicaError::Corrupt(
            "a block of a replica without a store was asked for",
        ))?;
        let snap = {
            let mut cached = self.snap.lock();
            match &*cached {
                Some(s) => s.clone(),
                None => cached.insert(kv.snapshot()?).clone(),
            }
        };
        match snap.get(keyspace::BLOCKS, &id.to_be_bytes()) {
            Ok(Some(bytes)) => return Ok(bytes),
            // the cached view may be older than the block, or than a store that was opened again
            Ok(None) | Err(StorageError::SnapshotEnded) => {}
            Err(e) => return Err(e.into()),
        }
        let fresh = kv.snapshot()?;
        let bytes = fresh.get(keyspace::BLOCKS, &id.to_be_bytes())?;
        *self.snap.lock() = Some(fresh);
        bytes.ok_or(ReplicaError::Corrupt("an index block is missing"))
    }

    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub fn fault(&self) -> Result<(), ReplicaError> {
        match &*self.fault.lock() {
            None => Ok(()),
            Some(e) => Err(ReplicaError::Fault(e.clone())),
        }
    }
}
