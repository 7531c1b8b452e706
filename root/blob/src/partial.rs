//! A blob that has arrived in part: `partial/<hash>.blob` and its tree, with holes.
//!
//! The length is proven before there is a file, and the last group, which proves it, is written
//! first; so a partial file is a damaged blob like any other, and what of it is sound can be found
//! out by reading it. Nothing else is noted down, and nothing on disk is believed.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use bao_tree::io::sync::WriteAt;
use blake3::Hash;

use crate::{
    BlobError, BlobStore,
    incoming::{prepare_place, sync_directory},
    location::{TREE, cid_of, path},
    slice::Verified,
    tree::{GROUP_LEN, PAIR, ReadError, STEP, geometry, has_tree, last_group, read_verified},
};

mod registry;

pub(crate) use registry::{Arriving, Partials, Progress};

/// The two files, open and locked against other processes.
#[derive(Debug)]
pub(crate) struct Partial {
    hash: Hash,
    len: u64,
    data: File,
    tree: File,
    paths: Paths,
    /// All bytes before this one are there and verified, and so is the last group.
    next: u64,
}

#[derive(Clone, Debug)]
struct Paths {
    data: PathBuf,
    tree: PathBuf,
}

impl Paths {
    fn new(directory: &Path, hash: &Hash) -> Self {
        let hex = hash.to_hex();
        Self {
            data: directory.join(format!("{hex}.blob")),
            tree: directory.join(format!("{hex}.{TREE}")),
        }
    }

