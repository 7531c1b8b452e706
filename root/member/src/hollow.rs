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

    /// Notes commits that are about to be taken: on stable storage with them at the latest.
    pub fn insert(&self, ids: &[Id]) -> Result<(), StorageError> {
        let mut batch = Batch::new();
        let mut all = self.all.lock();
        for id in ids {
            if all.insert(*id) {
                batch.put(HOLLOW, id, []);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let done = self.kv.commit(batch, Durability::Relaxed);
        if done.is_err() {
            ids.iter().for_each(|id| drop(all.remove(id)));
        }
        done
    }

    /// Forgets one that is whole, or is not there.
    pub fn remove(&self, id: &Id) -> Result<(), StorageError> {
        if self.all.lock().remove(id) {
            let mut batch = Batch::new();
            batch.delete(HOLLOW, id);
            // what is asked for once more does no harm
            self.kv.commit(batch, Durability::Relaxed)?;
        }
        Ok(())
    }
}
