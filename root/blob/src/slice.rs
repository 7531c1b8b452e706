//! A part of a blob with the hashes that prove it, as it crosses between devices.
//!
//! The pairs of hashes and the groups on the way from the root, in the order in which they are
//! checked: so one pass verifies it, and nothing in it is believed. What a slice covers follows from
//! the length of the blob and the range asked for, and so both sides know it.

use std::ops::Range;

use bao_tree::{ChunkRanges, TreeNode};
use blake3::Hash;

use crate::tree::{
    Data, GROUP_LEN, PAIR, Parts, ReadError, Reading, geometry, groups, halves, last_group, walk,
};
use std::fs::File;

/// Bytes of the blob that a slice carries at most: a message with it stays below 1 MiB.
pub const MAX_SLICE: u64 = 60 * GROUP_LEN;

/// Longest blob that crosses between devices: 16 TiB.
pub const MAX_BLOB: u64 = 1 << 44;

/// What a slice of a blob of `len` bytes covers when `range` is asked for: the groups the range
/// touches, one at least and at most [`MAX_SLICE`]; and the last group, if the range begins at 0 or
/// beyond the end. That group proves the length.
fn covered(len: u64, offset: u64, wanted: u64) -> (Range<u64>, ChunkRanges) {
    let last = last_group(len);
    let start = if offset >= len { last } else { offset } / GROUP_LEN * GROUP_LEN;
    let end = offset
        .saturating_add(wanted.max(1))
        .min(start.saturating_add(MAX_SLICE))
        .clamp(start, len);
    let end = end
        .max(start.saturating_add(1))
        .div_ceil(GROUP_LEN)
        .saturating_mul(GROUP_LEN)
        .min(len);
    let mut ranges = ChunkRanges::from(groups(len, &(start..end)));
    if start == 0 {
        ranges |= ChunkRanges::from(groups(len, &(last..len)));
    }
    (start..end, ranges)
}

/// The slice of a blob for `wanted` bytes from `offset` on.
pub(crate) fn encode(
    data: impl Data,
    tree: Option<&File>,
    root: Hash,
    len: u64,
    offset: u64,
    wanted: u64,
) -> Result<Vec<u8>, ReadError> {
    let (range, ranges) = covered(len, offset, wanted);
    let bytes = (range.end - range.start) as usize;
    let mut reading = Reading {
        geometry: geometry(len),
        data,
        tree,
        with_pairs: true,
        read: Vec::with_capacity(bytes + bytes / 128 + GROUP_LEN as usize + 64 * PAIR),
    };
    walk(root, len, &ranges, &mut reading)?;
    Ok(reading.read)
}

/// A slice that has been verified against the root.
#[derive(Debug)]
pub(crate) struct Verified {
    bytes: Vec<u8>,
    /// What was asked for, in whole groups.
    pub(crate) range: Range<u64>,
    pub(crate) pairs: Vec<(TreeNode, [u8; PAIR])>,
    /// Where the groups lie in the blob and in `bytes`.
    groups: Vec<(u64, Range<usize>)>,
}

impl Verified {
    /// Verifies `bytes` as the slice for `wanted` bytes from `offset` on of the blob `root` of `len`
    /// bytes. The length is proven if `offset` is 0 or beyond the end.
    pub(crate) fn new(
        bytes: Vec<u8>,
        root: Hash,
        len: u64,
        offset: u64,
        wanted: u64,
    ) -> Result<Self, ReadError> {
        if len > MAX_BLOB {
            return Err(ReadError::Data);
        }
        let (range, ranges) = covered(len, offset, wanted);
        let mut taking = Taking {
            bytes: &bytes,
            next: 0,
            pairs: Vec::new(),
            groups: Vec::new(),
        };
        walk(root, len, &ranges, &mut taking)?;
        let Taking {
            next,
            pairs,
            groups,
            ..
        } = taking;
        if next != bytes.len() {
            return Err(ReadError::Data);
        }
        Ok(Self {
            bytes,
            range,
            pairs,
            groups,
        })
    }

    /// The groups: where each begins in the blob, and its bytes.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.groups
            .iter()
            .filter_map(|(start, at)| Some((*start, self.bytes.get(at.clone())?)))
    }

    /// The bytes of the range.
    pub(crate) fn contiguous(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity((self.range.end - self.range.start) as usize);
        for (start, bytes) in self.groups() {
            if self.range.contains(&start) {
                out.extend_from_slice(bytes);
            }
        }
        out
    }
}

struct Taking<'a> {
    bytes: &'a [u8],
    next: usize,
    pairs: Vec<(TreeNode, [u8; PAIR])>,
    groups: Vec<(u64, Range<usize>)>,
}

impl<'a> Taking<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ReadError> {
        let end = self.next.checked_add(len).ok_or(ReadError::Data)?;
        let taken = self.bytes.get(self.next..end).ok_or(ReadError::Data)?;
        self.next = end;
        Ok(taken)
    }
}

impl Parts for Taking<'_> {
    fn pair(&mut self, node: TreeNode) -> Result<(Hash, Hash), ReadError> {
        let pair = <[u8; PAIR]>::try_from(self.take(PAIR)?).map_err(|_| ReadError::Data)?;
        self.pairs.push((node, pair));
        Ok(halves(&pair))
    }

    fn group(&mut self, start: u64, len: usize) -> Result<&[u8], ReadError> {
        let at = self.next;
        let bytes = self.take(len)?;
        self.groups.push((start, at..self.next));
        Ok(bytes)
    }
}
