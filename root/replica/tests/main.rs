//! The replica from outside.

mod attacks;
mod basics;
mod edits;
mod erasure;
mod forge;
mod histories;
mod oracle;
mod pool;
mod refused;
mod world;
