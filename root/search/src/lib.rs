#![doc = include_str!("../README.md")]

mod document;
mod error;
mod excerpt;
mod fields;
mod found;
mod index;
mod matching;
mod pending;
mod query;
mod rank;
mod scan;
mod words;

pub use document::is_prose;
pub use error::SearchError;
pub use found::{Found, Hit, Part, Request};
pub use index::{Caught, Index};
pub use query::{MAX_QUERY, MAX_WORDS, Query};
pub use scan::scan;

/// Says of the name of an attribute whether its texts are searched.
pub type Selects = dyn Fn(&str) -> bool + Send + Sync;
