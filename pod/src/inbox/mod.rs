//! The inbox of a pod: sealed messages from people to whom its owner once gave something.
//!
//! Whoever was cut off, or never might write, can still propose. The owner may be off: the message waits at a peer that keeps the pod and
//! cannot read it, until a device of the pod collects it.

mod collect;
mod desk;
mod error;
mod leave;
mod message;
mod proof;
pub(crate) mod talk;

pub(crate) use desk::Desk;
pub use desk::Received;
pub use error::InboxError;
pub use leave::{Left, SealedMessage};
pub(crate) use message::{Judge, KEPT_MS};
pub use message::{MAX_CONTENT, MAX_MESSAGE, Message, MessageId};

/// What the fuzz targets call.
#[cfg(fuzzing)]
pub(crate) mod fuzz {
    pub use super::{message::fuzz as message, talk::fuzz as words};
}
