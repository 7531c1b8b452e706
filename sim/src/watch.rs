//! A store looked at from outside: what a session brings is noted; what a liar hands out has leaves taken away.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use rhizome_ipld::PublicKey;
use rhizome_replica::LeafBytes;
use rhizome_sync::{
    CertificateFate, ChainState, Commit, CommitName, Fate, Lack, Leaf, Reading, Refusal, Store,
    StoreError, set::Id,
};

use crate::{Counts, Dice};

/// What a device or a peer has taken durably from others.
#[derive(Default)]
pub struct Seen {
    /// Commits that it said it keeps.
    pub taken: BTreeSet<Id>,
    /// What came of all of them.
    pub counts: Counts,
    /// Takes leaves away from what it hands out.
    pub strips: Option<Dice>,
}

/// See the module.
pub struct Watched {
    pub inner: Box<dyn Store>,
    pub seen: Arc<Mutex<Seen>>,
}

impl Watched {
    fn strip(&self, leaves: Vec<Leaf>) -> Vec<Leaf> {
        let mut seen = self.seen.lock();
        let Some(mut dice) = seen.strips.take() else {
            return leaves;
        };
        let each = leaves.into_iter().map(|leaf| match leaf {
            Leaf::Sealed(bytes) if dice.one_in(12) => {
                seen.counts.stripped += 1;
                Leaf::Erased(LeafBytes::Sealed(bytes).hash())
            }
            leaf => leaf,
        });
        let out = each.collect();
        seen.strips = Some(dice);
        out
    }
}

impl Store for Watched {
    fn pod(&self) -> [u8; 32] {
        self.inner.pod()
    }

    fn certificates(&self) -> Result<Vec<Id>, StoreError> {
        self.inner.certificates()
    }

    fn certificate(&self, id: &Id) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.certificate(id)
    }

    fn chains(&self) -> Result<Vec<(PublicKey, Id)>, StoreError> {
        self.inner.chains()
    }

    fn chain(&self, key: &PublicKey) -> Result<Option<ChainState>, StoreError> {
        self.inner.chain(key)
    }

    fn ids(
        &self,
        key: &PublicKey,
        from: (u64, Id),
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Id)>, StoreError> {
        self.inner.ids(key, from, to, limit)
    }

    fn name(&self, envelope: &[u8]) -> Option<CommitName> {
        self.inner.name(envelope)
    }

    fn holds(&self, key: &PublicKey, id: &Id) -> Result<bool, StoreError> {
        self.inner.holds(key, id)
    }

    fn commit(
        &self,
        key: &PublicKey,
        id: &Id,
        budget: usize,
    ) -> Result<Option<Reading>, StoreError> {
        let reading = self.inner.commit(key, id, budget)?;
        Ok(reading.map(|reading| Reading {
            leaves: self.strip(reading.leaves),
            ..reading
        }))
    }

    fn leaves(
        &self,
        key: &PublicKey,
        id: &Id,
        first: u32,
        budget: usize,
    ) -> Result<Vec<Leaf>, StoreError> {
        Ok(self.strip(self.inner.leaves(key, id, first, budget)?))
    }

    fn lacking(&self, limit: usize) -> Result<Vec<Lack>, StoreError> {
        self.inner.lacking(limit)
    }

    fn take_certificates(
        &mut self,
        batch: Vec<Vec<u8>>,
    ) -> Result<Vec<CertificateFate>, StoreError> {
        self.inner.take_certificates(batch)
    }

    fn take_commits(&mut self, batch: Vec<Commit>) -> Result<Vec<Fate>, StoreError> {
        let erased = |c: &Commit| {
            c.leaves
                .iter()
                .filter(|l| matches!(l, Leaf::Erased(_)))
                .count()
        };
        let hollow: Vec<usize> = batch.iter().map(erased).collect();
        let fates = self.inner.take_commits(batch)?;
        let mut seen = self.seen.lock();
        for (fate, hollow) in fates.iter().zip(hollow) {
            match fate {
                Fate::Taken { name, .. } => {
                    seen.counts.hollow += hollow as u64;
                    seen.taken.insert(name.id);
                }
                Fate::Known(_) => seen.counts.twice += 1,
                Fate::Refused { why, .. } => match why {
                    Refusal::NoAuthority => seen.counts.stayed_out += 1,
                    Refusal::NoKey => seen.counts.no_key += 1,
                    _ => {}
                },
                Fate::Invalid => {}
            }
        }
        Ok(fates)
    }

    fn take_leaves(
        &mut self,
        key: &PublicKey,
        id: &Id,
        leaves: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        self.inner.take_leaves(key, id, leaves)
    }
}
