//! Outside text, made safe: its bytes, and its HTML.

mod decode;
mod html;
mod lossy;

pub(crate) use decode::{decode, marked, unmarked};
pub(crate) use html::clean;
pub use html::{plain_text, sanitise};
pub(crate) use lossy::{Lossy, Replaced};
