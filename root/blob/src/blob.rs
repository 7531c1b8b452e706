//! One blob, opened for reading.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use blake3::Hash;
use rhizome_ipld::Cid;

use crate::{
    BlobError,
    incoming::make_tree,
    location::{DATA, TREE, cid_of, path},
    slice::encode,
    tree::{ReadError, STEP, has_tree, read_verified},
};

/// A blob, opened for reading. It stays readable when it is removed from the store meanwhile.
///
/// Every byte returned has been verified, and so has the length.
pub struct Blob {
    cid: Cid,
    hash: Hash,
    len: u64,
    data: File,
    tree: Mutex<Option<Arc<File>>>,
    /// The directory of the store: the tree can be made anew there.
    root: PathBuf,
}

impl Blob {
    pub(crate) fn open(root: PathBuf, hash: Hash) -> Result<Self, BlobError> {
        let cid = cid_of(&hash);
        let at = path(&root, &hash, DATA);
        let data = File::open(&at).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(cid),
            _ => BlobError::io(&at)(error),
        })?;
        let len = data.metadata().map_err(BlobError::io(&at))?.len();
        let blob = Self {
            cid,
            hash,
            len,
            data,
            tree: Mutex::new(None),
            root,
        };
        // Only the path to the last group proves the length.
        blob.verified(len.saturating_sub(1)..len)?;
        Ok(blob)
    }

    /// The name of the blob.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes from `offset` on, `len` of them or up to the end of the blob: what is beyond the
    /// end is left out, as in a short read. The whole range is held in memory; for more than that
    /// there is [`reader`](Self::reader).
    pub fn read_range(&self, offset: u64, len: u64) -> Result<Vec<u8>, BlobError> {
        let end = offset.saturating_add(len).min(self.len);
        if offset >= end {
            return Ok(Vec::new());
        }
        let (first, mut bytes) = self.verified(offset..end)?;
        bytes.truncate((end - first) as usize);
        bytes.drain(..(offset - first) as usize);
        Ok(bytes)
    }

    /// Streams the bytes from `offset` on, at most `len` of them, verified piece by piece. A failure
    /// arrives as an [`io::Error`] with a [`BlobError`] inside.
    pub fn reader(&self, offset: u64, len: u64) -> BlobReader<'_> {
        let end = offset.saturating_add(len).min(self.len);
        BlobReader {
            blob: self,
            next: offset.min(end),
            end,
            piece: io::Cursor::default(),
        }
    }

    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }

    /// The directory of the store it is in.
    pub(crate) fn store_root(&self) -> &Path {
        &self.root
    }

    /// The slice for `wanted` bytes from `offset` on.
    pub(crate) fn slice(&self, offset: u64, wanted: u64) -> Result<Vec<u8>, BlobError> {
        self.read(|tree| encode(&self.data, tree, self.hash, self.len, offset, wanted))
    }

    fn verified(&self, range: Range<u64>) -> Result<(u64, Vec<u8>), BlobError> {
        self.read(|tree| read_verified(&self.data, tree, self.hash, self.len, &range))
    }

    fn read<T>(&self, act: impl Fn(Option<&File>) -> Result<T, ReadError>) -> Result<T, BlobError> {
        let mut tree = self.tree()?;
        let mut read = act(tree.as_deref());
        if matches!(read, Err(ReadError::Tree)) && has_tree(self.len) {
            // The tree can be damaged, or lost in a crash, while the data are sound.
            tree = Some(self.keep_tree(make_tree(&self.root, &self.hash, &self.data, self.len)?));
            read = act(tree.as_deref());
        }
        read.map_err(|error| match error {
            ReadError::Data | ReadError::Tree => BlobError::Corrupt { cid: self.cid },
            ReadError::Io(error) => BlobError::io(&path(&self.root, &self.hash, DATA))(error),
        })
    }

    fn tree(&self) -> Result<Option<Arc<File>>, BlobError> {
        if !has_tree(self.len) {
            return Ok(None);
        }
        if let Some(tree) = &*self.tree.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Some(Arc::clone(tree)));
        }
        let at = path(&self.root, &self.hash, TREE);
        match File::open(&at) {
            Ok(tree) => Ok(Some(self.keep_tree(tree))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::io(&at)(error)),
        }
    }

    fn keep_tree(&self, tree: File) -> Arc<File> {
        let tree = Arc::new(tree);
        *self.tree.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tree));
        tree
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("cid", &self.cid.to_string())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Streams a part of a blob. See [`Blob::reader`].
#[derive(Debug)]
pub struct BlobReader<'a> {
    blob: &'a Blob,
    next: u64,
    end: u64,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(buffer)?;
        if read > 0 || buffer.is_empty() || self.next == self.end {
            return Ok(read);
        }
        // Pieces end where groups end, so that no group is hashed twice.
        let end = ((self.next / STEP + 1) * STEP).min(self.end);
        let piece = self
            .blob
            .read_range(self.next, end - self.next)
            .map_err(io::Error::other)?;
        self.next = end;
        self.piece = io::Cursor::new(piece);
        self.piece.read(buffer)
    }
}
