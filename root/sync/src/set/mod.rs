//! What two sets of ids do not have in common, at the cost of the difference: a keyed rateless IBLT, and lists where that is cheaper.
//!
//! ```
//! use rhizome_sync::set::{Reconciliation, SetMessage};
//!
//! let ours: Vec<[u8; 32]> = (0..5_000u32).map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes()).collect();
//! let theirs = &ours[3..];
//! let key = [7; 32]; // keying material of the connection
//!
//! let (mut teller, open) = Reconciliation::open(key, &ours, None);
//! let mut solver = Reconciliation::answer(key, None);
//! let (mut message, mut to_solver) = (Some(open), true);
//! let mut bytes = 0;
//! while let Some(m) = message {
//!     let mut wire = Vec::new();
//!     m.write(&mut wire);
//!     bytes += wire.len();
//!     let m = SetMessage::read(&wire)?;
//!     message = if to_solver { solver.handle(m, theirs)? } else { teller.handle(m, &ours)? };
//!     to_solver = !to_solver;
//! }
//! assert_eq!(teller.lacking().map(<[_]>::len), Some(3)); // ids of ours that the other lacks
//! assert_eq!(solver.lacking(), Some(&[][..]));
//! assert!(bytes < 1_000);
//! # Ok::<(), rhizome_sync::SyncError>(())
//! ```
//!
//! Format and rules: `docs/spec/sync.md`, "Sets". The ids given to [`Reconciliation::handle`] are the same at each call.

mod cell;
mod key;
mod message;
mod mine;
mod peel;
mod reconcile;
mod rice;
mod walk;

pub use cell::{Cell, Sketch};
pub use key::{Id, SHORT_BITS, SHORT_END, SetKey};
pub use message::{Body, FIRST_CELLS, MAX_CELLS_PER_MESSAGE, SetMessage, Then};
pub use reconcile::Reconciliation;
pub use rice::{List, MAX_LIST, MAX_LIST_BYTES};
pub use walk::MAX_CELLS;
