#![doc = include_str!("../README.md")]

mod chains;
mod error;
mod hollow;
mod member;
mod news;
mod saved;
mod store;
mod told;
mod trust;

pub use chains::Chains;
pub use error::MemberError;
pub use member::{Entropy, Erasures, Member, OpenReplica, found, found_within};
pub use rhizome_sync::News;
pub use store::MemberStore;
pub use trust::Trust;
