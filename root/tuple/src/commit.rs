use crate::{
    Hlc, Leaf, LeafAddress, TupleError, leaf_hash,
    limits::{MAX_COMMIT_LEN, MAX_FRONTIER, MAX_LEAVES},
    merkle_root,
};
use rhizome_ipld::{Cid, HashKind, Payload, Verified, key::PublicKey, key::SigningKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The id of a commit: BLAKE3 of its payload, the signature excluded. Its CID is [`Self::cid`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl CommitId {
    /// The id in a CID (dag-cbor, BLAKE3); `None` for a CID of another kind.
    pub fn from_cid(cid: &Cid) -> Option<Self> {
        let digest: [u8; 32] = cid.hash().digest().try_into().ok()?;
        (rhizome_ipld::cid_from_blake3(digest) == *cid).then_some(Self(digest))
    }

    /// The CID of the commit.
    pub fn cid(&self) -> Cid {
        rhizome_ipld::cid_from_blake3(self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cid(), f)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The newest commit that an author had seen of another chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head(pub PublicKey, pub u64, pub CommitId);

/// The signed header of a commit: one link of its author's hash chain, and the root over its sealed leaves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Version of the format: 1.
    pub v: u8,
    /// The DID of the pod.
    pub pod: String,
    /// The key of the process that wrote it, whose chain this is.
    pub device: PublicKey,
    /// Place in the chain, from 0.
    pub seq: u64,
    /// The commit before it in the chain; none exactly at `seq` 0.
    pub prev: Option<CommitId>,
    /// Heads of other chains that changed since `prev`.
    pub frontier: Vec<Head>,
    /// When, by its author's clock.
    pub hlc: Hlc,
    /// The delegation under which it was written; none for the owner's devices.
    pub cap: Option<Cid>,
    /// Random; part of where each leaf stands.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
    /// Merkle root over the sealed leaves.
    #[serde(with = "serde_bytes")]
    pub root: [u8; 32],
    /// How many leaves.
    pub leaves: u32,
}

impl Payload for Commit {
    const DOMAIN: &'static str = "rhizome/commit@1";
    const MAX_LEN: usize = MAX_COMMIT_LEN;
    const HASH: HashKind = HashKind::Blake3;
    fn signer(&self) -> PublicKey {
        self.device
    }
}

impl Commit {
    /// Checks the fields that the type leaves open. Called by whoever accepts a commit, before the leaves are looked at.
    pub fn check(&self) -> Result<(), TupleError> {
        let wrong = |what| Err(TupleError::Header(what));
        if self.v != 1 {
            return wrong("its version is not 1: a newer rhizome wrote it");
        }
        if !self.pod.starts_with("did:") || self.pod.len() > 256 {
            return wrong("`pod` is not a DID");
        }
        if (self.seq == 0) != self.prev.is_none() {
            return wrong("`prev` is missing, or present in the first commit of a chain");
        }
        if self.frontier.len() > MAX_FRONTIER {
            return wrong("`frontier` names too many heads");
        }
        if self.leaves == 0 || self.leaves as usize > MAX_LEAVES {
            return Err(TupleError::Leaves(self.leaves as usize));
        }
        Ok(())
    }

    /// The address of a leaf of this commit.
    pub fn address(&self, index: u32) -> LeafAddress {
        LeafAddress {
            pod: pod_hash(&self.pod),
            commit_nonce: self.nonce,
            index,
        }
    }

    /// Whether these sealed leaves are exactly the ones that were signed.
    pub fn check_leaves<B: AsRef<[u8]>>(&self, sealed: &[B]) -> Result<(), TupleError> {
        if sealed.len() != self.leaves as usize {
            return Err(TupleError::Leaves(sealed.len()));
        }
        let hashes: Vec<_> = sealed.iter().map(|b| leaf_hash(b.as_ref())).collect();
        if merkle_root(&hashes) == Some(self.root) {
            Ok(())
        } else {
            Err(TupleError::Root)
        }
    }

    /// Seals leaves, puts their root into `header` (whose `root` and `leaves` are overwritten) and signs it.
    ///
    /// # Errors
    /// If a leaf or the header is out of bounds, or the leaves are not in strictly ascending order of entity.
    pub fn build(
        mut header: Self,
        leaves: &[Leaf],
        epoch: &crate::EpochSecret,
        key: &SigningKey,
    ) -> Result<(Verified<Self>, Vec<Vec<u8>>), TupleError> {
        if !leaves.is_sorted_by(|a, b| a.entity < b.entity) {
            return Err(TupleError::LeafOrder);
        }
        header.leaves = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
        header.check()?;
        let mut address = header.address(0);
        let mut sealed = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let plaintext = Leaf::encode(&leaf.ops)?;
            sealed.push(epoch.seal(&leaf.entity, &address, &plaintext)?.to_bytes()?);
            address.index += 1;
        }
        let hashes: Vec<_> = sealed.iter().map(|b| leaf_hash(b)).collect();
        header.root = merkle_root(&hashes).ok_or(TupleError::Leaves(0))?;
        let signed = Verified::sign(header, key)
            .map_err(|_| TupleError::Header("it does not name the key that signs it"))?;
        Ok((signed, sealed))
    }
}

/// BLAKE3 of a pod's DID, as in [`LeafAddress`].
pub(crate) fn pod_hash(pod: &str) -> [u8; 32] {
    *blake3::hash(pod.as_bytes()).as_bytes()
}
