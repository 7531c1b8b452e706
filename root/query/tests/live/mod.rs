//! Live queries: what subscribers are told, put together, is what a fresh run gives.

mod commits;
mod follow;
mod named;
mod nested;
mod objects;
mod random;
pub mod world;
