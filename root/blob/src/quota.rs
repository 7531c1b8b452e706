//! How much a store may hold.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    BlobError,
    tree::{GROUP_LEN, PAIR},
};

/// What a blob of `len` bytes counts for in a quota: its bytes, its tree, and 4 KiB for its names.
/// One that has begun to arrive counts for all of it.
pub fn cost(len: u64) -> u64 {
    let tree = len.saturating_sub(1) / GROUP_LEN * PAIR as u64;
    len.saturating_add(tree).saturating_add(4 << 10)
}

/// What is used of a quota, and the quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Bytes used, by [`cost`].
    pub used: u64,
    /// Bytes there may be.
    pub quota: u64,
}

impl Usage {
    /// Bytes left.
    pub fn left(&self) -> u64 {
        self.quota.saturating_sub(self.used)
    }
}

/// A count of what is there; without a limit it counts nothing.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    /// Held while a file gets or loses its name, so that every file is counted once.
    count: Mutex<Count>,
    /// Where the files are.
    root: PathBuf,
}

#[derive(Debug, Default)]
struct Count {
    limit: Option<u64>,
    used: u64,
    /// Bytes of the disk that are left to others.
    spared: u64,
}

impl Count {
    fn fits(&self, used: u64, len: u64) -> Result<(), BlobError> {
        let Some(quota) = self.limit else {
            return Ok(());
        };
        let left = quota.saturating_sub(used);
        if cost(len) > left {
            return Err(BlobError::Quota {
                wanted: cost(len),
                left,
                quota,
            });
        }
        Ok(())
    }

    fn take(&mut self, len: u64) {
        if self.limit.is_some() {
            self.used = self.used.saturating_add(cost(len));
        }
    }

    fn give(&mut self, len: u64) {
        self.used = self.used.saturating_sub(cost(len));
    }
}

impl Quota {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            count: Mutex::default(),
            root: root.to_owned(),
        }
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.lock().limit
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        let count = self.lock();
        Some(Usage {
            used: count.used,
            quota: count.limit?,
        })
    }

    /// Takes another limit. What is there is counted, if it was not before, and stays whether it fits or not.
    pub(crate) fn set(
        &self,
        limit: Option<u64>,
        there: impl FnOnce() -> Result<Vec<u64>, BlobError>,
    ) -> Result<(), BlobError> {
        let mut count = self.lock();
        if limit.is_some() && count.limit.is_none() {
            let each = there()?.into_iter().map(cost);
            count.used = each.fold(0, u64::saturating_add);
        }
        count.limit = limit;
        Ok(())
    }

    /// Counts what was found beside the blobs, whether it fits or not.
    pub(crate) fn found(&self, len: u64) {
        self.lock().take(len);
    }

    /// Leaves so many bytes of the disk to others.
    pub(crate) fn spare(&self, bytes: u64) {
        self.lock().spared = bytes;
    }

    /// Whether a blob of `len` bytes fits, and `names` names beside it.
    pub(crate) fn check(&self, len: u64, names: u64) -> Result<(), BlobError> {
        let count = self.lock();
        let used = count.used.saturating_add(names * cost(0));
        count.fits(used, len)
    }

    /// Whether the disk has room for `more` bytes, beside those that are spared. A system that does not say how much is free is not asked.
    pub(crate) fn check_disk(&self, more: u64) -> Result<(), BlobError> {
        let spared = self.lock().spared;
        match free(&self.root) {
            Some(free) if spared > 0 && free.saturating_sub(spared) < more => Err(BlobError::Low {
                wanted: more,
                free,
                spared,
            }),
            _ => Ok(()),
        }
    }

    /// Counts a blob that is about to come, for which another one of that length will go.
    pub(crate) fn reserve(&self, len: u64, other: Option<u64>) -> Result<(), BlobError> {
        let mut count = self.lock();
        let goes = other.map_or(0, cost);
        count.fits(count.used.saturating_sub(goes), len)?;
        count.take(len);
        Ok(())
    }

    /// Counts a blob no more.
    pub(crate) fn release(&self, len: u64) {
        self.lock().give(len);
    }

    /// Gives a file, counted already, its name `at`. A file that had it is counted no more.
    pub(crate) fn replace(
        &self,
        at: &Path,
        rename: impl FnOnce() -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let mut count = self.lock();
        let before = fs::metadata(at).ok();
        rename()?;
        if let Some(before) = before {
            count.give(before.len());
        }
        Ok(())
    }

    /// Removes the file `at`. Returns whether it was there.
    pub(crate) fn remove(&self, at: &Path) -> Result<bool, BlobError> {
        let mut count = self.lock();
        let removed = fs::metadata(at).and_then(|before| {
            fs::remove_file(at)?;
            Ok(before.len())
        });
        match removed {
            Ok(len) => {
                count.give(len);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io(at)(error)),
        }
    }
}

/// Bytes of the disk of a directory that are free for who is no administrator, where the system says it.
#[cfg(unix)]
pub(crate) fn free(at: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(at).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<u64> {
    None
}
