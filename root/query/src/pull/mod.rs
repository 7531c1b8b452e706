//! Fetching whole entities: `[*]`, named attributes, nested and reverse references.

mod parse;
mod pattern;
mod run;

pub(crate) use parse::pattern;
pub use pattern::{Attribute, Nested, Pattern};
pub use run::pull;
pub(crate) use run::{Read, attributes, cell, id, one_or_many, pull_noting, values};
