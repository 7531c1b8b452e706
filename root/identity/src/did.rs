//! Decentralised identifiers: `did:rhizome` and `did:key`, canonical by construction.

use std::fmt;
use std::str::FromStr;

use multibase::Base;
use rhizome_ipld::{Cid, DAG_CBOR, PublicKey, SHA2_256, cid_from_bytes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::IdentityError;

const RHIZOME: &str = "did:rhizome:";

/// `CIDv1`, dag-cbor, sha2-256, 32 bytes.
const CID_PREFIX: [u8; 4] = [0x01, 0x71, 0x12, 0x20];

/// A DID of one of the two methods in use. It exists only in well-formed, canonical form, so two are equal exactly if their texts
/// are. Small and copied freely.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(Method);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Method {
    /// SHA2-256 of the genesis payload.
    Rhizome([u8; 32]),
    Key(PublicKey),
}

impl Did {
    /// Longest text form in bytes.
    pub const MAX_LEN: usize = 80;

    /// The `did:rhizome` whose genesis payload has this CID.
    ///
    /// # Errors
    /// [`IdentityError::Did`] unless it is a `CIDv1`, dag-cbor, sha2-256.
    pub fn from_genesis(cid: &Cid) -> Result<Self, IdentityError> {
        let digest = cid.hash().digest().try_into();
        match digest {
            Ok(digest) if cid.codec() == DAG_CBOR && cid.hash().code() == SHA2_256 => {
                Ok(Self(Method::Rhizome(digest)))
            }
            _ => Err(IdentityError::Did),
        }
    }

    /// The `did:key` of a key.
    pub fn from_key(key: PublicKey) -> Self {
        Self(Method::Key(key))
    }

    /// For a `did:key`, its key.
    pub fn key(&self) -> Option<PublicKey> {
        match self.0 {
            Method::Rhizome(_) => None,
            Method::Key(key) => Some(key),
        }
    }

    /// For a `did:rhizome`, the CID of its genesis payload.
    pub fn genesis_cid(&self) -> Option<Cid> {
        let digest = self.genesis_digest()?;
        let cid = [&CID_PREFIX[..], digest].concat();
        cid_from_bytes(&cid).ok()
    }

    /// For a `did:rhizome`, the SHA2-256 of its genesis payload.
    pub fn genesis_digest(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Method::Rhizome(digest) => Some(digest),
            Method::Key(_) => None,
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Method::Rhizome(digest) => {
                let cid = [&CID_PREFIX[..], digest].concat();
                write!(f, "{RHIZOME}{}", multibase::encode(Base::Base32Lower, cid))
            }
            Method::Key(key) => f.write_str(&key.to_did_key()),
        }
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Did {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if text.len() > Self::MAX_LEN {
            return Err(IdentityError::Did);
        }
        let did = match text.strip_prefix(RHIZOME) {
            Some(encoded) => {
                let (_, cid) = multibase::decode(encoded).map_err(|_| IdentityError::Did)?;
                let digest = cid.strip_prefix(&CID_PREFIX).ok_or(IdentityError::Did)?;
                Self(Method::Rhizome(
                    digest.try_into().map_err(|_| IdentityError::Did)?,
                ))
            }
            None => Self::from_key(PublicKey::from_did_key(text).map_err(|_| IdentityError::Did)?),
        };
        // The bases are read leniently (capitals in lower-case base32, other bases): only our own spelling counts.
        if did.to_string() == text {
            Ok(did)
        } else {
            Err(IdentityError::Did)
        }
    }
}

impl Serialize for Did {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Did {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Did;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a did:rhizome or did:key")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Did, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}
