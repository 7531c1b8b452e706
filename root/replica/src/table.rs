//! Append-only records by dense number: dictionary strings, entity ids, what is known of each commit.

use crate::{
    ReplicaError, leb128, search,
    store::{BlockStore, FULL},
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Records of one block, one after the other. While all have the same width their ends need not be kept: then a record is one step away.
#[derive(Clone, Default, Debug)]
pub(crate) struct Records {
    count: usize,
    width: usize,
    /// Empty while every record is `width` bytes long.
    ends: Vec<u32>,
    /// Bytes that the packed lengths take, once there are `ends`.
    lengths: usize,
    bytes: Vec<u8>,
}

impl Records {
    fn get(&self, i: usize) -> Option<&[u8]> {
        if i >= self.count {
            return None;
        }
        let start = if i == 0 { 0 } else { self.end(i - 1) };
        self.bytes.get(start..self.end(i))
    }
    /// Where record `i` of `count` ends.
    fn end(&self, i: usize) -> usize {
        match self.ends.get(i) {
            Some(end) => *end as usize,
            None => (i + 1) * self.width,
        }
    }
    fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.lengthen(record.len());
    }
    /// Counts one more record of this length.
    fn lengthen(&mut self, len: usize) {
        if self.count == 0 {
            self.width = len;
        }
        if self.ends.is_empty() && len != self.width {
            self.ends = (1..=self.count).map(|i| (i * self.width) as u32).collect();
            self.lengths = self.count * leb128::len(self.width as u64);
        }
        // from the first record of another width on, `ends` is complete
        if !self.ends.is_empty() {
            let last = self.ends.last().map_or(0, |end| *end as usize);
            self.ends.push((last + len) as u32);
            self.lengths += leb128::len(len as u64);
        }
        self.count += 1;
    }
    /// Bytes when packed, with one more record of this length.
    fn packed_with(&self, len: usize) -> usize {
        let uniform = self.ends.is_empty() && (self.count == 0 || len == self.width);
        let lengths = if uniform {
            leb128::len(len as u64)
        } else if self.ends.is_empty() {
            self.count * leb128::len(self.width as u64) + leb128::len(len as u64)
        } else {
            self.lengths + leb128::len(len as u64)
        };
        2 + lengths + self.bytes.len() + len
    }
    /// `count: u16`, its top bit set if all records have one length; then that length, or each, as LEB128; then the bytes.
    fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.packed_with(0));
        let uniform = self.count > 0 && self.ends.is_empty();
        let flag = if uniform { UNIFORM } else { 0 };
        out.extend_from_slice(&(self.count as u16 | flag).to_be_bytes());
        let mut start = 0;
        for i in 0..if uniform { 1 } else { self.count } {
            leb128::put(&mut out, (self.end(i) - start) as u64);
            start = self.end(i);
        }
        out.extend_from_slice(&self.bytes);
        out
    }
    fn unpack(packed: &[u8]) -> Result<Self, ReplicaError> {
        let read = || {
            let (head, mut rest) = packed.split_first_chunk::<2>()?;
            let head = u16::from_be_bytes(*head);
            let count = usize::from(head & !UNIFORM);
            let mut records = Self::default();
            if head & UNIFORM != 0 {
                let width = leb128::get_len(&mut rest)?;
                if count == 0 || width.checked_mul(count)? != rest.len() {
                    return None;
                }
                (records.count, records.width) = (count, width);
            } else {
                let mut end = 0u32;
                for _ in 0..count {
                    let n = leb128::get_len(&mut rest)?;
                    end = end.checked_add(n as u32)?;
                    records.lengthen(n);
                }
                if end as usize != rest.len() {
                    return None;
                }
            }
            records.bytes = rest.to_vec();
            Some(records)
        };
        read().ok_or(ReplicaError::Corrupt("a table block does not unpack"))
    }
}

/// In the count of a packed block: all records have one length.
const UNIFORM: u16 = 0x8000;

#[derive(Debug)]
pub(crate) struct Cell {
    data: OnceLock<Records>,
    pub id: AtomicU64,
}

impl Cell {
    fn stored(id: u64) -> Arc<Self> {
        Arc::new(Self {
            data: OnceLock::new(),
            id: AtomicU64::new(id),
        })
    }
    pub fn loaded(&self) -> bool {
        self.data.get().is_some()
    }
    /// The same without its records, if the store has them.
    fn let_go(self: &Arc<Self>) -> Arc<Self> {
        let id = self.id.load(Ordering::Acquire);
        if id == 0 || !self.loaded() {
            return self.clone();
        }
        Self::stored(id)
    }
}

/// Records by number, from 0. Cloning copies two pointers.
#[derive(Clone)]
pub(crate) struct Table {
    store: Arc<BlockStore>,
    /// (number of the first record, records) of each full block
    full: Arc<Vec<(u32, Arc<Cell>)>>,
    tail: Arc<Records>,
    tail_first: u32,
}

impl Table {
    pub fn new(store: Arc<BlockStore>) -> Self {
        Self {
            store,
            full: Arc::default(),
            tail: Arc::default(),
            tail_first: 0,
        }
    }

