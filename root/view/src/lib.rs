#![doc = include_str!("../README.md")]

mod comments;
mod error;
mod guests;
mod matching;
mod note;
mod project;
mod tend;
mod weigh;

pub use comments::{Comment, MAX_LISTED, Thread, threads};
pub use error::ViewError;
pub use guests::{Grant, Guests, Instead, Power, Rights};
pub use matching::{holds, is_private, is_reserved, matches, matching, values};
pub use note::{Handed, Left, MAX_COMMENT, MAX_NOTE, Moved, Note, Why, notes, place, write_notes};
pub use project::project;
pub use tend::{Tended, Tending};
pub use weigh::{Pending, Verdict, Writer, pending, weigh};
