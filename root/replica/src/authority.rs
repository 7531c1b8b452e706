//! Who may write, and which commits count.
//!
//! A key that was removed keeps what it wrote up to a *seal*: heads of its chain that were accepted. A commit lies within a seal if it can be
//! reached from one of the heads, at the place the seal says, by `prev` over ever lower places of the same key's chain. Several removals at
//! once make several seals, and what counts lies within all of them; the rest stays in the log, without effect: it is *void*. So what counts
//! depends on the authors and on the set of commits alone, whatever came first.
//!
//! What lies within one seal and not within another is void, and yet has to reach every replica: it may be what shows that an earlier commit
//! lies within the other one. It is *sought*; what lies within none is *beyond*, and is not passed on.

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

/// Which operations of a key have effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Voice {
    /// None: it leaves notes.
    Silent,
    /// Those that say something: it erases, quotes and withdraws nothing.
    Guest,
    /// All.
    #[default]
    Full,
}

/// A key that may write, or might once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Which app or process it is, if that is known: empty otherwise.
    pub name: String,
    /// One term for each certificate of the key: the seals within all of which a commit must lie to count by that certificate. By a
    /// certificate without seals everything counts, and the key may write. Without certificates nothing does.
    pub terms: Vec<Vec<Seal>>,
    /// Which of its operations have effect.
    pub voice: Voice,
}

impl Standing {
    /// A key that may write.
    pub fn active(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            terms: vec![Vec::new()],
            voice: Voice::Full,
        }
    }

    /// A key of which only what lies within all of these seals counts.
    pub fn sealed(name: impl Into<String>, seals: Vec<Seal>) -> Self {
        Self {
            name: name.into(),
            terms: vec![seals],
            voice: Voice::Full,
        }
    }

    /// The same with another voice.
    #[must_use]
    pub fn with(self, voice: Voice) -> Self {
        Self { voice, ..self }
    }

    /// Whether new commits of it can count.
    pub fn may_write(&self) -> bool {
        self.terms.iter().any(Vec::is_empty)
    }

    /// As terms for a [`Judge`]: what lies within at least one of the seals, and is therefore passed on.
    pub fn sought(&self) -> Vec<Vec<Seal>> {
        if self.may_write() {
            return vec![Vec::new()];
        }
        let seals = self.terms.iter().flatten();
        seals.map(|seal| vec![seal.clone()]).collect()
    }

    /// Whether a commit at this place of the chain can lie within one of the seals.
    fn reaches(&self, seq: u64) -> bool {
        let within = |seal: &Seal| seal.iter().any(|(last, _)| seq <= *last);
        self.may_write() || self.terms.iter().flatten().any(within)
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

    /// The keys not all of whose operations have effect.
    pub(crate) fn voices(&self) -> BTreeMap<PublicKey, Voice> {
        let lesser = self.0.iter().filter(|(_, s)| s.voice < Voice::Full);
        lesser.map(|(key, s)| (*key, s.voice)).collect()
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
    judges: BTreeMap<PublicKey, Judges>,
    numbers: FxHashMap<CommitId, u32>,
}

/// What there is to decide of one key.
struct Judges {
    counts: Judge,
    /// The same as the other if no two seals have to agree.
    sought: Option<Judge>,
}

impl Judges {
    fn new(standing: &Standing) -> Self {
        let several = standing.terms.iter().any(|seals| seals.len() > 1);
        Self {
            counts: Judge::new(&standing.terms),
            sought: several.then(|| Judge::new(&standing.sought())),
        }
    }

    fn insert(&mut self, link: &Link) {
        self.counts.insert(link);
        if let Some(sought) = &mut self.sought {
            sought.insert(link);
        }
    }
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
            let judges = self.judges.entry(link.author);
            judges.or_insert_with(|| Judges::new(standing)).insert(link);
            self.numbers.insert(link.id, number);
        }
    }

    /// The numbers of the commits without effect.
    pub fn void(&self) -> BTreeSet<u32> {
        let void = self.judges.values().flat_map(|j| j.counts.void());
        void.filter_map(|id| self.numbers.get(id).copied())
            .collect()
    }

    /// The numbers of the commits that are not passed on.
    pub fn beyond(&self) -> BTreeSet<u32> {
        let judges = self.judges.values();
        let beyond = judges.flat_map(|j| j.sought.as_ref().unwrap_or(&j.counts).void());
        beyond
            .filter_map(|id| self.numbers.get(id).copied())
            .collect()
    }
}
