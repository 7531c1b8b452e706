//! How much a log takes in.
//!
//! Whoever holds a key that was ever in the log can write operations until the end of time. So room is given out by *class*: one
//! for what descends from the genesis, one for each index of the recovery policies (the recoveries by it, and all that descends
//! from them). A thief fills the class he has the keys of, and cannot keep a stronger policy from deciding.

use super::Node;
use crate::IdentityError;
use crate::policy::MAX_POLICIES;

/// Most operations of one class: by devices of the genesis; or by one recovery policy and the devices it listed.
pub const MAX_OPERATIONS: usize = 4096;
/// Most bytes of payload of one class.
pub const MAX_OPERATIONS_BYTES: usize = 16 << 20;
/// Of them, what only policies may use: a class full of devices' operations can still be recovered by its own policy.
const RESERVED: usize = 64;
const RESERVED_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Quotas([Quota; MAX_POLICIES + 1]);

#[derive(Debug, Clone, Copy, Default)]
struct Quota {
    operations: usize,
    bytes: usize,
}

impl Quotas {
    /// The class of what descends from the genesis.
    pub const GENESIS: usize = 0;

    /// The class of a policy.
    pub fn class_of(index: usize) -> usize {
        index + 1
    }

    pub fn check(&self, class: usize, bytes: usize, by_policy: bool) -> Result<(), IdentityError> {
        let used = self.0.get(class).copied().unwrap_or_default();
        let (operations, most) = if by_policy {
            (MAX_OPERATIONS, MAX_OPERATIONS_BYTES)
        } else {
            (
                MAX_OPERATIONS - RESERVED,
                MAX_OPERATIONS_BYTES - RESERVED_BYTES,
            )
        };
        if used.operations >= operations || used.bytes + bytes > most {
            return Err(IdentityError::LogFull(
                "operations of these devices; recover the identity to begin anew",
            ));
        }
        Ok(())
    }

    pub fn count(&mut self, node: &Node) {
        if let Some(quota) = self.0.get_mut(node.class) {
            quota.operations += 1;
            quota.bytes += node.operation.payload_bytes().len();
        }
    }
}
