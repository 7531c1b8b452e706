use crate::{chain::ChainState, set::Id};
use rhizome_ipld::PublicKey;

/// Why a store could not answer. Ends the session, not the replica.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// What a session needs of a replica: one with keys, or a log that holds the same without them.
///
/// Between two calls of a session anything may be added to it. Nothing is ever taken away, except the bytes of erased leaves.
///
/// What it shows is sent. A commit of this device must be durable before it is shown: if a peer has one that a crash takes back, the
/// device writes another for the same place, and has forked its own chain.
pub trait Store {
    /// BLAKE3 of the pod's DID. Two stores of different pods refuse each other.
    fn pod(&self) -> [u8; 32];

    /// The ids of all certificates, in any order.
    fn certificates(&self) -> Result<Vec<Id>, StoreError>;

    /// The bytes of a certificate, at most [`crate::limits::MAX_CERTIFICATE`].
    fn certificate(&self, id: &Id) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every chain and its [`crate::Chain::fingerprint`], in any order. Read once a round: O(chains), not O(commits).
    fn chains(&self) -> Result<Vec<(PublicKey, Id)>, StoreError>;

    /// The summary of a chain ([`crate::Chain::state`]); `None` if there is no commit of that key.
    fn chain(&self, key: &PublicKey) -> Result<Option<ChainState>, StoreError>;

    /// Place and id of the commits of a chain from `from` on (itself included, in the order of place and id) up to place `to`, included.
    /// The first `limit` of them, ascending.
    fn ids(
        &self,
        key: &PublicKey,
        from: (u64, Id),
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Id)>, StoreError>;

    /// The name of the commit in an envelope, which need not be verified for it; `None` if it is not one.
    fn name(&self, envelope: &[u8]) -> Option<CommitName>;

    /// Whether a commit is there.
    fn holds(&self, key: &PublicKey, id: &Id) -> Result<bool, StoreError>;

    /// A commit: its envelope, how many leaves it has, and as many of them as there are in `budget` bytes, at least one.
    fn commit(
        &self,
        key: &PublicKey,
        id: &Id,
        budget: usize,
    ) -> Result<Option<Reading>, StoreError>;

    /// Leaves of a commit from `first` on: as many as there are in `budget` bytes, at least one if there is one.
    fn leaves(
        &self,
        key: &PublicKey,
        id: &Id,
        first: u32,
        budget: usize,
    ) -> Result<Vec<Leaf>, StoreError>;

    /// Commits of which this store wants bytes of leaves that it does not have: withheld ones, not erased ones. At most `limit`.
    fn lacking(&self, limit: usize) -> Result<Vec<Lack>, StoreError>;

    /// Takes certificates; says for each what became of it, in the same order.
    fn take_certificates(
        &mut self,
        batch: Vec<Vec<u8>>,
    ) -> Result<Vec<CertificateFate>, StoreError>;

    /// Takes commits, which belong together: one durable batch if it can be. Says for each what became of it, in the same order. A commit of
    /// a known author is taken whatever it says (`docs/decisions/006`).
    fn take_commits(&mut self, batch: Vec<Commit>) -> Result<Vec<Fate>, StoreError>;

    /// Takes bytes of leaves that [`Self::lacking`] named, `(place in the commit, bytes)`. Says whether they were what is missing.
    fn take_leaves(
        &mut self,
        key: &PublicKey,
        id: &Id,
        leaves: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, StoreError>;
}

/// A leaf of a commit as a replica has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leaf {
    /// The sealed bytes.
    Sealed(Vec<u8>),
    /// Only the hash: the bytes were erased, or never came.
    Erased([u8; 32]),
}

impl Leaf {
    /// Bytes that it takes on the wire, at most.
    pub fn size(&self) -> usize {
        match self {
            Self::Sealed(bytes) => bytes.len() + 4,
            Self::Erased(_) => 33,
        }
    }
}

/// A commit as it is handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// The signed envelope.
    pub envelope: Vec<u8>,
    /// All leaves, in order.
    pub leaves: Vec<Leaf>,
}

/// A commit as it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The signed envelope.
    pub envelope: Vec<u8>,
    /// How many leaves it has.
    pub count: u32,
    /// The first of them.
    pub leaves: Vec<Leaf>,
}

/// A commit and those of its leaves whose bytes are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lack {
    /// Author.
    pub key: PublicKey,
    /// Commit.
    pub id: Id,
    /// Places in the commit, ascending.
    pub leaves: Vec<u32>,
}

/// The name of a commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommitName {
    /// Author.
    pub key: PublicKey,
    /// Place in its chain.
    pub seq: u64,
    /// Id.
    pub id: Id,
}

/// What became of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is new and kept.
    Taken {
        /// Which.
        name: CommitName,
        /// A commit of the same key at the same place that was there before: the two prove that the author forked its chain.
        rival: Option<Id>,
    },
    /// It was there.
    Known(CommitName),
    /// It is not kept. The peer offers it again in every session, so this is for what may be taken later, or is the peer's fault; what
    /// is only without effect is better kept.
    Refused {
        /// Which.
        name: CommitName,
        /// Why.
        why: Refusal,
    },
    /// It is not a commit of this pod, or its signature or its leaves are wrong. No honest peer sends such a thing: it ends the session.
    Invalid,
}

/// What became of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateFate {
    /// It is new and kept.
    Taken(Id),
    /// It was there.
    Known(Id),
    /// It is not kept.
    Refused(Id, Refusal),
    /// It is not a certificate of this pod, or its signature is wrong: ends the session.
    Invalid,
}

/// Why something that may well be right is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no certificate of its author.
    UnknownAuthor,
    /// The peer may not bring this.
    NoAuthority,
    /// There is no room.
    Quota,
    /// It is larger than this side takes.
    TooLarge,
    /// Its leaves are sealed under a key that has not come yet.
    NoKey,
    /// A reason this version does not know.
    Other(u8),
}

impl Refusal {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::UnknownAuthor => 0,
            Self::NoAuthority => 1,
            Self::Quota => 2,
            Self::TooLarge => 3,
            Self::NoKey => 4,
            Self::Other(code) => code,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Self::UnknownAuthor,
            1 => Self::NoAuthority,
            2 => Self::Quota,
            3 => Self::TooLarge,
            4 => Self::NoKey,
            code => Self::Other(code),
        }
    }
}
