//! Commits that came with leaves without bytes: what to ask others for, also after the process was started anew.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use parking_lot::Mutex;
use rhizome_storage::{Batch, Durability, Kv, StorageError};
use rhizome_sync::set::Id;

/// Their keyspace: id → nothing.
const HOLLOW: u8 = 5;

pub(crate) struct Hollow {
    kv: Arc<dyn Kv>,
    all: Mutex<BTreeSet<Id>>,
}

impl Hollow {
    pub fn load(kv: Arc<dyn Kv>) -> Result<Self, StorageError> {
        let mut all = BTreeSet::new();
        kv.snapshot()?
            .scan(HOLLOW, &[], None, false, &mut |key, _| {
                all.extend(<Id>::try_from(key));
                ControlFlow::Continue(())
            })?;
        Ok(Self {
            kv,
            all: Mutex::new(all),
        })
    }

    pub fn ids(&self) -> Vec<Id> {
        self.all.lock().iter().copied().collect()
    }

    /// Notes commits that are about to be taken, so that they are on stable storage no later than the commits. Returns those that were
    /// not noted before.
    pub fn insert(&self, ids: impl IntoIterator<Item = Id>) -> Result<Vec<Id>, StorageError> {
        let mut all = self.all.lock();
        let mut batch = Batch::new();
        let fresh: Vec<Id> = ids.into_iter().filter(|id| all.insert(*id)).collect();
        if fresh.is_empty() {
            return Ok(fresh);
        }
        for id in &fresh {
            batch.put(HOLLOW, id, []);
        }
        if let Err(error) = self.kv.commit(batch, Durability::Relaxed) {
            for id in &fresh {
                all.remove(id);
            }
            return Err(error);
        }
        Ok(fresh)
    }

    /// Forgets those that are whole, or are not there.
    pub fn remove(&self, ids: &[Id]) -> Result<(), StorageError> {
        let mut all = self.all.lock();
        let mut batch = Batch::new();
        for id in ids {
            if all.remove(id) {
                batch.delete(HOLLOW, id);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        // one that is asked for once more after a crash does no harm
        self.kv.commit(batch, Durability::Relaxed)
    }
}
