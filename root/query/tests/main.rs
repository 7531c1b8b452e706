//! Integration tests of the query crate.

mod agree;
mod datascript;
mod errors;
mod generate;
mod oracle;
