#![doc = include_str!("../README.md")]

mod audit;
mod author;
mod certify;
mod error;
mod group;
mod keys;
mod leaves;
mod news;
mod pod;
mod purse;
mod row;
mod sealed;
mod store;
mod take;
mod view;

pub use audit::Audit;
pub use error::SealedError;
pub use pod::SealedPod;
pub use rhizome_sync::News;
pub use sealed::{Hosted, MAX_VIEWS, Sealed, SealedOptions, Usage};
pub use store::{Listening, SealedStore};
pub use view::authors;
