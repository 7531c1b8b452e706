use super::key::{Id, SetKey};
use super::walk::{MAX_CELLS, Walk};

/// One coded symbol: what all short ids that fall into it come to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cell {
    /// XOR of the short ids.
    pub sum: u64,
    /// XOR of their checks.
    pub check: u32,
    /// How many.
    pub count: i64,
}

/// The first cells of a set, its size and its keyed sum, current after every [`Self::insert`] and [`Self::remove`].
///
/// A host keeps one of [`Self::KEPT`] cells for each set that it serves, under a key of its own for that set, so that a session
/// that ends within them reads nothing of the set but the ids that differ.
#[derive(Clone)]
pub struct Sketch {
    pub(super) key: SetKey,
    pub(super) n: u64,
    pub(super) sum: u128,
    pub(super) cells: Vec<Cell>,
}

impl Sketch {
    /// Cells that are worth keeping: enough for some 150 differences.
    pub const KEPT: usize = 256;

    /// The empty set with this many cells, at most [`MAX_CELLS`].
    pub fn new(key: SetKey, cells: usize) -> Self {
        Self {
            key,
            n: 0,
            sum: 0,
            cells: vec![Cell::default(); cells.min(MAX_CELLS)],
        }
    }

    /// Adds an id that is not in the set.
    pub fn insert(&mut self, id: &Id) {
        let (short, whole) = self.key.name(id);
        self.n += 1;
        self.sum = self.sum.wrapping_add(whole);
        toggle(&self.key, &mut self.cells, 0, short, 1);
    }

    /// Takes out an id that is in the set.
    pub fn remove(&mut self, id: &Id) {
        let (short, whole) = self.key.name(id);
        self.n = self.n.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(whole);
        toggle(&self.key, &mut self.cells, 0, short, -1);
    }

    /// How many ids.
    pub fn count(&self) -> u64 {
        self.n
    }

    /// The sum over all ids, modulo 2¹²⁸: equal for equal sets, and for others only by an accident of the key.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The cells.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// Puts a short id into `cells`, the first of which has index `from`, or takes it out (`sign` −1).
#[inline]
pub(super) fn toggle(key: &SetKey, cells: &mut [Cell], from: usize, short: u64, sign: i64) {
    let trace = key.trace(short);
    let mut walk = Walk::new(trace.seed);
    while walk.at() < from {
        walk.step();
    }
    while let Some(cell) = cells.get_mut(walk.at() - from) {
        cell.sum ^= short;
        cell.check ^= trace.check;
        cell.count = cell.count.wrapping_add(sign);
        walk.step();
    }
}

/// How many of `n` ids are expected in cell `i`, rounded down: counts travel as what they differ from it.
pub(super) fn expected(n: u64, i: usize) -> i64 {
    (u128::from(n) * 2 / (i as u128 + 2)) as i64
}
