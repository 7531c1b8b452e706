//! What can go wrong.

use std::{
    io,
    path::{Path, PathBuf},
};

use rhizome_ipld::Cid;

use crate::message::Refusal;

/// What can go wrong with blobs. On an error the store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The store has no such blob.
    #[error("blob {0} is not on this device: fetch it from a device that has it")]
    Missing(Cid),
    /// Only raw blobs named by their BLAKE3 hash are kept here.
    #[error(
        "{0} is not the name of a blob: a blob is a version 1 CID, raw codec, BLAKE3 of 32 bytes"
    )]
    NotABlob(Cid),
    /// The bytes on disk are not those the blob is named after.
    #[error("blob {cid} is damaged on disk: fetch it again from another device or put it in again")]
    Corrupt {
        /// The blob.
        cid: Cid,
    },
    /// The source gave more bytes than allowed.
    #[error("the file is larger than the {limit} bytes allowed here")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The blob does not fit into what the store may hold.
    #[error(
        "the blob takes {wanted} bytes, and of the {quota} that blobs may take {left} are left: remove blobs or raise the quota"
    )]
    Quota {
        /// What it would count for, in bytes.
        wanted: u64,
        /// Bytes left.
        left: u64,
        /// Bytes that all may take.
        quota: u64,
    },
    /// The disk would be left with too little.
    #[error(
        "the blob takes {wanted} bytes, and {free} are free on the disk, of which {spared} are left for everything else: free some space and try again"
    )]
    Low {
        /// What it takes at least, in bytes.
        wanted: u64,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are to stay so.
        spared: u64,
    },
    /// Another process is receiving the same blob into this store.
    #[error("another process is fetching blob {0} into this store: wait for it or try again later")]
    Busy(Cid),
    /// A peer does not have the blob.
    #[error("the peer does not have blob {0}: ask another one")]
    NotHeld(Cid),
    /// A peer sent bytes that are not of the blob.
    #[error(
        "the peer sent bytes that are not of blob {cid}: none of them was kept; ask another peer"
    )]
    Unverified {
        /// The blob.
        cid: Cid,
    },
    /// What a sealed peer holds under the blob's blind name is not the blob sealed under its key.
    #[error(
        "what the sealed peer holds for blob {cid} does not open: ask another peer, or push it again"
    )]
    Seal {
        /// The blob.
        cid: Cid,
    },
    /// A peer's answer does not fit the question, or it answers in circles.
    #[error("the peer does not keep to the protocol ({0}): ask another peer")]
    Protocol(&'static str),
    /// A message is not a message of the protocol.
    #[error("not a message about blobs: {0}")]
    Message(#[from] rhizome_ipld::codec::CodecError),
    /// A peer refused.
    #[error("the peer refused: {0}")]
    Refused(Refusal),
    /// The target of the bytes failed.
    #[error("cannot write the bytes of the blob: {0}")]
    Target(io::Error),
    /// The source of the bytes failed.
    #[error("cannot read the file to be stored: {0}")]
    Source(io::Error),
    /// The device or the quota is exhausted.
    #[error("no space left for the blob: free some space and try again ({0})")]
    Full(io::Error),
    /// Any other failure of the file system.
    #[error("cannot read or write {}: {source}", path.display())]
    Io {
        /// The file or directory in question.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl BlobError {
    /// Sorts an error of the file system.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        use io::ErrorKind as E;
        move |error| match error.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Self::Full(error),
            _ => Self::Io {
                path: path.to_owned(),
                source: error,
            },
        }
    }
}
