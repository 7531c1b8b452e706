//! Lists of links too long for one block, as trees.

use rhizome_blob::Cid;
use rhizome_ipld::{cid_blake3, codec};

use crate::ExportError;

/// Links in one node: 40 bytes each.
pub(crate) const LINKS: usize = 8_192;

/// A node: a list of links to what is listed, or to nodes below.
pub(crate) struct Node {
    cid: Cid,
    bytes: Vec<u8>,
    /// How many of what is listed stand under it.
    under: usize,
}

/// Nodes by level, the root's first.
pub(crate) struct Tree {
    levels: Vec<Vec<Node>>,
}

/// The tree over a list: nodes are `{"links": […], "depth": n}`, where depth 0 links what is listed.
pub(crate) fn tree(listed: Vec<Cid>) -> Result<Tree, ExportError> {
    #[derive(serde::Serialize)]
    struct Links<'a> {
        depth: u64,
        links: &'a [Cid],
    }
    let mut below: Vec<(Cid, usize)> = listed.into_iter().map(|cid| (cid, 1)).collect();
    let mut levels = Vec::new();
    let mut depth = 0;
    loop {
        let mut level = Vec::with_capacity(below.len() / LINKS + 1);
        let whole = [below.as_slice()];
        let parts: Vec<&[(Cid, usize)]> = if below.is_empty() {
            whole.to_vec()
        } else {
            below.chunks(LINKS).collect()
        };
        for part in parts {
            let links: Vec<Cid> = part.iter().map(|(cid, _)| *cid).collect();
            let bytes = codec::encode(&Links {
                depth,
                links: &links,
            })?;
            level.push(Node {
                cid: cid_blake3(&bytes),
                bytes,
                under: part.iter().map(|(_, under)| under).sum(),
            });
        }
        below = level.iter().map(|node| (node.cid, node.under)).collect();
        levels.push(level);
        depth += 1;
        if below.len() == 1 {
            break;
        }
    }
    levels.reverse();
    Ok(Tree { levels })
}

/// Writes a node.
pub(crate) type Put<'p> = &'p mut dyn FnMut(&Cid, &[u8]) -> Result<(), ExportError>;

impl Tree {
    pub fn cid(&self) -> Cid {
        let root = self.levels.first().and_then(|level| level.first());
        root.map_or_else(|| cid_blake3(&[]), |node| node.cid)
    }

    /// Goes through it depth first, together with what is listed.
    pub fn walk(&self) -> Walk<'_> {
        let mut starts = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let mut at = 0;
            let mut of_level = Vec::with_capacity(level.len());
            for node in level {
                of_level.push((at, node));
                at += node.under;
            }
            starts.push((of_level, 0));
        }
        Walk { starts, met: 0 }
    }
}

/// A walk: nodes come right before the first of what stands under them.
pub(crate) struct Walk<'t> {
    starts: Vec<(Vec<(usize, &'t Node)>, usize)>,
    met: usize,
}

impl Walk<'_> {
    /// The nodes that come before the next of what is listed.
    pub fn nodes_before_next(&mut self, put: Put<'_>) -> Result<(), ExportError> {
        for (nodes, next) in &mut self.starts {
            while let Some((start, node)) = nodes.get(*next)
                && *start <= self.met
            {
                put(&node.cid, &node.bytes)?;
                *next += 1;
            }
        }
        self.met += 1;
        Ok(())
    }

    /// The nodes that come after all: the only one, of an empty list.
    pub fn rest(&mut self, put: Put<'_>) -> Result<(), ExportError> {
        self.met = usize::MAX - 1;
        self.nodes_before_next(put)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_ipld::cid_raw_blake3;

    fn cids(n: usize) -> Vec<Cid> {
        let of = |i: usize| cid_raw_blake3(*blake3::hash(&i.to_le_bytes()).as_bytes());
        (0..n).map(of).collect()
    }

    #[test]
    fn every_node_comes_before_what_it_links() {
        for n in [0, 1, LINKS, LINKS + 1, LINKS * 3] {
            let all = cids(n);
            let tree = tree(all.clone()).unwrap();
            let mut order = Vec::new();
            let mut walk = tree.walk();
            for cid in &all {
                walk.nodes_before_next(&mut |cid, _| {
                    order.push(*cid);
                    Ok(())
                })
                .unwrap();
                order.push(*cid);
            }
            walk.rest(&mut |cid, _| {
                order.push(*cid);
                Ok(())
            })
            .unwrap();
            assert_eq!(order.first(), Some(&tree.cid()));
            let nodes: usize = tree.levels.iter().map(Vec::len).sum();
            assert_eq!(order.len(), n + nodes, "each once");
            if n > LINKS {
                assert_eq!(
                    order.get(2),
                    all.first(),
                    "root, its first node, and then what that lists"
                );
                assert_eq!(order.get(2 + LINKS), Some(&tree.levels[1][1].cid));
            }
        }
    }
}
