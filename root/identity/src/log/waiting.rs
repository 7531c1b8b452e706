//! Operations that arrived before what they follow.

use std::collections::{HashMap, HashSet};

use rhizome_ipld::Cid;

use crate::{IdentityError, Operation};

/// Most operations that wait for what they follow.
pub const MAX_WAITING: usize = 1024;
/// Most bytes of payload that wait.
const MAX_BYTES: usize = 8 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    /// By one of the operations they lack.
    by_missing: HashMap<Cid, Vec<Operation>>,
    ids: HashSet<Cid>,
    bytes: usize,
}

impl Waiting {
    pub fn contains(&self, id: &Cid) -> bool {
        self.ids.contains(id)
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The operations that others wait for and that do not wait themselves.
    pub fn missing(&self) -> impl Iterator<Item = &Cid> {
        self.by_missing.keys().filter(|id| !self.ids.contains(id))
    }

    pub fn keep(&mut self, missing: Cid, operation: Operation) -> Result<(), IdentityError> {
        let bytes = self.bytes + operation.payload_bytes().len();
        if self.ids.len() >= MAX_WAITING || bytes > MAX_BYTES {
            return Err(IdentityError::LogFull(
                "operations that wait for others; send what they follow first",
            ));
        }
        self.bytes = bytes;
        self.ids.insert(operation.id());
        self.by_missing.entry(missing).or_default().push(operation);
        Ok(())
    }

    /// Those that waited for this one. They may still lack another.
    pub fn take(&mut self, arrived: &Cid) -> Vec<Operation> {
        let freed = self.by_missing.remove(arrived).unwrap_or_default();
        for operation in &freed {
            self.ids.remove(&operation.id());
            self.bytes = self.bytes.saturating_sub(operation.payload_bytes().len());
        }
        freed
    }

    /// Gives up what waited for an operation that was refused, and what waited for that.
    pub fn forget(&mut self, refused: &Cid) {
        let mut gone = vec![*refused];
        while let Some(id) = gone.pop() {
            gone.extend(self.take(&id).iter().map(Operation::id));
        }
    }
}
