//! Links, nodes and addresses, on loopback only.

mod address;
mod admission;
mod handshake;
mod links;
mod node;
mod peers;
