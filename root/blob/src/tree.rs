//! The hash tree beside a blob, and reads that are checked against it.
//!
//! BLAKE3 is a tree hash: with the chaining values of inner nodes at hand, a range can be verified
//! by hashing that range and one path to the root. `bao-tree` gives the geometry and the file
//! format; the tree file is as little trusted as the data beside it.

use std::{
    fs::File,
    io::{self, Read},
};

use bao_tree::{
    BaoTree, BlockSize, ChunkNum, ChunkRanges,
    io::{
        outboard::PreOrderOutboard,
        sync::{CreateOutboard, Outboard, ReadAt},
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
const GROUP_LEN: u64 = 16 << 10;

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
    let data = io::BufReader::with_capacity(
        STEP as usize,
        FromStart {
            file: data,
            position: 0,
        },
    );
    let mut outboard = PreOrderOutboard {
        root: Hash::from_bytes([0; 32]),
        tree: BaoTree::new(len, GROUP),
        data: tree,
    };
    outboard.init_from(data)?;
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

/// Reads the whole groups that `start..end` touches, and returns only verified bytes: the offset of
/// the first and the bytes.
///
/// The path to the last group is not part of it, so the length is verified only if the range
/// reaches to the end.
pub(crate) fn read_verified(
    data: &File,
    tree: Option<&File>,
    root: Hash,
    len: u64,
    range: std::ops::Range<u64>,
) -> Result<(u64, Vec<u8>), ReadError> {
    let geometry = BaoTree::new(len, GROUP);
    let first = range.start / GROUP_LEN * GROUP_LEN;
    let end = range
        .end
        .div_ceil(GROUP_LEN)
        .saturating_mul(GROUP_LEN)
        .min(len);
    // An empty blob is one chunk too.
    let chunks = ChunkNum(first / 1024)..ChunkNum(end.div_ceil(1024).max(1));
    let ranges = ChunkRanges::from(chunks);
    let mut bytes = Vec::with_capacity(usize::try_from(end - first).map_err(|_| ReadError::Data)?);
    let mut expected = vec![root];
    for step in geometry.ranges_pre_order_chunks_iter_ref(&ranges, 0) {
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
                let Some(tree) = tree else {
                    return Err(ReadError::Tree);
                };
                let outboard = PreOrderOutboard {
                    root,
                    tree: geometry,
                    data: tree,
                };
                let (left_hash, right_hash) = outboard
                    .load(node)
                    .map_err(missing_tree)?
                    .ok_or(ReadError::Tree)?;
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
                let at = bytes.len();
                bytes.resize(at + size, 0);
                data.read_exact_at(start_chunk.to_bytes(), &mut bytes[at..])
                    .map_err(missing_data)?;
                if leaf(start_chunk.to_bytes(), &bytes[at..], is_root) != hash {
                    return Err(ReadError::Data);
                }
            }
        }
    }
    Ok((first, bytes))
}

fn missing_data(error: io::Error) -> ReadError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ReadError::Data
    } else {
        ReadError::Io(error)
    }
}

fn missing_tree(error: io::Error) -> ReadError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ReadError::Tree
    } else {
        ReadError::Io(error)
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
