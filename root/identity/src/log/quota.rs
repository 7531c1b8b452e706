//! How much a log takes in.
//!
//! Whoever holds a key that was ever in the log can write operations until the end of time. So room is given out by *class*: one
//! for what descends from the genesis, one for each index of the recovery policies (the recoveries by it, and all that descends
//! from them). A thief fills the class he has the keys of, and cannot keep a stronger policy from deciding; nor, with devices alone,
//! any policy.

use super::Node;
use crate::policy::MAX_POLICIES;
use crate::{IdentityError, Operation};

/// Most operations by devices in one class: those of the genesis; or those that the recoveries by one policy listed.
pub const MAX_OPERATIONS: usize = 4096;
/// Most operations by one policy (the genesis counts as one).
pub const MAX_DECISIONS: usize = 256;
/// Most bytes of payload of either kind in one class.
pub const MAX_OPERATIONS_BYTES: usize = 8 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Quotas([[Quota; 2]; MAX_POLICIES + 1]);

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

    pub fn check(&self, class: usize, operation: &Operation) -> Result<(), IdentityError> {
        let by_device = operation.by().is_some();
        let most = if by_device {
            MAX_OPERATIONS
        } else {
            MAX_DECISIONS
        };
        let used = self
            .0
            .get(class)
            .map(|quotas| quotas[usize::from(by_device)]);
        let used = used.unwrap_or_default();
        let bytes = used.bytes + operation.payload_bytes().len();
        if used.operations >= most || bytes > MAX_OPERATIONS_BYTES {
            return Err(IdentityError::LogFull(
                "operations of these devices or this policy; recover the identity to begin anew",
            ));
        }
        Ok(())
    }

    pub fn count(&mut self, node: &Node) {
        let by_device = usize::from(node.operation.by().is_some());
        if let Some(quotas) = self.0.get_mut(node.class) {
            quotas[by_device].operations += 1;
            quotas[by_device].bytes += node.operation.payload_bytes().len();
        }
    }
}
