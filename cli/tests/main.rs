//! The command from outside, as a script uses it.

mod contract;
mod friends;
mod mistakes;
mod running;
mod shell;
mod three;
