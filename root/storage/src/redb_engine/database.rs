//! Transactions on an open database.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use redb::{Builder, Database, ReadableDatabase, WriteTransaction};

use super::{RedbOptions, guard::guarded, medium::Medium, snapshot::table};
use crate::{Batch, Durability, KEYSPACES, StorageError};

/// An open database.
pub(super) struct Open {
    pub(super) database: Database,
    /// Set by whoever gets an I/O error: redb refuses to work from then on.
    pub(super) broken: Arc<AtomicBool>,
    /// Whether the whole file had to be walked to find out what is free.
    pub(super) walked: bool,
}

impl Open {
    pub(super) fn new(medium: &dyn Medium, options: RedbOptions) -> Result<Self, StorageError> {
        let walked = Arc::new(AtomicBool::new(false));
        let walking = Arc::clone(&walked);
        let mut builder = Builder::new();
        builder
            .set_cache_size(options.cache_bytes)
            .set_repair_callback(move |_| walking.store(true, Ordering::Relaxed));
        let database =
            guarded(|| medium.open(&builder)).map_err(|fault| fault.into_error(medium.path()))?;
        Ok(Self {
            database,
            broken: Arc::default(),
            walked: walked.load(Ordering::Relaxed),
        })
    }

    /// Closes the database. Relaxed commits become durable thereby, unless it is broken.
    pub(super) fn close(self) {
        // There is nobody to tell of a failure, and nothing to do about it: the file stays as after
        // a crash.
        let _ = guarded(|| {
            drop(self.database);
            Ok(())
        });
    }

    pub(super) fn works(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }
}

type WriteTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

pub(super) fn begin(
    database: &Database,
    durability: Durability,
) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    match durability {
        Durability::Relaxed => transaction.set_durability(redb::Durability::None)?,
        // Implies two-phase commit.
        Durability::Durable => transaction.set_quick_repair(true),
    }
    Ok(transaction)
}

pub(super) fn write(transaction: &WriteTransaction, batch: &mut Batch) -> Result<(), redb::Error> {
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

/// Makes the tables that are missing.
pub(super) fn ensure_tables(database: &Database) -> Result<(), redb::Error> {
    if database.begin_read()?.list_tables()?.count() == usize::from(KEYSPACES) {
        return Ok(());
    }
    let transaction = begin(database, Durability::Durable)?;
    for keyspace in 0..KEYSPACES {
        transaction.open_table(table(keyspace))?;
    }
    Ok(transaction.commit()?)
}
