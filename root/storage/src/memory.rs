//! The engine that forgets: for tests, and for pods that are only looked at.

use std::{array, collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Batch, Durability, KEYSPACES, Kv, Snap, StorageError, Visit, batch::check_keyspace};

/// Entries in a run before it is split. A commit copies the runs it touches when a snapshot shares
/// them, and one reference for every run of the keyspace: this balances the two.
const RUN: usize = 256;

type Run = Vec<(Bytes, Bytes)>;

/// Sorted runs by their lower bounds. The first bound is the empty key, so every key has a run.
#[derive(Clone)]
struct Keyspace(BTreeMap<Bytes, Arc<Run>>);

impl Keyspace {
    fn new() -> Self {
        Self(BTreeMap::from([(Bytes::new(), Arc::default())]))
    }

    /// The run that has `key`, if the keyspace has it.
    fn run(&self, key: &[u8]) -> Option<&Run> {
        let (_, run) = self.0.range::<[u8], _>(up_to(key)).next_back()?;
        Some(run)
    }

    fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let run = self.run(key)?;
        let at = run.binary_search_by(|(k, _)| k[..].cmp(key)).ok()?;
        run.get(at).map(|(_, value)| value)
    }

    fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some((_, run)) = self.0.range_mut::<[u8], _>(up_to(key)).next_back() else {
            return;
        };
        let found = run.binary_search_by(|(k, _)| k[..].cmp(key));
        if found.is_err() && value.is_none() {
            return; // nothing to copy the run for
        }
        let run = Arc::make_mut(run);
        match (found, value) {
            (Ok(at), Some(value)) => run[at].1 = Bytes::copy_from_slice(value),
            (Ok(at), None) => drop(run.remove(at)),
            (Err(at), Some(value)) => {
                let pair = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                run.insert(at, pair);
            }
            (Err(_), None) => {}
        }
        if run.len() > RUN {
            // Keys that arrive in order leave full runs behind.
            let at = if found == Err(RUN) { RUN } else { RUN / 2 };
            let upper = run.split_off(at);
            let bound = upper[0].0.clone();
            self.0.insert(bound, Arc::new(upper));
        } else if run.is_empty() {
            let bound = self.0.range::<[u8], _>(up_to(key)).next_back();
            let bound = bound.map(|(bound, _)| bound.clone());
            if let Some(bound) = bound.filter(|bound| !bound.is_empty()) {
                self.0.remove(&bound);
            }
        }
    }
}

fn up_to(key: &[u8]) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Unbounded, Bound::Included(key))
}

#[derive(Clone)]
struct State([Arc<Keyspace>; KEYSPACES as usize]);

/// A store in memory. Durable commits are as durable as the process.
///
/// A snapshot costs nothing; the first commit after it copies what it touches, in runs of up to 256
/// keys, and for each such run of a keyspace it writes to, one reference.
pub struct MemoryKv(RwLock<State>);

impl MemoryKv {
    /// An empty store.
    pub fn new() -> Self {
        let empty = Arc::new(Keyspace::new());
        Self(RwLock::new(State(array::from_fn(|_| Arc::clone(&empty)))))
    }

    /// Another store with the same content, which from now on goes its own way. Costs as much as a snapshot.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
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
            keyspace.set(write.key, write.value);
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
        let runs = &self.0[usize::from(keyspace)].0;
        let first = runs.range::<[u8], _>(up_to(lo)).next_back();
        let first = first.map_or(&[][..], |(bound, _)| bound);
        let end = hi.map_or(Bound::Unbounded, Bound::Excluded);
        let mut runs = runs.range::<[u8], _>((Bound::Included(first), end));
        while let Some((_, run)) = if reverse {
            runs.next_back()
        } else {
            runs.next()
        } {
            let from = run.partition_point(|(key, _)| &key[..] < lo);
            let to = hi.map_or(run.len(), |hi| {
                run.partition_point(|(key, _)| &key[..] < hi)
            });
            let mut pairs = run[from..to.max(from)].iter();
            while let Some((key, value)) = if reverse {
                pairs.next_back()
            } else {
                pairs.next()
            } {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
