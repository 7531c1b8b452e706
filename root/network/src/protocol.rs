//! What a link is for.

use std::fmt;

/// What a link is for. Each is an ALPN over QUIC and a field of the greeting over a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Commits and certificates between replicas.
    Sync,
    /// Verified ranges of large files.
    Blob,
    /// Requests and answers.
    Rpc,
    /// A new device becomes one of a person's devices.
    Pair,
    /// What is erased, for who cannot see it.
    Erase,
    /// Messages for a pod, left by people who may not write to it, and collected by its devices.
    Inbox,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sync,
        Self::Blob,
        Self::Rpc,
        Self::Pair,
        Self::Erase,
        Self::Inbox,
    ];

    /// Its name on the wire, for example `/rhizome/sync/1`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "/rhizome/sync/1",
            Self::Blob => "/rhizome/blob/1",
            Self::Rpc => "/rhizome/rpc/1",
            Self::Pair => "/rhizome/pair/1",
            Self::Erase => "/rhizome/erase/1",
            Self::Inbox => "/rhizome/inbox/1",
        }
    }

    /// The protocol of a name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name().as_bytes() == name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
