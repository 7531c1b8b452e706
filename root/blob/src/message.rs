//! What two devices say to each other about blobs. See `docs/spec/blob.md`.
//!
//! One side asks, the other answers each question in turn. A message is at most 1 MiB.

use std::fmt;

use rhizome_ipld::codec::{self, CodecError};
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::{ByteArray, ByteBuf, Bytes};

/// Longest message in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;
/// Most names in one [`Request::Have`].
pub const MAX_NAMES: usize = 1000;
/// Most ciphertexts that a sealed peer holds under one blind name.
pub const MAX_HELD: usize = 4;

/// The bytes of a slice.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Slice(pub Vec<u8>);

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.0.len())
    }
}

/// A question. Names are plaintext hashes between devices, and blind names to a sealed peer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Which of these are held? At most [`MAX_NAMES`].
    Have {
        /// The names.
        names: Vec<[u8; 32]>,
    },
    /// A slice of a blob.
    Get {
        /// Its hash: of the plaintext between devices, of the ciphertext at a sealed peer.
        root: [u8; 32],
        /// From which byte on.
        offset: u64,
        /// How many bytes; the answer has at most [`MAX_SLICE`](crate::MAX_SLICE).
        len: u64,
    },
    /// Take this slice of a blob; an empty one asks where to begin.
    Put {
        /// Its name.
        name: [u8; 32],
        /// Its hash; between devices the same as its name.
        root: [u8; 32],
        /// Its length in bytes.
        len: u64,
        /// Where the slice begins. It covers [`MAX_SLICE`](crate::MAX_SLICE) bytes or up to the end.
        offset: u64,
        /// The slice.
        slice: Slice,
    },
}

/// A blob that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The hash of the bytes held.
    pub root: [u8; 32],
    /// How many they are. A claim, until a slice proves it.
    pub len: u64,
}

/// The answer to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// What is held under each name asked for, in their order: nothing, one, or at a sealed peer
    /// several ciphertexts that were pushed under the name.
    Held(Vec<Vec<Held>>),
    /// A slice.
    Slice {
        /// The length of the blob.
        len: u64,
        /// The slice.
        slice: Slice,
    },
    /// There is no such blob.
    Missing,
    /// The slice was taken, or was not needed: go on at this byte.
    Next(u64),
    /// The blob is complete and on stable storage.
    Done,
    /// No.
    Refused(Refusal),
}

/// Why a peer refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The blob does not fit into the quota.
    #[error("the quota there has {left} bytes left")]
    Quota {
        /// Bytes left, by [`cost`](crate::cost).
        left: u64,
    },
    /// The blob is too long.
    #[error("blobs there have at most {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The slice is not of the blob.
    #[error("the slice is not of that blob")]
    Unverified,
    /// It takes no blobs from this peer, or no such names.
    #[error("it takes no such blobs")]
    NotAllowed,
    /// Something else is happening to the blob there.
    #[error("the blob is busy there; try again later")]
    Busy,
    /// Its disk, for instance.
    #[error("it has trouble of its own; try again later")]
    Trouble,
    /// Too many different ciphertexts are held under the blind name already.
    #[error("{MAX_HELD} other ciphertexts are held under that name")]
    Crowded,
}

impl Refusal {
    fn to_wire(self) -> (u8, u64) {
        match self {
            Self::Quota { left } => (0, left),
            Self::TooLarge { limit } => (1, limit),
            Self::Unverified => (2, 0),
            Self::NotAllowed => (3, 0),
            Self::Busy => (4, 0),
            Self::Trouble => (5, 0),
            Self::Crowded => (6, 0),
        }
    }

    fn from_wire(code: u8, number: u64) -> Option<Self> {
        Some(match (code, number) {
            (0, left) => Self::Quota { left },
            (1, limit) => Self::TooLarge { limit },
            (2, 0) => Self::Unverified,
            (3, 0) => Self::NotAllowed,
            (4, 0) => Self::Busy,
            (5, 0) => Self::Trouble,
            (6, 0) => Self::Crowded,
            _ => return None,
        })
    }
}

/// A list and its kind are the first two bytes of every message.
fn kind(bytes: &[u8], kinds: &[(u8, u8)]) -> Result<u8, CodecError> {
    match bytes {
        [list, kind, ..] if kinds.contains(&(*list, *kind)) => Ok(*kind),
        _ => Err(shape("no such message")),
    }
}

fn shape(why: &str) -> CodecError {
    CodecError::Shape(why.to_owned())
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode_exact(bytes, MAX_MESSAGE)
}

