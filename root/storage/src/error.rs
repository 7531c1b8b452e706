//! What can go wrong.

use std::{io, path::PathBuf};

/// What can go wrong in a store. Unless it says otherwise, nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The device, the quota or the file size limit is exhausted.
    #[error(
        "no space left for the store: free some space and try again; nothing saved so far is lost ({0})"
    )]
    Full(io::Error),
    /// Another process, or another handle in this one, has the file open.
    #[error("{} is in use by another process: close it there, or talk to the process that runs this pod", path.display())]
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The file is not a store, or its bytes are damaged.
    #[error("the store {} is damaged: restore it from a backup or another device ({detail})", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What the engine found.
        detail: String,
    },
    /// A key or value is longer than any engine takes.
    #[error(
        "a {what} of {len} bytes is larger than the {max} bytes a store takes: keep large things as blobs"
    )]
    TooLarge {
        /// `key` or `value`.
        what: &'static str,
        /// Bytes offered.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// There are only [`KEYSPACES`](crate::KEYSPACES) keyspaces.
    #[error("there is no keyspace {0}: use 0 to {max}", max = crate::KEYSPACES - 1)]
    UnknownKeyspace(u8),
    /// The operation needs the store to itself, but snapshots are held.
    #[error("snapshots of the store are held: drop them and try again")]
    Busy,
    /// The store was closed, or reopened after an I/O error, since this snapshot was taken.
    #[error("this snapshot ended when its store was closed or reopened: take a new one")]
    SnapshotEnded,
    /// A durable commit failed so that only a later look at the disk can tell whether it is there.
    /// It is there as a whole or not at all: read one of its keys back once the store answers again.
    #[error(
        "cannot tell yet whether the commit was saved: read it back once the store answers again ({0})"
    )]
    InDoubt(Box<StorageError>),
    /// Any other failure of the file system.
    #[error("cannot read or write {}: {source}", path.display())]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
