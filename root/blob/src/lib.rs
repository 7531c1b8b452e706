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

mod blob;
mod error;
mod incoming;
mod location;
mod store;
mod tree;

pub use blob::{Blob, BlobReader};
pub use error::BlobError;
pub use rhizome_ipld::Cid;
pub use store::{BlobStore, Verification};
