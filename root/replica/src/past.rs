//! Commits one after another, and single entities as they were.

use crate::{
    Fact, ReplicaError, Snapshot,
    apply::{Incoming, apply},
    key,
    log::Record,
    snapshot::Inner,
    state::{Place, State},
    store::BlockStore,
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::{CommitId, EntityId, Hlc};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the indexes know of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitMeta {
    /// The commit.
    pub id: CommitId,
    /// Who signed it.
    pub author: PublicKey,
    /// The author's clock.
    pub hlc: Hlc,
    /// How many leaves it has: one for each entity that it is about.
    pub leaves: u32,
    /// Whether it counts.
    pub counts: bool,
}

const LOST: ReplicaError = ReplicaError::Corrupt("an index names a commit that is not in the log");

impl Snapshot {
    /// The commit with this number, counted from 0 in the order in which they came here; `None` if there are fewer.
    pub fn commit_meta(&self, number: u32) -> Option<CommitMeta> {
        let meta = self.state().meta(number)?;
        Some(CommitMeta {
            id: meta.id,
            author: *self.state().devices.get(meta.device as usize)?,
            hlc: meta.hlc,
            leaves: meta.leaves,
            counts: !self.state().void.contains(&number),
        })
    }

    /// The entities that a commit is about, at most the first so many; those that nobody can read any more are left out.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn about(&self, number: u32, most: u32) -> Result<Vec<EntityId>, ReplicaError> {
        let Some(meta) = self.state().meta(number) else {
            return Ok(Vec::new());
        };
        let mut out = Vec::new();
        for index in 0..meta.leaves.min(most) {
            out.extend(self.0.log.leaf(number, index)?.map(|(entity, _)| entity));
        }
        Ok(out)
    }

    /// Every current tuple in order of entity and attribute, with the number of the commit that says it, until `f` says no.
    pub fn said_in(&self, mut f: impl FnMut(Fact, u32) -> bool) {
        let all = &self.state().eav;
        all.entries(0, u128::MAX, |key, place| {
            f(key::un_eav(key), Place(place).commit())
        });
    }

    /// These entities as they were after the commits that `keep` wants, and nothing else: made anew from what was said of them, which is what it
    /// costs. References to others are there, what others say is not.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn part_as_of(
        &self,
        entities: &BTreeSet<EntityId>,
        keep: impl Fn(&CommitMeta) -> bool,
    ) -> Result<Self, ReplicaError> {
        let mut wanted: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for e in entities.iter().filter_map(|id| self.eid(id)) {
            for (number, index) in self.state().leaves_of(e) {
                wanted.entry(number).or_default().push(index);
            }
        }
        wanted.retain(|number, _| self.commit_meta(*number).is_some_and(|meta| keep(&meta)));
        let mut batch = Vec::with_capacity(wanted.len());
        let mut void = BTreeSet::new();
        for (place, (number, indexes)) in (0..).zip(&wanted) {
            let meta = self.state().meta(*number).ok_or(LOST)?;
            let mut leaves = vec![None; meta.leaves as usize];
            if self.state().void.contains(number) {
                void.insert(place);
            } else {
                for index in indexes {
                    if let Some(leaf) = leaves.get_mut(*index as usize) {
                        *leaf = self.0.log.leaf(*number, *index)?;
                    }
                }
            }
            batch.push(Incoming {
                id: meta.id,
                header: self.0.log.header_at(*number)?,
                record: Arc::new(Record {
                    envelope: Vec::new(),
                    leaves: Vec::new(),
                }),
                leaves,
            });
        }
        let log = self.0.log.renumbered(wanted.into_keys().collect());
        let mut state = State::new(Arc::new(BlockStore::default()), self.state().salt);
        state.void = Arc::new(void);
        state.voices = Arc::clone(&self.state().voices);
        apply(&mut state, &log, &batch)?;
        Ok(Self(Arc::new(Inner {
            state,
            log,
            authors: Arc::clone(&self.0.authors),
            orders: None,
        })))
    }
}
