//! Files on their way in: written under a temporary name, and complete once they have their own.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use blake3::{Hash, Hasher};
use tempfile::NamedTempFile;

use crate::{
    BlobError,
    location::{DATA, TREE, cid_of, path},
    quota::Quota,
    tree,
};

const DIRECTORY: &str = "tmp";
const LOCK: &str = "tmp/lock";
/// Bytes after which it is looked again whether the disk has room.
const LOOK: u64 = 16 << 20;

/// Makes the directories of a store and clears away what a crash left behind. The file returned
/// must live as long as the store.
pub(crate) fn prepare(root: &Path) -> Result<File, BlobError> {
    let temporary = root.join(DIRECTORY);
    private_directory(&temporary).map_err(BlobError::io(&temporary))?;
    let at = root.join(LOCK);
    let open = || {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&at)
    };
    let lock = open().map_err(BlobError::io(&at))?;
    // Whoever has the store open holds the lock shared: to get it alone is to know that every
    // temporary file is an orphan.
    if lock.try_lock().is_ok() {
        clear(&temporary).map_err(BlobError::io(&temporary))?;
        let _ = lock.unlock();
    }
    let _ = lock.try_lock_shared();
    Ok(lock)
}

fn clear(temporary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        if entry.file_name() != "lock" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A blob that has been received and hashed but does not have its name yet.
pub(crate) struct Incoming {
    file: NamedTempFile,
    pub(crate) hash: Hash,
    pub(crate) len: u64,
}

impl Incoming {
    /// Reads `source` to its end, or to the first byte beyond `limit`, as long as the disk has room.
    pub(crate) fn receive(
        root: &Path,
        mut source: impl Read,
        limit: u64,
        quota: &Quota,
    ) -> Result<Self, BlobError> {
        let mut file = temporary(root)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; tree::STEP as usize];
        let (mut len, mut look) = (0, 0);
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => &buffer[..read.min(buffer.len())],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(BlobError::Source(error)),
            };
            if len >= look {
                quota.check_disk(read.len() as u64)?;
                look = len + LOOK;
            }
            len += read.len() as u64;
            if len > limit {
                return Err(BlobError::TooLarge { limit });
            }
            hasher.update(read);
            file.write_all(read).map_err(BlobError::io(file.path()))?;
        }
        Ok(Self {
            file,
            hash: hasher.finalize(),
            len,
        })
    }

    /// Gives the blob its name, on stable storage when this returns. Replaces what has the name.
    pub(crate) fn publish(self, root: &Path, quota: &Quota) -> Result<(), BlobError> {
        self.publish_for(root, quota, None)
    }

    /// The same, in place of something of another length that is counted and goes then.
    pub(crate) fn publish_for(
        self,
        root: &Path,
        quota: &Quota,
        other: Option<u64>,
    ) -> Result<(), BlobError> {
        let len = self.len;
        quota.reserve(len, other)?;
        self.publish_counted(root, quota)
            .inspect_err(|_| quota.release(len))
    }

    fn publish_counted(self, root: &Path, quota: &Quota) -> Result<(), BlobError> {
        self.file
            .as_file()
            .sync_data()
            .map_err(BlobError::io(self.file.path()))?;
        let at = prepare_place(root, &self.hash)?;
        if tree::has_tree(self.len) {
            // Reads the file back: a write that went wrong is found out here.
            make_tree(root, &self.hash, self.file.as_file(), self.len)?;
        }
        quota.replace(&at, || match self.file.persist(&at) {
            Ok(_) => Ok(()),
            Err(error) => Err(BlobError::io(&at)(error.error)),
        })?;
        sync_directory(at.parent().unwrap_or(root))
    }
}

/// Makes the directory that a blob lies in. Returns the place of the blob.
pub(crate) fn prepare_place(root: &Path, hash: &Hash) -> Result<PathBuf, BlobError> {
    let at = path(root, hash, DATA);
    let shard = at.parent().unwrap_or(root);
    if private_directory(shard).map_err(BlobError::io(shard))? {
        sync_directory(root)?;
    }
    Ok(at)
}

/// Makes the tree of a blob and puts it beside the place of the blob. It is not synced: a damaged or
/// missing tree is made again when it is needed.
pub(crate) fn make_tree(
    root: &Path,
    hash: &Hash,
    data: &File,
    len: u64,
) -> Result<File, BlobError> {
    let file = temporary(root)?;
    let built = file
        .as_file()
        .try_clone()
        .and_then(|out| tree::build(data, len, out));
    match built {
        Ok(built) if built == *hash => {}
        // Cut short while we read it.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(BlobError::io(file.path())(error));
        }
        _ => return Err(BlobError::Corrupt { cid: cid_of(hash) }),
    }
    let at = path(root, hash, TREE);
    file.persist(&at)
        .map_err(|error| BlobError::io(&at)(error.error))
}

pub(crate) fn temporary(root: &Path) -> Result<NamedTempFile, BlobError> {
    let at = root.join(DIRECTORY);
    // Readable by the owner alone: that is what `tempfile` promises.
    NamedTempFile::new_in(&at).map_err(BlobError::io(&at))
}

/// Makes a directory that only the owner can enter. Returns whether it is new.
pub(crate) fn private_directory(at: &Path) -> io::Result<bool> {
    if at.is_dir() {
        return Ok(false);
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(at)?;
    Ok(true)
}

/// Puts the names in a directory on stable storage.
pub(crate) fn sync_directory(at: &Path) -> Result<(), BlobError> {
    #[cfg(unix)]
    File::open(at)
        .and_then(|directory| directory.sync_all())
        .map_err(BlobError::io(at))?;
    let _ = at;
    Ok(())
}
