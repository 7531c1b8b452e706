//! Where a database is kept.

use std::{io, path::Path};

use redb::{Builder, Database};

/// Where a [`RedbKv`](crate::RedbKv) keeps its database: a file, or whatever else can hold bytes at
/// offsets and sync them (a browser's private file system, a simulated disk in a test).
pub trait Medium: Send + Sync + 'static {
    /// What to call it in errors.
    fn path(&self) -> &Path;

    /// Opens the database, or makes an empty one: `builder` holds the settings, and takes a
    /// [`redb::StorageBackend`]. Called again after every I/O error, with the database closed before.
    fn open(&self, builder: &Builder) -> Result<Database, redb::Error>;

    /// Bytes in use on the device.
    fn size_on_disk(&self) -> io::Result<u64>;
}
