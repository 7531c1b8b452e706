//! Why a link, a node or a relay did not do what was asked.

use std::time::Duration;

use rhizome_ipld::PublicKey;

use crate::{address::AddressError, frame::FrameError};

/// Why something on the network did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A message longer than a link takes.
    #[error("a message of {len} bytes is longer than the {max} a link takes: cut it")]
    MessageTooLong {
        /// Its length in bytes.
        len: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// The other side sent what is not a frame.
    #[error("{peer} sent what is not a message: {error}")]
    Frame {
        /// Who sent it.
        peer: PublicKey,
        /// What is wrong with it.
        error: FrameError,
    },
    /// The other side does not let us in, or has put us out since.
    #[error("{peer} refuses: {reason}")]
    Refused {
        /// Who refuses.
        peer: PublicKey,
        /// Why, in the words of the other side; control characters removed, at most 200 bytes.
        reason: String,
    },
    /// The link broke. Dial again.
    #[error("the link to {peer} broke: {reason}")]
    Lost {
        /// Who was on the other end.
        peer: PublicKey,
        /// What the transport says.
        reason: String,
    },
    /// This side has cut the link: the peer is not admitted any more, or the node shuts down.
    #[error("the link to {peer} was cut here: {reason}")]
    Cut {
        /// Who was on the other end.
        peer: PublicKey,
        /// Why.
        reason: String,
    },
    /// None of the ways to a peer led there.
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable {
        /// Who was dialled.
        peer: PublicKey,
        /// What was tried and how it failed.
        reason: String,
    },
    /// Nothing happened for too long.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The handshake of a WebSocket link failed.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// Only Ed25519 keys can be dialled over QUIC.
    #[error("{key} is not an Ed25519 key, as a node must have")]
    Key {
        /// The key.
        key: PublicKey,
    },
    /// A socket could not be bound.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// The address asked for.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// An address has no place where its peer could be found.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The relay could not be started or used.
    #[error("relay: {reason}")]
    Relay {
        /// What went wrong.
        reason: String,
    },
    /// A way of finding peers could not be started.
    #[error("discovery by {what} could not be started: {reason}")]
    Discovery {
        /// Which one.
        what: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The node has been shut down.
    #[error("the node is shut down")]
    Down,
}

/// Why a handshake over a WebSocket failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first message is not a greeting of a version known here.
    #[error("the other side does not speak version 1 of rhizome links")]
    Greeting,
    /// The greeting names a protocol that nobody serves here.
    #[error("the protocol asked for is not served here")]
    Protocol,
    /// The key agreement has no secret result.
    #[error("the other side's ephemeral key is of low order")]
    Agreement,
    /// A sealed message does not open.
    #[error("a message of the handshake was changed on its way")]
    Sealed,
    /// The proof is malformed, of another handshake, or its signature is not valid.
    #[error("the other side did not prove its key")]
    Proof,
    /// Somebody else answered.
    #[error("{found} answered where {expected} was dialled")]
    Identity {
        /// Who was dialled.
        expected: PublicKey,
        /// Who answered.
        found: PublicKey,
    },
    /// No randomness.
    #[error("the system gives no randomness")]
    Random,
}

/// Longest reason that is shown, in bytes.
pub(crate) const MAX_REASON: usize = 200;

/// A reason from outside, made fit to be shown.
pub(crate) fn reason(bytes: &[u8]) -> String {
    let mut text: String = String::from_utf8_lossy(bytes.get(..MAX_REASON).unwrap_or(bytes))
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    while text.len() > MAX_REASON {
        text.pop(); // replacement characters are longer than what they replace
    }
    if text.is_empty() {
        text.push_str("no reason given");
    }
    text
}
