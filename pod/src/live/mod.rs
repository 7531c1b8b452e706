//! Live queries and live entities: one hub per pod or mirror, one session per subscriber.
//!
//! The replica tells the hub every change, in order. The hub works on a thread of its own, so that a write never waits for readers. Each
//! session has a bounded outbox; one that is read too slowly loses its queue and, once it is read again, gets whole results instead.

mod entities;
mod hub;
mod outbox;
mod queries;
mod source;

pub use hub::{Hub, Session, SubscribeError};

pub use outbox::{Event, Next, Outbox, Row};
pub use queries::Form;