    fn remove(&self) -> Result<(), BlobError> {
        // The tree first: without data nothing would lead to it.
        for at in [&self.tree, &self.data] {
            match fs::remove_file(at) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(BlobError::io(at)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn open(at: &Path, create: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(create);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(at)
}

/// Opens the data alone, or says that another process has them.
fn open_alone(at: &Path, hash: &Hash, create: bool) -> Result<File, BlobError> {
    let file = open(at, create).map_err(BlobError::io(at))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(BlobError::Busy(cid_of(hash))),
        Err(fs::TryLockError::Error(error)) => Err(BlobError::io(at)(error)),
    }
}

impl Partial {
    /// Opens what an earlier fetch left and finds out how much of it is sound.
    fn resume(store: &BlobStore, hash: Hash) -> Result<Option<Self>, BlobError> {
        let partials = store.arrivals();
        let paths = partials.paths(&hash);
        let alone = partials.alone(|| {
            if !paths.data.exists() {
                return Ok(None);
            }
            let data = open_alone(&paths.data, &hash, false)?;
            let tree = open(&paths.tree, true).map_err(BlobError::io(&paths.tree))?;
            Ok(Some((data, tree)))
        })?;
        let Some((data, tree)) = alone else {
            return Ok(None);
        };
        let len = data.metadata().map_err(BlobError::io(&paths.data))?.len();
        let mut partial = Self {
            hash,
            len,
            data,
            tree,
            paths,
            next: 0,
        };
        if !partial.is_sound(last_group(len)..len)? {
            partial.discard(store)?;
            return Ok(None);
        }
        for step in [STEP, GROUP_LEN] {
            while partial.next < last_group(len)
                && partial.is_sound(partial.next..(partial.next + step).min(len))?
            {
                partial.next += step;
            }
        }
        partial.skip_last();
        Ok(Some(partial))
    }

    fn is_sound(&self, range: Range<u64>) -> Result<bool, BlobError> {
        let tree = has_tree(self.len).then_some(&self.tree);
        match read_verified(&self.data, tree, self.hash, self.len, &range) {
            Ok(_) => Ok(true),
            Err(ReadError::Data | ReadError::Tree) => Ok(false),
            Err(ReadError::Io(error)) => Err(BlobError::io(&self.paths.data)(error)),
        }
    }

    /// Makes the files for a blob whose length is proven.
    fn create(store: &BlobStore, hash: Hash, len: u64) -> Result<Self, BlobError> {
        let partials = store.arrivals();
        let paths = partials.paths(&hash);
        store.check_disk(len)?;
        store.quota().reserve(len, None)?;
        let made = partials.alone(|| {
            let data = open_alone(&paths.data, &hash, true)?;
            let make = || {
                let tree = open(&paths.tree, true)?;
                data.set_len(0)?;
                tree.set_len(0)?;
                data.set_len(len)?;
                Ok(tree)
            };
            match make() {
                Ok(tree) => Ok((data, tree)),
                Err(error) => {
                    let _ = paths.remove();
                    Err(BlobError::io(&paths.data)(error))
                }
            }
        });
        let (data, tree) = made.inspect_err(|_| store.quota().release(len))?;
        Ok(Self {
            hash,
            len,
            data,
            tree,
            paths,
            next: 0,
        })
    }

    /// Writes what of a slice was still missing.
    fn write(&mut self, slice: &Verified) -> Result<(), BlobError> {
        if slice.range.start > self.next {
            return Ok(());
        }
        let geometry = geometry(self.len);
        for (node, pair) in &slice.pairs {
            if let Some(at) = geometry.pre_order_offset(*node) {
                self.tree
                    .write_all_at(at * PAIR as u64, pair)
                    .map_err(BlobError::io(&self.paths.tree))?;
            }
        }
        for (start, group) in slice.groups() {
            if start >= self.next {
                self.data
                    .write_all_at(start, group)
                    .map_err(BlobError::io(&self.paths.data))?;
            }
        }
        self.next = self.next.max(slice.range.end);
        self.skip_last();
        Ok(())
    }

    fn skip_last(&mut self) {
        if self.next >= last_group(self.len) {
            self.next = self.len;
        }
    }

    /// Whether the data have gone to their own name.
    fn is_gone(&self) -> bool {
        !self.paths.data.exists()
    }

    fn is_whole(&self) -> bool {
        self.next >= self.len
    }

    /// Gives the blob its name, on stable storage when this returns.
    fn publish(&self, store: &BlobStore) -> Result<(), BlobError> {
        let root = store.directory();
        self.data
            .sync_data()
            .map_err(BlobError::io(&self.paths.data))?;
        let at = prepare_place(root, &self.hash)?;
        // Nobody must open the file between its two names and take it for a partial one.
        store.arrivals().alone(|| {
            store.quota().replace(&at, || {
                fs::rename(&self.paths.data, &at).map_err(BlobError::io(&at))
            })?;
            // Last, and with no harm if it fails or a crash comes before: a tree is made again.
            if has_tree(self.len) {
                let _ = fs::rename(&self.paths.tree, path(root, &self.hash, TREE));
            } else {
                let _ = fs::remove_file(&self.paths.tree);
            }
            Ok(())
        })?;
        sync_directory(at.parent().unwrap_or(root))
    }

    fn discard(&self, store: &BlobStore) -> Result<(), BlobError> {
        store.arrivals().alone(|| self.paths.remove())?;
        store.quota().release(self.len);
        Ok(())
    }
}

/// Streams a whole partial blob, verified piece by piece.
pub(crate) struct Reader<'a> {
    partial: &'a Partial,
    next: u64,
    piece: io::Cursor<Vec<u8>>,
}

impl<'a> Reader<'a> {
    fn new(partial: &'a Partial) -> Self {
        Self {
            partial,
            next: 0,
            piece: io::Cursor::default(),
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(buffer)?;
        let Partial { hash, len, .. } = *self.partial;
        if read > 0 || buffer.is_empty() || self.next == len {
            return Ok(read);
        }
        let end = (self.next + STEP).min(len);
        let tree = has_tree(len).then_some(&self.partial.tree);
        let (_, piece) = read_verified(&self.partial.data, tree, hash, len, &(self.next..end))
            .map_err(|error| match error {
                ReadError::Io(error) => error,
                _ => io::Error::other(BlobError::Corrupt { cid: cid_of(&hash) }),
            })?;
        self.next = end;
        self.piece = io::Cursor::new(piece);
        self.piece.read(buffer)
    }
}
