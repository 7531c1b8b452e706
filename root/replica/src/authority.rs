//! Who may write, and which commits count.
//!
//! A key that was removed keeps what it wrote up to a *seal*: heads of its chain that were accepted. A commit lies within a seal if it can be
//! reached from one of the heads, at the place the seal says, by `prev` over ever lower places of the same key's chain. Commits beyond stay in the log, without effect: they are *void*. So what counts depends on
//! the authors and on the set of commits alone, whatever came first.

use crate::{
    Judge, Link, ReplicaError,
    log::Log,
    state::{Meta, State},
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::CommitId;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The heads of one key's chain that a removal accepted: (seq, commit). None: nothing of it counts.
pub type Seal = Vec<(u64, CommitId)>;

/// A key that may write, or might once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The name in its certificate: which app or process.
    pub name: String,
    /// One term for each certificate of the key: the seals within all of which a commit must lie to count by that certificate. By a
    /// certificate without seals everything counts, and the key may write. Without certificates nothing does.
    pub terms: Vec<Vec<Seal>>,
}

impl Standing {
    /// A key that may write.
    pub fn active(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            terms: vec![Vec::new()],
        }
    }

    /// A key of which only what lies within all of these seals counts.
    pub fn sealed(name: impl Into<String>, seals: Vec<Seal>) -> Self {
        Self {
            name: name.into(),
            terms: vec![seals],
        }
    }

    /// Whether new commits of it can count.
    pub fn may_write(&self) -> bool {
        self.terms.iter().any(Vec::is_empty)
    }

    /// Whether a commit at this place of the chain can lie within the seals.
    fn reaches(&self, seq: u64) -> bool {
        let within = |seal: &Seal| seal.iter().any(|(last, _)| seq <= *last);
        self.terms.iter().any(|seals| seals.iter().all(within))
    }
}

/// All keys that may write to a pod, or might once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Authors(BTreeMap<PublicKey, Standing>);

impl Authors {
    /// What is known of a key.
    pub fn get(&self, key: &PublicKey) -> Option<&Standing> {
        self.0.get(key)
    }

    /// Adds a key, or replaces what is known of it.
    pub fn insert(&mut self, key: PublicKey, standing: Standing) {
        self.0.insert(key, standing);
    }

    /// All keys, with what is known of them.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, &Standing)> {
        self.0.iter()
    }

    fn sealed(&self, key: &PublicKey) -> bool {
        self.0.get(key).is_some_and(|s| !s.may_write())
    }

    /// Whether a commit of this key at this place of its chain may come in at all. Whether it counts is another question: see
    /// [`Judge`].
    ///
    /// # Errors
    /// [`ReplicaError::UnknownAuthor`], [`ReplicaError::Removed`].
    pub fn accept(&self, key: &PublicKey, seq: u64) -> Result<(), ReplicaError> {
        match self.0.get(key) {
            None => Err(ReplicaError::UnknownAuthor(*key)),
            Some(standing) if !standing.reaches(seq) => Err(ReplicaError::Removed(*key)),
            Some(_) => Ok(()),
        }
    }

    /// Whether a key may make a new commit.
    pub(crate) fn may_write(&self, key: &PublicKey) -> Result<(), ReplicaError> {
        match self.0.get(key) {
            None => Err(ReplicaError::UnknownAuthor(*key)),
            Some(standing) if !standing.may_write() => Err(ReplicaError::Removed(*key)),
            Some(_) => Ok(()),
        }
    }
}

impl FromIterator<(PublicKey, Standing)> for Authors {
    fn from_iter<I: IntoIterator<Item = (PublicKey, Standing)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl From<BTreeMap<PublicKey, String>> for Authors {
    fn from(names: BTreeMap<PublicKey, String>) -> Self {
        let active = |(key, name)| (key, Standing::active(name));
        names.into_iter().map(active).collect()
    }
}

/// The commits of sealed keys, and which of them count.
#[derive(Default)]
pub(crate) struct Sealed {
    judges: BTreeMap<PublicKey, Judge>,
    numbers: FxHashMap<CommitId, u32>,
}

impl Sealed {
    /// Reads the headers of all commits of sealed keys among the first `end` of the log; of those below `known.commits`, `known` says
    /// whose they are.
    pub fn read(
        authors: &Authors,
        known: &State,
        log: &Log,
        end: u32,
    ) -> Result<Self, ReplicaError> {
        let mut out = Self::default();
        if !authors.iter().any(|(_, s)| !s.may_write()) {
            return Ok(out);
        }
        for number in 0..end {
            let meta = (number < known.commits.len()).then(|| known.meta(number));
            let other = |m: &Meta| {
                let key = known.devices.get(m.device as usize);
                key.is_some_and(|key| !authors.sealed(key))
            };
            if meta.flatten().as_ref().is_some_and(other) {
                continue;
            }
            let record = log.record(number)?;
            out.insert(authors, number, &Link::of_envelope(&record.envelope)?);
        }
        Ok(out)
    }

    /// Takes a commit into account.
    pub fn insert(&mut self, authors: &Authors, number: u32, link: &Link) {
        if let Some(standing) = authors.get(&link.author).filter(|s| !s.may_write()) {
            let judge = self.judges.entry(link.author);
            judge
                .or_insert_with(|| Judge::new(&standing.terms))
                .insert(link);
            self.numbers.insert(link.id, number);
        }
    }

    /// The numbers of the commits without effect.
    pub fn void(&self) -> BTreeSet<u32> {
        let void = self.judges.values().flat_map(Judge::void);
        void.filter_map(|id| self.numbers.get(id).copied())
            .collect()
    }
}
