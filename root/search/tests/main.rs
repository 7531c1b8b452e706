//! Searches beside a naive one, over tuples that change.

mod index;
mod oracle;
mod world;
