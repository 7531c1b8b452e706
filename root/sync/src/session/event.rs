use crate::{
    SyncError,
    set::Id,
    store::{CommitName, Refusal},
};
use rhizome_ipld::PublicKey;

/// What a session is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// A message of the peer.
    Message(&'a [u8]),
    /// The store has something new that did not come from this peer: it is pushed.
    Local(Local),
    /// Bytes for the peer's caller, at most [`crate::limits::MAX_EPHEMERAL`]: presence, keystrokes. Nothing keeps them; longer ones are
    /// dropped.
    Ephemeral(Vec<u8>),
    /// Compare everything again, when what goes on is over.
    Recheck,
    /// The time of [`Output::Timeout`] has come.
    Tick,
}

/// Something new in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Local {
    /// A commit.
    Commit(CommitName),
    /// A certificate.
    Certificate(Id),
}

impl Local {
    pub(crate) fn id(&self) -> Id {
        match self {
            Self::Commit(name) => name.id,
            Self::Certificate(id) => *id,
        }
    }
}

/// What a session wants done, or reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this to the peer: one message of the link.
    Send(Vec<u8>),
    /// The store has taken these from the peer. Tell the sessions with other peers ([`Input::Local`]), and whoever watches the pod.
    Learned(Learned),
    /// The peer's store has dealt with these pushed ones and has them: one more place where they are.
    Delivered(Local),
    /// The peer gave what was here already: another had been quicker. It has it, and it is not pushed to it.
    Known(CommitName),
    /// An author has written two commits for one place of its chain. Both are kept; together they prove it.
    Fork(Box<Fork>),
    /// The peer does not keep something.
    Refused(Local, Refusal),
    /// Bytes from the peer's caller.
    Ephemeral(Vec<u8>),
    /// How far it has got; at most one for each call of [`crate::Session::handle`].
    Progress(Progress),
    /// Both sides have what the other had when the round began. From here on, changes are pushed.
    Synced(Synced),
    /// Call [`crate::Session::handle`] with [`Input::Tick`] at this time at the latest (milliseconds on the caller's clock). The latest one
    /// counts.
    Timeout(u64),
    /// It is over. A message that tells the peer why may have come before. Whatever was taken stays; a new session goes on from there.
    Abort(SyncError),
}

/// What came from the peer and is kept.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Learned {
    /// New certificates.
    pub certificates: Vec<Id>,
    /// New commits.
    pub commits: Vec<CommitName>,
    /// Commits whose missing leaves have come.
    pub filled: Vec<(PublicKey, Id)>,
}

/// The proof that an author forked its chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fork {
    /// Author.
    pub key: PublicKey,
    /// The place that two commits claim.
    pub seq: u64,
    /// Their ids, the one known longer first.
    pub ids: [Id; 2],
    /// Their signed envelopes.
    pub envelopes: [Vec<u8>; 2],
}

/// Numbers for a progress bar.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Commits that the peer has and this side had not when the round began, as far as is known. A lie of the peer's can make it large.
    pub commits_missing: u64,
    /// Commits taken in this round.
    pub commits_taken: u64,
    /// Certificates taken in this session.
    pub certificates_taken: u64,
    /// Bytes of commits received in this session.
    pub bytes_received: u64,
    /// Bytes of commits sent in this session.
    pub bytes_sent: u64,
}

/// How a round ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Synced {
    /// Number of the round, from 1.
    pub round: u64,
    /// Nothing differed.
    pub equal: bool,
    /// Bytes of leaves are asked for now, by one side or the other: a round more ([`Input::Recheck`]) shows when that was dealt with.
    pub filling: bool,
    /// Chains of which the peer did not give what it said it had.
    pub withheld: u64,
    /// Commits and certificates that this side did not keep.
    pub refused: u64,
    /// Those that the peer did not keep.
    pub refused_by_peer: u64,
    /// Whether more differs than one round deals with; the next round follows by itself.
    pub more: bool,
}
