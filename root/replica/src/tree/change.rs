//! Changing a tree in memory.

use super::{
    EMPTY, Tree,
    node::{Group, Leaf, Node, grouped},
};
use crate::block::Block;
use std::ops::Range;

/// Keys of a leaf above which a small change takes it apart around the place it touches, so that the next change nearby copies little.
/// A checkpoint puts the pieces together again.
const SMALL: usize = 256;
/// Keys that such a piece has on each side of what is changed.
const MARGIN: usize = SMALL / 4;
/// Keys of a leaf made by many changes.
const LARGE: usize = 1024;

/// What happens to keys, in strictly ascending order: `Some(payload)` inserts or replaces, `None` removes.
pub(crate) type Changes<'c> = &'c [(u128, Option<u64>)];

impl Tree {
    /// Applies changes.
    pub(crate) fn apply(&mut self, changes: Changes<'_>) {
        debug_assert!(changes.is_sorted_by(|a, b| a.0 < b.0));
        if changes.is_empty() {
            return;
        }
        if self.is_empty() {
            let mut leaves = Vec::new();
            self.merge(&EMPTY, changes, &mut leaves);
            return self.set_leaves(leaves);
        }
        let mut groups: Vec<Group> = Vec::with_capacity(self.groups.len() + 1);
        spread(
            &self.groups,
            changes,
            &mut groups,
            &mut |group, mine, out| {
                let mut chunks = Vec::with_capacity(group.children.len() + 1);
                spread(
                    &group.children,
                    mine,
                    &mut chunks,
                    &mut |chunk, mine, out| {
                        let mut leaves = Vec::with_capacity(chunk.children.len() + 2);
                        spread(
                            &chunk.children,
                            mine,
                            &mut leaves,
                            &mut |leaf, mine, out| {
                                self.change(leaf, mine, out);
                            },
                        );
                        grouped(leaves, out);
                    },
                );
                grouped(chunks, out);
            },
        );
        self.set_groups(groups);
    }

    /// Changes of one leaf.
    fn change(&self, leaf: &Leaf, changes: Changes<'_>, out: &mut Vec<Leaf>) {
        let block = self.block(leaf);
        let n = block.keys.len();
        let (Some((first, _)), Some((last, _))) = (changes.first(), changes.last()) else {
            return;
        };
        if n + changes.len() <= SMALL {
            return out.extend(Leaf::new(self.merged(block, 0..n, changes)));
        }
        let start = block.keys.partition_point(|k| k < first);
        let end = block.keys.partition_point(|k| k <= last);
        if end - start + changes.len() > SMALL / 2 {
            return self.merge(block, changes, out);
        }
        // no crumbs at either end
        let start = start.checked_sub(2 * MARGIN).map_or(0, |s| s + MARGIN);
        let end = if n - end < 2 * MARGIN {
            n
        } else {
            end + MARGIN
        };
        out.extend(Leaf::new(self.merged(block, 0..start, &[])));
        out.extend(Leaf::new(self.merged(block, start..end, changes)));
        out.extend(Leaf::new(self.merged(block, end..n, &[])));
    }

    /// Part of a block, and changes that fall into it.
    fn merged(&self, old: &Block, mut part: Range<usize>, changes: Changes<'_>) -> Block {
        let room = part.len() + changes.len();
        let mut new = Block {
            keys: Vec::with_capacity(room),
            payloads: Vec::with_capacity(if self.payloads { room } else { 0 }),
        };
        for (k, change) in changes {
            let rest = old.keys.get(part.clone()).unwrap_or_default();
            let at = part.start + rest.partition_point(|x| x < k);
            self.copy(old, part.start..at, &mut new);
            part.start = at + usize::from(rest.get(at - part.start) == Some(k));
            if let Some(p) = change {
                new.keys.push(*k);
                if self.payloads {
                    new.payloads.push(*p);
                }
            }
        }
        self.copy(old, part, &mut new);
        new
    }

    fn copy(&self, old: &Block, part: Range<usize>, new: &mut Block) {
        let keys = old.keys.get(part.clone()).unwrap_or_default();
        new.keys.extend_from_slice(keys);
        if self.payloads {
            let payloads = old.payloads.get(part).unwrap_or_default();
            new.payloads.extend_from_slice(payloads);
        }
    }

    /// Merges many changes into a block and cuts the result into large leaves.
    fn merge(&self, old: &Block, changes: Changes<'_>, out: &mut Vec<Leaf>) {
        let Block { keys, payloads } = self.merged(old, 0..old.keys.len(), changes);
        if keys.len() <= LARGE {
            return out.extend(Leaf::new(Block { keys, payloads }));
        }
        for (i, part) in keys.chunks(LARGE).enumerate() {
            let payloads = payloads.chunks(LARGE).nth(i);
            out.extend(Leaf::new(Block {
                keys: part.to_vec(),
                payloads: payloads.unwrap_or_default().to_vec(),
            }));
        }
    }
}

/// Gives each node the changes that fall to it; what has none is kept.
fn spread<T: Node>(
    nodes: &[T],
    mut changes: Changes<'_>,
    out: &mut Vec<T>,
    change: &mut dyn FnMut(&T, Changes<'_>, &mut Vec<T>),
) {
    for (i, node) in nodes.iter().enumerate() {
        let n = nodes.get(i + 1).map_or(changes.len(), |next| {
            changes.partition_point(|c| c.0 < next.first())
        });
        let (mine, rest) = changes.split_at(n);
        changes = rest;
        if mine.is_empty() {
            out.push(node.clone());
        } else {
            change(node, mine, out);
        }
    }
}
