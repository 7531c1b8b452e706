//! Append-only records by dense number: dictionary strings, entity ids, what is known of each commit.

use crate::{
    ReplicaError,
    store::{BlockStore, FULL},
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Records of one block: their ends, and their bytes one after the other.
#[derive(Clone, Default, Debug)]
pub(crate) struct Records {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Records {
    fn get(&self, i: usize) -> Option<&[u8]> {
        let end = *self.ends.get(i)? as usize;
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        self.bytes.get(start..end)
    }
    fn packed_len(&self) -> usize {
        2 + 2 * self.ends.len() + self.bytes.len()
    }
    /// `count: u16`, then the length of each as LEB128, then the bytes.
    fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.packed_len());
        out.extend_from_slice(&(self.ends.len() as u16).to_be_bytes());
        let mut start = 0;
        for end in &self.ends {
            let mut n = end - start;
            start = *end;
            while n >= 0x80 {
                out.push(n as u8 | 0x80);
                n >>= 7;
            }
            out.push(n as u8);
        }
        out.extend_from_slice(&self.bytes);
        out
    }
    fn unpack(packed: &[u8]) -> Result<Self, ReplicaError> {
        let read = || {
            let (count, mut rest) = packed.split_first_chunk::<2>()?;
            let mut ends = Vec::with_capacity(u16::from_be_bytes(*count) as usize);
            let mut end = 0u32;
            for _ in 0..u16::from_be_bytes(*count) {
                let (mut n, mut shift) = (0u32, 0);
                loop {
                    let (b, r) = rest.split_first()?;
                    rest = r;
                    n |= u32::from(b & 0x7F).checked_shl(shift)?;
                    shift += 7;
                    if *b < 0x80 {
                        break;
                    }
                }
                end = end.checked_add(n)?;
                ends.push(end);
            }
            (end as usize == rest.len()).then(|| Self {
                ends,
                bytes: rest.to_vec(),
            })
        };
        read().ok_or(ReplicaError::Corrupt("a table block does not unpack"))
    }
}

#[derive(Debug)]
pub(crate) struct Cell {
    data: OnceLock<Records>,
    pub id: AtomicU64,
}

impl Cell {
    pub fn loaded(&self) -> bool {
        self.data.get().is_some()
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
        let cell = |id: u64| {
            Arc::new(Cell {
                data: OnceLock::new(),
                id: AtomicU64::new(id),
            })
        };
        table.full = Arc::new(
            before
                .iter()
                .map(|(first, id, _)| (*first as u32, cell(*id)))
                .collect(),
        );
        let tail = table.store.read(*id, Records::unpack);
        table.store.fault()?;
        table.tail = Arc::new(tail.unwrap_or_default());
        table.tail_first = last;
        let records = table.tail.ends.len() as u32;
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

    pub fn len(&self) -> u32 {
        self.tail_first + self.tail.ends.len() as u32
    }

    /// Appends a record and returns its number.
    pub fn push(&mut self, record: &[u8]) -> Result<u32, ReplicaError> {
        let number = self.len();
        if number == u32::MAX {
            return Err(ReplicaError::Full(
                "the dictionary of this pod has 4 billion entries",
            ));
        }
        let n = self.tail.ends.len();
        if n > 0 && (self.tail.packed_len() + record.len() + 2 > FULL || n >= 4000) {
            let closed = Cell {
                data: OnceLock::from(std::mem::take(&mut *Arc::make_mut(&mut self.tail))),
                id: AtomicU64::new(0),
            };
            Arc::make_mut(&mut self.full).push((self.tail_first, Arc::new(closed)));
            self.tail_first = number;
        }
        let tail = Arc::make_mut(&mut self.tail);
        tail.bytes.extend_from_slice(record);
        tail.ends.push(tail.bytes.len() as u32);
        Ok(number)
    }

    /// The record of a number, given to `f`; `None` if there is none or the store failed (see [`BlockStore::fault`]).
    pub fn with<R>(&self, number: u32, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if number >= self.tail_first {
            return self.tail.get((number - self.tail_first) as usize).map(f);
        }
        let i = self
            .full
            .partition_point(|b| b.0 <= number)
            .checked_sub(1)?;
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

    /// Packs what the store does not have: full blocks once, the tail each time. Returns the whole directory.
    pub fn save(
        &self,
        mut write: impl FnMut(&[u8]) -> u64,
    ) -> Vec<(u128, u64, u32, Option<Arc<Cell>>)> {
        let mut directory = Vec::with_capacity(self.full.len() + 1);
        for (first, cell) in self.full.iter() {
            let mut id = cell.id.load(Ordering::Acquire);
            if id == 0 {
                id = write(&cell.data.get().map(Records::pack).unwrap_or_default());
                cell.id.store(id, Ordering::Release);
            }
            directory.push((*first as u128, id, 0, Some(cell.clone())));
        }
        if !self.tail.ends.is_empty() {
            directory.push((self.tail_first as u128, write(&self.tail.pack()), 0, None));
        }
        directory
    }
}

#[cfg(test)]
mod tests;
