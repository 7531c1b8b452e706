//! What can go wrong with epochs and certificates.

use rhizome_identity::IdentityError;
use rhizome_ipld::{CodecError, SignatureError};

/// Why an epoch, a wrap or a certificate was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// A secret that was sealed to another key or for another place, or was changed.
    #[error("the wrapped secret does not open with this key")]
    Wrap,
    /// An epoch certificate that breaks a rule of its format.
    #[error("the epoch certificate is not acceptable: {0}")]
    Epoch(&'static str),
    /// A certificate of another pod.
    #[error("the certificate is of {found}, not of {expected}")]
    OtherPod {
        /// The pod it names.
        found: String,
        /// The pod at hand.
        expected: String,
    },
    /// A certificate whose form is not known here.
    #[error("not a certificate this version knows: {0}")]
    Certificate(&'static str),
    /// Only an admin device can do that.
    #[error("this device is not an admin of the pod: do it on one that is")]
    NotAnAdmin,
    /// It is by somebody who only follows.
    #[error("{0} only follows: it certifies nothing and writes nothing")]
    Follows(rhizome_ipld::PublicKey),
    /// There are more certificates than a pod may have.
    #[error("the pod has more than {0}")]
    Full(&'static str),
    /// A signed object whose form or signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Bytes that are not canonical.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An operation of the device log, or an enrolment, that is not acceptable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}
