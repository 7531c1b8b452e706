//! One pod on one device: the commit log, its indexes and its current state.
//!
//! The log of signed, sealed commits is the durable thing. From it follows, as a pure function of the *set* of commits, the current
//! tuples in four orders (EAV, AEV, AVE, and VAE for references), over dense numbers for entities, attributes and long values. A
//! [`Snapshot`] is one moment of them; a [`Change`] is what a write or an arrival did.

mod apply;
mod arrival;
mod block;
mod checkpoint;
mod edit;
mod error;
mod flush;
mod fraction;
mod history;
pub mod key;
mod log;
mod plan;
mod range;
mod replica;
mod snapshot;
mod state;
mod store;
mod table;
mod tree;
mod verify;
mod word;
mod write;

pub use edit::Edit;
pub use error::ReplicaError;
pub use history::{Cut, Event, Fork, Provenance};
pub use log::{Epochs, LeafBytes, Record};
pub use range::Range;
pub use replica::{Author, Change, Replica, Written};
pub use snapshot::{AttributeStats, Snapshot};
pub use tree::Tree;
pub use verify::{Finding, Report};
pub use word::{Aid, Eid, Fact, Word, tag};
