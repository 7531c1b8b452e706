//! One binary for all tests of the crate.

mod hostile;
mod memory;
mod pair;
mod session;
mod set;
mod sim;
mod vectors;
