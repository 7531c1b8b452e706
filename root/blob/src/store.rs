//! The store: a directory of blobs.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use blake3::Hash;
use rhizome_ipld::Cid;

use crate::{
    Blob, BlobError,
    incoming::{self, Incoming},
    location::{DATA, TREE, cid_of, hash_at, hash_of, path},
    partial::{Arriving, Partials},
    quota::{self, Quota, Usage},
};

/// Blobs in a directory, each under the hash of its bytes.
///
/// Any number of threads and processes may use one directory; clones are the same store.
#[derive(Clone, Debug)]
pub struct BlobStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    quota: Quota,
    partials: Partials,
    _lock: File,
}

/// What [`BlobStore::verify_all`] found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Blobs that are sound.
    pub sound: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that are not, and why.
    pub damaged: Vec<(Cid, BlobError)>,
}

impl BlobStore {
    /// The store in `directory`, which is made if it is missing, for its owner alone. Clears away
    /// files that a crash left unfinished.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Result<Self, BlobError> {
        Self::open_directory(directory.into())
    }

    /// The same, holding at most `quota` bytes by [`cost`](crate::cost), those of unfinished blobs
    /// included. Goes through the names of all that is there to count it. One process at a time can
    /// keep count of a directory.
    pub fn with_quota(directory: impl Into<PathBuf>, quota: u64) -> Result<Self, BlobError> {
        let store = Self::open_directory(directory.into())?;
        store.set_quota(Some(quota))?;
        Ok(store)
    }

    /// Takes another quota, or none. With one where there was none, all that is there is counted; what is on its way in at that moment may be left out. What is there stays, even if it is more.
    pub fn set_quota(&self, quota: Option<u64>) -> Result<(), BlobError> {
        self.quota().set(quota, || {
            let mut lens = Vec::new();
            for blob in self.iter() {
                lens.push(blob?.1);
            }
            lens.extend(self.partials()?.into_iter().map(|(_, len)| len));
            Ok(lens)
        })
    }

    /// Takes nothing any more that would leave less than so many bytes of the disk free.
    pub fn spare(&self, bytes: u64) {
        self.quota().spare(bytes);
    }

    /// Whether the disk has room for `more` bytes beside those that are spared.
    ///
    /// # Errors
    /// [`BlobError::Low`] if it has not.
    pub fn check_disk(&self, more: u64) -> Result<(), BlobError> {
        self.quota().check_disk(more)
    }

    /// Bytes of the disk that are free, where the system says it.
    pub fn free(&self) -> Option<u64> {
        quota::free(self.directory())
    }

    fn open_directory(root: PathBuf) -> Result<Self, BlobError> {
        let lock = incoming::prepare(&root)?;
        Ok(Self(Arc::new(Inner {
            partials: Partials::in_store(&root),
            quota: Quota::of(&root),
            root,
            _lock: lock,
        })))
    }

    pub(crate) fn quota(&self) -> &Quota {
        &self.0.quota
    }

    /// What is used of the quota, if the store has one.
    pub fn usage(&self) -> Option<Usage> {
        self.quota().usage()
    }

    pub(crate) fn arriving(&self, hash: Hash) -> Arc<Arriving> {
        self.0.partials.enter(hash)
    }

    pub(crate) fn arrivals(&self) -> &Partials {
        &self.0.partials
    }

    /// Blobs that have arrived in part, and the lengths they will have.
    pub fn partials(&self) -> Result<Vec<(Cid, u64)>, BlobError> {
        self.0.partials.list()
    }

    /// Removes blobs that have arrived in part and of which nothing has come for seven days before
    /// `now`, unless a [`Fetch`](crate::Fetch) of them is alive. Returns how many.
    pub fn clear_partials(&self, now: SystemTime) -> Result<u64, BlobError> {
        self.0.partials.clear(now, self.quota())
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.0.root
    }

    /// Stores what `source` yields, up to `limit` bytes, and returns its name and length. It is on
    /// stable storage when this returns. A blob that was there already is checked, and replaced
    /// should it be damaged.
    pub fn put(&self, source: impl Read, limit: u64) -> Result<(Cid, u64), BlobError> {
        // Not the rest of the quota: the blob may be here already.
        let limit = self.quota().limit().unwrap_or(u64::MAX).min(limit);
        let incoming = Incoming::receive(self.directory(), source, limit, self.quota())?;
        let (hash, len) = (incoming.hash, incoming.len);
        if self.is_sound(&hash) {
            self.touch(&hash);
        } else {
            incoming.publish(self.directory(), self.quota())?;
        }
        Ok((cid_of(&hash), len))
    }

    /// Stores `bytes` and returns their name.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Cid, BlobError> {
        let hash = blake3::hash(bytes);
        if self.is_sound(&hash) {
            self.touch(&hash);
        } else {
            Incoming::receive(self.directory(), bytes, u64::MAX, self.quota())?
                .publish(self.directory(), self.quota())?;
        }
        Ok(cid_of(&hash))
    }

    /// Opens a blob for reading.
    pub fn open(&self, cid: &Cid) -> Result<Blob, BlobError> {
        Blob::open(self.0.root.clone(), hash_of(cid)?)
    }

    /// Whether the blob is here; not whether it is sound.
    pub fn has(&self, cid: &Cid) -> Result<bool, BlobError> {
        match self.len(cid) {
            Ok(_) => Ok(true),
            Err(BlobError::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The length of the file, in bytes; [`Blob::len`] is verified.
    pub fn len(&self, cid: &Cid) -> Result<u64, BlobError> {
        let at = path(self.directory(), &hash_of(cid)?, DATA);
        match fs::metadata(&at) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(*cid)),
            Err(error) => Err(BlobError::io(&at)(error)),
        }
    }

    /// When a blob came, or when it was last put in though it was there.
    pub fn arrived(&self, cid: &Cid) -> Result<SystemTime, BlobError> {
        let at = path(self.directory(), &hash_of(cid)?, DATA);
        match fs::metadata(&at).and_then(|metadata| metadata.modified()) {
            Ok(time) => Ok(time),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(*cid)),
            Err(error) => Err(BlobError::io(&at)(error)),
        }
    }

    /// Notes that a blob that is here was put in again.
    fn touch(&self, hash: &Hash) {
        let at = path(self.directory(), hash, DATA);
        // whoever looks for old blobs would find this one a little too old
        let _ = File::options()
            .write(true)
            .open(at)
            .and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Removes a blob, for good when this returns. Returns whether it was there. Blobs that are
    /// open stay readable.
    pub fn remove(&self, cid: &Cid) -> Result<bool, BlobError> {
        let hash = hash_of(cid)?;
        let removed = self.quota().remove(&path(self.directory(), &hash, DATA))?;
        let tree = path(self.directory(), &hash, TREE);
        let removed_any = match fs::remove_file(&tree) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => removed,
            Err(error) => return Err(BlobError::io(&tree)(error)),
        };
        if let Some(shard) = path(self.directory(), &hash, DATA)
            .parent()
            .filter(|_| removed_any)
        {
            incoming::sync_directory(shard)?;
        }
        Ok(removed)
    }

    /// Names and lengths of all blobs, in order of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Cid, u64), BlobError>> + '_ {
        (0..=u8::MAX).flat_map(|shard| match self.shard(shard) {
            Ok(blobs) => blobs.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Reads and verifies every blob. `progress` is called after each with what has been found so
    /// far, and may break off.
    pub fn verify_all(
        &self,
        mut progress: impl FnMut(&Verification) -> ControlFlow<()>,
    ) -> Result<Verification, BlobError> {
        let mut found = Verification::default();
        for entry in self.iter() {
            let (cid, len) = entry?;
            match self.verify(&cid) {
                Ok(()) => {
                    found.sound += 1;
                    found.bytes += len;
                }
                Err(BlobError::Missing(_)) => {} // removed meanwhile
                Err(error) => found.damaged.push((cid, error)),
            }
            if progress(&found).is_break() {
                break;
            }
        }
        Ok(found)
    }

    /// Reads and verifies one blob.
    pub fn verify(&self, cid: &Cid) -> Result<(), BlobError> {
        let blob = self.open(cid)?;
        match io::copy(&mut blob.reader(0, u64::MAX), &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(error
                .downcast()
                .unwrap_or_else(BlobError::io(self.directory()))),
        }
    }

    /// A damaged copy, or one that cannot be read, is as good as none: it will be replaced.
    fn is_sound(&self, hash: &Hash) -> bool {
        self.verify(&cid_of(hash)).is_ok()
    }

    fn shard(&self, shard: u8) -> Result<Vec<(Cid, u64)>, BlobError> {
        let name = format!("{shard:02x}");
        let at = self.directory().join(&name);
        let entries = match fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(BlobError::io(&at)(error)),
        };
        let mut blobs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(BlobError::io(&at))?;
            let hash = entry
                .file_name()
                .to_str()
                .and_then(|file| hash_at(&name, file));
            match (hash, entry.metadata()) {
                (Some(hash), Ok(metadata)) => blobs.push((*hash.as_bytes(), metadata.len())),
                (Some(_), Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(BlobError::io(&at)(error));
                }
                _ => {}
            }
        }
        blobs.sort_unstable();
        Ok(blobs
            .into_iter()
            .map(|(hash, len)| (cid_of(&hash.into()), len))
            .collect())
    }
}
