//! Commits, and coming back after an I/O error.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadableDatabase};

use super::{
    database::{Open, begin, ensure_tables, write},
    fault::{Fault, io_error},
    file::DatabaseFile,
    guard::guarded,
    medium::Medium,
    recovery::{Writer, recover},
    snapshot::RedbSnap,
};
use crate::{Batch, Durability, Kv, Snap, StorageError};

/// How to open a [`RedbKv`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RedbOptions {
    /// Memory for cached and not yet written pages, in bytes. Small by default: what reads this
    /// store keeps caches of its own, and the operating system caches the file.
    pub cache_bytes: usize,
    /// Relaxed commits are kept in memory, to be repeated should the file have to be reopened. When
    /// they exceed this many bytes the next relaxed commit is made durable. Up to a quarter of
    /// `cache_bytes` they can, as a rule, be repeated even on a full disk, so that reads go on.
    pub relaxed_bytes: usize,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            relaxed_bytes: 4 << 20,
        }
    }
}

/// A store in one file on disk.
///
/// Durable commits use two-phase commit, and record what is free, so that opening after a crash
/// needs no walk over the file. After an I/O error redb refuses to go on; this engine reopens the
/// file, repeats the relaxed commits it still holds, and goes on, at the latest with the next call.
pub struct RedbKv {
    medium: Box<dyn Medium>,
    path: Arc<Path>,
    options: RedbOptions,
    // Taken before `open` by everyone who takes both.
    writer: Mutex<Writer>,
    // Held for reading while a transaction begins or commits, for writing while the file is
    // reopened or compacted.
    open: RwLock<Option<Open>>,
}

/// How far a failed commit got.
enum Failed {
    /// The batch is not in the store, whatever else is wrong.
    Before(Fault),
    /// It may be, as a whole.
    During(Fault),
}

/// What became of the commit in doubt when the file was opened again.
enum Resolved {
    Saved,
    Lost(Option<Batch>),
}

