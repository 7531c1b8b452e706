//! What peers without keys were told of what is erased here: they cannot see it, and are told again only when it is something else.

use rhizome_ipld::PublicKey;
use rhizome_storage::{Batch, Durability, Kv};

use crate::MemberError;

/// The keyspace: key of the peer → hash of what it was told.
const TOLD: u8 = 7;

pub(crate) fn load(kv: &dyn Kv, peer: &PublicKey) -> Result<Option<Vec<u8>>, MemberError> {
    let found = kv.snapshot()?.get(TOLD, &peer.to_bytes())?;
    Ok(found.map(|bytes| bytes.to_vec()))
}

/// What is told twice after a crash does no harm.
pub(crate) fn save(kv: &dyn Kv, peer: &PublicKey, what: [u8; 32]) -> Result<(), MemberError> {
    let mut batch = Batch::new();
    batch.put(TOLD, peer.to_bytes(), what);
    Ok(kv.commit(batch, Durability::Relaxed)?)
}
