//! How far the writes of a removed device count.

use rhizome_ipld::PublicKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// Most heads in one seal.
pub const MAX_SEAL: usize = 1024;

/// A commit up to which, by `prev` links, the writes of a process count. In a log `[process multikey, seq, commit id]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Tuple", into = "Tuple")]
pub struct SealedHead {
    /// The process key.
    pub process: PublicKey,
    /// The commit's number in its chain.
    pub seq: u64,
    /// The commit's id: the digest of its CID.
    pub commit: [u8; 32],
}

type Tuple = (PublicKey, u64, ByteArray<32>);

impl From<Tuple> for SealedHead {
    fn from((process, seq, commit): Tuple) -> Self {
        Self {
            process,
            seq,
            commit: commit.into_array(),
        }
    }
}

impl From<SealedHead> for Tuple {
    fn from(head: SealedHead) -> Self {
        (head.process, head.seq, ByteArray::new(head.commit))
    }
}

/// The rules of a seal: ascending, each head once. A process that forked has several.
pub(crate) fn check_seal(seal: &[SealedHead]) -> Result<(), &'static str> {
    if seal.len() > MAX_SEAL {
        return Err("its seal has more than 1,024 heads");
    }
    if !seal.is_sorted_by(|a, b| a < b) {
        return Err("its seal is not in ascending order");
    }
    Ok(())
}
