#![doc = include_str!("../README.md")]

mod epoch;
mod error;
pub mod wrap;

pub use epoch::{Epoch, EpochCertId, MAX_BEFORE, MAX_PAST, MAX_RECOVERY, MAX_WRAPS, Plan};
pub use error::ShareError;
