//! Sorted lists of short ids as Golomb-Rice coded differences: about 1.5 bits an id above what information theory asks for.

use super::key::SHORT_END;
use crate::{
    SyncError,
    wire::{Reader, put_number},
};

/// Ids in one list.
pub const MAX_LIST: usize = 1 << 18;
/// Bytes of the coded differences of one list.
pub const MAX_LIST_BYTES: usize = 1_000_000;

/// Every short id of a set in `from..to`, ascending; ids that share a short id repeat it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List {
    /// First short id that could be listed.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// The short ids.
    pub shorts: Vec<u64>,
}

/// Low bits of a difference that are written as they are: the logarithm of the mean difference.
fn low_bits(span: u64, count: usize) -> u32 {
    span.checked_div(count as u64).unwrap_or(0).max(1).ilog2()
}

/// Bytes that a list of `n` ids over all short ids takes, about.
pub(super) fn list_bytes(n: u64) -> u64 {
    n.saturating_mul(u64::from(low_bits(SHORT_END, n.min(SHORT_END) as usize)) * 2 + 5) / 16 + 8
}

impl List {
    /// A list of everything in `shorts`, which ascend.
    pub(super) fn whole(shorts: Vec<u64>) -> Self {
        Self {
            from: 0,
            to: SHORT_END,
            shorts,
        }
    }

    /// As much of a set as one list may hold, from a short id on. `sorted` is the whole set, ascending.
    pub(super) fn part(sorted: &[u64], from: u64) -> Self {
        let rest = sorted
            .get(sorted.partition_point(|s| *s < from)..)
            .unwrap_or_default();
        // the unary parts of n differences have three bits each at most, taken together
        let bits = low_bits(SHORT_END - from.min(SHORT_END), rest.len()) as usize + 3;
        let most = MAX_LIST.min(MAX_LIST_BYTES * 8 / bits);
        let to = rest.get(most).copied().unwrap_or(SHORT_END);
        let mut shorts = rest
            .get(..most.min(rest.len()))
            .unwrap_or_default()
            .to_vec();
        while to < SHORT_END && shorts.last() == Some(&to) {
            shorts.pop();
        }
        Self { from, to, shorts }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_number(out, self.from);
        put_number(out, self.to - self.from);
        put_number(out, self.shorts.len() as u64);
        let low = low_bits(self.to - self.from, self.shorts.len());
        let mut bits = Bits {
            out,
            last: 0,
            free: 8,
        };
        let mut before = self.from;
        for short in &self.shorts {
            let step = short - before;
            before = *short;
            for _ in 0..step >> low {
                bits.put(1);
            }
            bits.put(0);
            for i in (0..low).rev() {
                bits.put((step >> i) as u8 & 1);
            }
        }
        bits.end();
    }

    /// Reads a list. Its length in memory is at most 64 bytes for each of its own.
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, SyncError> {
        const BAD: SyncError = SyncError::Malformed("a list of short ids is cut off or too long");
        let first = from.number()?;
        let span = from.number()?;
        let to = first
            .checked_add(span)
            .filter(|to| *to <= SHORT_END)
            .ok_or(BAD)?;
        let count = from.size(MAX_LIST, "short ids in a list")?;
        let bytes = from.rest_of_list(count)?;
        let low = low_bits(span, count);
        let mut bits = bytes
            .iter()
            .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1));
        let mut used = 0usize;
        let mut next = || {
            used += 1;
            bits.next().ok_or(BAD)
        };
        // every id takes a bit at least
        let mut shorts = Vec::with_capacity(count.min(bytes.len() * 8));
        let mut before = first;
        for _ in 0..count {
            let mut high = 0u64;
            while next()? == 1 {
                high += 1;
            }
            if high > span >> low {
                return Err(BAD);
            }
            let mut step = high;
            for _ in 0..low {
                step = step << 1 | u64::from(next()?);
            }
            before = before.checked_add(step).filter(|s| *s < to).ok_or(BAD)?;
            shorts.push(before);
        }
        if bytes.len() != used.div_ceil(8) || bits.any(|b| b != 0) {
            return Err(BAD);
        }
        Ok(Self {
            from: first,
            to,
            shorts,
        })
    }
}

struct Bits<'a> {
    out: &'a mut Vec<u8>,
    last: u8,
    free: u8,
}

impl Bits<'_> {
    fn put(&mut self, bit: u8) {
        self.free -= 1;
        self.last |= bit << self.free;
        if self.free == 0 {
            self.out.push(self.last);
            self.last = 0;
            self.free = 8;
        }
    }

    fn end(&mut self) {
        if self.free < 8 {
            self.out.push(self.last);
        }
    }
}

impl<'a> Reader<'a> {
    /// A list is always the last part of its message.
    fn rest_of_list(&mut self, count: usize) -> Result<&'a [u8], SyncError> {
        let bytes = self.rest();
        if bytes.len() > MAX_LIST_BYTES || bytes.len() * 8 < count {
            return Err(SyncError::Limit("bytes of a list of short ids"));
        }
        Ok(bytes)
    }
}
