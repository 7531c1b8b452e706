//! Live queries: what subscribers are told, put together, is what a fresh run gives.

mod commits;
mod follow;
mod named;
mod random;
mod world;
