#![doc = include_str!("../README.md")]

mod check;
mod counts;
mod dice;
mod disk;
mod liar;
mod network;
mod node;
#[path = "../../root/replica/tests/oracle.rs"]
#[allow(missing_docs, dead_code, clippy::pedantic, unreachable_pub)]
mod oracle;
mod people;
mod run;
mod watch;
mod world;

pub use counts::Counts;
pub use dice::Dice;
pub use disk::Disk;
pub use run::{Outcome, replay, simulate};
