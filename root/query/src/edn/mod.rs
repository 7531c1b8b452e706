//! The part of EDN (<https://github.com/edn-format/edn>) that queries are written in.

mod form;
mod reader;

pub use form::{Form, Kind};
pub use reader::read;
