//! The replica from outside.

mod attacks;
mod basics;
mod damaged;
mod edits;
mod erasure;
mod forge;
mod full;
mod histories;
#[cfg(unix)]
mod kill;
mod mirror;
mod oracle;
mod overlay;
mod pool;
mod refused;
mod sealed;
mod together;
mod travel;
mod world;
