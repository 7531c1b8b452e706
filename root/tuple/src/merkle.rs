//! The tree over the sealed leaves of a commit: the shape of RFC 6962 (an inner node splits at the largest power of two below its
//! size) with BLAKE3 and one domain byte, so that a one-leaf tree's root is its leaf hash.

/// The hash of one sealed leaf: BLAKE3 of `0x00 ‖ bytes`.
pub fn leaf_hash(sealed: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[0]).update(sealed);
    *hasher.finalize().as_bytes()
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut block = [1; 65];
    block[1..33].copy_from_slice(left);
    block[33..].copy_from_slice(right);
    *blake3::hash(&block).as_bytes()
}

fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// The root over leaf hashes in order; `None` for no leaves.
pub fn merkle_root(leaves: &[[u8; 32]]) -> Option<[u8; 32]> {
    match leaves {
        [] => None,
        [one] => Some(*one),
        many => {
            let (l, r) = many.split_at(split(many.len()));
            Some(node_hash(&merkle_root(l)?, &merkle_root(r)?))
        }
    }
}

/// The path from one leaf to the root: what somebody needs who may see only that leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MerkleProof {
    /// The place of the leaf.
    pub index: u32,
    /// How many leaves the tree has.
    pub leaves: u32,
    /// Sibling hashes from the leaf upwards.
    pub path: Vec<[u8; 32]>,
}

impl MerkleProof {
    /// The proof for the leaf at `index`; `None` if there is none.
    pub fn new(leaves: &[[u8; 32]], index: u32) -> Option<Self> {
        fn walk(leaves: &[[u8; 32]], i: usize, path: &mut Vec<[u8; 32]>) -> Option<()> {
            if leaves.len() > 1 {
                let (l, r) = leaves.split_at(split(leaves.len()));
                if i < l.len() {
                    walk(l, i, path)?;
                    path.push(merkle_root(r)?);
                } else {
                    walk(r, i - l.len(), path)?;
                    path.push(merkle_root(l)?);
                }
            }
            Some(())
        }
        ((index as usize) < leaves.len()).then_some(())?;
        let mut path = Vec::new();
        walk(leaves, index as usize, &mut path)?;
        Some(Self {
            index,
            leaves: leaves.len() as u32,
            path,
        })
    }

    /// The root this proof leads to from a leaf hash; `None` if the proof has the wrong shape.
    pub fn root(&self, leaf: [u8; 32]) -> Option<[u8; 32]> {
        fn climb(n: usize, i: usize, leaf: [u8; 32], path: &[[u8; 32]]) -> Option<[u8; 32]> {
            if n == 1 {
                return path.is_empty().then_some(leaf);
            }
            let (sibling, below) = path.split_last()?;
            let k = split(n);
            Some(if i < k {
                node_hash(&climb(k, i, leaf, below)?, sibling)
            } else {
                node_hash(sibling, &climb(n - k, i - k, leaf, below)?)
            })
        }
        ((self.index < self.leaves) && self.path.len() <= 32).then_some(())?;
        climb(self.leaves as usize, self.index as usize, leaf, &self.path)
    }
}
