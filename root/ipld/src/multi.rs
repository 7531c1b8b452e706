//! Payloads that several keys sign: the operations of a DID log.
//!
//! Two blocks: the payload `P`, and the signatures `S = {"p": CID(P), "s": [[multikey, varsig header, signature], …]}`. References
//! are to the CID of `P`, so stripping or re-encoding a signature never makes a second operation.

use std::fmt;
use std::ops::Deref;

use cid::Cid;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use crate::address::HashKind;
use crate::codec::{self, CodecError};
use crate::key::{PublicKey, SigningKey};
use crate::signed::{Input, SignatureError, check_domain};
use crate::varsig::{self, Algorithm, SIGNATURE_LEN};

/// A type that is signed by a set of keys.
pub trait MultiPayload: Serialize + DeserializeOwned {
    /// As [`crate::Payload::DOMAIN`].
    const DOMAIN: &'static str;
    /// Longest payload in bytes that is read.
    const MAX_LEN: usize;
    /// Most signatures that are read.
    const MAX_SIGNATURES: usize;
    /// The hash that names it.
    const HASH: HashKind;
    /// Whether this set of signers (sorted, each once, each signature valid) is one the payload by itself can accept.
    ///
    /// Rules that depend on more than the payload (who is an admin at that point of a log) are for whoever holds the rest.
    fn accepts_signers(&self, signers: &[PublicKey]) -> bool;
}

/// The signature block.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    p: Cid,
    s: Vec<(PublicKey, ByteBuf, ByteBuf)>,
}

/// One signature of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signature {
    signer: PublicKey,
    bytes: [u8; SIGNATURE_LEN],
}

/// Two blocks that claim to be a payload and its signatures. Nothing can be reached before [`MultiSigned::verify`].
pub struct MultiSigned<T> {
    input: Input,
    id: Cid,
    signatures: Vec<Signature>,
    payload: std::marker::PhantomData<fn() -> T>,
}

impl<T: MultiPayload> MultiSigned<T> {
    /// Longest signature block in bytes.
    pub const MAX_BLOCK_LEN: usize = 64 + T::MAX_SIGNATURES * 128;

    /// Takes the two blocks. Checks form, bounds, that the signatures are for this payload, and that they are sorted by the bytes
    /// of their Multikey, each key once.
    ///
    /// # Errors
    /// [`SignatureError::Payload`], [`SignatureError::Envelope`], [`SignatureError::TooMany`],
    /// [`SignatureError::WrongPayload`], [`SignatureError::Algorithm`], [`SignatureError::Length`], [`SignatureError::Order`].
    pub fn from_blocks(payload: &[u8], signatures: &[u8]) -> Result<Self, SignatureError> {
        const { check_domain(T::DOMAIN) };
        if payload.len() > T::MAX_LEN {
            return Err(SignatureError::Payload(CodecError::TooLong {
                len: payload.len(),
                max: T::MAX_LEN,
            }));
        }
        let block: Block = codec::decode_exact(signatures, Self::MAX_BLOCK_LEN)
            .map_err(SignatureError::Envelope)?;
        if block.s.len() > T::MAX_SIGNATURES {
            return Err(SignatureError::TooMany {
                count: block.s.len(),
                max: T::MAX_SIGNATURES,
            });
        }
        let id = T::HASH.cid(payload);
        if block.p != id {
            return Err(SignatureError::WrongPayload);
        }
        let mut parsed: Vec<Signature> = Vec::with_capacity(block.s.len());
        for (signer, header, signature) in &block.s {
            if Algorithm::from_header(header) != Some(Algorithm::of(signer)) {
                return Err(SignatureError::Algorithm);
            }
            if let Some(last) = parsed.last()
                && last.signer >= *signer
            {
                return Err(SignatureError::Order);
            }
            parsed.push(Signature {
                signer: *signer,
                bytes: signature
                    .as_slice()
                    .try_into()
                    .map_err(|_| SignatureError::Length {
                        len: signature.len(),
                    })?,
            });
        }
        Ok(Self {
            input: Input::new(T::DOMAIN, payload),
            id,
            signatures: parsed,
            payload: std::marker::PhantomData,
        })
    }

