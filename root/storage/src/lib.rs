//! An ordered key-value contract with atomic batches and snapshot reads, and its engines: memory and redb.
//!
//! Everything a pod keeps, except large files, goes through [`Kv`]: synchronous, dyn-safe and small
//! enough that an engine in the browser or in the cloud can keep the same promises. Sixteen
//! keyspaces hold ordered byte keys; a [`Batch`] changes any of them at once or not at all; a
//! [`Snap`] sees one moment and never a later one.
//!
//! ```
//! use std::ops::ControlFlow;
//! use rhizome_storage::{Batch, Durability, Kv, MemoryKv, Snap};
//!
//! let kv = MemoryKv::new();
//! let mut batch = Batch::new();
//! batch.put(0, b"answer", b"42");
//! kv.commit(batch, Durability::Durable)?;
//!
//! let snap = kv.snapshot()?;
//! assert_eq!(snap.get(0, b"answer")?.as_deref(), Some(&b"42"[..]));
//! snap.scan(0, b"a", None, false, &mut |key, _value| {
//!     assert_eq!(key, b"answer");
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), rhizome_storage::StorageError>(())
//! ```
//!
//! What an engine must do is written down as tests in `conformance`, a feature of this crate.

mod batch;
mod contract;
mod error;
mod memory;
mod prefixed;
mod redb_engine;
mod value_size;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use batch::{Batch, Write};
pub use contract::{
    Durability, KEYSPACES, Kv, MAX_KEY_LEN, MAX_PREFIX_LEN, MAX_VALUE_LEN, Snap, Visit,
};
pub use error::StorageError;
pub use memory::MemoryKv;
pub use prefixed::PrefixedKv;
pub use redb_engine::{Medium, RedbKv, RedbOptions};
pub use value_size::{PAGE, fitting_value_len};
