//! A pod as the sessions with its other devices see it.

mod drive;
pub(crate) mod hello;

pub(crate) use drive::{Exchanged, Until, Way, drive};
