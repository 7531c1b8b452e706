//! Names of blocks: CIDs, and which hash is used where.

use cid::Cid;
use multihash::Multihash;
use sha2::{Digest, Sha256};

use crate::codec::CodecError;

/// Multicodec code of DAG-CBOR blocks.
pub const DAG_CBOR: u64 = 0x71;
/// Multicodec code of raw blocks (files).
pub const RAW: u64 = 0x55;
/// Multihash code of SHA2-256.
pub const SHA2_256: u64 = 0x12;
/// Multihash code of BLAKE3 (32 byte output).
pub const BLAKE3: u64 = 0x1e;

/// Longest CID in bytes: version, codec, hash code and length as varints of at most 10, and a digest of at most 64.
pub(crate) const MAX_CID_LEN: usize = 4 * 10 + 64;

/// The hash a payload is named by.
///
/// SHA2-256 where software of others must read the block (DID operations, UCAN), BLAKE3 where speed decides (commits, blobs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA2-256, multihash code 0x12.
    Sha256,
    /// BLAKE3 with 32 bytes of output, multihash code 0x1e.
    Blake3,
}

impl HashKind {
    /// The CID of dag-cbor whose digest this is.
    pub fn cid_of(self, digest: [u8; 32]) -> Cid {
        match self {
            Self::Sha256 => v1(DAG_CBOR, SHA2_256, digest),
            Self::Blake3 => cid_from_blake3(digest),
        }
    }

    /// The `CIDv1` of a DAG-CBOR block under this hash.
    pub fn cid(self, dag_cbor: &[u8]) -> Cid {
        match self {
            Self::Sha256 => cid_sha256(dag_cbor),
            Self::Blake3 => cid_blake3(dag_cbor),
        }
    }
}

/// `CIDv1`, dag-cbor, sha2-256: the name of DID operations and UCANs.
pub fn cid_sha256(dag_cbor: &[u8]) -> Cid {
    v1(DAG_CBOR, SHA2_256, Sha256::digest(dag_cbor).into())
}

/// `CIDv1`, dag-cbor, blake3: the name of commits.
pub fn cid_blake3(dag_cbor: &[u8]) -> Cid {
    v1(DAG_CBOR, BLAKE3, *blake3::hash(dag_cbor).as_bytes())
}

/// `CIDv1`, dag-cbor, blake3 of a block whose digest is already known.
pub fn cid_from_blake3(digest: [u8; 32]) -> Cid {
    v1(DAG_CBOR, BLAKE3, digest)
}

/// `CIDv1`, raw, blake3: the name of a blob whose BLAKE3 hash is `hash`.
pub fn cid_raw_blake3(hash: [u8; 32]) -> Cid {
    v1(RAW, BLAKE3, hash)
}

fn v1(codec: u64, code: u64, digest: [u8; 32]) -> Cid {
    // A 32 byte digest always fits the 64 byte buffer; the fallback only keeps this function free of panics.
    Cid::new_v1(codec, Multihash::wrap(code, &digest).unwrap_or_default())
}

/// Reads a CID that fills `bytes` exactly.
///
/// `Cid::try_from` ignores trailing bytes and lets a ten byte varint overflow, so one CID would have many spellings; here it has
/// one.
///
/// # Errors
/// [`CodecError::Link`] when the bytes are not one CID in its only form.
pub fn cid_from_bytes(bytes: &[u8]) -> Result<Cid, CodecError> {
    let mut spelling = [0; MAX_CID_LEN];
    let mut unused = spelling.as_mut_slice();
    let cid = Cid::read_bytes(bytes).map_err(|_| CodecError::Link)?;
    cid.write_bytes(&mut unused).map_err(|_| CodecError::Link)?;
    let len = MAX_CID_LEN - unused.len();
    if spelling.get(..len) == Some(bytes) {
        Ok(cid)
    } else {
        Err(CodecError::Link)
    }
}

/// Whether `data` hashes to `cid`: `None` if the CID uses a hash that is not in the accepted set (sha2-256, blake3).
///
/// The digest must have its full 32 bytes: a truncated digest names more than one block.
pub fn verify_block(cid: &Cid, data: &[u8]) -> Option<bool> {
    let digest: [u8; 32] = match cid.hash().code() {
        SHA2_256 => Sha256::digest(data).into(),
        BLAKE3 => *blake3::hash(data).as_bytes(),
        _ => return None,
    };
    Some(cid.hash().digest() == digest)
}
