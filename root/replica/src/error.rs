use rhizome_ipld::{PublicKey, SignatureError};
use rhizome_storage::StorageError;
use rhizome_tuple::TupleError;
use std::sync::Arc;

/// What can go wrong with a replica.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The store below failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A commit, leaf or operation is not valid.
    #[error(transparent)]
    Tuple(#[from] TupleError),
    /// A commit is not signed by the key it names.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// What is on disk contradicts itself.
    #[error(
        "the pod's files are damaged: {0}; `rhizome doctor --rebuild` makes the indexes anew from the log"
    )]
    Corrupt(&'static str),
    /// A dense number ran out.
    #[error("this pod is full: {0}")]
    Full(&'static str),
    /// A store failed while a snapshot was read; the answer that was being computed is not to be trusted.
    #[error("reading the pod failed: {0}")]
    Fault(Arc<ReplicaError>),
    /// A commit of another pod.
    #[error("this commit belongs to the pod {found}, not to {expected}")]
    WrongPod {
        /// The pod it names.
        found: String,
        /// This pod.
        expected: String,
    },
    /// A commit by a key that may not write here.
    #[error("the key {} may not write to this pod: no certificate of it is known", .0.to_did_key())]
    UnknownAuthor(PublicKey),
    /// A commit by a key of a removed device, beyond what was accepted of it; or an attempt to write with such a key.
    #[error("the device behind the key {} was removed from this pod: what it writes no longer counts", .0.to_did_key())]
    Removed(PublicKey),
    /// The store holds no replica.
    #[error("there is no pod in this store: run `rhizome init`")]
    Missing,
    /// The store holds a replica already.
    #[error("there is a pod in this store already")]
    Exists,
    /// A newer version wrote the store.
    #[error("this pod was written by a newer rhizome (format {0}): upgrade rhizome")]
    Version(u32),
    /// The keys given do not open the pod's leaves.
    #[error("no key for epoch {0:02x?}: the key store does not belong to this pod")]
    NoKey([u8; 8]),
    /// The changes were made in memory and could not be written; they were taken back.
    #[error("nothing was saved: {0}")]
    NotSaved(Arc<ReplicaError>),
    /// An edit contradicts itself or the current state.
    #[error("{0}")]
    Edit(String),
}
