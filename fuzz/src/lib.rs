//! What several targets share. The makers of commits and the naive oracle are those of the replica's own tests.

mod input;

#[path = "../../root/replica/tests/forge.rs"]
pub mod forge;
#[path = "../../root/replica/tests/oracle.rs"]
pub mod oracle;
#[path = "../../root/replica/tests/world.rs"]
pub mod world;

pub use input::Input;
