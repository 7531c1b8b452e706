//! Links, nodes and addresses, on loopback only.

mod address;
mod admission;
mod discovery;
mod handshake;
mod links;
mod node;
mod peers;
mod reconnect;
#[cfg(feature = "relay")]
mod relay;
