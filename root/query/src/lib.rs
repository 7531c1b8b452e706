#![doc = include_str!("../README.md")]

pub mod datalog;
mod edn;
mod error;
mod exec;
mod input;
mod instant;
pub mod iql;
pub mod ir;
mod json;
mod like;
mod limits;
pub mod live;
mod plan;
mod prepared;
pub mod pull;
mod rows;
mod text;

pub use error::{Position, QueryError};
pub use input::Input;
pub use limits::Limits;
pub use live::{LiveLimits, LiveSet, Update};
pub use prepared::Prepared;
pub use rows::{EntityIds, Rows};
pub use text::{FoundText, MAX_TEXTS, TextSearch};
