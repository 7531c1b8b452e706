//! Where a blob lies: `ab/cdef….blob`, and beside it its tree, `ab/cdef….obao4`.
//!
//! Names are made from the 32 bytes of the hash and from nothing else, so no name can lead out of
//! the directory.

use std::path::{Path, PathBuf};

use blake3::Hash;
use rhizome_ipld::{Cid, cid_raw_blake3};

use crate::BlobError;

pub(crate) const DATA: &str = "blob";
/// The tree of hashes over groups of 2^4 chunks, in pre-order: what iroh-blobs calls it too.
pub(crate) const TREE: &str = "obao4";

/// The hash in the name of a blob.
pub(crate) fn hash_of(cid: &Cid) -> Result<Hash, BlobError> {
    match <[u8; 32]>::try_from(cid.hash().digest()) {
        // Equal as a whole: version, codec and hash function too.
        Ok(digest) if cid_raw_blake3(digest) == *cid => Ok(digest.into()),
        _ => Err(BlobError::NotABlob(*cid)),
    }
}

/// The name of the blob with this hash.
pub(crate) fn cid_of(hash: &Hash) -> Cid {
    cid_raw_blake3(*hash.as_bytes())
}

pub(crate) fn path(root: &Path, hash: &Hash, extension: &str) -> PathBuf {
    let hex = hash.to_hex();
    let (shard, name) = hex.split_at(2);
    root.join(shard).join(format!("{name}.{extension}"))
}

/// The inverse of [`path`] for blobs: `None` for every other file.
pub(crate) fn hash_at(shard: &str, file_name: &str) -> Option<Hash> {
    let name = file_name.strip_suffix(DATA)?.strip_suffix('.')?;
    let hex = format!("{shard}{name}");
    let lower_case = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if shard.len() == 2 && lower_case {
        Hash::from_hex(hex).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        let hash = blake3::hash(b"x");
        let path = path(Path::new("/store"), &hash, DATA);
        let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
        assert_eq!(parts.len(), 4);
        assert_eq!(hash_at(parts[2], parts[3]), Some(hash));
        assert_eq!(hash_at(parts[2], &parts[3].to_uppercase()), None);
        assert_eq!(hash_at("ab", "cd.blob"), None);
        assert_eq!(hash_at("tmp", parts[3]), None);
    }
}
