//! The replica from outside.

mod basics;
mod forge;
mod histories;
mod oracle;
mod world;
