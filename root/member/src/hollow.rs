//! Commits that came with leaves without bytes: what to ask others for, also after the process was started anew.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use rhizome_replica::Snapshot;
use rhizome_storage::{Batch, Durability, Kv, StorageError};
use rhizome_sync::set::Id;

use crate::MemberError;

/// Their keyspace: id → nothing; and [`VOID`].
const HOLLOW: u8 = 5;
/// Under this: which commits had no effect when the log was last searched.
const VOID: &[u8] = b"void";

pub(crate) struct Hollow {
    kv: Arc<dyn Kv>,
    all: Mutex<BTreeSet<Id>>,
    /// The log is to be searched: it could not be when it was due.
    overdue: AtomicBool,
    /// Where to go on asking: what nobody has must not keep others from being asked for.
    next: Mutex<Id>,
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
            overdue: AtomicBool::new(false),
            next: Mutex::default(),
        })
    }

    /// All of them, beginning where it was stopped last.
    pub fn ids(&self) -> Vec<Id> {
        let (all, next) = (self.all.lock(), *self.next.lock());
        all.range(next..)
            .chain(all.range(..next))
            .copied()
            .collect()
    }

    /// Begin here next time.
    pub fn stop(&self, next: Id) {
        *self.next.lock() = next;
    }

    /// Who obeyed an erasure has lost bytes. If it turns out to be void, they are to be asked for: searches the log if other commits are
    /// without effect than when it was last searched.
    pub fn search(&self, now: &Snapshot) -> Result<(), MemberError> {
        self.overdue.store(true, Ordering::Relaxed);
        self.try_search(now)?;
        self.overdue.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// [`Self::search`], if it failed before.
    pub fn search_if_overdue(&self, now: &Snapshot) -> Result<(), MemberError> {
        if self.overdue.load(Ordering::Relaxed) {
            self.search(now)?;
        }
        Ok(())
    }

    fn try_search(&self, now: &Snapshot) -> Result<(), MemberError> {
        let void = now.void_digest();
        let before = self.kv.snapshot()?.get(HOLLOW, VOID)?;
        if before.is_some_and(|before| *before == void) {
            return Ok(());
        }
        self.insert(now.incomplete()?.into_iter().map(|id| id.0))?;
        let mut batch = Batch::new();
        batch.put(HOLLOW, VOID, void);
        Ok(self.kv.commit(batch, Durability::Relaxed)?)
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
