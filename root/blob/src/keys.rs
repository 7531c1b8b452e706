//! Keys and blind names of blobs in one epoch of a pod.

use std::fmt;

use rhizome_ipld::Cid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{BlobError, location::hash_of};

/// What a sealed peer calls a blob: it tells nothing about it to anyone without the epoch's secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindName(pub [u8; 32]);

impl fmt::Debug for BlindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindName({})", blake3::Hash::from(self.0).to_hex())
    }
}

/// What one epoch of a pod seals its blobs with. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct BlobKeys {
    keys: [u8; 32],
    names: [u8; 32],
}

impl BlobKeys {
    /// Derived from the 32-byte secret of the epoch.
    pub fn from_epoch(secret: &[u8; 32]) -> Self {
        Self {
            keys: blake3::derive_key("rhizome epoch blob keys v1", secret),
            names: blake3::derive_key("rhizome epoch blob names v1", secret),
        }
    }

    /// What a sealed peer calls the blob.
    ///
    /// # Errors
    /// [`BlobError::NotABlob`] if `cid` is not the name of a blob.
    pub fn name(&self, cid: &Cid) -> Result<BlindName, BlobError> {
        let plaintext = hash_of(cid)?;
        Ok(BlindName(
            *blake3::keyed_hash(&self.names, plaintext.as_bytes()).as_bytes(),
        ))
    }

    /// The key of the blob: what somebody is given who may read it from a sealed peer.
    ///
    /// # Errors
    /// [`BlobError::NotABlob`] if `cid` is not the name of a blob.
    pub fn key(&self, cid: &Cid) -> Result<BlobKey, BlobError> {
        let plaintext = hash_of(cid)?;
        Ok(BlobKey(
            *blake3::keyed_hash(&self.keys, plaintext.as_bytes()).as_bytes(),
        ))
    }
}

/// The key of one blob in one epoch. It seals that blob and nothing else. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct BlobKey(pub(crate) [u8; 32]);

impl BlobKey {
    /// A key received from somebody who may read the blob.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The bytes, to be wrapped for somebody who may have them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
