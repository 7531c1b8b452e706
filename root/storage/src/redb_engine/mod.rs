//! The engine on disk: [redb](https://docs.rs/redb), a copy-on-write B-tree in one file.
//!
//! `file` is the only module that knows about paths and files; a browser engine would bring another.

mod database;
mod engine;
mod fault;
mod file;
mod guard;
mod medium;
mod recovery;
mod snapshot;

pub use engine::{RedbKv, RedbOptions};
pub use medium::Medium;
