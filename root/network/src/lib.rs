#![doc = include_str!("../README.md")]

mod address;
pub mod discovery;
mod door;
mod error;
pub mod frame;
pub mod handshake;
mod link;
pub mod memory;
mod node;
mod protocol;
mod quic;
mod reconnect;
#[cfg(feature = "relay")]
mod relay;
mod service;
mod stream;
pub mod websocket;

pub use address::{AddressError, MAX_RELAYS, MAX_SOCKETS, MAX_TEXT, MAX_URL, PeerAddress};
pub use discovery::{AddressBook, Directory, Discovery, Publish};
pub use door::Handshakes;
pub use error::{HandshakeError, NetworkError};
pub use frame::{FrameError, MAX_MESSAGE};
pub use link::{CLOSE_WAIT, Link, Meter, Receiver, Route, Sender, Traffic};
pub use node::{DIAL_WAIT, Node, NodeConfig, RelayAccess, RelayState};
pub use protocol::Protocol;
pub use reconnect::{Mode, Reconnect, Waits};
#[cfg(feature = "relay")]
pub use relay::{Relay, RelayLimits};
pub use service::{Admission, Limits, Services, ServicesBuilder};

/// Doors for fuzzing that nothing else has.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Reads the payload of an address, and checks that what is read has no other spelling.
    pub fn address(payload: &[u8]) {
        if let Ok(address) = crate::PeerAddress::from_bytes(payload) {
            assert_eq!(address.to_bytes(), payload);
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
