//! A pod as the sessions with its other devices see it.

mod chains;
mod drive;
pub(crate) mod hello;
mod store;

pub(crate) use chains::Chains;
pub(crate) use drive::{Exchanged, Told, Until, drive};
pub(crate) use store::{PodStore, name};
