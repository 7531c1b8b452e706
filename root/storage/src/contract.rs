//! What every engine promises.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;

use crate::{Batch, StorageError};

/// How many keyspaces there are; they are numbered `0..KEYSPACES`.
pub const KEYSPACES: u8 = 16;

/// Longest key in bytes. Longer keys would crowd the branch pages that every lookup walks.
pub const MAX_KEY_LEN: usize = 2048;

/// Longest prefix of a [`PrefixedKv`](crate::PrefixedKv) in bytes; engines keep its keys beyond [`MAX_KEY_LEN`] by as much.
pub const MAX_PREFIX_LEN: usize = 64;

/// Longest value in bytes. Larger things are blobs, not values.
pub const MAX_VALUE_LEN: usize = 16 << 20;

/// When a commit must survive the loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Visible when `commit` returns, on stable storage with the next durable commit. Lost if the
    /// process dies before that, and then only together with everything relaxed that came after it.
    Relaxed,
    /// On stable storage when `commit` returns, together with every commit before it.
    Durable,
}

/// Called with each key and value of a scan; breaks off the scan by returning `Break`.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// One moment of a store, unaffected by later commits.
pub trait Snap: Send + Sync {
    /// The value at `key`, if there is one.
    fn get(&self, keyspace: u8, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// Visits the keys `lo <= key < hi` (no upper end when `hi` is `None`) in ascending order, or in
    /// descending order when `reverse`. Visits nothing when `hi <= lo`.
    ///
    /// The visitor may use the store, commits included.
    fn scan(
        &self,
        keyspace: u8,
        lo: &[u8],
        hi: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError>;
}

/// An ordered key-value store with atomic batches and snapshot reads.
///
/// Commits come one after the other; a commit waits for the one before it. Readers never wait for
/// writers.
pub trait Kv: Send + Sync {
    /// The state after the last commit, relaxed ones included.
    ///
    /// Snapshots keep the pages they see from being reused: hold them for a query, not for a day.
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError>;

    /// Applies the whole batch, over all keyspaces, or nothing of it.
    ///
    /// On an error nothing has changed, with one exception that has its own error:
    /// [`StorageError::InDoubt`].
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError>;

    /// Makes every commit so far durable.
    fn sync(&self) -> Result<(), StorageError> {
        self.commit(Batch::new(), Durability::Durable)
    }

    /// Bytes of stable storage in use (0 for an engine that has none).
    fn size_on_disk(&self) -> Result<u64, StorageError>;

    /// Gives free space back to the file system, as far as the engine can. Returns whether anything
    /// moved. Fails with [`StorageError::Busy`] while snapshots are held.
    fn compact(&self) -> Result<bool, StorageError>;
}
