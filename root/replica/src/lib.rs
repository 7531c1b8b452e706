#![doc = include_str!("../README.md")]

mod apply;
mod arrival;
mod authority;
mod block;
mod checkpoint;
mod edit;
mod error;
mod flush;
mod fraction;
mod history;
pub mod key;
mod leb128;
mod log;
mod plan;
mod range;
mod replica;
mod search;
mod snapshot;
mod state;
mod store;
mod table;
mod tree;
mod verify;
mod word;
mod write;

pub use authority::{Authors, Seal, Standing};
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
