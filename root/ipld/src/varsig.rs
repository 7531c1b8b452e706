//! Signature algorithms: the closed set that is accepted, each with its varsig v1 header and its one verification rule.
//!
//! A [varsig](https://github.com/ChainAgnostic/varsig) header names curve, hash and payload encoding. The set is closed: a header
//! is compared byte for byte with the three below, never parsed, so there is no room for a second spelling or a downgrade.
//!
//! | algorithm | header | rule |
//! |---|---|---|
//! | Ed25519 | `34 01 ed01 ed01 13 71` | `ed25519-dalek` 3 `verify_strict`: S < ℓ, R and A not of small order, cofactorless equation, R recomputed bytewise |
//! | ECDSA P-256 | `34 01 ec01 8024 12 71` | SHA2-256, r ‖ s of 32 bytes each, s in the lower half |
//! | ECDSA secp256k1 | `34 01 ec01 e701 12 71` | as above |
//!
//! Never batch verification and never another library: they disagree with `verify_strict` on crafted signatures, and one such
//! signature would split replicas for ever.

use crate::key::PublicKey;

/// Length in bytes of every signature in the accepted set.
pub const SIGNATURE_LEN: usize = 64;

/// A signature algorithm of the accepted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 with SHA2-512 (RFC 8032), verified strictly.
    Ed25519,
    /// ECDSA over P-256 with SHA2-256, low S.
    EcdsaP256,
    /// ECDSA over secp256k1 with SHA2-256, low S.
    EcdsaSecp256k1,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Ed25519, Self::EcdsaP256, Self::EcdsaSecp256k1];

    /// The varsig v1 header: prefix 0x34, version 1, algorithm, curve, hash, payload encoding DAG-CBOR.
    pub const fn header(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[0x34, 0x01, 0xed, 0x01, 0xed, 0x01, 0x13, 0x71],
            Self::EcdsaP256 => &[0x34, 0x01, 0xec, 0x01, 0x80, 0x24, 0x12, 0x71],
            Self::EcdsaSecp256k1 => &[0x34, 0x01, 0xec, 0x01, 0xe7, 0x01, 0x12, 0x71],
        }
    }

    /// The algorithm whose header these bytes are.
    pub fn from_header(header: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.header() == header)
    }

    /// The algorithm that goes with a key.
    pub const fn of(key: &PublicKey) -> Self {
        match key {
            PublicKey::Ed25519(_) => Self::Ed25519,
            PublicKey::P256(_) => Self::EcdsaP256,
            PublicKey::Secp256k1(_) => Self::EcdsaSecp256k1,
        }
    }
}

/// Whether `signature` over `message` is acceptable for `key`, under the rule of the key's algorithm.
///
/// This is the bare primitive, for formats with an envelope of their own (UCAN). Data of this project goes through
/// [`crate::Signed`], which adds the domain separation.
#[must_use]
pub fn verify(key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    match key {
        PublicKey::Ed25519(bytes) => ed25519(bytes, message, signature),
        PublicKey::P256(bytes) => p256(bytes, message, signature),
        PublicKey::Secp256k1(bytes) => secp256k1(bytes, message, signature),
    }
}

/// The signature with its s in the lower half, where [`verify`] wants it: for ECDSA signatures by keys that do not see to it
/// themselves (`WebCrypto`, hardware). Anything else comes back as it is.
#[must_use]
pub fn normalize(algorithm: Algorithm, signature: [u8; SIGNATURE_LEN]) -> [u8; SIGNATURE_LEN] {
    match algorithm {
        Algorithm::Ed25519 => signature,
        Algorithm::EcdsaP256 => p256::ecdsa::Signature::from_slice(&signature)
            .map_or(signature, |parsed| parsed.normalize_s().to_bytes().into()),
        Algorithm::EcdsaSecp256k1 => k256::ecdsa::Signature::from_slice(&signature)
            .map_or(signature, |parsed| parsed.normalize_s().to_bytes().into()),
    }
}

fn ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key).is_ok_and(|key| {
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
            .is_ok()
    })
}

fn p256(key: &[u8; 33], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_sec1_bytes(key),
        Signature::from_slice(signature),
    ) else {
        return false;
    };
    // s and n − s both satisfy the equation; only the lower is accepted, so nobody can make a second signature from a first.
    signature.normalize_s() == signature && key.verify(message, &signature).is_ok()
}

fn secp256k1(key: &[u8; 33], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    use k256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_sec1_bytes(key),
        Signature::from_slice(signature),
    ) else {
        return false;
    };
    signature.normalize_s() == signature && key.verify(message, &signature).is_ok()
}
