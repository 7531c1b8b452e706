//! The replica from outside.

mod basics;
mod world;
