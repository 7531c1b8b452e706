//! What to do with a database that was opened again after a failure.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase};

use super::{
    database::{begin, write},
    snapshot::table,
};
use crate::{Batch, Durability};

/// What is not on stable storage for certain.
#[derive(Default)]
pub(super) struct Writer {
    /// Relaxed commits since the last durable one, oldest first.
    relaxed: Vec<Batch>,
    pub(super) relaxed_bytes: usize,
    /// A durable commit that failed in its last steps, until the file can be looked at.
    pub(super) in_doubt: Option<Batch>,
}

impl Writer {
    pub(super) fn committed(&mut self, batch: Batch, durability: Durability) {
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

/// Brings a freshly opened database to where the writer was. Returns whether the commit in doubt
/// was saved.
pub(super) fn recover(database: &Database, writer: &mut Writer) -> Result<bool, redb::Error> {
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
