//! What commits look like to those who carry them from replica to replica: chains of ids, and records that come in one by one.

use crate::{
    Authors, Change, LeafBytes, Record, Replica, ReplicaError, Snapshot,
    apply::Incoming,
    log::{header_of, payload_id},
    state::State,
};
use rhizome_ipld::{PublicKey, Signed};
use rhizome_tuple::{Commit, CommitId, EntityId, LeafId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A commit as a link of a chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// Whose chain.
    pub author: PublicKey,
    /// The place in it.
    pub seq: u64,
    /// The commit.
    pub id: CommitId,
    /// The one it follows, as it says.
    pub prev: Option<CommitId>,
}

impl Link {
    /// The link that a commit is.
    pub fn of(id: CommitId, header: &Commit) -> Self {
        Self {
            author: header.device,
            seq: header.seq,
            id,
            prev: header.prev,
        }
    }

    /// The link in a commit's envelope, which is not verified for it.
    ///
    /// # Errors
    /// If it is no envelope of a commit.
    pub fn of_envelope(envelope: &[u8]) -> Result<Self, ReplicaError> {
        let header = header_of(envelope)?;
        Ok(Self::of(payload_id(envelope)?, &header))
    }
}

/// What became of a commit that came from elsewhere.
#[derive(Debug)]
pub enum Arrival {
    /// It is new here. Another one at the same place of the chain that was there before makes it a fork.
    New(Link, Option<CommitId>),
    /// It was here; bytes of leaves that were missing have been taken from it.
    Known(Link),
    /// It is well-formed, and not taken here and now: [`ReplicaError::UnknownAuthor`], [`ReplicaError::Removed`],
    /// [`ReplicaError::NoKey`].
    Refused(Link, ReplicaError),
    /// It is no commit of this pod, or was changed on the way.
    Invalid(ReplicaError),
}

impl Snapshot {
    /// The commit with this number, counted from 0 in the order in which they came here; with whether it counts (see
    /// [`crate::Standing`]).
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn link(&self, number: u32) -> Result<Option<(Link, bool)>, ReplicaError> {
        if number >= self.commit_count() {
            return Ok(None);
        }
        let header = self.0.log.header_at(number)?;
        let Some(meta) = self.state().meta(number) else {
            return Err(self.lost());
        };
        let counts = !self.state().void.contains(&number);
        Ok(Some((Link::of(meta.id, &header), counts)))
    }

    /// Whether a commit is here.
    pub fn holds(&self, id: &CommitId) -> bool {
        self.state().commit_number(id).is_some()
    }

    /// The number of a commit, its author, and whether it counts.
    pub fn known(&self, id: &CommitId) -> Option<(u32, PublicKey, bool)> {
        let number = self.state().commit_number(id)?;
        let device = self.state().meta(number)?.device;
        let author = *self.state().devices.get(device as usize)?;
        Some((number, author, !self.state().void.contains(&number)))
    }

    /// Whether something that counts erases a leaf of an entity, which may never have been here.
    pub fn forgets(&self, entity: &EntityId, leaf: &LeafId) -> bool {
        let key = State::leaf_key(entity, &leaf.0, leaf.1);
        self.state().erased.contains(key)
    }

    /// Who may write here, or might once.
    pub fn authors(&self) -> &Arc<Authors> {
        &self.0.authors
    }

