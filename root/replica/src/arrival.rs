//! New commits, own and foreign, on their way into memory.

use crate::{
    Authors, Change, LeafBytes, Link, Record, Replica, ReplicaError, Snapshot, Voice, Written,
    apply::{Incoming, Outcome, apply},
    authority::Sealed,
    history::replay,
    log::{Pending, Tail},
    replica::Writer,
    snapshot::Inner,
    state::State,
    store::BlockStore,
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::{CommitId, Op};
use rustc_hash::FxHashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a batch came to.
pub(crate) struct Taken {
    pub change: Arc<Change>,
    added: usize,
    removed: usize,
}

impl Taken {
    pub fn written(&self, commits: Vec<CommitId>) -> Written {
        Written {
            commits,
            added: self.added,
            removed: self.removed,
        }
    }
}

impl Replica {
    /// Applies commits that were verified and opened, puts them into the log in memory, and tells everybody who listens.
    pub(crate) fn take(
        &self,
        writer: &mut Writer,
        batch: Vec<Incoming>,
    ) -> Result<Taken, ReplicaError> {
        let mut batch = unite(batch);
        let before = self.snapshot();
        let found = self.found(&before, &batch)?;
        let mut state = before.state().clone();
        let sealed = self.judge(writer, &mut state, &mut batch)?;
        let revived = !state
            .void
            .range(..state.commits.len())
            .eq(before.state().void.iter());
        let Outcome {
            mut added,
            mut removed,
            mut lists,
            first,
            erased,
        } = apply(&mut state, &self.log, &batch)?;
        let mut tail = Tail::new();
        let mut next = first;
        for incoming in &batch {
            // `apply` numbered the new ones in order
            if state.meta(next).is_some_and(|m| m.id == incoming.id) {
                let pending = Pending {
                    record: incoming.record.clone(),
                    rewritten: false,
                };
                tail.insert(next, pending);
                next += 1;
            }
        }
        let count = (added.len(), removed.len());
        writer.since_checkpoint += (count.0 + count.1) as u64 + u64::from(next - first);
        let reset = revived || !found.is_empty() || !erased.is_empty();
        if reset {
            tail.extend(found);
            let beyond = Arc::clone(&state.beyond);
            let voices = Arc::clone(&state.voices);
            state = self.rewritten(state.commits.len(), &state.void, &voices, erased, &mut tail)?;
            state.beyond = beyond;
            writer.checkpointer.stale = true;
            (added, removed, lists) = Default::default();
        }
        writer.sealed = sealed;
        self.log.tail.write().extend(tail);
        self.current.store(Arc::new(Inner {
            state,
            log: self.log.clone(),
            authors: before.0.authors.clone(),
            orders: None,
        }));
        let change = Arc::new(Change {
            before,
            after: self.snapshot(),
            added,
            removed,
            lists,
            reset,
        });
        // who passes commits on wants to hear of those without effect as well
        if !change.is_empty() || next > first {
            self.tell(&change);
        }
        Ok(Taken {
            change,
            added: count.0,
            removed: count.1,
        })
    }

    /// Finds out which commits have no effect once this batch is there, and takes the leaves away from those of the batch.
    fn judge(
        &self,
        writer: &mut Writer,
        state: &mut State,
        batch: &mut [Incoming],
    ) -> Result<Option<Sealed>, ReplicaError> {
        let authors = self.current.load().authors.clone();
        let sealed = |i: &Incoming| {
            authors
                .get(&i.header.device)
                .is_some_and(|s| !s.may_write())
        };
        if !batch.iter().any(sealed) {
            return Ok(writer.sealed.take());
        }
        let first = state.commits.len();
        let mut all = match writer.sealed.take() {
            Some(all) => all,
            None => Sealed::read(&authors, state, &self.log, first)?,
        };
        let is_new = |i: &Incoming| state.commit_number(&i.id).is_none();
        let new: Vec<usize> = (0..batch.len()).filter(|i| is_new(&batch[*i])).collect();
        for (number, i) in (first..).zip(&new) {
            let link = Link::of(batch[*i].id, &batch[*i].header);
            all.insert(&authors, number, &link);
        }
        let void = all.void();
        for (number, i) in (first..).zip(&new) {
            if void.contains(&number) {
                batch[*i].leaves.fill(None);
            }
        }
        state.void = Arc::new(void);
        state.beyond = Arc::new(all.beyond());
        Ok(Some(all))
    }

    /// Says anew who may write, and which commits of those who no longer may still count. If that changes what counts, the state is
    /// made anew from the log.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn set_authors(&self, authors: Authors) -> Result<(), ReplicaError> {
        let mut writer = self.writer.lock();
        let before = self.snapshot();
        let now = before.state();
        let sealed = Sealed::read(&authors, now, &self.log, now.commits.len())?;
        let (void, beyond) = (Arc::new(sealed.void()), Arc::new(sealed.beyond()));
        let voices = Arc::new(authors.voices());
        // as a rule the first certificate of a key says already what its voice is
        let other =
            |key: &PublicKey| voices.get(key).copied().unwrap_or_default() != now.voice_of(key);
        let same = void == now.void && !now.devices.iter().any(other);
        let same_to_others = beyond == now.beyond;
        let mut state = if same {
            now.clone()
        } else {
            writer.checkpointer.stale = true;
            let mut tail = Tail::new();
            self.rewritten(now.commits.len(), &void, &voices, Vec::new(), &mut tail)?
        };
        state.voices = voices;
        state.beyond = beyond;
        writer.sealed = Some(sealed);
        self.current.store(Arc::new(Inner {
            state,
            log: self.log.clone(),
            authors: Arc::new(authors),
            orders: None,
        }));
        if !same || !same_to_others {
            self.tell(&Arc::new(Change {
                before,
                after: self.snapshot(),
                added: Vec::new(),
                removed: Vec::new(),
                lists: Vec::new(),
                reset: !same,
            }));
        }
        drop(writer);
        self.checkpoint_if_due(u64::MAX)
    }

    /// Known commits with leaves whose bytes are missing here and came with this batch.
    fn found(&self, before: &Snapshot, batch: &[Incoming]) -> Result<Tail, ReplicaError> {
        let state = before.state();
        let mut out = Tail::new();
        for incoming in batch {
            let Some(number) = state.commit_number(&incoming.id) else {
                continue;
            };
            let ours = self.log.record(number)?;
            let mut record = (*ours).clone();
            let places = record.leaves.iter_mut().zip(&incoming.record.leaves);
            for ((i, (mine, theirs)), leaf) in places.enumerate().zip(&incoming.leaves) {
                let forgotten = leaf.as_ref().is_some_and(|(entity, ops)| {
                    let key = State::leaf_key(entity, &incoming.id, i as u32);
                    let full = state.voice_of(&incoming.header.device) == Voice::Full;
                    let erases = ops.iter().any(|o| matches!(o, Op::Erase { .. }));
                    state.erased.contains(key) && !(full && erases)
                });
                if mine.lacks(theirs) && !forgotten {
                    *mine = theirs.clone();
                }
            }
            if record != *ours {
                out.insert(number, rewritten(record));
            }
        }
        Ok(out)
    }

    /// The state of the first `count` commits, made anew from the log with these changes, so that nothing remembers what was erased.
    /// Erased leaves lose their bytes in `tail`.
    fn rewritten(
        &self,
        count: u32,
        void: &Arc<BTreeSet<u32>>,
        voices: &Arc<BTreeMap<PublicKey, Voice>>,
        mut erased: Vec<(u32, u32)>,
        tail: &mut Tail,
    ) -> Result<State, ReplicaError> {
        loop {
            let log = self.log.with(tail);
            let mut records: BTreeMap<u32, Record> = BTreeMap::new();
            for (number, leaf) in erased {
                let record = match records.remove(&number) {
                    Some(record) => record,
                    None => (*log.record(number)?).clone(),
                };
                let record = records.entry(number).or_insert(record);
                if let Some(leaf) = record.leaves.get_mut(leaf as usize) {
                    *leaf = LeafBytes::Erased(leaf.hash());
                }
            }
            tail.extend(records.into_iter().map(|(n, r)| (n, rewritten(r))));
            let store = Arc::new(BlockStore::new(self.kv()?.clone()));
            let mut state = State::new(store, self.snapshot().state().salt);
            state.void = void.clone();
            state.voices = voices.clone();
            erased = replay(&mut state, &self.log.with(tail), count)?.erased;
            // bytes that were found may turn out to be erased by a commit of this very batch
            if erased.is_empty() {
                return Ok(state);
            }
        }
    }
}

fn rewritten(record: Record) -> Pending {
    Pending {
        record: Arc::new(record),
        rewritten: true,
    }
}

/// Makes one of the copies of a commit that came more than once: what one lacks another may have.
fn unite(batch: Vec<Incoming>) -> Vec<Incoming> {
    let mut places: FxHashMap<CommitId, usize> = FxHashMap::default();
    let mut out: Vec<Incoming> = Vec::with_capacity(batch.len());
    for incoming in batch {
        let place = *places.entry(incoming.id).or_insert(out.len());
        let Some(first) = out.get_mut(place) else {
            out.push(incoming);
            continue;
        };
        for (i, leaf) in incoming.leaves.into_iter().enumerate() {
            let theirs = &incoming.record.leaves[i];
            if first.record.leaves[i].lacks(theirs) {
                Arc::make_mut(&mut first.record).leaves[i] = theirs.clone();
                first.leaves[i] = leaf;
            }
        }
    }
    out
}
