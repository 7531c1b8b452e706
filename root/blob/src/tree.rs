//! The hash tree beside a blob, and reads that are checked against it.
//!
//! BLAKE3 is a tree hash: with the chaining values of inner nodes at hand, a range can be verified
//! by hashing that range and one path to the root. `bao-tree` gives the geometry and the file
//! format; the tree file is as little trusted as the data beside it.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
};

use bao_tree::{
    BaoTree, BlockSize, ChunkNum, ChunkRanges, TreeNode,
    io::{
        outboard::PreOrderOutboard,
        sync::{CreateOutboard, ReadAt},
    },
    iter::BaoChunk,
};
use blake3::{
    Hash, Hasher,
    hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};

/// Groups of 2^4 chunks of 1 KiB: 64 bytes of tree for 16 KiB of data, the layout of iroh-blobs.
const GROUP: BlockSize = BlockSize::from_chunk_log(4);
/// Bytes verified together.
pub(crate) const GROUP_LEN: u64 = 16 << 10;

/// Bytes read at a time where a whole blob is read.
pub(crate) const STEP: u64 = 16 * GROUP_LEN;

/// Why a checked read failed.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The data, or its length, are not those the root was made of.
    Data,
    /// The tree is not.
    Tree,
    Io(io::Error),
}

/// Whether a blob of this length has a tree at all.
pub(crate) fn has_tree(len: u64) -> bool {
    len > GROUP_LEN
}

/// Writes the tree of `data` into `tree` and returns its root.
pub(crate) fn build(data: &File, len: u64, tree: File) -> io::Result<Hash> {
    // By position, because other readers share the file.
    let data = FromStart {
        file: data,
        position: 0,
    };
    build_from(data, len, tree)
}

/// The same for the `len` bytes of a stream.
pub(crate) fn build_from(data: impl Read, len: u64, tree: File) -> io::Result<Hash> {
    let mut outboard = PreOrderOutboard {
        root: Hash::from_bytes([0; 32]),
        tree: geometry(len),
        data: tree,
    };
    outboard.init_from(io::BufReader::with_capacity(STEP as usize, data))?;
    Ok(outboard.root)
}

struct FromStart<'a> {
    file: &'a File,
    position: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.position, buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Where the hash pairs and the groups of a blob come from.
pub(crate) trait Parts {
    /// The hashes below an inner node.
    fn pair(&mut self, node: TreeNode) -> Result<(Hash, Hash), ReadError>;
    /// The `len` bytes at `start`.
    fn group(&mut self, start: u64, len: usize) -> Result<&[u8], ReadError>;
}

/// The geometry of a blob of `len` bytes.
pub(crate) fn geometry(len: u64) -> BaoTree {
    BaoTree::new(len, GROUP)
}

/// Where the last group begins. Only the path to it proves the length.
pub(crate) fn last_group(len: u64) -> u64 {
    len.saturating_sub(1) / GROUP_LEN * GROUP_LEN
}

/// The groups that `range` touches, as chunks.
pub(crate) fn groups(len: u64, range: &Range<u64>) -> Range<ChunkNum> {
    let first = range.start / GROUP_LEN * GROUP_LEN;
    let end = range
        .end
        .div_ceil(GROUP_LEN)
        .saturating_mul(GROUP_LEN)
        .min(len);
    // An empty blob is one chunk too.
    ChunkNum(first / 1024)..ChunkNum(end.div_ceil(1024).max(1))
}

/// Goes through the parts of `ranges`, which are whole groups, from the root downwards and from left
/// to right, and checks each against what is above it.
pub(crate) fn walk(
    root: Hash,
    len: u64,
    ranges: &ChunkRanges,
    parts: &mut impl Parts,
) -> Result<(), ReadError> {
    let mut expected = vec![root];
    for step in geometry(len).ranges_pre_order_chunks_iter_ref(ranges, 0) {
        let Some(hash) = expected.pop() else {
            return Err(ReadError::Tree);
        };
        match step {
            BaoChunk::Parent {
                node,
                is_root,
                left,
                right,
                ..
            } => {
                let (left_hash, right_hash) = parts.pair(node)?;
                if parent(&left_hash, &right_hash, is_root) != hash {
                    return Err(ReadError::Tree);
                }
                if right {
                    expected.push(right_hash);
                }
                if left {
                    expected.push(left_hash);
                }
            }
            BaoChunk::Leaf {
                start_chunk,
                size,
                is_root,
                ..
            } => {
                let start = start_chunk.to_bytes();
                if leaf(start, parts.group(start, size)?, is_root) != hash {
                    return Err(ReadError::Data);
                }
            }
        }
    }
    Ok(())
}

