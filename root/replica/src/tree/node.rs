//! The nodes above the blocks.

use super::Cell;
use crate::block::Block;
use std::sync::{Arc, atomic::Ordering};

/// Children of a node, at most. A commit copies one node of each level, and each child copied is a reference counted.
const FAN: usize = 32;

/// Something with a first key and some keys. Never empty.
pub(super) trait Node: Clone {
    fn first(&self) -> u128;
    fn count(&self) -> u64;
}

#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub first: u128,
    pub count: u32,
    pub cell: Arc<Cell>,
}

impl Leaf {
    /// None of a block without keys.
    pub fn new(block: Block) -> Option<Self> {
        Some(Self {
            first: *block.keys.first()?,
            count: block.keys.len() as u32,
            cell: Cell::new(block),
        })
    }

    /// The same without its block, which the store has.
    pub fn let_go(&self) -> Self {
        let id = self.cell.id.load(Ordering::Acquire);
        if id == 0 || !self.cell.loaded() {
            return self.clone();
        }
        Self {
            cell: Cell::stored(id),
            ..*self
        }
    }
}

impl Node for Leaf {
    fn first(&self) -> u128 {
        self.first
    }
    fn count(&self) -> u64 {
        self.count.into()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Branch<T> {
    pub first: u128,
    pub count: u64,
    pub children: Arc<Vec<T>>,
}

pub(super) type Chunk = Branch<Leaf>;
pub(super) type Group = Branch<Chunk>;

impl<T: Node> Branch<T> {
    fn new(children: Vec<T>) -> Option<Self> {
        Some(Self {
            first: children.first()?.first(),
            count: children.iter().map(Node::count).sum(),
            children: Arc::new(children),
        })
    }
}

impl<T: Node> Node for Branch<T> {
    fn first(&self) -> u128 {
        self.first
    }
    fn count(&self) -> u64 {
        self.count
    }
}

/// The last of these that begins at `k` or before it.
pub(super) fn child<T: Node>(nodes: &[T], k: u128) -> Option<usize> {
    nodes.partition_point(|n| n.first() <= k).checked_sub(1)
}

/// Makes branches of about equal size of nodes.
pub(super) fn grouped<T: Node>(children: Vec<T>, out: &mut Vec<Branch<T>>) {
    if children.len() <= FAN {
        out.extend(Branch::new(children));
        return;
    }
    let parts = children.len().div_ceil(FAN);
    let size = children.len().div_ceil(parts);
    let mut children = children.into_iter();
    for _ in 0..parts {
        out.extend(Branch::new(children.by_ref().take(size).collect()));
    }
}
