/// Why bytes from a peer were refused, or a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// Bytes that are not a message; says which part.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// A message that cannot come now; says which.
    #[error("a message came that does not belong here: {0}")]
    Unexpected(&'static str),
    /// More of something than a limit allows; says what.
    #[error("the peer exceeds a limit: {0}")]
    Limit(&'static str),
    /// Sets could not be reconciled under several keys in turn: the peer does not keep to the rules.
    #[error("the two sets could not be compared: start again on a new connection")]
    Unreconciled,
    /// The peer replicates another pod.
    #[error("the peer has another pod: check whom this connection belongs to")]
    OtherPod,
    /// The peer speaks another version of the protocol.
    #[error("the peer speaks version {0} of the protocol: update the older of the two")]
    OtherVersion(u8),
    /// A commit or certificate that no honest peer would have kept.
    #[error("the peer sent {0} that is forged or damaged")]
    Invalid(&'static str),
    /// The peer owed something and said nothing for as long as the limits allow.
    #[error("the peer has fallen silent: connect again")]
    Silent,
    /// The own store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// The peer ended the session, for the reason with this code (`docs/spec/sync.md`).
    #[error("the peer ended the session, code {0}")]
    Peer(u8),
}

impl SyncError {
    /// The code of the reason on the wire.
    pub fn code(&self) -> u8 {
        match self {
            Self::Malformed(_) => 1,
            Self::Unexpected(_) => 2,
            Self::Limit(_) => 3,
            Self::Unreconciled => 4,
            Self::OtherPod => 5,
            Self::OtherVersion(_) => 6,
            Self::Invalid(_) => 7,
            Self::Silent => 8,
            Self::Store(_) => 9,
            Self::Peer(code) => *code,
        }
    }
}

impl From<crate::StoreError> for SyncError {
    fn from(e: crate::StoreError) -> Self {
        Self::Store(e.to_string())
    }
}
