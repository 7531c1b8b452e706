//! From leaves in memory to blocks that fill a page each.

use super::{Cell, Tree, node::Leaf};
use crate::{
    block::{Block, Packer},
    store::FULL,
};
use std::sync::{Arc, atomic::Ordering};

/// Bytes that one more entry can take.
const MAX_ENTRY: usize = 36;
/// Packed size below which a block is not worth a page of its own.
const CRUMB: usize = FULL / 4;

/// A leaf of the directory: first key, block id, keys.
type Entry = (u128, u64, u32, Arc<Cell>);

impl Tree {
    /// Packs every leaf that the store does not have, neighbours together so that they fill their pages: `write(packed)` returns the
    /// id it is stored under. Afterwards the directory lists all leaves, and unless `keep`, none of their blocks is in memory.
    pub(crate) fn save(&mut self, keep: bool, mut write: impl FnMut(&[u8]) -> u64) -> Vec<Entry> {
        let (all, fresh) = self.cells().fold((0usize, 0usize), |(n, m), cell| {
            (n + 1, m + usize::from(cell.fresh()))
        });
        if fresh > 0 || !keep {
            // when most of the tree has to be written, as after an import, all of it is
            let whole = fresh >= 8 && fresh * 2 >= all && self.cells().all(|c| c.loaded());
            let mut leaves: Vec<Leaf> = Vec::with_capacity(all);
            let mut run = Run::new(self, keep);
            for leaf in self.leaves() {
                if whole || leaf.cell.fresh() {
                    run.take(self.block(leaf), &mut leaves, &mut write);
                } else {
                    run.end(false, &mut leaves, &mut write);
                    leaves.push(if keep { leaf.clone() } else { leaf.let_go() });
                }
            }
            run.end(true, &mut leaves, &mut write);
            self.set_leaves(leaves);
        }
        let entry = |l: &Leaf| {
            let id = l.cell.id.load(Ordering::Acquire);
            (l.first, id, l.count, l.cell.clone())
        };
        self.leaves().map(entry).collect()
    }
}

/// Neighbouring leaves on their way to the store.
struct Run<'t> {
    tree: &'t Tree,
    /// Whether blocks stay in memory.
    keep: bool,
    packer: Packer,
    block: Block,
    /// A full block that waits for the next one to be worth a page.
    waiting: Option<(Block, Vec<u8>)>,
}

impl<'t> Run<'t> {
    fn new(tree: &'t Tree, keep: bool) -> Self {
        Self {
            tree,
            keep,
            packer: Packer::new(tree.layout, tree.payloads),
            block: Block::default(),
            waiting: None,
        }
    }

    fn take(&mut self, block: &Block, out: &mut Vec<Leaf>, write: &mut dyn FnMut(&[u8]) -> u64) {
        for (i, k) in block.keys.iter().enumerate() {
            if self.packer.len() > FULL - MAX_ENTRY {
                let full = self.cut();
                if let Some(before) = self.waiting.replace(full) {
                    self.put(before, out, write);
                }
            }
            let payload = block.payloads.get(i).copied();
            self.packer.push(*k, payload.unwrap_or(0));
            self.block.keys.push(*k);
            self.block.payloads.extend(payload);
        }
    }

    fn cut(&mut self) -> (Block, Vec<u8>) {
        let empty = Packer::new(self.tree.layout, self.tree.payloads);
        let packed = std::mem::replace(&mut self.packer, empty).finish();
        let mut block = std::mem::take(&mut self.block);
        block.keys.shrink_to_fit();
        block.payloads.shrink_to_fit();
        (block, packed)
    }

    /// Writes what is left. A crumb shares with the block before it, but for the one at the end of the tree, where more will come.
    fn end(&mut self, last: bool, out: &mut Vec<Leaf>, write: &mut dyn FnMut(&[u8]) -> u64) {
        let waiting = self.waiting.take();
        if self.block.keys.is_empty() {
            if let Some(before) = waiting {
                self.put(before, out, write);
            }
            return;
        }
        let rest = self.cut();
        match waiting {
            // a crumb may hold more keys than a full block, where those are much alike: then there is nothing to share
            Some((mut first, _))
                if rest.1.len() < CRUMB && !last && rest.0.keys.len() < first.keys.len() =>
            {
                let half = usize::midpoint(first.keys.len(), rest.0.keys.len());
                let mut second = Block {
                    keys: first.keys.split_off(half),
                    payloads: first.payloads.split_off(half.min(first.payloads.len())),
                };
                second.keys.extend_from_slice(&rest.0.keys);
                second.payloads.extend_from_slice(&rest.0.payloads);
                for block in [first, second] {
                    let packed = block.pack(self.tree.layout);
                    self.put((block, packed), out, write);
                }
            }
            waiting => {
                if let Some(before) = waiting {
                    self.put(before, out, write);
                }
                self.put(rest, out, write);
            }
        }
    }

    fn put(
        &self,
        (block, packed): (Block, Vec<u8>),
        out: &mut Vec<Leaf>,
        write: &mut dyn FnMut(&[u8]) -> u64,
    ) {
        if let Some(leaf) = Leaf::new(block) {
            leaf.cell.id.store(write(&packed), Ordering::Release);
            out.push(if self.keep { leaf } else { leaf.let_go() });
        }
    }
}
