//! Large files by BLAKE3 hash: streamed in, verified, read by range.
//!
//! A [`BlobStore`] keeps files in a directory under the hash of their bytes. What it returns is
//! verified on every read, so that a damaged disk gives an error and never wrong bytes; a range
//! costs in proportion to the range, not to the file.
//!
//! ```
//! use rhizome_blob::BlobStore;
//!
//! let directory = tempfile::tempdir()?;
//! let store = BlobStore::in_directory(directory.path())?;
//! let (cid, len) = store.put(&b"a picture"[..], 1 << 30)?;
//! assert_eq!(len, 9);
//! assert_eq!(store.open(&cid)?.read_range(2, 7)?, b"picture");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Between devices a blob crosses in slices, each of which proves itself against the hash: [`Fetch`],
//! [`Push`] and [`RangeRead`] ask, [`serve`] answers, the caller carries the [`Request`]s and
//! [`Answer`]s. A peer without keys has a [`SealedStore`]: ciphertext under [`BlindName`]s. Nothing
//! here opens a socket or asks for the time, but files are read and written: run it where blocking is
//! allowed. The formats are in `docs/spec/blob.md`.

mod blob;
mod error;
mod fetch;
mod incoming;
mod keys;
mod location;
mod message;
mod partial;
mod push;
mod quota;
mod range;
mod sealed_blob;
mod sealed_store;
mod sealing;
mod segment;
mod serve;
mod slice;
mod store;
mod tree;

pub use blob::{Blob, BlobReader};
pub use error::BlobError;
pub use fetch::{Fetch, Sealed, Step};
pub use keys::{BlindName, BlobKey, BlobKeys};
pub use message::{Answer, Held, MAX_HELD, MAX_MESSAGE, MAX_NAMES, Refusal, Request, Slice};
pub use push::{Push, PushStep};
pub use quota::{Usage, cost};
pub use range::RangeRead;
pub use rhizome_ipld::Cid;
pub use sealed_blob::SealedBlob;
pub use sealed_store::SealedStore;
pub use sealing::{OpeningWriter, SealedReader, seal};
pub use segment::{SEGMENT, TAG, plain_len, sealed_len};
pub use serve::{Holding, Limits, Served, serve};
pub use slice::{MAX_BLOB, MAX_SLICE};
pub use store::{BlobStore, Verification};