impl RedbKv {
    /// Opens the store at `path` with the default options, making it first if there is none. Its
    /// directory must exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::open_with(path, RedbOptions::default())
    }

    /// Opens the store at `path`, making it first if there is none.
    pub fn open_with(path: impl AsRef<Path>, options: RedbOptions) -> Result<Self, StorageError> {
        let file = DatabaseFile::open_or_create(path.as_ref())?;
        let kv = Self::open_on(file.clone(), options)?;
        file.remove_unfinished();
        Ok(kv)
    }

    /// Opens the store on any medium.
    pub fn open_on(medium: impl Medium, options: RedbOptions) -> Result<Self, StorageError> {
        let open = Open::new(&medium, options)?;
        let path = Arc::<Path>::from(medium.path());
        if let Err(fault) = guarded(|| ensure_tables(&open.database)) {
            open.close();
            return Err(fault.into_error(&path));
        }
        Ok(Self {
            medium: Box::new(medium),
            path,
            options,
            writer: Mutex::default(),
            open: RwLock::new(Some(open)),
        })
    }

    /// The file, or what the medium calls itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the last opening had to walk the whole file, which is slow. Durable commits leave
    /// behind what makes that unnecessary; a crash during compaction does not.
    pub fn walked_on_opening(&self) -> bool {
        self.open.read().as_ref().is_some_and(|open| open.walked)
    }

    /// Verifies the checksums of the whole file. Returns whether they are right; if not, the damage
    /// was repaired as far as it can be. Fails with [`StorageError::Busy`] while snapshots are held.
    pub fn check(&self) -> Result<bool, StorageError> {
        self.alone(|database| Ok(database.check_integrity()?))
    }

    /// Runs `act` with the database to itself, everything before it durable.
    fn alone<T>(
        &self,
        act: impl FnOnce(&mut Database) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        self.sync()?; // brings the engine back, if need be
        let mut writer = self.writer.lock();
        let mut open = self.open.write();
        let Some(open) = open.as_mut() else {
            return Err(Fault::Ended.into_error(&self.path));
        };
        let done = guarded(|| {
            // Once more, with the door closed: `act` may drop what is not durable.
            begin(&open.database, Durability::Durable)?.commit()?;
            writer.committed(Batch::new(), Durability::Durable);
            let done = act(&mut open.database)?;
            // Neither compaction nor a repair leaves a record of what is free: this does.
            begin(&open.database, Durability::Durable)?.commit()?;
            Ok(done)
        });
        done.map_err(|fault| {
            open.broken
                .fetch_or(fault.needs_reopening(), Ordering::AcqRel);
            fault.into_error(&self.path)
        })
    }

    fn begin_read(&self) -> Result<RedbSnap, Fault> {
        let open = self.open.read();
        let Some(open) = open.as_ref().filter(|open| open.works()) else {
            return Err(Fault::Ended);
        };
        let transaction = guarded(|| Ok(open.database.begin_read()?))?;
        Ok(RedbSnap::new(
            transaction,
            Arc::clone(&self.path),
            Arc::clone(&open.broken),
        ))
    }

    fn apply(&self, batch: &mut Batch, durability: Durability) -> Result<(), Failed> {
        let open = self.open.read();
        let Some(open) = open.as_ref().filter(|open| open.works()) else {
            return Err(Failed::Before(Fault::Ended));
        };
        // Lives outside of the guard below, for it must not be dropped while a panic unwinds.
        let transaction = guarded(|| begin(&open.database, durability)).map_err(Failed::Before)?;
        if let Err(fault) = guarded(|| write(&transaction, batch)) {
            let _ = guarded(|| Ok(transaction.abort()?));
            return Err(Failed::Before(fault));
        }
        guarded(|| Ok(transaction.commit()?)).map_err(|fault| match durability {
            Durability::Relaxed => Failed::Before(fault),
            Durability::Durable => Failed::During(fault),
        })
    }

    /// Closes and reopens the file, finds out about the commit in doubt, repeats the relaxed ones.
    fn reopen(&self, writer: &mut Writer) -> Result<Resolved, StorageError> {
        let mut slot = self.open.write();
        if let Some(open) = slot.take() {
            open.close(); // and so unlocks the file
        }
        let open = Open::new(&*self.medium, self.options)?;
        let saved = match guarded(|| recover(&open.database, writer)) {
            Ok(saved) => saved,
            Err(fault) => {
                open.close();
                return Err(fault.into_error(&self.path));
            }
        };
        *slot = Some(open);
        let doubt = writer.in_doubt.take();
        Ok(match doubt {
            Some(batch) if saved => {
                writer.committed(batch, Durability::Durable);
                Resolved::Saved
            }
            lost => Resolved::Lost(lost),
        })
    }

    /// Commits once; on failure brings the engine back. `Err(Some(batch))` asks for a second try:
    /// an earlier call had broken the engine, not this one.
    fn try_commit(
        &self,
        writer: &mut Writer,
        mut batch: Batch,
        durability: Durability,
    ) -> Result<(), (StorageError, Option<Batch>)> {
        let (fault, kept) = match self.apply(&mut batch, durability) {
            Ok(()) => {
                writer.committed(batch, durability);
                return Ok(());
            }
            Err(Failed::Before(fault)) => (fault, Some(batch)),
            Err(Failed::During(fault)) => {
                writer.in_doubt = Some(batch);
                (fault, None)
            }
        };
        let blameless = matches!(fault, Fault::Ended);
        let reopens = fault.needs_reopening();
        let error = fault.into_error(&self.path);
        if !reopens {
            writer.in_doubt = None;
            return Err((error, None));
        }
        match (self.reopen(writer), kept) {
            (Ok(Resolved::Saved), None) => Ok(()),
            (Ok(Resolved::Lost(lost)), None) => Err((error, lost.filter(|_| blameless))),
            // The doubt, if there was one, was about an earlier commit.
            (Ok(_), Some(batch)) => Err((error, Some(batch).filter(|_| blameless))),
            (Err(_), None) => Err((StorageError::InDoubt(Box::new(error)), None)),
            (Err(reopening), Some(_)) => Err((if blameless { reopening } else { error }, None)),
        }
    }
}

impl Drop for RedbKv {
    fn drop(&mut self) {
        if let Some(open) = self.open.get_mut().take() {
            open.close();
        }
    }
}

impl Kv for RedbKv {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        let failed = |fault: Fault| fault.into_error(&self.path);
        let snap = match self.begin_read() {
            Err(fault) if fault.needs_reopening() => {
                let mut writer = self.writer.lock();
                match self.begin_read() {
                    // Nobody brought the engine back while we waited.
                    Err(fault) if fault.needs_reopening() => {
                        self.reopen(&mut writer)?;
                        self.begin_read().map_err(failed)?
                    }
                    other => other.map_err(failed)?,
                }
            }
            other => other.map_err(failed)?,
        };
        Ok(Arc::new(snap))
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        batch.check()?;
        let mut writer = self.writer.lock();
        let too_much = writer.relaxed_bytes + batch.memory() > self.options.relaxed_bytes;
        let durability = if too_much {
            Durability::Durable
        } else {
            durability
        };
        match self.try_commit(&mut writer, batch, durability) {
            Err((_, Some(batch))) => self
                .try_commit(&mut writer, batch, durability)
                .map_err(|(error, _)| error),
            done => done.map_err(|(error, _)| error),
        }
    }

    fn size_on_disk(&self) -> Result<u64, StorageError> {
        self.medium
            .size_on_disk()
            .map_err(|e| io_error(e, &self.path))
    }

    fn compact(&self) -> Result<bool, StorageError> {
        self.alone(|database| Ok(database.compact()?))
    }
}
