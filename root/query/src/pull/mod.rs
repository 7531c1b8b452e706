//! Fetching whole entities: `[*]`, named attributes, nested and reverse references.

mod parse;
mod pattern;

pub(crate) use parse::pattern;
pub use pattern::{Attribute, Nested, Pattern};
