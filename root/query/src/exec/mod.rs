//! Running steps.

mod aggregate;
mod collect;
mod function;
mod machine;
mod pattern;
mod sort;
mod spans;
mod table;
pub mod words;

pub use aggregate::aggregate;
pub use collect::RowSet;
pub use machine::{Machine, Stop};
pub use sort::select;
