//! What several targets share. The makers of commits, the naive oracle and the store in memory are those of the crates' own tests.

mod input;

#[path = "../../root/replica/tests/forge.rs"]
pub mod forge;
#[path = "../../root/replica/tests/oracle.rs"]
pub mod oracle;
#[path = "../../root/sync/tests/memory.rs"]
pub mod sync_memory;
#[path = "../../root/replica/tests/world.rs"]
pub mod world;

pub use input::Input;
