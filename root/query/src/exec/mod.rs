//! Running steps.

mod aggregate;
mod closure;
mod collect;
mod count;
mod exact;
mod filter;
mod fixpoint;
mod function;
mod machine;
mod pattern;
mod sort;
mod spans;
mod table;
pub mod words;

pub use aggregate::{Moments, median};
pub use collect::RowSet;
pub use machine::{Machine, Stop};
pub use sort::{compare_rows, select};
