//! What a sealed peer has of a pod's blobs: ciphertexts in a [`BlobStore`], and under each blind name
//! the hashes of those that were pushed under it.
//!
//! The peer cannot know which ciphertext is right for a name. A device that lies can therefore add a
//! wrong one, but it does not push the right one out.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use blake3::Hash;

use crate::{
    BlindName, BlobError, BlobStore, Held, MAX_HELD, Refusal, Usage,
    incoming::{private_directory, sync_directory, temporary},
    location::{DATA, cid_of, path},
};

const NAME: &str = "name";
const GRACE: Duration = Duration::from_hours(7 * 24);
/// Damaged ciphertexts remembered; one that is forgotten is found again when it is read.
const MAX_DAMAGED: usize = 1024;

/// The blobs of one pod at a peer without its keys. One process at a time.
#[derive(Debug)]
pub struct SealedStore {
    store: BlobStore,
    names: PathBuf,
    /// Held while a note changes.
    notes: Mutex<()>,
    damaged: Mutex<HashSet<Hash>>,
}

impl SealedStore {
    /// The store in `directory`, which is made if it is missing, holding at most `quota` bytes by
    /// [`cost`](crate::cost).
    pub fn in_directory(directory: impl Into<PathBuf>, quota: u64) -> Result<Self, BlobError> {
        let directory = directory.into();
        let sealed = Self {
            names: directory.join("names"),
            store: BlobStore::with_quota(directory, quota)?,
            notes: Mutex::default(),
            damaged: Mutex::default(),
        };
        for shard in list(&sealed.names)? {
            for _note in list(&shard)? {
                sealed.store.quota().found(0);
            }
        }
        Ok(sealed)
    }

    /// The ciphertexts.
    pub fn store(&self) -> &BlobStore {
        &self.store
    }

    /// What is used of the quota.
    pub fn usage(&self) -> Usage {
        self.store.usage().unwrap_or(Usage { used: 0, quota: 0 })
    }

    /// The ciphertexts held under a name.
    pub fn held(&self, name: &BlindName) -> Result<Vec<Held>, BlobError> {
        let mut held = Vec::new();
        for root in self.noted(name)? {
            let len = match self.store.len(&cid_of(&root)) {
                Ok(len) => len,
                Err(BlobError::Missing(_)) => continue,
                Err(error) => return Err(error),
            };
            if !self.is_damaged(&root) {
                held.push(Held {
                    root: *root.as_bytes(),
                    len,
                });
            }
        }
        Ok(held)
    }

    /// Takes a ciphertext from a name: a wrong one, or one no longer needed. [`sweep`](Self::sweep)
    /// frees its bytes. Returns whether it was there.
    pub fn forget(&self, name: &BlindName, root: &[u8; 32]) -> Result<bool, BlobError> {
        let _alone = lock(&self.notes);
        let mut roots = self.noted(name)?;
        let before = roots.len();
        roots.retain(|noted| noted.as_bytes() != root);
        if roots.len() == before {
            return Ok(false);
        }
        if roots.is_empty() {
            let at = path(&self.names, &name.0.into(), NAME);
            fs::remove_file(&at).map_err(BlobError::io(&at))?;
            self.store.quota().release(0);
            sync_directory(at.parent().unwrap_or(&self.names))?;
        } else {
            self.note(name, &roots)?;
        }
        Ok(true)
    }

