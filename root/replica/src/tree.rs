//! An ordered set of 128-bit keys, copy-on-write, in packed blocks that are loaded when first touched.
//!
//! Three levels above the blocks: groups of chunks of leaves, each of at most [`FAN`]. Cloning a tree copies one pointer; a commit
//! copies a node of each level and a block for each leaf it changes, whatever the size of the tree. A lookup is four binary searches.

mod change;
mod node;
mod save;

use crate::{
    Range, ReplicaError,
    block::{Block, Layout},
    store::BlockStore,
};
use node::{Chunk, Group, Leaf, Node, child, grouped};
use std::sync::{Arc, OnceLock, atomic::AtomicU64, atomic::Ordering};

/// The block of a leaf: in memory, in the store, or both.
#[derive(Debug)]
pub(crate) struct Cell {
    data: OnceLock<Block>,
    /// Id in the store; 0 while it is in memory only.
    pub id: AtomicU64,
}

static EMPTY: Block = Block {
    keys: Vec::new(),
    payloads: Vec::new(),
};

impl Cell {
    fn new(block: Block) -> Arc<Self> {
        Arc::new(Self {
            data: OnceLock::from(block),
            id: AtomicU64::new(0),
        })
    }
    /// A block that is in the store only.
    fn stored(id: u64) -> Arc<Self> {
        Arc::new(Self {
            data: OnceLock::new(),
            id: AtomicU64::new(id),
        })
    }
    pub fn loaded(&self) -> bool {
        self.data.get().is_some()
    }
    /// Whether the store does not have it.
    fn fresh(&self) -> bool {
        self.id.load(Ordering::Acquire) == 0
    }
}

/// An ordered set of 128-bit keys, some trees with a 64-bit payload a key.
#[derive(Clone)]
pub struct Tree {
    layout: Layout,
    payloads: bool,
    store: Arc<BlockStore>,
    groups: Arc<Vec<Group>>,
    len: u64,
}

/// Where a leaf is: its group, its chunk in that, its place in that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Spot {
    group: usize,
    chunk: usize,
    leaf: usize,
}

impl Tree {
    pub(crate) fn new(layout: Layout, payloads: bool, store: Arc<BlockStore>) -> Self {
        Self {
            layout,
            payloads,
            store,
            groups: Arc::default(),
            len: 0,
        }
    }

    /// A tree of the same kind from the directory of its leaves in the store, in ascending order: (first key, block id, keys).
    pub(crate) fn with_directory(&self, directory: &[(u128, u64, u32)]) -> Self {
        let leaf = |&(first, id, count): &(u128, u64, u32)| Leaf {
            first,
            count,
            cell: Cell::stored(id),
        };
        let mut tree = self.clone();
        tree.set_leaves(directory.iter().map(leaf).collect());
        tree
    }

    fn set_leaves(&mut self, leaves: Vec<Leaf>) {
        let mut chunks: Vec<Chunk> = Vec::new();
        grouped(leaves, &mut chunks);
        let mut groups = Vec::new();
        grouped(chunks, &mut groups);
        self.set_groups(groups);
    }

    fn set_groups(&mut self, groups: Vec<Group>) {
        self.len = groups.iter().map(|g| g.count).sum();
        self.groups = Arc::new(groups);
    }

    pub(crate) fn rebase(&mut self, store: Arc<BlockStore>) {
        self.store = store;
    }

    fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        let chunks = self.groups.iter().flat_map(|g| g.children.iter());
        chunks.flat_map(|c| c.children.iter())
    }

    /// The blocks of the leaves in order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.leaves().map(|l| &l.cell)
    }

    /// How many keys.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of blocks in memory.
    pub(crate) fn resident(&self) -> usize {
        let one = size_of::<u128>() + if self.payloads { size_of::<u64>() } else { 0 };
        let loaded = self.leaves().filter(|leaf| leaf.cell.loaded());
        loaded.map(|leaf| leaf.count as usize * one).sum()
    }

    /// Lets go of the blocks that the store has: `gone(id, cell)` is told where they are read from now.
    pub(crate) fn let_go(&mut self, mut gone: impl FnMut(u64, &Arc<Cell>)) {
        let leaves = self.leaves().map(|leaf| {
            let rest = leaf.let_go();
            if !Arc::ptr_eq(&rest.cell, &leaf.cell) {
                gone(rest.cell.id.load(Ordering::Acquire), &rest.cell);
            }
            rest
        });
        let leaves = leaves.collect();
        self.set_leaves(leaves);
    }

    /// Loads every block.
    pub(crate) fn load(&self) {
        for leaf in self.leaves() {
            self.block(leaf);
        }
    }

    fn leaf_at(&self, at: Spot) -> &Leaf {
        &self.groups[at.group].children[at.chunk].children[at.leaf]
    }

    /// The keys of a leaf.
    pub(crate) fn keys_at(&self, at: Spot) -> &[u128] {
        &self.block(self.leaf_at(at)).keys
    }

    fn block<'a>(&self, leaf: &'a Leaf) -> &'a Block {
        if let Some(b) = leaf.cell.data.get() {
            return b;
        }
        let id = leaf.cell.id.load(Ordering::Acquire);
        match self
            .store
            .read(id, |bytes| Block::unpack(bytes, self.layout))
        {
            Some(b)
                if b.keys.len() == leaf.count as usize
                    && b.keys.first() == Some(&leaf.first)
                    && b.payloads.len() == if self.payloads { b.keys.len() } else { 0 } =>
            {
                leaf.cell.data.get_or_init(|| b)
            }
            Some(_) => {
                self.store.read(id, |_| {
                    Err::<(), _>(ReplicaError::Corrupt(
                        "an index block is not the one its directory names",
                    ))
                });
                &EMPTY
            }
            None => &EMPTY,
        }
    }

    /// The leaf where `k` is or would be; none if `k` comes before everything.
    fn leaf(&self, k: u128) -> Option<(Spot, &Leaf)> {
        let group = child(&self.groups, k)?;
        let chunks = &self.groups[group].children;
        let chunk = child(chunks, k)?;
        let leaves = &chunks[chunk].children;
        let leaf = child(leaves, k)?;
        Some((Spot { group, chunk, leaf }, &leaves[leaf]))
    }

    /// Whether the key is there.
    pub fn contains(&self, k: u128) -> bool {
        self.leaf(k)
            .is_some_and(|(_, leaf)| self.block(leaf).keys.binary_search(&k).is_ok())
    }

    /// The payload of a key; 0 in a tree without payloads.
    pub fn get(&self, k: u128) -> Option<u64> {
        let (_, leaf) = self.leaf(k)?;
        let block = self.block(leaf);
        let i = block.keys.binary_search(&k).ok()?;
        Some(block.payloads.get(i).copied().unwrap_or(0))
    }

    /// The first place whose key is at least `k` (or greater than `k` if `after`): a leaf and a place in it.
    fn seek(&self, k: u128, after: bool) -> (Spot, usize) {
        self.leaf(k).map_or_else(Default::default, |(at, leaf)| {
            let keys = &self.block(leaf).keys;
            let i = keys.partition_point(|x| if after { *x <= k } else { *x < k });
            (at, i)
        })
    }

    fn rank(&self, (at, i): (Spot, usize)) -> u64 {
        fn sum<T: Node>(nodes: &[T]) -> u64 {
            nodes.iter().map(Node::count).sum()
        }
        let chunks = &self.groups[at.group].children;
        let leaves = &chunks[at.chunk].children;
        sum(&self.groups[..at.group])
            + sum(&chunks[..at.chunk])
            + sum(&leaves[..at.leaf])
            + i as u64
    }

    /// How many keys lie between `lo` and `hi`, both included. Exact; some hundred nanoseconds.
    pub fn count(&self, lo: u128, hi: u128) -> u64 {
        if lo > hi || self.is_empty() {
            return 0;
        }
        let (from, to) = (self.seek(lo, false), self.seek(hi, true));
        if from.0 == to.0 {
            return to.1.saturating_sub(from.1) as u64;
        }
        self.rank(to).saturating_sub(self.rank(from))
    }

    /// The keys between `lo` and `hi`, both included, in ascending order (or descending from the back).
    pub fn range(&self, lo: u128, hi: u128) -> Range<'_> {
        let one = |at, head| Range {
            tree: self,
            front: at,
            back: at,
            head,
            tail: &[],
        };
        if lo > hi || self.is_empty() {
            return one(Spot::default(), &[]);
        }
        let (front, i) = self.seek(lo, false);
        let keys = self.keys_at(front);
        // short ranges end in the leaf where they begin
        if keys.last().is_some_and(|last| *last >= hi) {
            let rest = keys.get(i..).unwrap_or(&[]);
            let n = rest.partition_point(|x| *x <= hi);
            return one(front, &rest[..n]);
        }
        let (back, n) = self.seek(hi, true);
        if back == front {
            return one(front, keys.get(i..n).unwrap_or(&[]));
        }
        Range {
            tree: self,
            front,
            back,
            head: keys.get(i..).unwrap_or(&[]),
            tail: self.keys_at(back).get(..n).unwrap_or(&[]),
        }
    }

    /// Calls `f` with every key between `lo` and `hi`, both included, and its payload, until it returns false.
    pub fn entries(&self, lo: u128, hi: u128, mut f: impl FnMut(u128, u64) -> bool) {
        if lo > hi || self.is_empty() {
            return;
        }
        let (mut at, mut i) = self.seek(lo, false);
        while at.group < self.groups.len() {
            let block = self.block(self.leaf_at(at));
            for (j, k) in block.keys.iter().enumerate().skip(i) {
                if *k > hi || !f(*k, block.payloads.get(j).copied().unwrap_or(0)) {
                    return;
                }
            }
            (at, i) = (self.step(at), 0);
        }
    }

    /// The leaf after one; past the end, a group that is not there.
    pub(crate) fn step(&self, at: Spot) -> Spot {
        let chunks = &self.groups[at.group].children;
        if at.leaf + 1 < chunks[at.chunk].children.len() {
            Spot {
                leaf: at.leaf + 1,
                ..at
            }
        } else if at.chunk + 1 < chunks.len() {
            Spot {
                group: at.group,
                chunk: at.chunk + 1,
                leaf: 0,
            }
        } else {
            Spot {
                group: at.group + 1,
                chunk: 0,
                leaf: 0,
            }
        }
    }

    /// The leaf before one that is not the first.
    pub(crate) fn step_back(&self, at: Spot) -> Spot {
        if at.leaf > 0 {
            return Spot {
                leaf: at.leaf - 1,
                ..at
            };
        }
        let (group, chunk) = match at.chunk.checked_sub(1) {
            Some(chunk) => (at.group, chunk),
            None => (at.group - 1, self.groups[at.group - 1].children.len() - 1),
        };
        Spot {
            group,
            chunk,
            leaf: self.groups[group].children[chunk].children.len() - 1,
        }
    }
}

#[cfg(test)]
mod tests;
