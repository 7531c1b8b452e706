//! Merkle roots and proofs: two ways to one root, every true proof leads there, no other one does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::Input;
use rhizome_tuple::{MerkleProof, leaf_hash, merkle_root};

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[1]).update(left).update(right);
    *hasher.finalize().as_bytes()
}

/// The root as a log that grows would compute it: whole trees of falling size, joined from the right at the end.
fn grown(leaves: &[[u8; 32]]) -> Option<[u8; 32]> {
    let mut whole: Vec<(usize, [u8; 32])> = Vec::new();
    for leaf in leaves {
        let mut last = (1, *leaf);
        while let Some((size, left)) = whole.pop_if(|(size, _)| *size == last.0) {
            last = (size * 2, node(&left, &last.1));
        }
        whole.push(last);
    }
    let mut root = whole.pop()?.1;
    while let Some((_, left)) = whole.pop() {
        root = node(&left, &root);
    }
    Some(root)
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let count = input.word() % 300;
    let leaves: Vec<[u8; 32]> = (0..count)
        .map(|i| leaf_hash(&[&(i as u32).to_le_bytes()[..], input.take(1)].concat()))
        .collect();
    let root = merkle_root(&leaves);
    assert_eq!(root, grown(&leaves));
    let index = input.word() as u32;
    let proof = MerkleProof::new(&leaves, index);
    assert_eq!(proof.is_some(), (index as usize) < count);
    if let Some(proof) = proof {
        let leaf = leaves[index as usize];
        assert_eq!(proof.root(leaf), root);
        assert!(proof.path.len() <= 9);
        // every other leaf, place or path leads elsewhere or nowhere
        let mut other = leaf;
        other[0] ^= 1;
        assert_ne!(proof.root(other), root);
        let mut changed = proof.clone();
        match input.below(4) {
            0 => changed.path.push([0; 32]),
            1 => drop(changed.path.pop()),
            2 if !changed.path.is_empty() => {
                let i = input.below(changed.path.len());
                changed.path[i][input.below(32)] ^= 1 << input.below(8);
            }
            _ => changed.index = input.word() as u32,
        }
        if changed != proof {
            assert_ne!(changed.root(leaf), root);
        }
    }
    // from anywhere: an answer or none, whatever it claims to be of
    let claim = MerkleProof {
        index: input.long() as u32,
        leaves: input.long() as u32,
        path: (0..input.below(40)).map(|i| leaf_hash(&[i as u8])).collect(),
    };
    let depth = |leaves: u32| u64::from(leaves).next_power_of_two().trailing_zeros() as usize;
    if claim.root([0; 32]).is_some() {
        assert!(claim.index < claim.leaves && claim.path.len() <= depth(claim.leaves));
    }
});
