//! What this person follows: many pods as one, in memory.
//!
//! Of an entity that several pods speak of, the word of its maker counts; without him, that of whoever was followed first. Who says it is told by an attribute that no pod can set.

mod feed;
mod sources;
mod timeline;

pub(crate) use feed::{Feed, Followings};
pub use timeline::{Post, Timeline};
