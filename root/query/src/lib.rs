//! Datalog and IQL over a replica, one-shot and live.

pub mod datalog;
mod edn;
mod error;
mod instant;
pub mod ir;
mod json;
mod limits;
pub mod pull;

pub use error::{Position, QueryError};
pub use limits::Limits;
