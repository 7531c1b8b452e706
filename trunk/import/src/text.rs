//! Outside text, made safe: its bytes, and its HTML.

mod html;
mod lossy;

pub(crate) use html::clean;
pub use html::{plain_text, sanitise};
pub(crate) use lossy::{Lossy, Replaced};