    /// Removes ciphertexts that no name leads to and partial ones that nothing came for, if they are
    /// older than seven days at `now`. Returns how many. Reads all names.
    pub fn sweep(&self, now: SystemTime) -> Result<u64, BlobError> {
        let mut removed = self.store.clear_partials(now)?;
        let _alone = lock(&self.notes);
        let named = self.all_noted()?;
        for blob in self.store.iter() {
            let (cid, _) = blob?;
            let hash = crate::location::hash_of(&cid)?;
            let at = path(self.store.directory(), &hash, DATA);
            let modified = fs::metadata(&at).and_then(|metadata| metadata.modified());
            let old = modified
                .ok()
                .and_then(|modified| modified.checked_add(GRACE))
                .is_some_and(|end| end <= now);
            if old && !named.contains(&hash) && self.store.remove(&cid)? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Says that a ciphertext is damaged: it is not held any more, and may be pushed again.
    pub(crate) fn set_damaged(&self, root: Hash) {
        let mut damaged = lock(&self.damaged);
        if damaged.len() < MAX_DAMAGED {
            damaged.insert(root);
        }
    }

    pub(crate) fn is_damaged(&self, root: &Hash) -> bool {
        lock(&self.damaged).contains(root)
    }

    /// Whether one more ciphertext can come under a name.
    pub(crate) fn has_room(&self, name: &BlindName, root: &Hash) -> Result<bool, BlobError> {
        let roots = self.noted(name)?;
        Ok(roots.contains(root) || roots.len() < MAX_HELD)
    }

    /// Notes a ciphertext that is in the store, on stable storage when this returns.
    ///
    /// # Errors
    /// [`BlobError::Missing`] if it is not, [`BlobError::Refused`] if the name has too many already,
    /// [`BlobError::Quota`].
    pub(crate) fn add(&self, name: &BlindName, root: Hash) -> Result<(), BlobError> {
        let _alone = lock(&self.notes);
        self.store.len(&cid_of(&root))?;
        let mut roots = self.noted(name)?;
        if roots.contains(&root) {
            return Ok(());
        }
        if roots.len() >= MAX_HELD {
            return Err(BlobError::Refused(Refusal::Crowded));
        }
        roots.push(root);
        if roots.len() > 1 {
            return self.note(name, &roots);
        }
        self.store.quota().reserve(0, None)?;
        self.note(name, &roots)
            .inspect_err(|_| self.store.quota().release(0))
    }

    /// The bytes of a damaged ciphertext have been replaced.
    pub(crate) fn set_sound(&self, root: &Hash) {
        lock(&self.damaged).remove(root);
    }

    fn noted(&self, name: &BlindName) -> Result<Vec<Hash>, BlobError> {
        read_note(&path(&self.names, &name.0.into(), NAME))
    }

    fn all_noted(&self) -> Result<HashSet<Hash>, BlobError> {
        let mut all = HashSet::new();
        for shard in list(&self.names)? {
            for note in list(&shard)? {
                all.extend(read_note(&note)?);
            }
        }
        Ok(all)
    }

    fn note(&self, name: &BlindName, roots: &[Hash]) -> Result<(), BlobError> {
        let at = path(&self.names, &name.0.into(), NAME);
        let shard = at.parent().unwrap_or(&self.names);
        if private_directory(shard).map_err(BlobError::io(shard))? {
            sync_directory(&self.names)?;
            sync_directory(self.store.directory())?;
        }
        let mut file = temporary(self.store.directory())?;
        let bytes: Vec<u8> = roots.iter().flat_map(|root| *root.as_bytes()).collect();
        file.write_all(&bytes)
            .and_then(|()| file.as_file().sync_data())
            .map_err(BlobError::io(&at))?;
        file.persist(&at)
            .map_err(|error| BlobError::io(&at)(error.error))?;
        sync_directory(shard)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A damaged note leads to ciphertexts that are not there, and so to nothing.
fn read_note(at: &Path) -> Result<Vec<Hash>, BlobError> {
    let mut bytes = Vec::new();
    match fs::File::open(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file
            .and_then(|file| file.take(32 * MAX_HELD as u64).read_to_end(&mut bytes))
            .map_err(BlobError::io(at))?,
    };
    let (roots, _) = bytes.as_chunks::<32>();
    Ok(roots.iter().map(|root| Hash::from(*root)).collect())
}

fn list(at: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let entries = match fs::read_dir(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(BlobError::io(at))?,
    };
    entries
        .map(|entry| Ok(entry.map_err(BlobError::io(at))?.path()))
        .collect()
}
