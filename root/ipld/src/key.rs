//! Keys: public ones as Multikey (multicodec prefix and key bytes), and the signing key that never shows its secret.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer;
use multibase::Base;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, Zeroizing};

use crate::varsig::SIGNATURE_LEN;

/// Multicodec prefix (a varint) of an Ed25519 public key.
const ED25519: [u8; 2] = [0xed, 0x01];
/// Multicodec prefix of a compressed P-256 public key.
const P256: [u8; 2] = [0x80, 0x24];
/// Multicodec prefix of a compressed secp256k1 public key.
const SECP256K1: [u8; 2] = [0xe7, 0x01];

/// Longest text form, `did:key:z` and base58 of 35 bytes. Base58 is quadratic, so longer text is refused unread.
const MAX_TEXT: usize = 64;

/// Why bytes or text are not a public key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not one of the accepted multicodec prefixes (Ed25519, P-256, secp256k1).
    #[error("the key type is not one of Ed25519, P-256 and secp256k1")]
    Type,
    /// The length does not go with the prefix, or a compressed point does not start with 02 or 03.
    #[error("the key has the wrong length or form for its type")]
    Form,
    /// Text that is not base58btc with the multibase prefix `z`.
    #[error("a key in text is `z` followed by base58btc, optionally after `did:key:`")]
    Text,
}

/// A public key that signs.
///
/// The bytes are of the right type and length; whether they are a point of the curve shows when a signature is verified, which
/// fails for bytes that are not. Two keys are equal if their bytes are. In binary formats it serialises as its Multikey bytes,
/// in text formats as its `z…` string. The order is that of the Multikey bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// Ed25519, 32 bytes.
    Ed25519([u8; 32]),
    /// P-256, compressed SEC1 point.
    P256([u8; 33]),
    /// secp256k1, compressed SEC1 point.
    Secp256k1([u8; 33]),
}

impl PublicKey {
    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Ed25519(key) => [&ED25519, key],
            Self::P256(key) => [&P256, key],
            Self::Secp256k1(key) => [&SECP256K1, key],
        }
    }

    /// The Multikey bytes: multicodec prefix and key.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// Reads Multikey bytes; the whole of `bytes` must be the key.
    ///
    /// # Errors
    /// [`KeyError::Type`] or [`KeyError::Form`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let (prefix, key) = bytes.split_at_checked(2).ok_or(KeyError::Type)?;
        if prefix == ED25519 {
            key.try_into()
                .map(Self::Ed25519)
                .map_err(|_| KeyError::Form)
        } else if prefix == P256 {
            compressed(key).map(Self::P256)
        } else if prefix == SECP256K1 {
            compressed(key).map(Self::Secp256k1)
        } else {
            Err(KeyError::Type)
        }
    }

    /// The Multikey text form: `z` and base58btc of [`Self::to_bytes`].
    pub fn to_multibase(&self) -> String {
        multibase::encode(Base::Base58Btc, self.to_bytes())
    }

    /// The `did:key` of this key.
    pub fn to_did_key(&self) -> String {
        format!("did:key:{}", self.to_multibase())
    }

    /// Reads a `did:key:z…`; the prefix is required.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn from_did_key(text: &str) -> Result<Self, KeyError> {
        text.strip_prefix("did:key:").ok_or(KeyError::Text)?.parse()
    }
}

fn compressed(key: &[u8]) -> Result<[u8; 33], KeyError> {
    match <[u8; 33]>::try_from(key) {
        Ok(key @ [2 | 3, ..]) => Ok(key),
        _ => Err(KeyError::Form),
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_multibase())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads the `z…` text form.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_TEXT || !text.starts_with('z') {
            return Err(KeyError::Text);
        }
        let (_, bytes) = multibase::decode(text).map_err(|_| KeyError::Text)?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_multibase())
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = PublicKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a Multikey")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<PublicKey, E> {
                PublicKey::from_bytes(bytes).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PublicKey, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

/// An Ed25519 signing key. Its secret is wiped from memory on drop and cannot be printed, copied or serialised:
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<rhizome_ipld::SigningKey>();
/// ```
/// ```compile_fail
/// fn needs_debug<T: std::fmt::Debug>() {}
/// needs_debug::<rhizome_ipld::SigningKey>();
/// ```
/// ```compile_fail
/// fn needs_serialize<T: serde::Serialize>() {}
/// needs_serialize::<rhizome_ipld::SigningKey>();
/// ```
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a 32 byte seed (RFC 8032's private key). The seed must come from a cryptographic random source, or from a key
    /// derivation over one.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let key = Self(ed25519_dalek::SigningKey::from_bytes(&seed));
        seed.zeroize();
        key
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    /// The seed, for transports whose TLS signs by itself. For nothing else: everything of ours signs with [`Self::sign`] or
    /// [`crate::Verified::sign`].
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Signs a message as it is, without domain separation: for formats that bring their own. Everything else uses
    /// [`crate::Verified::sign`].
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}
