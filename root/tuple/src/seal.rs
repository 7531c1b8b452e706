//! Encryption at the leaf: XChaCha20-Poly1305 with a synthetic nonce, which makes it commit to its key.
//!
//! From a pod's epoch secret come an epoch id, a mask for entity ids and, per entity, an entity key. The nonce of a leaf is a keyed hash
//! of its place and plaintext and is checked on opening, so one ciphertext opens under one key only, and sealing needs no randomness.

use crate::{EntityId, TupleError, limits::MAX_LEAF_LEN};
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rhizome_ipld::codec;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

const NONCE: usize = 24;
const TAG: usize = 16;

/// The public name of an epoch secret: the first 8 bytes of a hash of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EpochId(#[serde(with = "serde_bytes")] pub [u8; 8]);

/// Where a leaf stands: no leaf opens anywhere else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeafAddress {
    /// BLAKE3 of the pod's DID.
    pub pod: [u8; 32],
    /// The nonce of its commit.
    pub commit_nonce: [u8; 16],
    /// Its place in the commit.
    pub index: u32,
}

impl LeafAddress {
    fn bytes(&self, entity: &EntityId) -> [u8; 76] {
        let mut out = [0; 76];
        out[..32].copy_from_slice(&self.pod);
        out[32..48].copy_from_slice(&self.commit_nonce);
        out[48..52].copy_from_slice(&self.index.to_be_bytes());
        out[52..].copy_from_slice(entity.as_bytes());
        out
    }
}

/// The secret of one epoch of a pod and the keys derived from it. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EpochSecret {
    #[zeroize(skip)]
    id: EpochId,
    mask: [u8; 32],
    entities: [u8; 32],
}

impl EpochSecret {
    /// Derives the keys of an epoch from its 32-byte secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let id = blake3::derive_key("rhizome epoch id v1", secret);
        let mut short = [0; 8];
        short.copy_from_slice(&id[..8]);
        Self {
            id: EpochId(short),
            mask: blake3::derive_key("rhizome epoch entity mask v1", secret),
            entities: blake3::derive_key("rhizome epoch entity keys v1", secret),
        }
    }

    /// The public name of this epoch.
    pub fn id(&self) -> EpochId {
        self.id
    }

    /// The key of one entity in this epoch: what a grantee of that entity is given.
    pub fn entity_key(&self, entity: &EntityId) -> EntityKey {
        EntityKey(*blake3::keyed_hash(&self.entities, entity.as_bytes()).as_bytes())
    }

    fn masked(&self, entity: &[u8; EntityId::LEN], address: &LeafAddress) -> [u8; EntityId::LEN] {
        let mut place = [0; 20];
        place[..16].copy_from_slice(&address.commit_nonce);
        place[16..].copy_from_slice(&address.index.to_be_bytes());
        let mut out = *entity;
        let mask = blake3::keyed_hash(&self.mask, &place);
        out.iter_mut()
            .zip(mask.as_bytes())
            .for_each(|(x, m)| *x ^= m);
        out
    }

    /// Seals the plaintext of a leaf ([`crate::Leaf::encode`]) of `entity` at its place.
    pub fn seal(
        &self,
        entity: &EntityId,
        address: &LeafAddress,
        plaintext: &[u8],
    ) -> Result<SealedLeaf, TupleError> {
        let (nonce, ciphertext) = self.entity_key(entity).seal(entity, address, plaintext)?;
        Ok(SealedLeaf {
            epoch: self.id,
            locator: self.masked(entity.as_bytes(), address),
            nonce,
            ciphertext,
        })
    }

    /// Opens a leaf: its entity and its plaintext.
    ///
    /// # Errors
    /// [`TupleError::Seal`] if it was sealed under another key or for another place, or was changed.
    pub fn open(
        &self,
        sealed: &SealedLeaf,
        address: &LeafAddress,
    ) -> Result<(EntityId, Vec<u8>), TupleError> {
        if sealed.epoch != self.id {
            return Err(TupleError::Seal);
        }
        let entity = EntityId::from_bytes(self.masked(&sealed.locator, address));
        let plaintext = self.entity_key(&entity).open(&entity, address, sealed)?;
        Ok((entity, plaintext))
    }
}

/// The key of one entity in one epoch. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EntityKey([u8; 32]);

