//! The one door: bytes that claim to be signed become a verified value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use cid::Cid;
use serde::{Serialize, de::DeserializeOwned};

use crate::address::HashKind;
use crate::canonical::{Cursor, Item};
use crate::codec::{self, CodecError};
use crate::key::{PublicKey, SigningKey};
use crate::varsig::{self, Algorithm, SIGNATURE_LEN};

/// A type that is signed by one key.
pub trait Payload: Serialize + DeserializeOwned {
    /// What the signature is for, for example `rhizome/commit@1`. Part of the signed bytes, so a signature for one type is never
    /// valid for another. Must be unique in the project and must not contain a zero byte (checked at compile time).
    const DOMAIN: &'static str;
    /// Longest payload in bytes that is read.
    const MAX_LEN: usize;
    /// The hash that names it.
    const HASH: HashKind;
    /// The key that has to have signed, as the payload itself says.
    fn signer(&self) -> PublicKey;
}

/// Why signed bytes were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The envelope is not `[payload, varsig header, signature]` in canonical DAG-CBOR, or too long.
    #[error("the signed envelope is malformed: {0}")]
    Envelope(CodecError),
    /// The payload is not canonical, too long or not of the expected type.
    #[error("the signed payload is malformed: {0}")]
    Payload(CodecError),
    /// The varsig header is not in the accepted set.
    #[error("the signature algorithm is not one of Ed25519, ECDSA P-256 and ECDSA secp256k1")]
    Algorithm,
    /// The signature does not have 64 bytes.
    #[error("the signature has {len} bytes, not 64")]
    Length {
        /// Length found, in bytes.
        len: usize,
    },
    /// The signature is not valid for the payload, its type and its signer.
    #[error("the signature is not valid for {signer}")]
    Invalid {
        /// The key that should have signed.
        signer: PublicKey,
    },
    /// On signing: the key given is not the one the payload names.
    #[error("the payload names {expected} as its signer, but the key given is {given}")]
    WrongKey {
        /// The signer the payload names.
        expected: PublicKey,
        /// The public half of the key given.
        given: PublicKey,
    },
    /// Of several signatures: they are not sorted strictly by key.
    #[error("the signatures are not in ascending order of their keys, or one key signed twice")]
    Order,
    /// Of several signatures: more than is allowed.
    #[error("{count} signatures are more than the {max} allowed")]
    TooMany {
        /// Number found.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// Of several signatures: they are of another payload.
    #[error("the signatures are for another payload")]
    WrongPayload,
    /// Of several signatures: the set of signers is not the one the payload requires.
    #[error("the payload is not signed by exactly the keys it requires")]
    Signers,
}

/// What is signed: domain, zero byte, payload. Kept in one buffer, so that nothing is copied again for verification.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    payload_at: usize,
}

impl Input {
    pub(crate) fn new(domain: &str, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(domain.len() + 1 + payload.len());
        bytes.extend_from_slice(domain.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(payload);
        Self {
            bytes,
            payload_at: domain.len() + 1,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(self.payload_at..).unwrap_or_default()
    }
}

/// Stops compilation if a domain contains the byte that separates it from the payload.
pub(crate) const fn check_domain(domain: &str) {
    let bytes = domain.as_bytes();
    assert!(!bytes.is_empty(), "a signature domain must not be empty");
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i] != 0,
            "a signature domain must not contain a zero byte"
        );
        i += 1;
    }
}

/// Bytes that claim to be a signed `T`. Nothing of the payload can be reached before [`Signed::verify`].
pub struct Signed<T> {
    input: Input,
    algorithm: Algorithm,
    signature: [u8; SIGNATURE_LEN],
    payload: PhantomData<fn() -> T>,
}

impl<T: Payload> Signed<T> {
    /// Longest envelope in bytes: the payload, and at most 9 + 8 + 64 + 5 bytes around it.
    pub const MAX_LEN: usize = T::MAX_LEN + 128;

    /// Takes an envelope apart: `[payload bytes, varsig header, signature]` as canonical DAG-CBOR. Checks form and bounds only.
    ///
    /// # Errors
    /// [`SignatureError::Envelope`], [`SignatureError::Payload`] (too long), [`SignatureError::Algorithm`],
    /// [`SignatureError::Length`].
    pub fn from_bytes(envelope: &[u8]) -> Result<Self, SignatureError> {
        const { check_domain(T::DOMAIN) };
        if envelope.len() > Self::MAX_LEN {
            return Err(SignatureError::Envelope(CodecError::TooLong {
                len: envelope.len(),
                max: Self::MAX_LEN,
            }));
        }
        let Parts {
            payload,
            header,
            signature,
        } = take_apart(envelope).map_err(SignatureError::Envelope)?;
        if payload.len() > T::MAX_LEN {
            return Err(SignatureError::Payload(CodecError::TooLong {
                len: payload.len(),
                max: T::MAX_LEN,
            }));
        }
        Ok(Self {
            algorithm: Algorithm::from_header(header).ok_or(SignatureError::Algorithm)?,
            signature: signature.try_into().map_err(|_| SignatureError::Length {
                len: signature.len(),
            })?,
            input: Input::new(T::DOMAIN, payload),
            payload: PhantomData,
        })
    }

