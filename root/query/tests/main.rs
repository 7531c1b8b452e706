//! Integration tests of the query crate.

mod agree;
mod errors;
mod generate;
mod oracle;
