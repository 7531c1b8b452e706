//! The Merkle search tree of a repository: from keys `collection/record` to records, in the order of the keys.

use rhizome_ipld::{Cid, codec};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::blocks::Blocks;
use crate::error::ImportError;

/// Bytes of a node, bytes of a key.
const MAX_NODE_LEN: usize = 2 << 20;
const MAX_KEY_LEN: usize = 1_024;

#[derive(Deserialize)]
struct Node {
    /// The subtree of keys before the first entry.
    l: Option<Cid>,
    e: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// Bytes that its key has in common with the key before it.
    p: u64,
    #[serde(with = "serde_bytes")]
    k: Vec<u8>,
    v: Cid,
    /// The subtree of keys after this one.
    t: Option<Cid>,
}

enum Step {
    /// A node, and the layer it must be of; the top node says its own.
    Node(Cid, Option<u32>),
    Record(Vec<u8>, Cid),
}

/// Hands every record's key and name to `take`, in order. Gives what is wrong with the tree, where something is; what is
/// behind that place cannot be read.
///
/// Each node must be of the layer that its place says and each key of the layer of its node, so no path is longer than 128
/// nodes; keys must rise, so no part of the tree counts twice.
pub fn walk(
    blocks: &mut Blocks,
    root: Cid,
    take: &mut dyn FnMut(&mut Blocks, &str, &Cid) -> Result<(), ImportError>,
) -> Result<Option<String>, ImportError> {
    let mut steps = vec![Step::Node(root, None)];
    let mut last: Option<String> = None;
    while let Some(step) = steps.pop() {
        match step {
            Step::Record(key, cid) => {
                let Ok(key) = String::from_utf8(key) else {
                    return Ok(Some("a key is not text".to_owned()));
                };
                if last.as_ref().is_some_and(|last| *last >= key) {
                    return Ok(Some(format!("the key {key:?} is out of order")));
                }
                take(blocks, &key, &cid)?;
                last = Some(key);
            }
            Step::Node(cid, layer) => {
                let Some(block) = blocks.get(&cid)? else {
                    return Ok(Some(format!("the node {cid} is not in the file")));
                };
                if let Err(why) = unfold(&block, layer, &mut steps) {
                    return Ok(Some(format!("the node {cid}: {why}")));
                }
            }
        }
    }
    Ok(None)
}

/// Puts what a node holds onto the stack, the first on top.
fn unfold(block: &[u8], layer: Option<u32>, steps: &mut Vec<Step>) -> Result<(), String> {
    let node: Node = codec::decode(block, MAX_NODE_LEN).map_err(|error| error.to_string())?;
    let mut key = Vec::new();
    let mut found = Vec::with_capacity(2 * node.e.len() + 1);
    let mut layer = layer;
    let top = layer.is_none();
    let below = |layer: Option<u32>| {
        let below = layer.and_then(|layer| layer.checked_sub(1));
        below.ok_or("a subtree lies where none can be")
    };
    if node.e.is_empty() && (top == node.l.is_some()) {
        return Err("it is empty".to_owned());
    }
    for entry in &node.e {
        let common = usize::try_from(entry.p)
            .ok()
            .filter(|common| *common <= key.len() && common + entry.k.len() <= MAX_KEY_LEN)
            .ok_or("a key is longer than what it is made of")?;
        key.truncate(common);
        key.extend_from_slice(&entry.k);
        let of_key = layer_of(&key);
        if *layer.get_or_insert(of_key) != of_key {
            return Err("a key is not of this layer".to_owned());
        }
        if found.is_empty()
            && let Some(before) = node.l
        {
            found.push(Step::Node(before, Some(below(layer)?)));
        }
        found.push(Step::Record(key.clone(), entry.v));
        if let Some(after) = entry.t {
            found.push(Step::Node(after, Some(below(layer)?)));
        }
    }
    if node.e.is_empty()
        && let Some(before) = node.l
    {
        found.push(Step::Node(before, Some(below(layer)?)));
    }
    steps.extend(found.into_iter().rev());
    Ok(())
}

/// Pairs of zero bits that the key's hash starts with: how high above the leaves it stands.
fn layer_of(key: &[u8]) -> u32 {
    let mut zeros = 0;
    for byte in Sha256::digest(key) {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros / 2
}