type Name = ByteArray<32>;

impl Request {
    /// Canonical bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] if there are more than [`MAX_NAMES`] or [`MAX_MESSAGE`] bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::Have { names } => {
                bounded(names.len(), MAX_NAMES)?;
                let names: Vec<_> = names.iter().map(|name| Bytes::new(name)).collect();
                encode(&(0, names))
            }
            Self::Get { root, offset, len } => encode(&(1, Bytes::new(root), offset, len)),
            Self::Put {
                name,
                root,
                len,
                offset,
                slice,
            } => encode(&(
                2,
                Bytes::new(name),
                Bytes::new(root),
                len,
                offset,
                Bytes::new(&slice.0),
            )),
        }
    }

    /// Reads them back.
    ///
    /// # Errors
    /// If the bytes are not canonical, too many, or have another shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(match kind(bytes, &[(0x82, 0), (0x84, 1), (0x86, 2)])? {
            0 => {
                let (_, names): (u8, Vec<Name>) = decode(bytes)?;
                bounded(names.len(), MAX_NAMES)?;
                Self::Have {
                    names: names.into_iter().map(|name| *name).collect(),
                }
            }
            1 => {
                let (_, root, offset, len): (u8, Name, u64, u64) = decode(bytes)?;
                Self::Get {
                    root: *root,
                    offset,
                    len,
                }
            }
            _ => {
                let (_, name, root, len, offset, slice): (u8, Name, Name, u64, u64, ByteBuf) =
                    decode(bytes)?;
                Self::Put {
                    name: *name,
                    root: *root,
                    len,
                    offset,
                    slice: Slice(slice.into_vec()),
                }
            }
        })
    }
}

impl Answer {
    /// Canonical bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] if there are more than [`MAX_NAMES`] names, [`MAX_HELD`] ciphertexts or
    /// [`MAX_MESSAGE`] bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::Held(names) => {
                bounded(names.len(), MAX_NAMES)?;
                let mut lists = Vec::with_capacity(names.len());
                for held in names {
                    bounded(held.len(), MAX_HELD)?;
                    let held: Vec<_> = held.iter().map(|h| (Bytes::new(&h.root), h.len)).collect();
                    lists.push(held);
                }
                encode(&(0, lists))
            }
            Self::Slice { len, slice } => encode(&(1, len, Bytes::new(&slice.0))),
            Self::Missing => encode(&[2]),
            Self::Next(next) => encode(&(3, next)),
            Self::Done => encode(&[4]),
            Self::Refused(refusal) => {
                let (code, number) = refusal.to_wire();
                encode(&(5, code, number))
            }
        }
    }

    /// Reads them back.
    ///
    /// # Errors
    /// If the bytes are not canonical, too many, or have another shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        const KINDS: &[(u8, u8)] = &[
            (0x82, 0),
            (0x83, 1),
            (0x81, 2),
            (0x82, 3),
            (0x81, 4),
            (0x83, 5),
        ];
        Ok(match kind(bytes, KINDS)? {
            0 => {
                let (_, names): (u8, Vec<Vec<(Name, u64)>>) = decode(bytes)?;
                bounded(names.len(), MAX_NAMES)?;
                let mut lists = Vec::with_capacity(names.len());
                for held in names {
                    bounded(held.len(), MAX_HELD)?;
                    let held = held
                        .into_iter()
                        .map(|(root, len)| Held { root: *root, len });
                    lists.push(held.collect());
                }
                Self::Held(lists)
            }
            1 => {
                let (_, len, slice): (u8, u64, ByteBuf) = decode(bytes)?;
                Self::Slice {
                    len,
                    slice: Slice(slice.into_vec()),
                }
            }
            3 => Self::Next(decode::<(u8, u64)>(bytes)?.1),
            5 => {
                let (_, code, number): (u8, u8, u64) = decode(bytes)?;
                Self::Refused(
                    Refusal::from_wire(code, number).ok_or_else(|| shape("no such refusal"))?,
                )
            }
            kind => {
                let _: [u8; 1] = decode(bytes)?;
                if kind == 2 { Self::Missing } else { Self::Done }
            }
        })
    }
}

fn bounded(len: usize, max: usize) -> Result<(), CodecError> {
    if len > max {
        return Err(CodecError::TooLong { len, max });
    }
    Ok(())
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = codec::encode(message)?;
    bounded(bytes.len(), MAX_MESSAGE)?;
    Ok(bytes)
}
