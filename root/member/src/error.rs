//! What can go wrong.

use rhizome_identity::IdentityError;
use rhizome_replica::ReplicaError;
use rhizome_share::ShareError;
use rhizome_storage::StorageError;

/// What can go wrong on a device of a pod.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The keys could not be read or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A certificate was refused, or could not be made.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The tuples could not be read or written.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The store below.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