    /// The envelope.
    pub fn to_bytes(&self) -> Vec<u8> {
        put_together(self.input.payload(), self.algorithm, &self.signature)
    }

    /// Decodes the payload (canonical, exact, bounded), asks it for its signer and checks the signature over
    /// `DOMAIN ‖ 0x00 ‖ payload` under the strict rule of [`crate::varsig`].
    ///
    /// # Errors
    /// [`SignatureError::Payload`], [`SignatureError::Algorithm`] if the header does not go with the signer's key,
    /// [`SignatureError::Invalid`].
    pub fn verify(self) -> Result<Verified<T>, SignatureError> {
        let bytes = self.input.payload();
        let payload: T = codec::decode_exact(bytes, T::MAX_LEN).map_err(SignatureError::Payload)?;
        let signer = payload.signer();
        if Algorithm::of(&signer) != self.algorithm {
            return Err(SignatureError::Algorithm);
        }
        if !varsig::verify(&signer, self.input.bytes(), &self.signature) {
            return Err(SignatureError::Invalid { signer });
        }
        Ok(Verified {
            id: T::HASH.cid(bytes),
            payload,
            input: self.input,
            algorithm: self.algorithm,
            signature: self.signature,
        })
    }
}

/// A value whose signature was checked here, or made here. Dereferences to the value, which cannot be changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified<T> {
    payload: T,
    id: Cid,
    input: Input,
    algorithm: Algorithm,
    signature: [u8; SIGNATURE_LEN],
}

impl<T: Payload> Verified<T> {
    /// Signs a payload with the key it names as its signer.
    ///
    /// # Errors
    /// [`SignatureError::WrongKey`]; [`SignatureError::Payload`] if the payload has no encoding that would be accepted again.
    pub fn sign(payload: T, key: &SigningKey) -> Result<Self, SignatureError> {
        const { check_domain(T::DOMAIN) };
        let expected = payload.signer();
        let given = key.public();
        if expected != given {
            return Err(SignatureError::WrongKey { expected, given });
        }
        let bytes = codec::encode(&payload).map_err(SignatureError::Payload)?;
        if bytes.len() > T::MAX_LEN {
            return Err(SignatureError::Payload(CodecError::TooLong {
                len: bytes.len(),
                max: T::MAX_LEN,
            }));
        }
        let input = Input::new(T::DOMAIN, &bytes);
        Ok(Self {
            id: T::HASH.cid(&bytes),
            signature: key.sign(input.bytes()),
            algorithm: Algorithm::Ed25519,
            payload,
            input,
        })
    }
}

impl<T> Verified<T> {
    /// The CID of the payload bytes, **without the signature**: two signatures over one payload are one object.
    pub fn id(&self) -> Cid {
        self.id
    }

    /// The signed payload in canonical DAG-CBOR.
    pub fn payload_bytes(&self) -> &[u8] {
        self.input.payload()
    }

    /// The envelope, as [`Signed::from_bytes`] reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        put_together(self.input.payload(), self.algorithm, &self.signature)
    }

    /// The signature's algorithm and bytes.
    pub fn signature(&self) -> (Algorithm, &[u8; SIGNATURE_LEN]) {
        (self.algorithm, &self.signature)
    }

    /// The value alone; what was proven about it is gone.
    pub fn into_payload(self) -> T {
        self.payload
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("id", &self.id.to_string())
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("payload_len", &self.input.payload().len())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The three byte strings of an envelope.
struct Parts<'a> {
    payload: &'a [u8],
    header: &'a [u8],
    signature: &'a [u8],
}

fn take_apart(envelope: &[u8]) -> Result<Parts<'_>, CodecError> {
    let mut cursor = Cursor::new(envelope);
    let Item::Array(3) = cursor.next()? else {
        return Err(not_three());
    };
    let (Item::Bytes(payload), Item::Bytes(header), Item::Bytes(signature)) =
        (cursor.next()?, cursor.next()?, cursor.next()?)
    else {
        return Err(not_three());
    };
    cursor.end()?;
    Ok(Parts {
        payload,
        header,
        signature,
    })
}

fn not_three() -> CodecError {
    CodecError::Shape("not a list of three byte strings".into())
}

fn put_together(payload: &[u8], algorithm: Algorithm, signature: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 96);
    out.push(0x83);
    for part in [payload, algorithm.header(), signature] {
        push_bytes(&mut out, part);
    }
    out
}

/// Appends a CBOR byte string in its shortest form.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    const MAJOR: u8 = 2 << 5;
    let len = bytes.len() as u64;
    match len {
        0..24 => out.push(MAJOR | len as u8),
        24..0x100 => out.extend_from_slice(&[MAJOR | 0x18, len as u8]),
        0x100..0x1_0000 => {
            out.push(MAJOR | 0x19);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(MAJOR | 0x1a);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
        _ => {
            out.push(MAJOR | 0x1b);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}
