//! Writing, importing and receiving commits.

use crate::{
    Author, Change, Edit, LeafBytes, Record, Replica, ReplicaError, Snapshot, Written,
    apply::Incoming, edit,
};
use rhizome_ipld::{PublicKey, SigningKey, Verified};
use rhizome_storage::Durability;
use rhizome_tuple::{Commit, CommitId, Head, Hlc, Leaf, MAX_FRONTIER, MAX_LEAVES};
use std::{collections::BTreeMap, sync::Arc};

/// Leaves of one commit of an import.
const IMPORT_LEAVES: usize = 8192;
/// Tuples after which the indexes are written out.
pub(crate) const CHECKPOINT: u64 = 10_000;

impl Replica {
    /// Writes edits as one commit. With [`Durability::Durable`] it returns when the commit is on stable storage, together with what
    /// others wrote meanwhile; with `Relaxed`, once it is visible here.
    ///
    /// # Errors
    /// [`ReplicaError::NotSaved`] if the store could not take it: then the write did not happen, in memory neither.
    pub fn write(
        &self,
        author: &Author,
        edits: Vec<Edit>,
        now_ms: i64,
        nonce: [u8; 16],
        durability: Durability,
    ) -> Result<Written, ReplicaError> {
        let leaves = |before: &Snapshot| edit::leaves(before, edits);
        self.compose(author, now_ms, nonce, durability, leaves)
    }

    /// As [`Self::write`], if `check` has nothing against it while nobody else writes.
    ///
    /// # Errors
    /// As [`Self::write`]; those of `check`.
    pub fn write_if<E: From<ReplicaError>>(
        &self,
        author: &Author,
        edits: Vec<Edit>,
        (now_ms, nonce): (i64, [u8; 16]),
        durability: Durability,
        check: impl FnOnce(&Snapshot, &[Edit]) -> Result<(), E>,
    ) -> Result<Written, E> {
        self.compose(author, now_ms, nonce, durability, |before| {
            check(before, &edits)?;
            Ok(edit::leaves(before, edits)?)
        })
    }

    /// As [`Self::write`], of operations: those that `leaves` makes from what is there while nobody else writes.
    ///
    /// # Errors
    /// As [`Self::write`]; those of `leaves`.
    pub fn compose<E: From<ReplicaError>>(
        &self,
        author: &Author,
        now_ms: i64,
        nonce: [u8; 16],
        durability: Durability,
        leaves: impl FnOnce(&Snapshot) -> Result<Vec<Leaf>, E>,
    ) -> Result<Written, E> {
        let (written, generation, number) = {
            let mut writer = self.writer.lock();
            let before = self.snapshot();
            let leaves = leaves(&before)?;
            if leaves.is_empty() {
                // what makes the edits superfluous may itself be on its way to the disk
                let (generation, number) = (writer.generation, before.commit_count());
                drop(writer);
                if durability == Durability::Durable {
                    self.flush_upto(generation, number)?;
                }
                return Ok(Written::default());
            }
            if leaves.len() > MAX_LEAVES {
                return Err(E::from(ReplicaError::Edit(format!(
                    "one transaction may change {MAX_LEAVES} entities, not {}: split it",
                    leaves.len()
                ))));
            }
            let header = self.header(&before, &author.key.public(), now_ms, nonce)?;
            let incoming = self.build(header, leaves, &author.key)?;
            let commits = vec![incoming.id];
            let taken = self.take(&mut writer, vec![incoming])?;
            let number = taken.change.after.commit_count();
            (taken.written(commits), writer.generation, number)
        };
        if durability == Durability::Durable {
            self.flush_upto(generation, number)?;
        }
        match self.checkpoint_if_due(CHECKPOINT) {
            // a durable write is safe in the log whatever becomes of the indexes; the next write tries again
            Err(_) if durability == Durability::Durable => Ok(written),
            done => Ok(done.map(|()| written)?),
        }
    }

