//! Reads of one moment.

use std::{
    array,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition};

use super::{fault::Fault, guard::guarded};
use crate::{KEYSPACES, Snap, StorageError, Visit, batch::check_keyspace};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
type Open = ReadOnlyTable<&'static [u8], &'static [u8]>;

const NAMES: [&str; KEYSPACES as usize] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
];

/// The table of a keyspace below `KEYSPACES`.
pub(super) fn table(keyspace: u8) -> Table {
    TableDefinition::new(NAMES[usize::from(keyspace)])
}

/// A read transaction whose tables are opened when first used: most snapshots look at one or two.
pub(super) struct RedbSnap {
    transaction: ReadTransaction,
    tables: [OnceLock<Open>; KEYSPACES as usize],
    path: Arc<Path>,
    broken: Arc<AtomicBool>,
}

impl RedbSnap {
    pub(super) fn new(
        transaction: ReadTransaction,
        path: Arc<Path>,
        broken: Arc<AtomicBool>,
    ) -> Self {
        Self {
            transaction,
            tables: array::from_fn(|_| OnceLock::new()),
            path,
            broken,
        }
    }

    fn open(&self, keyspace: u8) -> Result<&Open, StorageError> {
        check_keyspace(keyspace)?;
        let slot = &self.tables[usize::from(keyspace)];
        if let Some(open) = slot.get() {
            return Ok(open);
        }
        let open = self.guarded(|| Ok(self.transaction.open_table(table(keyspace))?))?;
        Ok(slot.get_or_init(|| open))
    }

    fn guarded<T>(&self, act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StorageError> {
        guarded(act).map_err(|fault| {
            self.broken
                .fetch_or(fault.needs_reopening(), Ordering::AcqRel);
            match fault {
                Fault::Ended => StorageError::SnapshotEnded,
                other => other.into_error(&self.path),
            }
        })
    }
}

impl Snap for RedbSnap {
    fn get(&self, keyspace: u8, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let table = self.open(keyspace)?;
        self.guarded(|| {
            let found = table.get(key)?;
            Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    fn scan(
        &self,
        keyspace: u8,
        lo: &[u8],
        hi: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        let table = self.open(keyspace)?;
        if hi.is_some_and(|hi| hi <= lo) {
            return Ok(());
        }
        let mut range = self.guarded(|| {
            Ok(match hi {
                Some(hi) => ReadableTable::range(table, lo..hi)?,
                None => ReadableTable::range(table, lo..)?,
            })
        })?;
        loop {
            let entry = self.guarded(|| {
                let entry = if reverse {
                    range.next_back()
                } else {
                    range.next()
                };
                Ok(entry.transpose()?)
            })?;
            let Some((key, value)) = entry else {
                return Ok(());
            };
            let (key, value) = self.guarded(|| Ok((key.value(), value.value())))?;
            if visit(key, value).is_break() {
                return Ok(());
            }
        }
    }
}