/// Data on disk, or what stands for them.
pub(crate) trait Data {
    fn read_exact_at(&mut self, start: u64, into: &mut [u8]) -> Result<(), ReadError>;
}

impl Data for &File {
    fn read_exact_at(&mut self, start: u64, into: &mut [u8]) -> Result<(), ReadError> {
        ReadAt::read_exact_at(*self, start, into).map_err(missing(ReadError::Data))
    }
}

/// Data and their tree, read into one buffer: the groups, and the pairs before them if wanted.
pub(crate) struct Reading<'a, D> {
    pub(crate) geometry: BaoTree,
    pub(crate) data: D,
    pub(crate) tree: Option<&'a File>,
    pub(crate) with_pairs: bool,
    pub(crate) read: Vec<u8>,
}

impl<D: Data> Parts for Reading<'_, D> {
    fn pair(&mut self, node: TreeNode) -> Result<(Hash, Hash), ReadError> {
        let at = self
            .geometry
            .pre_order_offset(node)
            .ok_or(ReadError::Tree)?;
        let mut pair = [0; PAIR];
        self.tree
            .ok_or(ReadError::Tree)?
            .read_exact_at(at * PAIR as u64, &mut pair)
            .map_err(missing(ReadError::Tree))?;
        if self.with_pairs {
            self.read.extend_from_slice(&pair);
        }
        Ok(halves(&pair))
    }

    fn group(&mut self, start: u64, len: usize) -> Result<&[u8], ReadError> {
        let at = self.read.len();
        self.read.resize(at + len, 0);
        let group = &mut self.read[at..];
        self.data.read_exact_at(start, group)?;
        Ok(group)
    }
}

/// Bytes of two hashes.
pub(crate) const PAIR: usize = 64;

pub(crate) fn halves(pair: &[u8; PAIR]) -> (Hash, Hash) {
    let (mut left, mut right) = ([0; 32], [0; 32]);
    left.copy_from_slice(&pair[..32]);
    right.copy_from_slice(&pair[32..]);
    (left.into(), right.into())
}

/// Reads the whole groups that `range` touches, and returns only verified bytes: the offset of
/// the first and the bytes.
///
/// The path to the last group is not part of it, so the length is verified only if the range
/// reaches to the end.
pub(crate) fn read_verified(
    data: impl Data,
    tree: Option<&File>,
    root: Hash,
    len: u64,
    range: &Range<u64>,
) -> Result<(u64, Vec<u8>), ReadError> {
    let chunks = groups(len, range);
    let first = chunks.start.to_bytes();
    let bytes = usize::try_from(range.end.saturating_sub(first)).map_err(|_| ReadError::Data)?;
    let mut reading = Reading {
        geometry: geometry(len),
        data,
        tree,
        with_pairs: false,
        read: Vec::with_capacity(bytes + GROUP_LEN as usize),
    };
    walk(root, len, &ChunkRanges::from(chunks), &mut reading)?;
    Ok((first, reading.read))
}

/// What reading beyond the end of a file means.
fn missing(short: ReadError) -> impl FnOnce(io::Error) -> ReadError {
    |error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            short
        } else {
            ReadError::Io(error)
        }
    }
}

fn parent(left: &Hash, right: &Hash, is_root: bool) -> Hash {
    if is_root {
        merge_subtrees_root(left.as_bytes(), right.as_bytes(), Mode::Hash)
    } else {
        merge_subtrees_non_root(left.as_bytes(), right.as_bytes(), Mode::Hash).into()
    }
}

fn leaf(offset: u64, bytes: &[u8], is_root: bool) -> Hash {
    if is_root {
        return blake3::hash(bytes);
    }
    Hasher::new()
        .set_input_offset(offset)
        .update(bytes)
        .finalize_non_root()
        .into()
}
