//! Rhizome beside its peers.
fn main() {}
