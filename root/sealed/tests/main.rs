//! One binary for all tests of the crate.

mod crash;
mod device;
mod digests;
#[path = "../../storage/tests/disk.rs"]
mod disk;
mod holes;
mod hosting;
mod pair;
mod plaintext;
mod sessions;
mod work;
mod world;
