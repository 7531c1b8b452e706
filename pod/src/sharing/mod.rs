//! Sharing by predicate: what a person gives to others, what others gave to him, and what becomes of what guests say.
//!
//! What is shared is a [`crate::View`] for each predicate: a pod of its own, kept by the same peers. That there is one, and the seed it is acted by, is a tuple of the
//! pod, so that every device of the person can tend it; the seed is masked with a secret of the pod's epoch.

mod accept;
mod change;
mod comments;
mod give;
mod groups;
mod inside;
mod invite;
mod keep;
mod keys;
mod moving;
mod outside;
mod proposals;
mod public;
mod read;
pub(crate) mod records;

pub use accept::Accepted;
pub use comments::{MyProposal, Thread};
pub use give::{Given, Terms};
pub use groups::{Group, GroupMember, GroupRole};
pub use invite::ShareInvite;
pub(crate) use keep::Kept;
pub(crate) use moving::Moving;
pub use proposals::{Proposal, Undone};
pub use public::{ANYONE, Followed};
pub use read::Whose;
pub(crate) use read::united;
