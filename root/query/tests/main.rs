//! Integration tests of the query crate.
// Tests build texts piece by piece, draw from ranges that start at one and hand over literals: all read better as they are.
#![allow(
    clippy::format_push_string,
    clippy::range_plus_one,
    clippy::needless_pass_by_value,
    clippy::needless_for_each
)]

mod agree;
mod datalog;
mod datascript;
mod errors;
mod generate;
mod iql;
mod live;
mod oracle;
mod pull;
mod search;
mod work;
