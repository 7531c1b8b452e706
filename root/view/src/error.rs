//! What can go wrong with a view.

use rhizome_capability::CapabilityError;
use rhizome_identity::IdentityError;
use rhizome_ipld::CodecError;
use rhizome_replica::ReplicaError;
use rhizome_tuple::TupleError;

/// Why a view could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// A replica failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// Something that cannot be said.
    #[error(transparent)]
    Tuple(#[from] TupleError),
    /// A delegation that is not acceptable.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// A device log that is not acceptable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A note that does not fit.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A note that is too long.
    #[error("a note has {0} bytes, and may have 1 MiB: the device log in it is too long")]
    TooLong(usize),
    /// A comment that nobody would list.
    #[error(
        "a comment has {0} bytes, and may have 1 to 4096, not all of them blank: shorten it, or say it in several"
    )]
    Comment(usize),
    /// What should be a view is none, or another person's.
    #[error("this is not the view that was granted: {0}")]
    NotGranted(&'static str),
}