    /// A commit as it travels.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn record(&self, id: &CommitId) -> Result<Option<Arc<Record>>, ReplicaError> {
        let number = self.state().commit_number(id);
        self.fault()?;
        number.map(|n| self.0.log.record(n)).transpose()
    }

    /// The numbers of the commits that are not passed on: those within none of the seals of a key that may no longer write.
    pub fn beyond(&self) -> &Arc<BTreeSet<u32>> {
        &self.state().beyond
    }

    /// Place and id of the commits in a chain that are passed on, from the place `first` to `last`, in ascending order of both; at least those of one place
    /// and at most about `limit`.
    ///
    /// # Errors
    /// Those of reading the indexes.
    pub fn chain(
        &self,
        author: &PublicKey,
        first: u64,
        last: u64,
        limit: usize,
    ) -> Result<Vec<(u64, CommitId)>, ReplicaError> {
        let state = self.state();
        let Some(device) = state.devices.iter().position(|d| d == author) else {
            return Ok(Vec::new());
        };
        let slot = |seq: u64| (device as u128) << 64 | seq as u128;
        let mut slots = Vec::new();
        state
            .chains
            .entries(slot(first), slot(last), |key, number| {
                slots.push((key as u64, number as u32));
                slots.len() < limit.max(1)
            });
        let mut out: Vec<(u64, CommitId)> = Vec::new();
        for (seq, number) in slots {
            let forks = (number as u128) << 64;
            let forks = state.forks.range(forks, forks | u64::MAX as u128);
            let mut here = BTreeSet::new();
            for number in std::iter::once(number).chain(forks.map(|f| f as u32)) {
                if !state.beyond.contains(&number) {
                    here.insert(state.meta(number).ok_or_else(|| self.lost())?.id);
                }
            }
            out.extend(here.into_iter().map(|id| (seq, id)));
        }
        self.fault()?;
        Ok(out)
    }

    /// Places of leaves of a commit whose bytes are not here: erased ones, and those that came without.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn hollow(&self, id: &CommitId) -> Result<Vec<u32>, ReplicaError> {
        let Some(record) = self.record(id)? else {
            return Ok(Vec::new());
        };
        let leaves = (0..).zip(&record.leaves);
        let hollow = leaves.filter(|(_, leaf)| matches!(leaf, LeafBytes::Erased(_)));
        Ok(hollow.map(|(place, _)| place).collect())
    }

    /// Places of leaves of a commit whose bytes are not here although nothing that counts erases them: another replica may have them.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn missing(&self, id: &CommitId) -> Result<Vec<u32>, ReplicaError> {
        let erased = &self.state().erased;
        let mut missing = self.hollow(id)?;
        missing.retain(|place| !erased.contains(State::named_key(id, *place)));
        self.fault()?;
        Ok(missing)
    }

    /// The commits with [`Self::missing`] leaves. Reads the whole log.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn incomplete(&self) -> Result<Vec<CommitId>, ReplicaError> {
        let mut out = Vec::new();
        for number in 0..self.commit_count() {
            let record = self.0.log.record(number)?;
            if record
                .leaves
                .iter()
                .any(|leaf| matches!(leaf, LeafBytes::Erased(_)))
            {
                let meta = self.state().meta(number).ok_or_else(|| self.lost())?;
                if !self.missing(&meta.id)?.is_empty() {
                    out.push(meta.id);
                }
            }
        }
        Ok(out)
    }

    /// Commits that another one follows, or has seen, and that are not here: nothing else shows that somebody withholds them. Reads all headers.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn gaps(&self) -> Result<usize, ReplicaError> {
        let mut missing = BTreeSet::new();
        for number in 0..self.commit_count() {
            let header = self.0.log.header_at(number)?;
            let seen = header.frontier.iter().map(|head| head.2);
            let named = header.prev.into_iter().chain(seen);
            missing.extend(named.filter(|id| !self.holds(id)));
        }
        self.fault()?;
        Ok(missing.len())
    }

    /// Whether anything is erased, and a hash of what, as far as can be told without reading the log: another one whenever [`Self::erased`]
    /// is.
    pub fn erasures(&self) -> (bool, [u8; 32]) {
        let erased = &self.state().erased;
        let mut hasher = blake3::Hasher::new_derive_key("rhizome replica erasures v1");
        hasher.update(&erased.len().to_be_bytes());
        hasher.update(&self.void_digest());
        (!erased.is_empty(), *hasher.finalize().as_bytes())
    }

    /// The leaves that something that counts erases, by their commits: of those that are here. Reads the whole log.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn erased(&self) -> Result<BTreeMap<CommitId, BTreeSet<u32>>, ReplicaError> {
        let erased = &self.state().erased;
        let mut out = BTreeMap::new();
        for number in 0..self.commit_count() {
            let record = self.0.log.record(number)?;
            let hollow = (0..).zip(&record.leaves);
            let mut hollow = hollow
                .filter(|(_, l)| matches!(l, LeafBytes::Erased(_)))
                .peekable();
            if hollow.peek().is_none() {
                continue;
            }
            let id = self.state().meta(number).ok_or_else(|| self.lost())?.id;
            let gone = hollow.filter(|(place, _)| erased.contains(State::named_key(&id, *place)));
            let gone: BTreeSet<u32> = gone.map(|(place, _)| place).collect();
            if !gone.is_empty() {
                out.insert(id, gone);
            }
        }
        self.fault()?;
        Ok(out)
    }

    /// A hash of which commits have no effect: equal exactly for equal sets.
    pub fn void_digest(&self) -> [u8; 32] {
        let void = self.state().void.iter();
        let mut ids: Vec<CommitId> = void
            .filter_map(|n| Some(self.state().meta(*n)?.id))
            .collect();
        ids.sort_unstable();
        let mut hasher = blake3::Hasher::new_derive_key("rhizome replica void v1");
        for id in ids {
            hasher.update(&id.0);
        }
        *hasher.finalize().as_bytes()
    }

    fn lost(&self) -> ReplicaError {
        self.fault().err().unwrap_or(ReplicaError::Corrupt(
            "an index names a commit that is not there",
        ))
    }
}