    /// A table from the directory of its blocks: (first number, block id, records), ascending.
    pub fn from_directory(
        store: Arc<BlockStore>,
        directory: &[(u128, u64, u32)],
    ) -> Result<Self, ReplicaError> {
        const BAD: ReplicaError = ReplicaError::Corrupt("the directory of a table");
        let mut table = Self::new(store);
        let Some(((last, id, _), before)) = directory.split_last() else {
            return Ok(table);
        };
        // ascending as they are, they begin at 0 and end at what 32 bits count
        let begins = directory.first().is_some_and(|(first, _, _)| *first == 0);
        let last = u32::try_from(*last).ok().filter(|_| begins).ok_or(BAD)?;
        table.full = Arc::new(
            before
                .iter()
                .map(|(first, id, _)| (*first as u32, Cell::stored(*id)))
                .collect(),
        );
        let tail = table.store.read(*id, Records::unpack);
        table.store.fault()?;
        table.tail = Arc::new(tail.unwrap_or_default());
        table.tail_first = last;
        let records = table.tail.count as u32;
        last.checked_add(records).ok_or(BAD)?;
        Ok(table)
    }

    pub fn rebase(&mut self, store: Arc<BlockStore>) {
        self.store = store;
    }

    /// The blocks that are not in memory for certain.
    pub fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.full.iter().map(|b| &b.1)
    }

    /// Bytes of blocks in memory.
    pub fn resident(&self) -> usize {
        let loaded = self.full.iter().filter_map(|(_, cell)| cell.data.get());
        loaded.map(|r| r.bytes.len() + r.ends.len() * 4).sum()
    }

    /// Lets go of the blocks that the store has: `gone(id, cell)` is told where they are read from now.
    pub fn let_go(&mut self, mut gone: impl FnMut(u64, &Arc<Cell>)) {
        let blocks = self.full.iter().map(|(first, cell)| {
            let rest = cell.let_go();
            if !Arc::ptr_eq(&rest, cell) {
                gone(rest.id.load(Ordering::Acquire), &rest);
            }
            (*first, rest)
        });
        let blocks = blocks.collect();
        self.full = Arc::new(blocks);
    }

    /// Loads every block.
    pub fn load(&self) {
        for (first, _) in self.full.iter() {
            self.with(*first, |_| ());
        }
    }

    pub fn len(&self) -> u32 {
        self.tail_first + self.tail.count as u32
    }

    /// Appends a record and returns its number.
    pub fn push(&mut self, record: &[u8]) -> Result<u32, ReplicaError> {
        let number = self.len();
        if number == u32::MAX {
            return Err(ReplicaError::Full(
                "the dictionary of this pod has 4 billion entries",
            ));
        }
        let n = self.tail.count;
        if n > 0 && (self.tail.packed_with(record.len()) > FULL || n >= 4000) {
            let closed = Cell {
                data: OnceLock::from(std::mem::take(&mut *Arc::make_mut(&mut self.tail))),
                id: AtomicU64::new(0),
            };
            Arc::make_mut(&mut self.full).push((self.tail_first, Arc::new(closed)));
            self.tail_first = number;
        }
        Arc::make_mut(&mut self.tail).push(record);
        Ok(number)
    }

    /// The record of a number, given to `f`; `None` if there is none or the store failed (see [`BlockStore::fault`]).
    pub fn with<R>(&self, number: u32, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if number >= self.tail_first {
            return self.tail.get((number - self.tail_first) as usize).map(f);
        }
        // blocks hold about as many records each
        let blocks = self.full.len();
        let guess = (number as usize * blocks) / (self.tail_first as usize).max(1);
        let i =
            search::partition_near(blocks, guess, |i| self.full[i].0 <= number).checked_sub(1)?;
        let (first, cell) = &self.full[i];
        let records = if let Some(r) = cell.data.get() {
            r
        } else {
            let r = self
                .store
                .read(cell.id.load(Ordering::Acquire), Records::unpack)?;
            cell.data.get_or_init(|| r)
        };
        records.get((number - first) as usize).map(f)
    }

    /// Packs what the store does not have: full blocks once, the tail each time. Returns the whole directory: of each block its first
    /// number, its id and its cell, none for the tail, which a table keeps in memory.
    pub fn save(&self, mut write: impl FnMut(&[u8]) -> u64) -> Vec<(u128, u64, Option<Arc<Cell>>)> {
        let mut directory = Vec::with_capacity(self.full.len() + 1);
        for (first, cell) in self.full.iter() {
            let mut id = cell.id.load(Ordering::Acquire);
            if id == 0 {
                id = write(&cell.data.get().map(Records::pack).unwrap_or_default());
                cell.id.store(id, Ordering::Release);
            }
            directory.push((*first as u128, id, Some(cell.clone())));
        }
        if self.tail.count > 0 {
            directory.push((self.tail_first as u128, write(&self.tail.pack()), None));
        }
        directory
    }
}

#[cfg(test)]
mod tests;
