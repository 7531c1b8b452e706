//! What can go wrong.

use rhizome_identity::{Did, IdentityError};
use rhizome_ipld::{CodecError, PublicKey};
use rhizome_replica::ReplicaError;
use rhizome_share::ShareError;
use rhizome_storage::StorageError;

/// What can go wrong with sealed pods. Unless it says otherwise, nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The store below failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A certificate that is not acceptable.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A device log that is not acceptable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A commit that is not acceptable.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The codec's, for a row of our own.
    #[error("a row of the store cannot be written: {0}")]
    Codec(#[from] CodecError),
    /// What is in the store contradicts itself.
    #[error(
        "the store is damaged: {0}; its owners' devices still have everything, remove the pod and let them send it again"
    )]
    Corrupt(&'static str),
    /// A newer version wrote the store.
    #[error("this store was written by a newer rhizome (format {0}): upgrade rhizome")]
    Version(u32),
    /// The store holds something else.
    #[error("this store holds no sealed pods: give the cloud peer a store of its own")]
    Foreign,
    /// No such pod is hosted here, or not any more.
    #[error("the pod {0} is not hosted here: its owner can add this peer again")]
    NotHosted(Did),
    /// Operations of another pod's device log.
    #[error("the device log is of {found}, not of {expected}")]
    OtherPod {
        /// The pod it is of.
        found: Did,
        /// The pod at hand.
        expected: Did,
    },
    /// Only a device of the pod may ask for that.
    #[error("{} is not a device of this pod", .0.to_did_key())]
    NotADevice(PublicKey),
    /// There is no such commit, or it has no such leaf.
    #[error("there is no such leaf here: sync first, then say what is to be dropped")]
    UnknownLeaf,
    /// The quota of a view is that of the pod that sponsors it.
    #[error("this is a view of {0}: change the quota of that pod")]
    Sponsored(Did),
    /// A view cannot sponsor others, and a pod only so many.
    #[error("{0} cannot have another view kept here: it has 10,000, or is a view itself")]
    NoSponsor(Did),
    /// More than is kept of one pod.
    #[error("the pod is full: {0}")]
    Full(&'static str),
}
