//! The signed head of a repository.

use ipld_core::ipld::Ipld;
use rhizome_ipld::varsig::{Algorithm, SIGNATURE_LEN, normalize, verify};
use rhizome_ipld::{Cid, PublicKey, codec};

/// Longest commit and longest DID in bytes.
const MAX_COMMIT_LEN: usize = 8 << 10;
const MAX_DID_LEN: usize = 2_048;

/// What a repository's root block says.
#[derive(Debug)]
pub struct Commit {
    /// Whose repository it is.
    pub did: String,
    /// The root of its tree.
    pub data: Cid,
    version: i128,
    signature: [u8; SIGNATURE_LEN],
    signed: Vec<u8>,
}

impl Commit {
    /// Reads a root block.
    ///
    /// # Errors
    /// What it lacks, in words.
    pub fn read(block: &[u8]) -> Result<Self, String> {
        let read: Ipld = codec::decode(block, MAX_COMMIT_LEN).map_err(|error| error.to_string())?;
        let Ipld::Map(mut fields) = read else {
            return Err("the root is not a map".to_owned());
        };
        let signature = match fields.remove("sig") {
            Some(Ipld::Bytes(bytes)) => bytes
                .try_into()
                .map_err(|_| format!("its signature has not {SIGNATURE_LEN} bytes"))?,
            _ => return Err("the root has no signature".to_owned()),
        };
        let did = match fields.get("did") {
            Some(Ipld::String(did)) if is_did(did) => did.clone(),
            _ => return Err("the root names no DID".to_owned()),
        };
        let version = match fields.get("version") {
            Some(Ipld::Integer(version @ 2..=3)) => *version,
            _ => return Err("its version is neither 2 nor 3".to_owned()),
        };
        let data = match fields.get("data") {
            Some(Ipld::Link(data)) => *data,
            _ => return Err("the root names no tree".to_owned()),
        };
        let signed = codec::encode(&Ipld::Map(fields)).map_err(|error| error.to_string())?;
        Ok(Self {
            did,
            data,
            version,
            signature,
            signed,
        })
    }

    /// Whether its signature is by `key`. Commits of version 2 are from a time when servers did not bring the second half of
    /// an ECDSA signature to its lower form; of version 3 only that form counts.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        let signature = match self.version {
            2 => normalize(Algorithm::of(key), self.signature),
            _ => self.signature,
        };
        verify(key, &self.signed, &signature)
    }
}

/// The form of a DID, narrow enough to be a part of an address.
pub fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:%-".contains(&b))
    };
    text.len() <= MAX_DID_LEN
        && parts.next() == Some("did")
        && parts
            .next()
            .is_some_and(|method| plain(method) && !method.contains(':'))
        && parts.next().is_some_and(plain)
}