impl Replica {
    /// Takes commits that came from elsewhere, as [`Self::receive`], but each on its own merits: one that cannot be taken does not keep
    /// the others out. Says what became of each, in the same order.
    ///
    /// # Errors
    /// Those of the store; none of the commits is taken then.
    pub fn receive_each(
        &self,
        records: Vec<Record>,
    ) -> Result<(Option<Arc<Change>>, Vec<Arrival>), ReplicaError> {
        let mut arrivals = Vec::with_capacity(records.len());
        let mut batch: Vec<Incoming> = Vec::new();
        for record in records {
            arrivals.push(match self.admitted(record) {
                Ok(Ok(incoming)) => {
                    let link = Link::of(incoming.id, &incoming.header);
                    batch.push(incoming);
                    Arrival::Known(link)
                }
                Ok(Err((link, error))) => Arrival::Refused(link, error),
                Err(
                    error @ (ReplicaError::Tuple(_)
                    | ReplicaError::Signature(_)
                    | ReplicaError::WrongPod { .. }),
                ) => Arrival::Invalid(error),
                Err(error) => return Err(error),
            });
        }
        if batch.is_empty() {
            return Ok((None, arrivals));
        }
        let mut writer = self.writer.lock();
        let before = self.snapshot();
        let mut met = BTreeSet::new();
        let mut places: BTreeMap<(PublicKey, u64), CommitId> = BTreeMap::new();
        for arrival in &mut arrivals {
            if let Arrival::Known(link) = *arrival
                && !before.holds(&link.id)
                && met.insert(link.id)
            {
                let first = *places.entry((link.author, link.seq)).or_insert(link.id);
                let rival = rival(before.state(), &link);
                *arrival = Arrival::New(link, rival.or((first != link.id).then_some(first)));
            }
        }
        let taken = self.take(&mut writer, batch)?;
        drop(writer);
        self.checkpoint_between_parts(&taken.change.after)?;
        Ok((Some(taken.change), arrivals))
    }

    /// A commit that may come in, or why not.
    pub(crate) fn admitted(
        &self,
        record: Record,
    ) -> Result<Result<Incoming, (Link, ReplicaError)>, ReplicaError> {
        let verified = Signed::<Commit>::from_bytes(&record.envelope)?.verify()?;
        verified.check()?;
        if verified.pod != self.pod {
            return Err(ReplicaError::WrongPod {
                found: verified.pod.clone(),
                expected: self.pod.clone(),
            });
        }
        let id = CommitId::from_cid(&verified.id())
            .ok_or(ReplicaError::Corrupt("a commit without a BLAKE3 id"))?;
        let link = Link::of(id, &verified);
        record.check(&verified)?;
        if let Err(error) = self.current.load().authors.accept(&link.author, link.seq) {
            return Ok(Err((link, error)));
        }
        match self.opened(verified, record) {
            Ok(incoming) => Ok(Ok(incoming)),
            Err(error @ ReplicaError::NoKey(_)) => Ok(Err((link, error))),
            Err(error) => Err(error),
        }
    }
}

/// Another commit at the place of this one.
fn rival(state: &State, link: &Link) -> Option<CommitId> {
    let device = state.devices.iter().position(|d| *d == link.author)?;
    let slot = (device as u128) << 64 | link.seq as u128;
    let number = state.chains.get(slot)?;
    state.meta(number as u32).map(|m| m.id)
}
