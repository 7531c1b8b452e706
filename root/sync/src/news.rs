use crate::{
    session::{Input, Local},
    set::Id,
    store::CommitName,
};

/// Something new in a store, on stable storage: what tells the sessions of a pod with its other peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// A commit that counts.
    Commit(CommitName),
    /// A certificate.
    Certificate(Id),
    /// It was decided anew what counts: compare everything again.
    Judged,
}

impl News {
    /// What a session is to be told.
    pub fn input(self) -> Input<'static> {
        match self {
            Self::Commit(name) => Input::Local(Local::Commit(name)),
            Self::Certificate(id) => Input::Local(Local::Certificate(id)),
            Self::Judged => Input::Recheck,
        }
    }

    /// What is new, if it is one thing.
    pub fn id(&self) -> Option<Id> {
        match self {
            Self::Commit(name) => Some(name.id),
            Self::Certificate(id) => Some(*id),
            Self::Judged => None,
        }
    }
}
