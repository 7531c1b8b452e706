//! Integration tests of the query crate.
// The generator builds texts piece by piece and draws from ranges that start at one: both read better as they are.
#![allow(clippy::format_push_string, clippy::range_plus_one)]

mod agree;
mod datascript;
mod errors;
mod generate;
mod iql;
mod oracle;
