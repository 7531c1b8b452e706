//! Views: further pods that a home holds, carried by the same node.
//!
//! What somebody shares is a small pod of its own, with its own device log, epochs and commits. Its one admin is a key that all devices of
//! its owner act by; its other members are keys that were given away. A link is between the keys of two devices, so whoever acts by another
//! key proves it once, with the first words on the link.

mod acting;
mod carry;
mod given;
mod marks;
mod row;
mod seed;
mod store;
mod touch;
mod view;
#[expect(clippy::module_inception, reason = "one public type each file")]
mod views;

pub(crate) use acting::{Acting, Ends, Say};
pub(crate) use carry::Entered;
pub(crate) use given::Given;
pub(crate) use marks::{Mark, Watched, mark};
pub use seed::Seed;
pub(crate) use view::Touched;
pub use view::View;
pub use views::Views;
