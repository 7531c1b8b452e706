//! The engine that forgets: for tests, and for pods that are only looked at.

use std::{array, collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Batch, Durability, KEYSPACES, Kv, Snap, StorageError, Visit, batch::check_keyspace};

type Keyspace = BTreeMap<Box<[u8]>, Bytes>;

#[derive(Clone)]
struct State([Arc<Keyspace>; KEYSPACES as usize]);

/// A store in memory. Durable commits are as durable as the process.
pub struct MemoryKv(RwLock<State>);

impl MemoryKv {
    /// An empty store.
    pub fn new() -> Self {
        Self(RwLock::new(State(array::from_fn(|_| Arc::default()))))
    }
}

impl Default for MemoryKv {
    fn default() -> Self {
        Self::new()
    }
}

impl Kv for MemoryKv {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        Ok(Arc::new(self.0.read().clone()))
    }

    fn commit(&self, mut batch: Batch, _durability: Durability) -> Result<(), StorageError> {
        batch.check()?;
        let mut state = self.0.write();
        for write in batch.sorted() {
            let keyspace = Arc::make_mut(&mut state.0[usize::from(write.keyspace)]);
            match write.value {
                Some(value) => {
                    keyspace.insert(write.key.into(), Bytes::copy_from_slice(value));
                }
                None => {
                    keyspace.remove(write.key);
                }
            }
        }
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, StorageError> {
        Ok(0)
    }

    fn compact(&self) -> Result<bool, StorageError> {
        Ok(false)
    }
}

impl Snap for State {
    fn get(&self, keyspace: u8, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        check_keyspace(keyspace)?;
        Ok(self.0[usize::from(keyspace)].get(key).cloned())
    }

    fn scan(
        &self,
        keyspace: u8,
        lo: &[u8],
        hi: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        check_keyspace(keyspace)?;
        if hi.is_some_and(|hi| hi <= lo) {
            return Ok(());
        }
        let bounds = (
            Bound::Included(lo),
            hi.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let mut range = self.0[usize::from(keyspace)].range::<[u8], _>(bounds);
        while let Some((key, value)) = if reverse {
            range.next_back()
        } else {
            range.next()
        } {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
