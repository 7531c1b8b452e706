//! Keys for receiving secrets: X-Wing (X25519 and ML-KEM-768 together), and X25519 where others have nothing else.

use std::fmt;

use multibase::Base;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use x_wing::KeyExport;

use crate::{IdentityError, Secret};

/// Multicodec prefix of an X25519 public key.
const X25519: [u8; 2] = [0xec, 0x01];
/// Multicodec prefix of an X-Wing public key: 0x300001, of the private-use range, as the table has no entry for X-Wing yet.
const X_WING: [u8; 4] = [0x81, 0x80, 0xc0, 0x01];

/// Length in bytes of an X-Wing public key.
pub const X_WING_LEN: usize = 1216;

/// A public key to which secrets are sealed, as Multikey (multicodec prefix and key bytes).
#[derive(Clone, PartialEq, Eq)]
pub enum KemKey {
    /// X-Wing, draft-connolly-cfrg-xwing-kem: what this project makes.
    XWing(Box<[u8; X_WING_LEN]>),
    /// X25519: accepted in a device list, never made here.
    X25519([u8; 32]),
}

impl KemKey {
    /// The Multikey bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::XWing(key) => [&X_WING[..], key.as_slice()].concat(),
            Self::X25519(key) => [&X25519[..], key].concat(),
        }
    }

    /// Reads Multikey bytes; the whole of `bytes` must be the key.
    ///
    /// # Errors
    /// [`IdentityError::KemKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        if let Some(key) = bytes.strip_prefix(&X_WING) {
            let key: Box<[u8]> = key.into();
            key.try_into()
                .map(Self::XWing)
                .map_err(|_| IdentityError::KemKey)
        } else if let Some(key) = bytes.strip_prefix(&X25519) {
            key.try_into()
                .map(Self::X25519)
                .map_err(|_| IdentityError::KemKey)
        } else {
            Err(IdentityError::KemKey)
        }
    }

    /// The Multikey text form, `z` and base58btc.
    pub fn to_multibase(&self) -> String {
        multibase::encode(Base::Base58Btc, self.to_bytes())
    }
}

impl fmt::Debug for KemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XWing(_) => "X-Wing key",
            Self::X25519(_) => "X25519 key",
        })
    }
}

impl Serialize for KemKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for KemKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = KemKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a Multikey for receiving secrets")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<KemKey, E> {
                KemKey::from_bytes(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// The secret half of an X-Wing key: its 32 byte seed. Wiped on drop.
pub struct KemSecret(Secret);

impl KemSecret {
    /// The key of a seed.
    pub fn from_seed(seed: Secret) -> Self {
        Self(seed)
    }

    /// The public half.
    pub fn public(&self) -> KemKey {
        let secret = x_wing::DecapsulationKey::from(*self.0.expose());
        let public = x_wing::Decapsulator::encapsulation_key(&secret).to_bytes();
        KemKey::XWing(Box::new(public.into()))
    }

    /// The seed, for the implementation of key wrapping.
    pub fn seed(&self) -> &Secret {
        &self.0
    }
}
