//! The rhizome command.
fn main() {}
