//! Places that the caller knows.

use iroh::address_lookup::memory::MemoryLookup;
use rhizome_ipld::PublicKey;

use crate::address::PeerAddress;
use crate::error::NetworkError;
use crate::node::{endpoint_addr, endpoint_id};

/// Where peers are, as far as the caller knows. Clones are the same book.
#[derive(Debug, Clone, Default)]
pub struct AddressBook(MemoryLookup);

impl AddressBook {
    /// Writes down where a peer is, in place of what was written before.
    ///
    /// # Errors
    /// [`NetworkError::Key`] if the key is no point of the curve, [`NetworkError::Relay`].
    pub fn insert(&self, address: &PeerAddress) -> Result<(), NetworkError> {
        self.0.set_endpoint_info(endpoint_addr(address)?);
        Ok(())
    }

    /// Forgets a peer. Returns whether it was known.
    pub fn remove(&self, key: &PublicKey) -> bool {
        PeerAddress::new(*key)
            .ok()
            .and_then(|address| endpoint_id(&address).ok())
            .is_some_and(|id| self.0.remove_endpoint_info(id).is_some())
    }

    pub(crate) fn lookup(&self) -> MemoryLookup {
        self.0.clone()
    }
}
