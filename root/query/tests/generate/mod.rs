//! Random data and random Datalog queries: typed, so that most of them have answers. Entities are written as `@3` and filled in by
//! each engine's own ids.

mod body;
pub mod data;
pub mod query;
mod random;
mod rules;

pub use random::Random;
