//! Outside text, made safe: its bytes, and its HTML.

mod decode;
mod html;
mod lossy;

pub(crate) use decode::{decode, marked, unmarked};
pub(crate) use html::clean;
pub use html::{plain_text, sanitise};
pub(crate) use lossy::{Lossy, Replaced};

/// Plain text as HTML: nothing in it acts, and its lines stay lines.
pub(crate) fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            c => html.push(c),
        }
    }
}
