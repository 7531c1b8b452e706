//! Integration tests of the query crate.

mod errors;
