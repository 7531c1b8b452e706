//! Thirty-two secret bytes.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Where randomness comes from: fills the slice with bytes from a cryptographic source. Passed in, as nothing here may ask the
/// operating system.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Thirty-two secret bytes. Wiped from memory when dropped; cannot be printed, copied or serialised by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes 32 bytes, wiping the caller's copy of them.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let secret = Self(*bytes);
        bytes.zeroize();
        secret
    }

    /// New random bytes.
    pub fn random(random: Random<'_>) -> Self {
        let mut secret = Self([0; 32]);
        random(&mut secret.0);
        secret
    }

    /// A second copy, itself wiped on drop.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0)
    }

    /// The bytes. Whoever copies them has to wipe the copy.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Secret, E> {
                match bytes.try_into() {
                    Ok(bytes) => Ok(Secret(bytes)),
                    Err(_) => Err(E::invalid_length(bytes.len(), &self)),
                }
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}
