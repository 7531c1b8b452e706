//! A whole log as one CAR file, which can be pinned anywhere.

use rhizome_ipld::{car, cid_sha256};

use super::{Log, MAX_OPERATIONS};
use crate::{Genesis, IdentityError, Inserted, Operation};

/// Most roots that are read: the heads.
const MAX_ROOTS: usize = MAX_OPERATIONS;
const LIMITS: car::Limits = car::Limits {
    header: 64 + 48 * MAX_ROOTS,
    block: Operation::MAX_PAYLOAD,
};

impl Log {
    /// The log as a CAR file: the heads as its roots; of each operation the payload and the signatures, the genesis first, each
    /// operation after those it follows, and otherwise in the order of Lamport height and id. One log has one file.
    ///
    /// # Errors
    /// The codec's, none of which a log causes.
    pub fn to_car(&self) -> Result<Vec<u8>, IdentityError> {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_unstable_by_key(|node| (node.height, node.id));
        let mut writer = car::Writer::new(Vec::new(), &self.heads())?;
        for node in nodes {
            let operation = &node.operation;
            let signatures = operation.signature_block()?;
            writer.write(&operation.id(), operation.payload_bytes())?;
            writer.write(&cid_sha256(&signatures), &signatures)?;
        }
        Ok(writer.finish()?)
    }

    /// Reads what [`Self::to_car`] writes, and verifies all of it. The order of the operations after the genesis does not matter. Which
    /// identity it is, [`Log::did`] says.
    ///
    /// # Errors
    /// [`IdentityError::Car`], those of [`Operation::verify`] and of [`Log::insert`], [`IdentityError::Snapshot`].
    pub fn from_car(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut reader = car::Reader::new(bytes, LIMITS)?;
        let mut next = || -> Result<Option<Operation>, IdentityError> {
            let Some(payload) = reader.next().transpose()? else {
                return Ok(None);
            };
            let Some(signatures) = reader.next().transpose()? else {
                return Err(IdentityError::Snapshot("a signature block is missing"));
            };
            let operation = Operation::verify(&payload.1, &signatures.1)?;
            if payload.0 != operation.id() || signatures.0 != cid_sha256(&signatures.1) {
                return Err(IdentityError::Snapshot(
                    "a block has another name than it should",
                ));
            }
            Ok(Some(operation))
        };
        let Some(first) = next()? else {
            return Err(IdentityError::Snapshot("there is no operation in it"));
        };
        let mut log = Self::new(Genesis::of(first)?)?;
        while let Some(operation) = next()? {
            if log.insert(operation)? == Inserted::Known {
                return Err(IdentityError::Snapshot("an operation is in it twice"));
            }
        }
        if log.waiting() > 0 {
            return Err(IdentityError::Snapshot(
                "operations are missing that others follow",
            ));
        }
        if reader.roots() != log.heads() {
            return Err(IdentityError::Snapshot("its roots are not the heads"));
        }
        Ok(log)
    }
}
