//! Containers: several tokens in one piece, for a header, a link or a message.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read, Write};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use rhizome_ipld::codec;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::envelope::{Envelope, Kind};
use crate::{CapabilityError, Delegation, Invocation, Proofs};

/// Most tokens in any container.
pub const MAX_TOKENS: usize = 1024;

/// The key of the list in the one map of a container.
const KEY: &str = "ctn-v1";

/// How a container's bytes are written. The first byte says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// `@`: CBOR.
    Raw,
    /// `B`: base64 with padding.
    Base64,
    /// `C`: base64 for URLs, without padding.
    Base64Url,
    /// `M`: gzip.
    Gzip,
    /// `O`: gzip in base64 with padding.
    GzipBase64,
    /// `P`: gzip in base64 for URLs, without padding.
    GzipBase64Url,
}

impl Framing {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Raw,
        Self::Base64,
        Self::Base64Url,
        Self::Gzip,
        Self::GzipBase64,
        Self::GzipBase64Url,
    ];

    const fn byte(self) -> u8 {
        match self {
            Self::Raw => b'@',
            Self::Base64 => b'B',
            Self::Base64Url => b'C',
            Self::Gzip => b'M',
            Self::GzipBase64 => b'O',
            Self::GzipBase64Url => b'P',
        }
    }

    const fn is_compressed(self) -> bool {
        matches!(self, Self::Gzip | Self::GzipBase64 | Self::GzipBase64Url)
    }
}

/// How large a container may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In bytes, as it comes and also unpacked.
    pub bytes: usize,
    /// In tokens, at most [`MAX_TOKENS`].
    pub tokens: usize,
}

impl Default for Limits {
    /// 1 MiB, 256 tokens.
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            tokens: 256,
        }
    }
}

/// The tokens in a container as bytes. Nothing is said about what they are.
///
/// # Errors
/// [`CapabilityError::Framing`], [`CapabilityError::Encoding`], [`CapabilityError::TooLarge`], [`CapabilityError::Codec`].
pub fn read(container: &[u8], limits: Limits) -> Result<Vec<Vec<u8>>, CapabilityError> {
    if container.len() > limits.bytes {
        return Err(CapabilityError::TooLarge);
    }
    let (byte, body) = container.split_first().ok_or(CapabilityError::Framing)?;
    let framing = Framing::ALL
        .into_iter()
        .find(|framing| framing.byte() == *byte)
        .ok_or(CapabilityError::Framing)?;
    let decoded = match framing {
        Framing::Raw | Framing::Gzip => None,
        Framing::Base64 | Framing::GzipBase64 => Some(BASE64.decode(body)),
        Framing::Base64Url | Framing::GzipBase64Url => Some(BASE64URL_NOPAD.decode(body)),
    };
    let decoded = decoded.transpose().map_err(|_| CapabilityError::Encoding)?;
    let body = decoded.as_deref().unwrap_or(body);
    let unpacked;
    let cbor = if framing.is_compressed() {
        unpacked = unpack(body, limits.bytes)?;
        &unpacked
    } else {
        body
    };
    let mut map: BTreeMap<String, Tokens> = codec::decode(cbor, limits.bytes)?;
    match (map.remove(KEY), map.is_empty()) {
        (Some(Tokens(tokens)), true) if tokens.len() <= limits.tokens => {
            Ok(tokens.into_iter().map(ByteBuf::into_vec).collect())
        }
        (Some(_), true) => Err(CapabilityError::TooLarge),
        _ => Err(CapabilityError::Envelope),
    }
}

/// The contents of one gzip member, which must be all there is. Never holds more than `most` bytes and one.
fn unpack(body: &[u8], most: usize) -> Result<Vec<u8>, CapabilityError> {
    let mut unpacked = Vec::new();
    let mut decoder = GzDecoder::new(body).take(most as u64 + 1);
    decoder
        .read_to_end(&mut unpacked)
        .map_err(|_| CapabilityError::Encoding)?;
    if unpacked.len() > most {
        return Err(CapabilityError::TooLarge);
    }
    if decoder.into_inner().into_inner().is_empty() {
        Ok(unpacked)
    } else {
        Err(CapabilityError::Encoding)
    }
}

/// Writes a container of these tokens: each once, in bytewise order.
///
/// # Errors
/// [`CapabilityError::TooLarge`] for more than [`MAX_TOKENS`].
pub fn write<'a>(
    framing: Framing,
    tokens: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, CapabilityError> {
    let tokens: BTreeSet<&[u8]> = tokens.into_iter().collect();
    if tokens.len() > MAX_TOKENS {
        return Err(CapabilityError::TooLarge);
    }
    let list = tokens.into_iter().map(ByteBuf::from).collect();
    let cbor = codec::encode(&BTreeMap::from([(KEY, Tokens(list))]))?;
    let body = if framing.is_compressed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&cbor).and_then(|()| encoder.finish());
        written.map_err(|_| CapabilityError::Encoding)?
    } else {
        cbor
    };
    let mut container = vec![framing.byte()];
    match framing {
        Framing::Raw | Framing::Gzip => container.extend_from_slice(&body),
        Framing::Base64 | Framing::GzipBase64 => {
            container.extend_from_slice(BASE64.encode(&body).as_bytes());
        }
        Framing::Base64Url | Framing::GzipBase64Url => {
            container.extend_from_slice(BASE64URL_NOPAD.encode(&body).as_bytes());
        }
    }
    Ok(container)
}

/// At most [`MAX_TOKENS`] byte strings; counted while they are read.
struct Tokens(Vec<ByteBuf>);

impl Serialize for Tokens {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Tokens;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_TOKENS} tokens")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tokens, A::Error> {
                let mut tokens = Vec::new();
                while let Some(token) = seq.next_element()? {
                    if tokens.len() == MAX_TOKENS {
                        return Err(A::Error::invalid_length(MAX_TOKENS + 1, &self));
                    }
                    tokens.push(token);
                }
                Ok(Tokens(tokens))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A token of either kind.
#[derive(Debug)]
pub(crate) enum Token {
    Delegation(Box<Delegation>),
    Invocation(Box<Invocation>),
}

impl Token {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CapabilityError> {
        let (envelope, kind, fields) = Envelope::open(bytes)?;
        Ok(match kind {
            Kind::Delegation => Self::Delegation(Box::new(Delegation::read(envelope, fields)?)),
            Kind::Invocation => Self::Invocation(Box::new(Invocation::read(envelope, fields)?)),
        })
    }
}

/// The tokens of a container, well-formed. Nothing is verified yet.
#[derive(Debug, Default)]
pub struct Container {
    /// In the order of their bytes.
    pub invocations: Vec<Invocation>,
    /// The delegations.
    pub proofs: Proofs,
}

impl Container {
    /// Reads a container of delegations and invocations.
    ///
    /// # Errors
    /// Those of [`read`], and what is wrong with a token.
    pub fn decode(container: &[u8], limits: Limits) -> Result<Self, CapabilityError> {
        let mut tokens = Self::default();
        let bytes: BTreeSet<Vec<u8>> = read(container, limits)?.into_iter().collect();
        for bytes in bytes {
            match Token::decode(&bytes)? {
                Token::Delegation(delegation) => {
                    tokens.proofs.insert(*delegation);
                }
                Token::Invocation(invocation) => tokens.invocations.push(*invocation),
            }
        }
        Ok(tokens)
    }
}