impl EntityKey {
    /// A key received from the owner of the entity.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The bytes, to be wrapped for somebody who may have them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn parts(&self) -> (XChaCha20Poly1305, [u8; 32]) {
        let mut both = [0; 64];
        blake3::Hasher::new_keyed(&self.0)
            .update(b"rhizome leaf v1")
            .finalize_xof()
            .fill(&mut both);
        let mut mac = [0; 32];
        mac.copy_from_slice(&both[32..]);
        let mut key = [0; 32];
        key.copy_from_slice(&both[..32]);
        let cipher = XChaCha20Poly1305::new(&key.into());
        both.zeroize();
        key.zeroize();
        (cipher, mac)
    }

    fn synthetic(mac: &[u8; 32], address: &[u8; 76], plaintext: &[u8]) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        blake3::Hasher::new_keyed(mac)
            .update(address)
            .update(plaintext)
            .finalize_xof()
            .fill(&mut nonce);
        nonce
    }

    fn seal(
        &self,
        entity: &EntityId,
        address: &LeafAddress,
        plaintext: &[u8],
    ) -> Result<([u8; NONCE], Vec<u8>), TupleError> {
        if plaintext.len() > MAX_LEAF_LEN {
            return Err(TupleError::LeafTooLarge);
        }
        let place = address.bytes(entity);
        let (cipher, mut mac) = self.parts();
        let nonce = Self::synthetic(&mac, &place, plaintext);
        mac.zeroize();
        let mut out = Vec::with_capacity(plaintext.len() + TAG);
        out.extend_from_slice(plaintext);
        let tag = cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &place, out.as_mut_slice().into())
            .map_err(|_| TupleError::LeafTooLarge)?;
        out.extend_from_slice(&tag);
        Ok((nonce, out))
    }

    /// Opens a leaf of `entity` with the entity's own key.
    ///
    /// # Errors
    /// [`TupleError::Seal`] if it was sealed under another key or for another place, or was changed.
    pub fn open(
        &self,
        entity: &EntityId,
        address: &LeafAddress,
        sealed: &SealedLeaf,
    ) -> Result<Vec<u8>, TupleError> {
        let place = address.bytes(entity);
        let (text, tag) = sealed
            .ciphertext
            .split_last_chunk::<TAG>()
            .ok_or(TupleError::Seal)?;
        let (cipher, mac) = self.parts();
        let mut out = text.to_vec();
        cipher
            .decrypt_inout_detached(
                &XNonce::from(sealed.nonce),
                &place,
                out.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| TupleError::Seal)?;
        if Self::synthetic(&mac, &place, &out) == sealed.nonce {
            Ok(out)
        } else {
            Err(TupleError::Seal)
        }
    }
}

/// A leaf as everybody may hold it: `[epoch, locator, nonce, ciphertext]` in DAG-CBOR, all byte strings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedLeaf {
    /// Which secret it was sealed under.
    pub epoch: EpochId,
    /// The entity, masked with a key of that epoch.
    #[serde(with = "serde_bytes")]
    pub locator: [u8; EntityId::LEN],
    /// The synthetic nonce.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; NONCE],
    /// Ciphertext and 16-byte tag.
    #[serde(with = "serde_bytes")]
    pub ciphertext: Vec<u8>,
}

impl SealedLeaf {
    /// Longest encoding.
    pub const MAX_LEN: usize = MAX_LEAF_LEN + 128;

    /// Canonical bytes, which [`crate::leaf_hash`] hashes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TupleError> {
        Ok(codec::encode(&(
            self.epoch,
            serde_bytes::Bytes::new(&self.locator),
            serde_bytes::Bytes::new(&self.nonce),
            serde_bytes::Bytes::new(&self.ciphertext),
        ))?)
    }

    /// Reads them back.
    ///
    /// # Errors
    /// If the bytes are not canonical or have another shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TupleError> {
        type Parts = (
            EpochId,
            serde_bytes::ByteArray<{ EntityId::LEN }>,
            serde_bytes::ByteArray<NONCE>,
            serde_bytes::ByteBuf,
        );
        let (epoch, locator, nonce, ciphertext): Parts = codec::decode(bytes, Self::MAX_LEN)?;
        Ok(Self {
            epoch,
            locator: *locator,
            nonce: *nonce,
            ciphertext: ciphertext.into_vec(),
        })
    }
}