    /// Writes edits of an import: any number of entities, as few commits of many leaves. They become durable with the next
    /// [`Self::flush`] or [`Self::checkpoint`]; `random` fills a buffer with random bytes.
    pub fn import(
        &self,
        author: &Author,
        edits: Vec<Edit>,
        now_ms: i64,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Written, ReplicaError> {
        let mut writer = self.writer.lock();
        let before = self.snapshot();
        let mut leaves = edit::leaves(&before, edits)?;
        if leaves.is_empty() {
            return Ok(Written::default());
        }
        let mut batch: Vec<Incoming> = Vec::new();
        while !leaves.is_empty() {
            let rest = leaves.split_off(leaves.len().min(IMPORT_LEAVES));
            let mut nonce = [0; 16];
            random(&mut nonce);
            let mut header = self.header(&before, &author.key.public(), now_ms, nonce)?;
            if let Some(last) = batch.last() {
                header.seq =
                    header
                        .seq
                        .checked_add(batch.len() as u64)
                        .ok_or(ReplicaError::Full(
                            "the chain of this key has no place left: use a new key",
                        ))?;
                header.prev = Some(last.id);
                header.hlc = Hlc::next(now_ms, last.header.hlc, Hlc::default());
                header.frontier.clear();
            }
            batch.push(self.build(header, leaves, &author.key)?);
            leaves = rest;
        }
        let commits = batch.iter().map(|i| i.id).collect();
        let taken = self.take(&mut writer, batch)?;
        drop(writer);
        self.checkpoint_between_parts(&taken.change.after)?;
        self.save_tail(Durability::Relaxed)?;
        Ok(taken.written(commits))
    }

    /// Takes commits that came from elsewhere: verifies each one and applies them together. Known ones are passed over, except for
    /// leaves that came without their bytes before. They become durable with the next [`Self::flush`] or [`Self::checkpoint`].
    /// Returns the change, which is empty if all were known.
    ///
    /// # Errors
    /// The first commit that is not valid here; none of the batch is taken then.
    pub fn receive(&self, records: Vec<Record>) -> Result<Arc<Change>, ReplicaError> {
        let admit = |record| self.admitted(record)?.map_err(|(_, error)| error);
        let batch = records.into_iter().map(admit).collect::<Result<_, _>>()?;
        let mut writer = self.writer.lock();
        let taken = self.take(&mut writer, batch)?;
        drop(writer);
        self.checkpoint_if_due(u64::MAX)?;
        Ok(taken.change)
    }

    /// Every commit after what `have` knows of each author, oldest first, at most `limit`: what another replica lacks.
    pub fn missing(
        &self,
        have: &BTreeMap<PublicKey, u64>,
        limit: usize,
    ) -> Result<Vec<Record>, ReplicaError> {
        let now = self.current.load_full();
        let mut out = Vec::new();
        for number in 0..now.state.commits.len() {
            if out.len() == limit {
                break;
            }
            let Some(meta) = now.state.meta(number) else {
                continue;
            };
            let known = now
                .state
                .devices
                .get(meta.device as usize)
                .and_then(|d| have.get(d));
            if known.is_none_or(|seq| meta.seq > *seq) {
                out.push((*now.log.record(number)?).clone());
            }
        }
        Ok(out)
    }

    pub(crate) fn tell(&self, change: &Arc<Change>) {
        self.listeners.read().iter().for_each(|(_, l)| l(change));
    }

    pub(crate) fn build(
        &self,
        header: Commit,
        leaves: Vec<Leaf>,
        key: &SigningKey,
    ) -> Result<Incoming, ReplicaError> {
        let epochs = self.log.epochs.all();
        let epoch = epochs.last().ok_or(ReplicaError::NoKey([0; 8]))?;
        let (verified, sealed) = Commit::build(header, &leaves, epoch, key)?;
        let record = Record {
            envelope: verified.to_bytes(),
            leaves: sealed.into_iter().map(LeafBytes::Sealed).collect(),
        };
        let id = CommitId::from_cid(&verified.id())
            .ok_or(ReplicaError::Corrupt("a commit without a BLAKE3 id"))?;
        let leaves = leaves
            .into_iter()
            .map(|l| Some((l.entity, l.ops)))
            .collect();
        Ok(Incoming {
            id,
            header: verified.into_payload(),
            record: Arc::new(record),
            leaves,
        })
    }

    pub(crate) fn opened(
        &self,
        verified: Verified<Commit>,
        record: Record,
    ) -> Result<Incoming, ReplicaError> {
        let id = CommitId::from_cid(&verified.id())
            .ok_or(ReplicaError::Corrupt("a commit without a BLAKE3 id"))?;
        let header = verified.into_payload();
        let leaves = record
            .leaves
            .iter()
            .enumerate()
            .map(|(i, bytes)| self.log.epochs.open(&header, i as u32, bytes))
            .collect::<Result<_, _>>()?;
        Ok(Incoming {
            id,
            header,
            record: Arc::new(record),
            leaves,
        })
    }

    /// The header of the next commit of a chain, root and leaves still open.
    pub(crate) fn header(
        &self,
        now: &Snapshot,
        device: &PublicKey,
        now_ms: i64,
        nonce: [u8; 16],
    ) -> Result<Commit, ReplicaError> {
        now.0.authors.may_write(device)?;
        let state = now.state();
        let number = state
            .devices
            .iter()
            .position(|d| d == device)
            .map(|n| n as u32);
        let own = number.and_then(|n| state.heads.get(&n)).copied();
        let meta = own.and_then(|h| state.meta(h.commit));
        let frontier = state
            .heads
            .iter()
            .filter(|(d, head)| Some(**d) != number && own.is_none_or(|o| head.commit > o.commit))
            .filter_map(|(d, head)| {
                Some(Head(
                    *state.devices.get(*d as usize)?,
                    head.seq,
                    state.meta(head.commit)?.id,
                ))
            })
            .take(MAX_FRONTIER)
            .collect();
        Ok(Commit {
            v: 1,
            pod: self.pod.clone(),
            device: *device,
            seq: match own {
                None => 0,
                Some(h) => h.seq.checked_add(1).ok_or(ReplicaError::Full(
                    "the chain of this key has no place left: use a new key",
                ))?,
            },
            prev: meta.map(|m| m.id),
            frontier,
            hlc: Hlc::next(now_ms, meta.map_or(Hlc::default(), |m| m.hlc), state.clock),
            cap: None,
            nonce,
            root: [0; 32],
            leaves: 0,
        })
    }
}
