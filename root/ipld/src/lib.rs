#![doc = include_str!("../README.md")]

mod address;
mod canonical;
pub mod car;
pub mod codec;
pub mod key;
mod multi;
mod signed;
pub mod varsig;

pub use address::{
    BLAKE3, DAG_CBOR, HashKind, RAW, SHA2_256, cid_blake3, cid_from_blake3, cid_from_bytes,
    cid_raw_blake3, cid_sha256, verify_block,
};
pub use cid::Cid;
pub use codec::CodecError;
pub use key::{KeyError, PublicKey, SigningKey};
pub use multi::{MultiPayload, MultiSigned, MultiVerified};
pub use signed::{Payload, SignatureError, Signed, Verified};
