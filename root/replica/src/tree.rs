//! An ordered set of 128-bit keys, copy-on-write, in packed blocks that are loaded when first touched.
//!
//! Two levels: a list of chunks, each a list of at most 256 leaves, each a block of some hundred sorted keys. Cloning a tree copies one
//! pointer; a commit copies the few blocks it changes. A lookup is three binary searches.

use crate::{
    Range, ReplicaError,
    block::{Block, Layout, Packer},
    store::BlockStore,
};
use rhizome_storage::fitting_value_len;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Packed size at which a leaf is full: with its key and the page's header it just fits a 4 KiB page of the store.
pub(crate) const FULL: usize = fitting_value_len(8, 0);
/// Bytes that one more entry can take.
const MAX_ENTRY: usize = 36;
/// Keys at which a leaf that grows by single insertions splits.
const SPLIT: usize = 1024;
const CHUNK: usize = 256;

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
    pub fn loaded(&self) -> bool {
        self.data.get().is_some()
    }
}

#[derive(Clone, Debug)]
struct Leaf {
    first: u128,
    count: u32,
    cell: Arc<Cell>,
}

impl Leaf {
    fn new(block: Block) -> Option<Self> {
        Some(Self {
            first: *block.keys.first()?,
            count: block.keys.len() as u32,
            cell: Cell::new(block),
        })
    }
}

#[derive(Clone, Debug)]
struct Chunk {
    first: u128,
    count: u64,
    leaves: Arc<Vec<Leaf>>,
}

impl Chunk {
    fn new(leaves: Vec<Leaf>) -> Option<Self> {
        Some(Self {
            first: leaves.first()?.first,
            count: leaves.iter().map(|l| l.count as u64).sum(),
            leaves: Arc::new(leaves),
        })
    }
}

/// An ordered set of 128-bit keys, some trees with a 64-bit payload a key.
#[derive(Clone)]
pub struct Tree {
    layout: Layout,
    payloads: bool,
    store: Arc<BlockStore>,
    chunks: Arc<Vec<Chunk>>,
    len: u64,
}

/// (chunk, leaf, place in the leaf)
type Place = (usize, usize, usize);

impl Tree {
    pub(crate) fn new(layout: Layout, payloads: bool, store: Arc<BlockStore>) -> Self {
        Self {
            layout,
            payloads,
            store,
            chunks: Arc::default(),
            len: 0,
        }
    }

    /// A tree of the same kind from the directory of its leaves in the store, in ascending order: (first key, block id, keys).
    pub(crate) fn with_directory(&self, directory: &[(u128, u64, u32)]) -> Self {
        let leaf = |&(first, id, count): &(u128, u64, u32)| Leaf {
            first,
            count,
            cell: Arc::new(Cell {
                data: OnceLock::new(),
                id: AtomicU64::new(id),
            }),
        };
        let chunks: Vec<_> = directory
            .chunks(CHUNK)
            .filter_map(|d| Chunk::new(d.iter().map(leaf).collect()))
            .collect();
        let len = chunks.iter().map(|c| c.count).sum();
        Self {
            chunks: Arc::new(chunks),
            len,
            ..self.clone()
        }
    }

    pub(crate) fn rebase(&mut self, store: Arc<BlockStore>) {
        self.store = store;
    }

