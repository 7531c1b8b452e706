//! Which partial blobs this process has open. All who fetch or receive the same blob share it, and
//! each piece counts no matter who got it.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use blake3::Hash;
use rhizome_ipld::Cid;

use super::{Partial, Paths, Reader, open, open_alone};
use crate::{
    BlobError, BlobStore, incoming::private_directory, location::cid_of, quota::Quota,
    slice::Verified,
};

/// Partial blobs kept open though nobody fetches them: a peer sends one message at a time, and
/// opening one again means to verify it again.
const KEPT_OPEN: usize = 16;

const KEPT: Duration = Duration::from_hours(7 * 24);

/// The directory of partial blobs.
#[derive(Debug)]
pub(crate) struct Partials {
    directory: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default, Debug)]
struct Open {
    /// Guards the names in the directory against other processes.
    lock: Option<File>,
    all: HashMap<Hash, Weak<Arriving>>,
    recent: VecDeque<Arc<Arriving>>,
}

impl Partials {
    pub(crate) fn in_store(root: &Path) -> Self {
        Self {
            directory: root.join("partial"),
            open: Mutex::default(),
        }
    }

    pub(super) fn paths(&self, hash: &Hash) -> Paths {
        Paths::new(&self.directory, hash)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `act` while no other thread or process gives or takes names in the directory.
    pub(super) fn alone<T>(
        &self,
        act: impl FnOnce() -> Result<T, BlobError>,
    ) -> Result<T, BlobError> {
        let mut open_now = self.lock();
        let at = self.directory.join("lock");
        let lock = match open_now.lock.take() {
            Some(lock) => lock,
            None => private_directory(&self.directory)
                .and_then(|_| open(&at, true))
                .map_err(BlobError::io(&at))?,
        };
        let lock = open_now.lock.insert(lock);
        lock.lock().map_err(BlobError::io(&at))?;
        let done = act();
        lock.unlock().map_err(BlobError::io(&at))?;
        done
    }

    pub(crate) fn enter(&self, hash: Hash) -> Arc<Arriving> {
        let mut open = self.lock();
        let known = open.all.get(&hash).and_then(Weak::upgrade);
        let entry = known.filter(|entry| !entry.is_over()).unwrap_or_else(|| {
            let entry = Arc::new(Arriving {
                hash,
                state: Mutex::new(State::Unopened),
            });
            open.all.retain(|_, entry| entry.strong_count() > 0);
            open.all.insert(hash, Arc::downgrade(&entry));
            entry
        });
        open.recent
            .retain(|other| other.hash != hash && !other.is_over());
        open.recent.push_back(Arc::clone(&entry));
        if open.recent.len() > KEPT_OPEN {
            open.recent.pop_front();
        }
        entry
    }

    pub(crate) fn list(&self) -> Result<Vec<(Cid, u64)>, BlobError> {
        let mut found = Vec::new();
        for (at, metadata) in self.files()? {
            let name = at.file_name().and_then(|name| name.to_str());
            let hash = name
                .and_then(|name| name.strip_suffix(".blob"))
                .and_then(|hex| Hash::from_hex(hex).ok());
            found.extend(hash.map(|hash| (cid_of(&hash), metadata.len())));
        }
        Ok(found)
    }

    fn files(&self) -> Result<Vec<(PathBuf, fs::Metadata)>, BlobError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(BlobError::io(&self.directory))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(BlobError::io(&self.directory))?;
            match entry.metadata() {
                Ok(metadata) => files.push((entry.path(), metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(BlobError::io(&entry.path())(error)),
            }
        }
        Ok(files)
    }

    pub(crate) fn clear(&self, now: SystemTime, quota: &Quota) -> Result<u64, BlobError> {
        // Idle ones are closed, so that they can go.
        self.lock().recent.clear();
        if !self.directory.exists() {
            return Ok(0);
        }
        self.alone(|| {
            let mut cleared = 0;
            for (at, metadata) in self.files()? {
                let modified = metadata.modified().map_err(BlobError::io(&at))?;
                let name = at.file_name().and_then(|name| name.to_str());
                let hash = name
                    .and_then(|name| name.split('.').next())
                    .and_then(|hex| Hash::from_hex(hex).ok());
                let old = modified.checked_add(KEPT).is_some_and(|end| end <= now);
                let (Some(hash), true) = (hash, old) else {
                    continue;
                };
                let paths = self.paths(&hash);
                if at == paths.data {
                    match open_alone(&at, &hash, false) {
                        Ok(_locked) => paths.remove()?,
                        Err(BlobError::Busy(_)) => continue,
                        Err(error) => return Err(error),
                    }
                    quota.release(metadata.len());
                    cleared += 1;
                } else if !paths.data.exists() {
                    paths.remove()?;
                }
            }
            Ok(cleared)
        })
    }
}

/// A blob on its way in.
#[derive(Debug)]
pub(crate) struct Arriving {
    hash: Hash,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// What is on disk has not been looked at.
    Unopened,
    Absent,
    Present(Partial),
    /// It has its name, or was taken away.
    Over,
}

/// How far a blob has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Nothing is there, not even the length.
    Nothing,
    /// All bytes before `next` are there.
    Part { next: u64, len: u64 },
    /// All bytes are there, without their name yet.
    Whole { len: u64 },
    /// It is not arriving any more: it is in the store, or nowhere.
    Over,
}

