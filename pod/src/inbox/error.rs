//! Why a message is not taken, or cannot be read.

use rhizome_capability::CapabilityError;
use rhizome_identity::Did;
use rhizome_ipld::{PublicKey, SignatureError};

use super::{MAX_CONTENT, MAX_MESSAGE};

/// Why a message for a pod is not taken, or cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// More content than one message carries.
    #[error("the message has {0} bytes, and one has at most {MAX_CONTENT}: send it in several")]
    Content(usize),
    /// With the sender's device log, the proof and the keys of all recipients it is too large.
    #[error(
        "the message has {0} bytes with the proof, the device log and all that goes with it, and at most {MAX_MESSAGE} are taken: send less \
         at a time"
    )]
    TooLarge(usize),
    /// It is not signed by the device that it names, or is no message.
    #[error("this is no message signed by its sender's device: {0}")]
    Signature(#[from] SignatureError),
    /// Its form is that of a message, its contents are not.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// It is for another pod.
    #[error("the message is for {0}, which is not this pod")]
    OtherPod(Did),
    /// By its own time it is too old, or of the future.
    #[error(
        "the message is older than 90 days or more than a day ahead of the clock here: look at this machine's clock, and sign it again"
    )]
    Time,
    /// The device log that came along does not show that the device is the sender's.
    #[error(
        "{device} is not a device of {from} by the log that came with the message: exchange with the other devices first, then send it again"
    )]
    Sender {
        /// Who is said to have sent it.
        from: Did,
        /// The device that signed.
        device: PublicKey,
    },
    /// A device log that is none.
    #[error("the sender's device log cannot be read: {0}")]
    Log(String),
    /// Delegations that are none.
    #[error("the proof cannot be read: {0}")]
    Unreadable(#[from] CapabilityError),
    /// The delegations do not show that the owner of the pod ever gave the sender anything.
    #[error(
        "the proof does not lead from this pod to the sender: {0}; send along a delegation under /pod/tuple that a device of the pod gave you, and \
         those that it was passed on by"
    )]
    Proof(&'static str),
    /// No device to which it could be sealed.
    #[error("{0} has no device that could read a message: get its device log again")]
    Nobody(Did),
    /// It was sealed for other devices, or is damaged.
    #[error(
        "the message is not sealed for this device: its sender had another device log of this pod"
    )]
    NotForThisDevice,
}