    /// The blocks of the leaves in order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        let leaves = self.chunks.iter().flat_map(|c| c.leaves.iter());
        leaves.map(|l| &l.cell)
    }

    /// How many keys.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The keys of the leaf at (chunk, leaf).
    pub(crate) fn keys_at(&self, (c, l): (usize, usize)) -> &[u128] {
        &self.block(&self.chunks[c].leaves[l]).keys
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

    /// The leaf where `k` is or would be.
    fn leaf(&self, k: u128) -> Option<(usize, usize, &Leaf)> {
        let c = self
            .chunks
            .partition_point(|c| c.first <= k)
            .checked_sub(1)?;
        let leaves = &self.chunks[c].leaves;
        let l = leaves.partition_point(|l| l.first <= k).checked_sub(1)?;
        Some((c, l, &leaves[l]))
    }

    /// Whether the key is there.
    pub fn contains(&self, k: u128) -> bool {
        self.leaf(k)
            .is_some_and(|(_, _, leaf)| self.block(leaf).keys.binary_search(&k).is_ok())
    }

    /// The payload of a key; 0 in a tree without payloads.
    pub fn get(&self, k: u128) -> Option<u64> {
        let (_, _, leaf) = self.leaf(k)?;
        let block = self.block(leaf);
        let i = block.keys.binary_search(&k).ok()?;
        Some(block.payloads.get(i).copied().unwrap_or(0))
    }

    /// The first place whose key is at least `k` (or greater than `k` if `after`).
    fn seek(&self, k: u128, after: bool) -> Place {
        match self.leaf(k) {
            None => (0, 0, 0),
            Some((c, l, leaf)) => {
                let keys = &self.block(leaf).keys;
                (
                    c,
                    l,
                    keys.partition_point(|x| if after { *x <= k } else { *x < k }),
                )
            }
        }
    }

    fn rank(&self, (c, l, i): Place) -> u64 {
        let before: u64 = self.chunks[..c].iter().map(|x| x.count).sum();
        let inside: u64 = self
            .chunks
            .get(c)
            .map_or(0, |x| x.leaves[..l].iter().map(|x| x.count as u64).sum());
        before + inside + i as u64
    }

    /// How many keys lie between `lo` and `hi`, both included. Exact; some hundred nanoseconds.
    pub fn count(&self, lo: u128, hi: u128) -> u64 {
        if lo > hi || self.chunks.is_empty() {
            return 0;
        }
        let (from, to) = (self.seek(lo, false), self.seek(hi, true));
        if (from.0, from.1) == (to.0, to.1) {
            return to.2.saturating_sub(from.2) as u64;
        }
        self.rank(to).saturating_sub(self.rank(from))
    }

    /// The keys between `lo` and `hi`, both included, in ascending order (or descending from the back).
    pub fn range(&self, lo: u128, hi: u128) -> Range<'_> {
        if lo > hi || self.chunks.is_empty() {
            return Range {
                tree: self,
                front: (0, 0),
                back: (0, 0),
                head: &[],
                tail: &[],
            };
        }
        let (c, l, i) = self.seek(lo, false);
        let front_keys = &self.block(&self.chunks[c].leaves[l]).keys;
        // short ranges end in the leaf where they begin
        if front_keys.last().is_some_and(|last| *last >= hi) {
            let rest = front_keys.get(i..).unwrap_or(&[]);
            let n = rest.partition_point(|x| *x <= hi);
            return Range {
                tree: self,
                front: (c, l),
                back: (c, l),
                head: &rest[..n],
                tail: &[],
            };
        }
        let (bc, bl, bi) = self.seek(hi, true);
        if (bc, bl) == (c, l) {
            return Range {
                tree: self,
                front: (c, l),
                back: (c, l),
                head: front_keys.get(i..bi).unwrap_or(&[]),
                tail: &[],
            };
        }
        let tail = self
            .block(&self.chunks[bc].leaves[bl])
            .keys
            .get(..bi)
            .unwrap_or(&[]);
        Range {
            tree: self,
            front: (c, l),
            back: (bc, bl),
            head: front_keys.get(i..).unwrap_or(&[]),
            tail,
        }
    }

    /// Calls `f` with every key between `lo` and `hi`, both included, and its payload, until it returns false.
    pub fn entries(&self, lo: u128, hi: u128, mut f: impl FnMut(u128, u64) -> bool) {
        if lo > hi || self.chunks.is_empty() {
            return;
        }
        let (mut c, mut l, mut i) = self.seek(lo, false);
        while let Some(chunk) = self.chunks.get(c) {
            while let Some(leaf) = chunk.leaves.get(l) {
                let block = self.block(leaf);
                for (j, k) in block.keys.iter().enumerate().skip(i) {
                    if *k > hi || !f(*k, block.payloads.get(j).copied().unwrap_or(0)) {
                        return;
                    }
                }
                (l, i) = (l + 1, 0);
            }
            (c, l) = (c + 1, 0);
        }
    }

    /// Applies changes in strictly ascending order of key: `Some(payload)` inserts or replaces, `None` removes.
    pub(crate) fn apply(&mut self, mut changes: &[(u128, Option<u64>)]) {
        debug_assert!(changes.is_sorted_by(|a, b| a.0 < b.0));
        let chunks = std::mem::take(&mut self.chunks);
        let mut out = Vec::with_capacity(chunks.len() + 1);
        let mut old = match Arc::try_unwrap(chunks) {
            Ok(v) => v,
            Err(shared) => (*shared).clone(),
        };
        if old.is_empty() {
            old.push(Chunk {
                first: 0,
                count: 0,
                leaves: Arc::default(),
            });
        }
        let bounds: Vec<u128> = old.iter().skip(1).map(|c| c.first).collect();
        for (i, mut chunk) in old.into_iter().enumerate() {
            let n = bounds
                .get(i)
                .map_or(changes.len(), |b| changes.partition_point(|c| c.0 < *b));
            let (mine, rest) = changes.split_at(n);
            changes = rest;
            if mine.is_empty() {
                if chunk.count > 0 {
                    out.push(chunk);
                }
                continue;
            }
            let leaves = self.apply_to_leaves(&mut chunk.leaves, mine);
            if leaves.len() <= CHUNK {
                out.extend(Chunk::new(leaves));
            } else {
                let parts = leaves.len().div_ceil(CHUNK);
                let size = leaves.len().div_ceil(parts);
                let mut leaves = leaves.into_iter();
                for _ in 0..parts {
                    out.extend(Chunk::new(leaves.by_ref().take(size).collect()));
                }
            }
        }
        self.len = out.iter().map(|c| c.count).sum();
        self.chunks = Arc::new(out);
    }

    fn apply_to_leaves(
        &self,
        leaves: &mut Arc<Vec<Leaf>>,
        mut changes: &[(u128, Option<u64>)],
    ) -> Vec<Leaf> {
        let mut out = Vec::with_capacity(leaves.len() + 2);
        if leaves.is_empty() {
            self.rebuild(&EMPTY, changes, &mut out);
            return out;
        }
        for (i, leaf) in leaves.iter().enumerate() {
            let n = leaves.get(i + 1).map_or(changes.len(), |next| {
                changes.partition_point(|c| c.0 < next.first)
            });
            let (mine, rest) = changes.split_at(n);
            changes = rest;
            if mine.is_empty() {
                out.push(leaf.clone());
            } else if mine.len() <= 16 && leaf.count as usize + mine.len() <= SPLIT {
                let mut block = self.block(leaf).clone();
                for (k, change) in mine {
                    self.edit(&mut block, *k, *change);
                }
                out.extend(Leaf::new(block));
            } else {
                self.rebuild(self.block(leaf), mine, &mut out);
            }
        }
        out
    }

    fn edit(&self, block: &mut Block, k: u128, change: Option<u64>) {
        match (block.keys.binary_search(&k), change) {
            (Ok(i), Some(p)) if self.payloads => block.payloads[i] = p,
            (Ok(i), None) => {
                block.keys.remove(i);
                if self.payloads {
                    block.payloads.remove(i);
                }
            }
            (Err(i), Some(p)) => {
                block.keys.insert(i, k);
                if self.payloads {
                    block.payloads.insert(i, p);
                }
            }
            _ => {}
        }
    }

    /// Merges changes into a block and cuts the result into leaves that are full, but for the last two.
    fn rebuild(&self, old: &Block, changes: &[(u128, Option<u64>)], out: &mut Vec<Leaf>) {
        let mut keys = Vec::with_capacity(old.keys.len() + changes.len());
        let mut payloads = Vec::with_capacity(if self.payloads { keys.capacity() } else { 0 });
        let mut push = |k: u128, p: u64| {
            keys.push(k);
            if self.payloads {
                payloads.push(p);
            }
        };
        let mut i = 0;
        for (k, change) in changes {
            while i < old.keys.len() && old.keys[i] < *k {
                push(old.keys[i], old.payloads.get(i).copied().unwrap_or(0));
                i += 1;
            }
            if old.keys.get(i) == Some(k) {
                i += 1;
            }
            if let Some(p) = change {
                push(*k, *p);
            }
        }
        for (j, k) in old.keys.iter().enumerate().skip(i) {
            push(*k, old.payloads.get(j).copied().unwrap_or(0));
        }
        self.cut(keys, payloads, out);
    }

    fn cut(&self, keys: Vec<u128>, payloads: Vec<u64>, out: &mut Vec<Leaf>) {
        if keys.len() <= 128 {
            out.extend(Leaf::new(Block { keys, payloads }));
            return;
        }
        let mut start = 0;
        let mut packer = Packer::new(self.layout, self.payloads);
        for i in 0..=keys.len() {
            if i < keys.len() {
                packer.push(keys[i], payloads.get(i).copied().unwrap_or(0));
            }
            if i == keys.len() || packer.len() > FULL - MAX_ENTRY {
                let end = (i + 1).min(keys.len());
                let p = if self.payloads {
                    payloads[start..end].to_vec()
                } else {
                    Vec::new()
                };
                out.extend(Leaf::new(Block {
                    keys: keys[start..end].to_vec(),
                    payloads: p,
                }));
                start = end;
                packer = Packer::new(self.layout, self.payloads);
            }
        }
    }

    /// Packs every leaf that the store does not have: `write(first key, packed)` returns the id it is stored under. Afterwards the
    /// directory lists all leaves.
    pub(crate) fn save(
        &mut self,
        mut write: impl FnMut(&[u8]) -> u64,
    ) -> Vec<(u128, u64, u32, Arc<Cell>)> {
        self.recut();
        self.split_overfull();
        let mut directory = Vec::new();
        for leaf in self.chunks.iter().flat_map(|c| c.leaves.iter()) {
            let mut id = leaf.cell.id.load(Ordering::Acquire);
            if id == 0 {
                id = write(&self.block(leaf).pack(self.layout));
                leaf.cell.id.store(id, Ordering::Release);
            }
            directory.push((leaf.first, id, leaf.count, leaf.cell.clone()));
        }
        directory
    }

    /// Cuts the whole tree into full leaves when most of it has to be written anyway, as after an import.
    fn recut(&mut self) {
        let leaves = || self.chunks.iter().flat_map(|c| c.leaves.iter());
        let (all, new) = leaves().fold((0, 0), |(n, m), l| {
            (
                n + 1,
                m + usize::from(l.cell.id.load(Ordering::Acquire) == 0),
            )
        });
        if new < 8 || new * 2 < all {
            return;
        }
        let mut keys = Vec::with_capacity(self.len as usize);
        let mut payloads = Vec::with_capacity(if self.payloads { keys.capacity() } else { 0 });
        for leaf in leaves() {
            let block = self.block(leaf);
            keys.extend_from_slice(&block.keys);
            payloads.extend_from_slice(&block.payloads);
        }
        if keys.len() as u64 != self.len {
            // a block could not be read: the fault is latched, and nothing may be thrown away
            return;
        }
        let mut cut = Vec::new();
        self.cut(keys, payloads, &mut cut);
        let chunks: Vec<_> = cut
            .chunks(CHUNK)
            .filter_map(|c| Chunk::new(c.to_vec()))
            .collect();
        self.chunks = Arc::new(chunks);
    }

    /// Cuts leaves whose packed form outgrew a page of the store.
    fn split_overfull(&mut self) {
        let fits = |leaf: &Leaf| {
            leaf.cell.id.load(Ordering::Acquire) != 0
                || leaf.count <= 110
                || self.block(leaf).pack(self.layout).len() <= FULL
        };
        let crowded: Vec<usize> = (0..self.chunks.len())
            .filter(|c| !self.chunks[*c].leaves.iter().all(fits))
            .collect();
        if crowded.is_empty() {
            return;
        }
        let mut chunks = Vec::with_capacity(self.chunks.len() + 1);
        for (c, chunk) in self.chunks.iter().enumerate() {
            if crowded.binary_search(&c).is_err() {
                chunks.push(chunk.clone());
                continue;
            }
            let mut leaves = Vec::with_capacity(chunk.leaves.len() + 1);
            for leaf in chunk.leaves.iter() {
                if fits(leaf) {
                    leaves.push(leaf.clone());
                } else {
                    let block = self.block(leaf);
                    let half = block.keys.len() / 2;
                    for part in [0..half, half..block.keys.len()] {
                        let payloads = if self.payloads {
                            block.payloads[part.clone()].to_vec()
                        } else {
                            Vec::new()
                        };
                        leaves.extend(Leaf::new(Block {
                            keys: block.keys[part].to_vec(),
                            payloads,
                        }));
                    }
                }
            }
            if leaves.len() <= CHUNK {
                chunks.extend(Chunk::new(leaves));
            } else {
                let tail = leaves.split_off(leaves.len() / 2);
                chunks.extend(Chunk::new(leaves));
                chunks.extend(Chunk::new(tail));
            }
        }
        self.chunks = Arc::new(chunks);
    }

    pub(crate) fn step(&self, (c, l): (usize, usize)) -> (usize, usize) {
        if l + 1 < self.chunks[c].leaves.len() {
            (c, l + 1)
        } else {
            (c + 1, 0)
        }
    }

    pub(crate) fn step_back(&self, (c, l): (usize, usize)) -> (usize, usize) {
        if l > 0 {
            (c, l - 1)
        } else {
            (c - 1, self.chunks[c - 1].leaves.len() - 1)
        }
    }
}

#[cfg(test)]
mod tests;
