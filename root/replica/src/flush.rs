//! From memory to the store: group commit, checkpoints, what happens when the store refuses, and forgetting.

use crate::{
    Change, LeafBytes, Record, Replica, ReplicaError,
    checkpoint::Checkpointer,
    replica::{Flushed, Writer},
    snapshot::Inner,
};
use rhizome_storage::{Batch, Durability, Kv};
use std::{collections::BTreeMap, sync::Arc};

impl Replica {
    /// Makes every commit so far durable.
    pub fn flush(&self) -> Result<(), ReplicaError> {
        let (generation, number) = (
            self.writer.lock().generation,
            self.snapshot().commit_count(),
        );
        self.flush_upto(generation, number)
    }

    /// Writes the indexes out and makes everything durable.
    pub fn checkpoint(&self) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        let mut writer = self.writer.lock();
        let now = self.current.load_full();
        let mut batch = Batch::new();
        let upto = self.log_batch(&mut batch);
        let mut state = now.state.clone();
        match writer.checkpointer.save(&mut state, &self.log, batch) {
            Ok(()) => {}
            Err(e) => return Err(self.throw_away(&mut writer, &mut flushed, e)),
        }
        self.drop_tail(upto);
        flushed.upto = state.commits.len();
        writer.since_checkpoint = 0;
        self.current.store(Arc::new(Inner {
            state,
            log: now.log.clone(),
            authors: now.authors.clone(),
        }));
        Ok(())
    }

    pub(crate) fn flush_upto(&self, generation: u64, number: u32) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        // whoever waited for the lock finds its commit written by the one before: group commit
        if flushed.upto >= number && self.writer.lock().generation == generation {
            return Ok(());
        }
        if self.writer.lock().generation != generation {
            return Err(ReplicaError::NotSaved(Arc::new(ReplicaError::Edit(
                "a write before this one could not be saved, and this one was taken back with it"
                    .into(),
            ))));
        }
        let mut batch = Batch::new();
        let upto = self.log_batch(&mut batch);
        if let Err(e) = self.kv()?.commit(batch, Durability::Durable) {
            let mut writer = self.writer.lock();
            return Err(self.throw_away(&mut writer, &mut flushed, e.into()));
        }
        self.drop_tail(upto);
        flushed.upto = flushed.upto.max(upto).max(number);
        Ok(())
    }

    pub(crate) fn write_tail(&self, durability: Durability) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        let mut batch = Batch::new();
        let upto = self.log_batch(&mut batch);
        if let Err(e) = self.kv()?.commit(batch, durability) {
            let mut writer = self.writer.lock();
            return Err(self.throw_away(&mut writer, &mut flushed, e.into()));
        }
        self.drop_tail(upto);
        Ok(())
    }

    pub(crate) fn kv(&self) -> Result<&Arc<dyn Kv>, ReplicaError> {
        self.log.kv.as_ref().ok_or(ReplicaError::Missing)
    }

    pub(crate) fn log_batch(&self, batch: &mut Batch) -> u32 {
        let tail = self.log.tail.read();
        tail.iter()
            .for_each(|(number, record)| record.write(*number, batch));
        tail.last_key_value().map_or(0, |(n, _)| n + 1)
    }

    pub(crate) fn drop_tail(&self, upto: u32) {
        let mut tail = self.log.tail.write();
        *tail = tail.split_off(&upto);
    }

    /// After a failed write: forgets what is only in memory and reads the store again, so that memory never shows what disk lost.
    pub(crate) fn throw_away(
        &self,
        writer: &mut Writer,
        flushed: &mut Flushed,
        cause: ReplicaError,
    ) -> ReplicaError {
        let before = self.snapshot();
        self.log.tail.write().clear();
        writer.generation += 1;
        let again = || {
            let kv = self.kv()?;
            let head = Checkpointer::head(&**kv)?.ok_or(ReplicaError::Missing)?;
            Self::load(&self.log, &head)
        };
        match again() {
            Ok((checkpointer, state, played)) => {
                flushed.upto = state.commits.len();
                writer.checkpointer = checkpointer;
                writer.since_checkpoint = played;
                let inner = Inner {
                    state,
                    log: self.log.clone(),
                    authors: before.0.authors.clone(),
                };
                self.current.store(Arc::new(inner));
                let change = Change {
                    before,
                    after: self.snapshot(),
                    added: Vec::new(),
                    removed: Vec::new(),
                    reset: true,
                };
                self.tell(&Arc::new(change));
                ReplicaError::NotSaved(Arc::new(cause))
            }
            Err(e) => e,
        }
    }

    /// Drops the bytes of erased leaves from the log, and makes the indexes anew, so that the dictionary forgets them too.
    pub(crate) fn forget(
        &self,
        writer: &mut Writer,
        erased: &[(u32, u32)],
        change: Arc<Change>,
    ) -> Result<Arc<Change>, ReplicaError> {
        let mut records: BTreeMap<u32, Record> = BTreeMap::new();
        for (number, leaf) in erased {
            let record = match records.entry(*number) {
                std::collections::btree_map::Entry::Occupied(r) => r.into_mut(),
                std::collections::btree_map::Entry::Vacant(v) => {
                    v.insert((*self.log.record(*number)?).clone())
                }
            };
            if let Some(l) = record.leaves.get_mut(*leaf as usize) {
                *l = LeafBytes::Erased(l.hash());
            }
        }
        {
            let mut tail = self.log.tail.write();
            tail.extend(
                records
                    .into_iter()
                    .map(|(number, record)| (number, Arc::new(record))),
            );
        }
        let fresh = self.snapshot().rebuilt(|_, _, _| true)?;
        let mut state = fresh.0.state.clone();
        state.rebase(Arc::new(crate::store::BlockStore::new(self.kv()?.clone())));
        writer.since_checkpoint = u64::MAX / 2;
        let inner = Inner {
            state,
            log: self.log.clone(),
            authors: self.current.load().authors.clone(),
        };
        self.current.store(Arc::new(inner));
        let reset = Change {
            before: change.before.clone(),
            after: self.snapshot(),
            added: Vec::new(),
            removed: Vec::new(),
            reset: true,
        };
        self.tell(&Arc::new(reset));
        Ok(change)
    }
}
