//! From memory to stable storage: flushes, checkpoints, and what happens when they fail.

use crate::{
    Change, Replica, ReplicaError, Snapshot,
    checkpoint::Checkpointer,
    log::{Pending, Tail},
    replica::{Loaded, Writer},
    snapshot::Inner,
    write::CHECKPOINT,
};
use rhizome_storage::{Durability, Kv, StorageError};
use std::sync::{Arc, atomic::Ordering};

/// Commits that may wait in memory.
const MAX_TAIL: usize = 4096;

/// Which commits are on stable storage for certain: those below a number.
#[derive(Default)]
pub(crate) struct Flushed {
    upto: u32,
    /// The same at the end of each generation before, when the rest of it was thrown away.
    ended: Vec<u32>,
}

impl Replica {
    /// Makes every commit so far durable.
    pub fn flush(&self) -> Result<(), ReplicaError> {
        let (generation, number) = {
            let writer = self.writer.lock();
            (writer.generation, self.snapshot().commit_count())
        };
        self.flush_upto(generation, number)
    }

    /// Writes the indexes out and makes everything durable.
    pub fn checkpoint(&self) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        let mut writer = self.writer.lock();
        self.save_indexes(&mut flushed, &mut writer)
    }

    /// Writes the indexes out and gives the free space of the store back. Commits wait meanwhile, some hundred milliseconds for a
    /// million tuples. Returns false if a reader kept the store from it, which may be tried again at any time.
    pub fn compact(&self) -> Result<bool, ReplicaError> {
        self.checkpoint()?;
        let _flushing = self.flushed.lock();
        self.snapshot().state().store.refresh();
        match self.kv()?.compact() {
            Ok(_) => Ok(true),
            Err(StorageError::Busy) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes the indexes out if that many operations came since they were written or if the log was rewritten. Otherwise sees to it
    /// that not too many commits wait in memory.
    pub(crate) fn checkpoint_if_due(&self, operations: u64) -> Result<(), ReplicaError> {
        let due =
            |writer: &Writer| writer.checkpointer.stale || writer.since_checkpoint >= operations;
        let now = due(&self.writer.lock());
        if now {
            let mut flushed = self.flushed.lock();
            let mut writer = self.writer.lock();
            // whoever waited for the locks may find it done
            if due(&writer) {
                self.save_indexes(&mut flushed, &mut writer)?;
            }
        } else if self.log.tail.read().len() > MAX_TAIL {
            self.save_tail(Durability::Relaxed)?;
        }
        Ok(())
    }

    /// The same for what comes in parts, as an import does: the indexes are not written with each part but when they have grown by a
    /// third, and by a sixteenth if they take much memory.
    pub(crate) fn checkpoint_between_parts(&self, after: &Snapshot) -> Result<(), ReplicaError> {
        let share = if self.holds_much(after) { 16 } else { 3 };
        self.checkpoint_if_due(CHECKPOINT.max(after.len() / share))
    }

    fn holds_much(&self, now: &Snapshot) -> bool {
        now.state().resident() > 2 * self.resident.load(Ordering::Relaxed)
    }

    /// Lets go of the index blocks in memory if they take more than twice what [`Self::set_resident`] says. Reads load blocks, and only
    /// writes let go of them by themselves: for whoever reads much, or every now and then.
    pub fn let_go(&self) {
        if !self.holds_much(&self.snapshot()) {
            return;
        }
        let mut writer = self.writer.lock();
        if writer.uncertain || writer.checkpointer.stale {
            return;
        }
        let now = self.current.load_full();
        let mut state = now.state.clone();
        writer.checkpointer.let_go(&mut state);
        self.current.store(Arc::new(Inner {
            state,
            log: now.log.clone(),
            authors: now.authors.clone(),
            orders: None,
        }));
    }

    fn save_indexes(&self, flushed: &mut Flushed, writer: &mut Writer) -> Result<(), ReplicaError> {
        if writer.uncertain {
            let kv = self.kv()?;
            let head = Checkpointer::head(&**kv)?.ok_or(ReplicaError::Missing)?;
            let (found, _) = Checkpointer::open(kv, &head)?;
            let before = std::mem::replace(&mut writer.checkpointer, found);
            writer.checkpointer.adopt(before);
            writer.uncertain = false;
        }
        let now = self.current.load_full();
        let (batch, taken) = self.log.batch()?;
        let mut state = now.state.clone();
        let resident = self.resident.load(Ordering::Relaxed);
        let saved = writer
            .checkpointer
            .save(&mut state, &self.log, batch, resident);
        if let Err(cause) = saved {
            writer.uncertain = in_doubt(&cause);
            return if taken.is_empty() && !writer.uncertain {
                Err(cause)
            } else {
                self.throw_away(flushed, writer, &taken, cause)
            };
        }
        self.log.saved(&taken);
        flushed.upto = state.commits.len();
        writer.since_checkpoint = 0;
        self.current.store(Arc::new(Inner {
            state,
            log: now.log.clone(),
            authors: now.authors.clone(),
            orders: None,
        }));
        Ok(())
    }

    /// Returns once the commits below `number` are durable, which got their numbers in this generation.
    pub(crate) fn flush_upto(&self, generation: usize, number: u32) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        match flushed.ended.get(generation) {
            Some(upto) if number <= *upto => Ok(()),
            Some(_) => Err(ReplicaError::NotSaved(Arc::new(ReplicaError::Edit(
                "a write before this one could not be saved, and this one was taken back with it"
                    .into(),
            )))),
            // whoever waited for the lock finds its commit written by the one before: group commit
            None if number <= flushed.upto => Ok(()),
            None => {
                self.save(&mut flushed, Durability::Durable)?;
                flushed.upto = flushed.upto.max(number);
                Ok(())
            }
        }
    }

    /// Writes the commits in memory to the log.
    pub(crate) fn save_tail(&self, durability: Durability) -> Result<(), ReplicaError> {
        self.save(&mut self.flushed.lock(), durability)
    }

    fn save(&self, flushed: &mut Flushed, durability: Durability) -> Result<(), ReplicaError> {
        let (batch, taken) = self.log.batch()?;
        if taken.is_empty() && durability == Durability::Relaxed {
            return Ok(());
        }
        if let Err(cause) = self.kv()?.commit(batch, durability) {
            if taken.is_empty() {
                // nothing is lost, only not certain yet
                return Err(cause.into());
            }
            let mut writer = self.writer.lock();
            return self.throw_away(flushed, &mut writer, &taken, cause.into());
        }
        self.log.saved(&taken);
        if let (Some((last, _)), Durability::Durable) = (taken.last_key_value(), durability) {
            flushed.upto = flushed.upto.max(last + 1);
        }
        Ok(())
    }

    pub(crate) fn kv(&self) -> Result<&Arc<dyn Kv>, ReplicaError> {
        self.log.kv.as_ref().ok_or(ReplicaError::Missing)
    }

    /// After a failed write: forgets what is only in memory and reads the store again, so that memory never shows what disk lost. If it
    /// turns out that the store has it all, nothing failed.
    fn throw_away(
        &self,
        flushed: &mut Flushed,
        writer: &mut Writer,
        taken: &Tail,
        cause: ReplicaError,
    ) -> Result<(), ReplicaError> {
        let before = self.snapshot();
        let log = self.log.stored();
        let again = || {
            let head = Checkpointer::head(&**self.kv()?)?.ok_or(ReplicaError::Missing)?;
            Self::load(&log, &head, &before.0.authors)
        };
        let Ok(Loaded {
            checkpointer,
            state,
            played,
        }) = again()
        else {
            // The store does not answer. Memory stays as it is, and the next write tries to save it all.
            return Err(match cause {
                ReplicaError::Storage(e @ StorageError::InDoubt(_)) => e.into(),
                ReplicaError::Storage(e) => StorageError::InDoubt(Box::new(e)).into(),
                other => other,
            });
        };
        let there = |(number, pending): (&u32, &Pending)| {
            log.record(*number).is_ok_and(|r| r == pending.record)
        };
        let saved = in_doubt(&cause) && taken.iter().all(there);
        let last = taken.last_key_value().map_or(0, |(n, _)| n + 1);
        self.log.tail.write().clear();
        writer.generation += 1;
        let certain = if saved {
            flushed.upto.max(last)
        } else {
            flushed.upto
        };
        flushed.ended.push(certain);
        // relaxed commits of before are in the store, but not certain
        flushed.upto = 0;
        let old = std::mem::replace(&mut writer.checkpointer, checkpointer);
        writer.checkpointer.adopt(old);
        writer.uncertain = false;
        writer.sealed = None;
        writer.since_checkpoint = played;
        self.current.store(Arc::new(Inner {
            state,
            log: self.log.clone(),
            authors: before.0.authors.clone(),
            orders: None,
        }));
        self.tell(&Arc::new(Change {
            before,
            after: self.snapshot(),
            added: Vec::new(),
            removed: Vec::new(),
            lists: Vec::new(),
            reset: true,
        }));
        if saved {
            Ok(())
        } else {
            Err(ReplicaError::NotSaved(Arc::new(cause)))
        }
    }
}

fn in_doubt(error: &ReplicaError) -> bool {
    matches!(error, ReplicaError::Storage(StorageError::InDoubt(_)))
}