impl Arriving {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        // Whoever holds it is at work on it.
        self.state
            .try_lock()
            .is_ok_and(|state| matches!(*state, State::Over))
    }

    fn opened(&self, store: &BlobStore) -> Result<MutexGuard<'_, State>, BlobError> {
        let mut state = self.lock();
        if matches!(*state, State::Unopened) {
            *state = match Partial::resume(store, self.hash)? {
                Some(partial) => State::Present(partial),
                None => State::Absent,
            };
        }
        Ok(state)
    }

    pub(crate) fn progress(&self, store: &BlobStore) -> Result<Progress, BlobError> {
        Ok(self.opened(store)?.progress())
    }

    /// Takes in a verified slice of the blob of `len` bytes. One that leaves a gap is passed over.
    ///
    /// # Errors
    /// [`BlobError::Quota`], [`BlobError::Full`], [`BlobError::Busy`], and [`BlobError::Unverified`]
    /// if the length is not the one proven before.
    pub(crate) fn accept(
        &self,
        store: &BlobStore,
        len: u64,
        slice: &Verified,
    ) -> Result<Progress, BlobError> {
        let mut state = self.opened(store)?;
        if matches!(*state, State::Absent) && slice.range.start == 0 {
            let mut partial = Partial::create(store, self.hash, len)?;
            if let Err(error) = partial.write(slice) {
                // Without its last group it could not be resumed.
                let _ = partial.discard(store);
                return Err(error);
            }
            *state = State::Present(partial);
        } else if let State::Present(partial) = &mut *state {
            if partial.len != len {
                return Err(BlobError::Unverified {
                    cid: cid_of(&self.hash),
                });
            }
            partial.write(slice)?;
        }
        Ok(state.progress())
    }

    /// Gives a whole blob its name.
    pub(crate) fn publish(&self, store: &BlobStore) -> Result<(), BlobError> {
        let mut state = self.lock();
        if let State::Present(partial) = &*state
            && partial.is_whole()
        {
            let published = partial.publish(store);
            if published.is_ok() || partial.is_gone() {
                *state = State::Over;
            }
            return published;
        }
        Ok(())
    }

    /// Streams a whole blob, verified once more piece by piece, into `act`; `None` if it is no longer
    /// arriving. Others who want the same blob wait.
    pub(crate) fn read<T>(&self, act: impl FnOnce(Reader<'_>) -> T) -> Option<T> {
        match &*self.lock() {
            State::Present(partial) if partial.is_whole() => Some(act(Reader::new(partial))),
            _ => None,
        }
    }

    /// Takes it away.
    pub(crate) fn discard(&self, store: &BlobStore) -> Result<(), BlobError> {
        let mut state = self.opened(store)?;
        if let State::Present(partial) = &*state {
            partial.discard(store)?;
        }
        *state = State::Over;
        Ok(())
    }
}

impl State {
    fn progress(&self) -> Progress {
        match self {
            Self::Unopened | Self::Absent => Progress::Nothing,
            Self::Present(partial) if partial.is_whole() => Progress::Whole { len: partial.len },
            Self::Present(partial) => Progress::Part {
                next: partial.next,
                len: partial.len,
            },
            Self::Over => Progress::Over,
        }
    }
}
