//! IQL: nested JSON queries, the shape of `InstantDB`'s `InstaQL` (<https://www.instantdb.com/docs/instaql>).
//!
//! ```json
//! { "post": { "$": { "where": { "author.name": "Ada", "created": { "$gt": 1600000000000 } },
//!                    "order": { "created": "desc" }, "limit": 20, "fields": ["text", "created"] },
//!             "author": {}, "_reply-to": { "$": { "limit": 3 } } } }
//! ```
//!
//! A top-level key is a *namespace*. An entity belongs to namespace `post` if it has an attribute named `type` or `…/type` with the
//! text `post`, or any attribute whose name starts with `post/`. A field is written with its full attribute name, or shortly: `text`
//! is then `post/text`, else `…/text` beside the `…/type` attribute that says `post`, else plain `text`, else the only attribute of the
//! pod whose name ends in `/text`. A key beside `$` follows references; a leading underscore follows them backwards.

mod ast;
mod lower;
mod names;
mod neighbours;
mod order;
mod parse;
mod run;

pub use ast::{Condition, Node, Order, Query, Test};
pub use lower::Level;
pub use names::Names;
pub(crate) use names::is_type;
pub(crate) use order::{Page, ranked_by};
pub(crate) use run::Tree;
