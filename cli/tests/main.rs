//! The command from outside, as a script uses it.

mod contract;
mod direct;
mod friends;
mod mistakes;
mod running;
mod shell;
mod three;
