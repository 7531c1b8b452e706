//! Canonical DAG-CBOR: one value, one encoding.
//!
//! Decoding goes in two passes. The first walks the bytes without recursion or allocation and refuses every form that the
//! [DAG-CBOR specification](https://ipld.io/specs/codecs/dag-cbor/spec/) forbids, wherever it stands, also inside fields the
//! target type would skip; it bounds length, nesting and element counts. Only then does serde see the bytes.

use std::io::Write;

use serde::{Serialize, de::DeserializeOwned};

use crate::canonical;

pub use crate::canonical::MAX_DEPTH;

/// Why bytes are not canonical DAG-CBOR, or not of the expected shape.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The input is longer than its type allows. Nothing of it was read.
    #[error("{len} bytes are more than the {max} this type allows")]
    TooLong {
        /// Length of the input in bytes.
        len: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// The input ends inside an item.
    #[error("the data ends inside an item at byte {at}")]
    Truncated {
        /// Offset in bytes.
        at: usize,
    },
    /// Bytes follow the end of the value.
    #[error("bytes follow the end of the value at byte {at}")]
    Trailing {
        /// Offset in bytes of the first byte too many.
        at: usize,
    },
    /// Lists and maps are nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at byte {at}")]
    TooDeep {
        /// Offset in bytes.
        at: usize,
    },
    /// An integer or a length is not in its shortest form.
    #[error("an integer or length is not in its shortest form at byte {at}")]
    NotMinimal {
        /// Offset in bytes.
        at: usize,
    },
    /// A form that DAG-CBOR does not have: indefinite length, undefined, simple values, 16 and 32 bit floats, reserved heads.
    #[error("byte {byte:#04x} at {at} starts a form that DAG-CBOR does not have")]
    Forbidden {
        /// Offset in bytes.
        at: usize,
        /// The offending byte.
        byte: u8,
    },
    /// A float is NaN, infinite or negative zero.
    #[error("the float at byte {at} is NaN, infinite or negative zero")]
    Float {
        /// Offset in bytes.
        at: usize,
    },
    /// A tag other than 42.
    #[error("tag other than 42 at byte {at}")]
    Tag {
        /// Offset in bytes.
        at: usize,
    },
    /// A link (tag 42) is not a zero byte and one CID in its shortest form.
    #[error("a link is not one well-formed CID")]
    Link,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8 at byte {at}")]
    Utf8 {
        /// Offset in bytes.
        at: usize,
    },
    /// A map key is not a string.
    #[error("a map key is not a string at byte {at}")]
    KeyType {
        /// Offset in bytes.
        at: usize,
    },
    /// Map keys are not strictly ascending (length first, then bytewise), so one is out of place or there twice.
    #[error("map keys are out of order or there twice at byte {at}")]
    KeyOrder {
        /// Offset in bytes.
        at: usize,
    },
    /// Canonical, but not what the target type expects.
    #[error("the data do not have the expected shape: {0}")]
    Shape(String),
    /// Canonical, but the decoded value has a different encoding: an unknown field, an absent one spelt as null, and the like.
    #[error(
        "the data are not the encoding of the value they decode to; unknown or defaulted fields?"
    )]
    NotExact,
    /// The value cannot be expressed in DAG-CBOR (NaN, integer beyond 64 bits, keys that are not strings, …).
    #[error("the value cannot be encoded: {0}")]
    Encode(String),
}

/// The canonical encoding of `value`.
///
/// # Errors
/// [`CodecError::Encode`] for what DAG-CBOR cannot express; the errors of [`check`] if the encoding would not be accepted by
/// [`decode`] (a hand-written `Serialize` with duplicate keys, nesting deeper than [`MAX_DEPTH`]).
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = serde_ipld_dagcbor::to_vec(value).map_err(|e| CodecError::Encode(e.to_string()))?;
    canonical::check(&bytes)?;
    Ok(bytes)
}

/// Appends the encoding of `value` to `out`, for secrets: into a buffer with enough capacity nothing else keeps a copy, as long
/// as the value has no maps or structs (the encoder buffers those to sort their keys) and no lists of unknown length.
///
/// # Errors
/// [`CodecError::Encode`] for what DAG-CBOR cannot express. Nesting and duplicate keys are not checked, unlike [`encode`].
pub fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    serde_ipld_dagcbor::to_writer(out, &value).map_err(|e| CodecError::Encode(e.to_string()))
}

/// Decodes canonical DAG-CBOR of at most `max_len` bytes; every byte must be used.
///
/// Unknown struct fields are ignored unless the type says `deny_unknown_fields`; see [`decode_exact`].
///
/// # Errors
/// Any [`CodecError`] except [`CodecError::NotExact`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max_len: usize) -> Result<T, CodecError> {
    if bytes.len() > max_len {
        return Err(CodecError::TooLong {
            len: bytes.len(),
            max: max_len,
        });
    }
    canonical::check(bytes)?;
    serde_ipld_dagcbor::from_slice(bytes).map_err(|e| CodecError::Shape(e.to_string()))
}

/// [`decode`], and the value's own encoding must be these very bytes.
///
/// So two different inputs never give one value: what is stored again after decoding keeps its CID.
///
/// # Errors
/// Any [`CodecError`].
pub fn decode_exact<T: DeserializeOwned + Serialize>(
    bytes: &[u8],
    max_len: usize,
) -> Result<T, CodecError> {
    let value: T = decode(bytes, max_len)?;
    let mut expected = Expected { rest: bytes };
    serde_ipld_dagcbor::to_writer(&mut expected, &value).map_err(|_| CodecError::NotExact)?;
    if expected.rest.is_empty() {
        Ok(value)
    } else {
        Err(CodecError::NotExact)
    }
}

/// Checks that `bytes` are exactly one canonical DAG-CBOR value, without building it. Linear time, no recursion, no allocation.
///
/// # Errors
/// The first fault found.
pub fn check(bytes: &[u8]) -> Result<(), CodecError> {
    canonical::check(bytes)
}

/// A sink that accepts only the bytes it expects: compares an encoding without building it.
struct Expected<'a> {
    rest: &'a [u8],
}

impl Write for Expected<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        match self.rest.strip_prefix(buf) {
            Some(rest) => {
                self.rest = rest;
                Ok(buf.len())
            }
            None => Err(std::io::ErrorKind::InvalidData.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
