use crate::TupleError;
use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};
use std::{fmt, str::FromStr, sync::LazyLock};

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    // The specification is a constant and valid; base32 without padding is the fall-back that has the same alphabet but for case.
    spec.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});
const PREFIX: &str = "rz:";

/// The name of an entity: 192 bits that commit to its creator, so that nobody can claim to have made somebody else's entity.
///
/// Text form: `rz:` and 39 characters of lower-case base32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId([u8; Self::LEN]);

impl EntityId {
    /// Bytes of an id.
    pub const LEN: usize = 24;

    /// The id of the entity that `creator` (a DID) makes with `nonce`: the first 24 bytes of BLAKE3 in key-derivation mode over
    /// `creator ‖ 0x00 ‖ nonce`. Random nonces make new entities; a nonce computed from (source, native id) makes imports repeatable.
    pub fn derive(creator: &str, nonce: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome entity id v1");
        hasher.update(creator.as_bytes()).update(&[0]).update(nonce);
        let mut id = [0; Self::LEN];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntityId {
    type Err = TupleError;
    fn from_str(s: &str) -> Result<Self, TupleError> {
        let wrong = || TupleError::EntityId(s.chars().take(80).collect());
        let text = s
            .strip_prefix(PREFIX)
            .filter(|t| t.len() == 39)
            .ok_or_else(wrong)?;
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| wrong())?;
        Ok(Self(bytes.try_into().map_err(|_| wrong())?))
    }
}

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = EntityId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("24 bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<EntityId, E> {
                v.try_into()
                    .map(EntityId)
                    .map_err(|_| E::invalid_length(v.len(), &self))
            }
        }
        d.deserialize_bytes(Bytes)
    }
}
