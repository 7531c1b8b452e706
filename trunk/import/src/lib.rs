//! Importers: other platforms' exports become tuples, and can run again.

mod error;
mod limits;
mod problem;
mod source;
mod text;

pub use error::ImportError;
pub use limits::Limits;
pub use problem::{Problem, ProblemCode};
pub use source::{Entry, Packing, Source};
pub use text::{plain_text, sanitise};