    /// Decodes the payload, asks it whether these signers are acceptable and checks every signature. One bad signature refuses
    /// the whole.
    ///
    /// # Errors
    /// [`SignatureError::Payload`], [`SignatureError::Signers`], [`SignatureError::Invalid`].
    pub fn verify(self) -> Result<MultiVerified<T>, SignatureError> {
        let payload: T = codec::decode_exact(self.input.payload(), T::MAX_LEN)
            .map_err(SignatureError::Payload)?;
        let signers: Vec<PublicKey> = self.signatures.iter().map(|s| s.signer).collect();
        if !payload.accepts_signers(&signers) {
            return Err(SignatureError::Signers);
        }
        for Signature { signer, bytes } in &self.signatures {
            if !varsig::verify(signer, self.input.bytes(), bytes) {
                return Err(SignatureError::Invalid { signer: *signer });
            }
        }
        Ok(MultiVerified {
            payload,
            id: self.id,
            input: self.input,
            signers,
            signatures: self.signatures,
        })
    }
}

/// A value whose signatures were all checked here, or made here.
#[derive(Clone, PartialEq, Eq)]
pub struct MultiVerified<T> {
    payload: T,
    id: Cid,
    input: Input,
    signers: Vec<PublicKey>,
    signatures: Vec<Signature>,
}

impl<T: MultiPayload> MultiVerified<T> {
    /// Signs a payload with every key given.
    ///
    /// # Errors
    /// [`SignatureError::Payload`], [`SignatureError::TooMany`], [`SignatureError::Order`] if a key is given twice,
    /// [`SignatureError::Signers`] if the payload does not accept these signers.
    pub fn sign(payload: T, keys: &[&SigningKey]) -> Result<Self, SignatureError> {
        const { check_domain(T::DOMAIN) };
        let bytes = codec::encode(&payload).map_err(SignatureError::Payload)?;
        if bytes.len() > T::MAX_LEN {
            return Err(SignatureError::Payload(CodecError::TooLong {
                len: bytes.len(),
                max: T::MAX_LEN,
            }));
        }
        if keys.len() > T::MAX_SIGNATURES {
            return Err(SignatureError::TooMany {
                count: keys.len(),
                max: T::MAX_SIGNATURES,
            });
        }
        let input = Input::new(T::DOMAIN, &bytes);
        let mut signatures: Vec<Signature> = keys
            .iter()
            .map(|key| Signature {
                signer: key.public(),
                bytes: key.sign(input.bytes()),
            })
            .collect();
        signatures.sort_by_key(|s| s.signer);
        let signers: Vec<PublicKey> = signatures.iter().map(|s| s.signer).collect();
        if signers.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(SignatureError::Order);
        }
        if !payload.accepts_signers(&signers) {
            return Err(SignatureError::Signers);
        }
        Ok(Self {
            id: T::HASH.cid(&bytes),
            payload,
            input,
            signers,
            signatures,
        })
    }
}

impl<T> MultiVerified<T> {
    /// The CID of the payload block, without signatures.
    pub fn id(&self) -> Cid {
        self.id
    }

    /// The payload block.
    pub fn payload_bytes(&self) -> &[u8] {
        self.input.payload()
    }

    /// The keys that signed, sorted by their Multikey bytes.
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// The signature block.
    ///
    /// # Errors
    /// None that a value made by this module could cause; the codec's are passed on rather than hidden.
    pub fn signature_block(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(&Block {
            p: self.id,
            s: self
                .signatures
                .iter()
                .map(|s| {
                    let header = Algorithm::of(&s.signer).header();
                    (
                        s.signer,
                        ByteBuf::from(header),
                        ByteBuf::from(s.bytes.as_slice()),
                    )
                })
                .collect(),
        })
    }

    /// The value alone; what was proven about it is gone.
    pub fn into_payload(self) -> T {
        self.payload
    }
}

impl<T> Deref for MultiVerified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T: fmt::Debug> fmt::Debug for MultiVerified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiVerified")
            .field("id", &self.id.to_string())
            .field("signers", &self.signers)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for MultiSigned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiSigned")
            .field("id", &self.id.to_string())
            .field("signatures", &self.signatures.len())
            .finish_non_exhaustive()
    }
}
