//! How much a store may hold.

use std::{
    fs, io,
    path::Path,
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
    limit: Option<u64>,
    /// Held while a file gets or loses its name, so that every file is counted once.
    used: Mutex<u64>,
}

impl Quota {
    pub(crate) fn of(limit: u64) -> Self {
        Self {
            limit: Some(limit),
            used: Mutex::default(),
        }
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        let quota = self.limit?;
        Some(Usage {
            used: *self.lock(),
            quota,
        })
    }

    /// Counts what was found when the store was opened, whether it fits or not.
    pub(crate) fn found(&self, len: u64) {
        let mut used = self.lock();
        *used = used.saturating_add(cost(len));
    }

    /// Whether a blob of `len` bytes fits, and `names` names beside it.
    pub(crate) fn check(&self, len: u64, names: u64) -> Result<(), BlobError> {
        let used = self.lock().saturating_add(names * cost(0));
        self.fits(used, len)
    }

    fn fits(&self, used: u64, len: u64) -> Result<(), BlobError> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let left = limit.saturating_sub(used);
        if cost(len) > left {
            return Err(BlobError::Quota {
                wanted: cost(len),
                left,
            });
        }
        Ok(())
    }

    /// Counts a blob that is about to come.
    pub(crate) fn reserve(&self, len: u64) -> Result<(), BlobError> {
        let mut used = self.lock();
        self.fits(*used, len)?;
        *used = used.saturating_add(cost(len));
        Ok(())
    }

    /// Counts a blob no more.
    pub(crate) fn release(&self, len: u64) {
        let mut used = self.lock();
        *used = used.saturating_sub(cost(len));
    }

    /// Gives a file, counted already, its name `at`. A file that had it is counted no more.
    pub(crate) fn replace(
        &self,
        at: &Path,
        rename: impl FnOnce() -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let mut used = self.lock();
        let before = fs::metadata(at).ok();
        rename()?;
        if let Some(before) = before {
            *used = used.saturating_sub(cost(before.len()));
        }
        Ok(())
    }

    /// Removes the file `at`. Returns whether it was there.
    pub(crate) fn remove(&self, at: &Path) -> Result<bool, BlobError> {
        let mut used = self.lock();
        let removed = fs::metadata(at).and_then(|before| {
            fs::remove_file(at)?;
            Ok(before.len())
        });
        match removed {
            Ok(len) => {
                *used = used.saturating_sub(cost(len));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io(at)(error)),
        }
    }
}
