//! Commits, and coming back after an I/O error.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadableDatabase, WriteTransaction};

use super::{
    fault::Fault,
    file,
    snapshot::{RedbSnap, table},
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
    /// they exceed this many bytes the next relaxed commit is made durable.
    pub relaxed_bytes: usize,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            relaxed_bytes: 64 << 20,
        }
    }
}

/// A store in one file on disk.
///
/// Durable commits use two-phase commit, and record what is free, so that opening after a crash
/// needs no walk over the file. After an I/O error redb refuses to go on; this engine reopens the
/// file, repeats the relaxed commits it still holds, and goes on, at the latest with the next call.
pub struct RedbKv {
    path: Arc<Path>,
    options: RedbOptions,
    // Taken before `open` by everyone who takes both.
    writer: Mutex<Writer>,
    // Held for reading while a transaction begins or commits, for writing while the file is
    // reopened or compacted.
    open: RwLock<Option<Open>>,
}

struct Open {
    database: Database,
    /// Set by whoever gets an I/O error: redb refuses to work from then on.
    broken: Arc<AtomicBool>,
}

impl Open {
    fn new(database: Database) -> Self {
        Self {
            database,
            broken: Arc::default(),
        }
    }
}

#[derive(Default)]
struct Writer {
    /// Relaxed commits since the last durable one, oldest first.
    relaxed: Vec<Batch>,
    relaxed_bytes: usize,
    /// A durable commit that failed in its last steps, until the file can be looked at.
    in_doubt: Option<Batch>,
}

impl Writer {
    fn committed(&mut self, batch: Batch, durability: Durability) {
        match durability {
            Durability::Relaxed => {
                self.relaxed_bytes += batch.memory();
                self.relaxed.push(batch);
            }
            Durability::Durable => {
                self.relaxed = Vec::new();
                self.relaxed_bytes = 0;
            }
        }
    }
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
        let path = Arc::<Path>::from(path.as_ref());
        let database = file::open_or_create(&path, options.cache_bytes)?;
        Ok(Self {
            path,
            options,
            writer: Mutex::default(),
            open: RwLock::new(Some(Open::new(database))),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn begin_read(&self) -> Result<RedbSnap, Fault> {
        let open = self.open.read();
        let Some(open) = open
            .as_ref()
            .filter(|open| !open.broken.load(Ordering::Acquire))
        else {
            return Err(Fault::Ended);
        };
        let transaction = open
            .database
            .begin_read()
            .map_err(|e| Fault::from(redb::Error::from(e)))?;
        Ok(RedbSnap::new(
            transaction,
            Arc::clone(&self.path),
            Arc::clone(&open.broken),
        ))
    }

    fn apply(&self, batch: &mut Batch, durability: Durability) -> Result<(), Failed> {
        let open = self.open.read();
        let Some(open) = open
            .as_ref()
            .filter(|open| !open.broken.load(Ordering::Acquire))
        else {
            return Err(Failed::Before(Fault::Ended));
        };
        let before = |e: redb::Error| Failed::Before(e.into());
        let transaction = begin(&open.database, durability).map_err(before)?;
        write(&transaction, batch).map_err(before)?;
        transaction.commit().map_err(|e| match durability {
            Durability::Relaxed => Failed::Before(redb::Error::from(e).into()),
            Durability::Durable => Failed::During(redb::Error::from(e).into()),
        })
    }

    /// Closes and reopens the file, finds out about the commit in doubt, repeats the relaxed ones.
    fn reopen(&self, writer: &mut Writer) -> Result<Resolved, StorageError> {
        let mut slot = self.open.write();
        *slot = None; // closes, and so unlocks, the file
        let database = file::open(&self.path, self.options.cache_bytes)?;
        let saved =
            recover(&database, writer).map_err(|e| Fault::from(e).into_error(&self.path))?;
        *slot = Some(Open::new(database));
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
        let (fault, batch) = match self.apply(&mut batch, durability) {
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
        match self.reopen(writer) {
            Ok(Resolved::Saved) => Ok(()),
            Ok(Resolved::Lost(lost)) => Err((error, batch.or(lost).filter(|_| blameless))),
            Err(_) if writer.in_doubt.is_some() => {
                Err((StorageError::InDoubt(Box::new(error)), None))
            }
            Err(reopening) => Err((if blameless { reopening } else { error }, None)),
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
        file::size_on_disk(&self.path)
    }

    fn compact(&self) -> Result<bool, StorageError> {
        self.sync()?;
        let _writer = self.writer.lock();
        let mut open = self.open.write();
        let Some(open) = open.as_mut() else {
            return Err(Fault::Ended.into_error(&self.path));
        };
        let compacted = open
            .database
            .compact()
            .map_err(redb::Error::from)
            .and_then(|moved| {
                // Compaction leaves no record of what is free; an empty commit writes one.
                begin(&open.database, Durability::Durable)?.commit()?;
                Ok(moved)
            });
        compacted.map_err(|error| {
            let fault = Fault::from(error);
            open.broken
                .fetch_or(fault.needs_reopening(), Ordering::AcqRel);
            fault.into_error(&self.path)
        })
    }
}

type WriteTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

fn begin(database: &Database, durability: Durability) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    match durability {
        Durability::Relaxed => transaction.set_durability(redb::Durability::None)?,
        // Implies two-phase commit.
        Durability::Durable => transaction.set_quick_repair(true),
    }
    Ok(transaction)
}

fn write(transaction: &WriteTransaction, batch: &mut Batch) -> Result<(), redb::Error> {
    let mut open: Option<(u8, WriteTable<'_>)> = None;
    for write in batch.sorted() {
        let table = match open.take() {
            Some((keyspace, table)) if keyspace == write.keyspace => table,
            other => {
                drop(other);
                transaction.open_table(table(write.keyspace))?
            }
        };
        let (_, table) = open.insert((write.keyspace, table));
        match write.value {
            Some(value) => drop(table.insert(write.key, value)?),
            None => drop(table.remove(write.key)?),
        }
    }
    Ok(())
}

/// Brings a freshly opened database to where the writer was. Returns whether the commit in doubt
/// was saved.
fn recover(database: &Database, writer: &mut Writer) -> Result<bool, redb::Error> {
    if let Some(doubt) = &writer.in_doubt {
        let since_durable = writer.relaxed.iter().chain([doubt]);
        if holds(database, since_durable)? {
            // Its last write may still wait for a sync.
            begin(database, Durability::Durable)?.commit()?;
            return Ok(true);
        }
    }
    if !writer.relaxed.is_empty() {
        let transaction = begin(database, Durability::Relaxed)?;
        for batch in &mut writer.relaxed {
            write(&transaction, batch)?;
        }
        transaction.commit()?;
    }
    Ok(false)
}

/// Whether the database is in the state these batches lead to. Commits are atomic and nothing but
/// these batches followed the last durable one, so otherwise it is in the state before all of them.
fn holds<'a>(
    database: &Database,
    batches: impl Iterator<Item = &'a Batch>,
) -> Result<bool, redb::Error> {
    let mut last = BTreeMap::new();
    for write in batches.flat_map(Batch::iter) {
        last.insert((write.keyspace, write.key), write.value);
    }
    let transaction = database.begin_read()?;
    for ((keyspace, key), value) in last {
        let found = transaction.open_table(table(keyspace))?.get(key)?;
        if found.as_ref().map(redb::AccessGuard::value) != value {
            return Ok(false);
        }
    }
    Ok(true)
}
