//! Where the database lives: the only part of the engine that knows about files.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use redb::{Builder, Database};

use super::{
    fault::{Fault, io_error},
    snapshot::table,
};
use crate::{KEYSPACES, StorageError};

/// Opens the database at `path`, making it first if there is none.
pub(super) fn open_or_create(path: &Path, cache_bytes: usize) -> Result<Database, StorageError> {
    // Someone else may create or remove the file between two looks at it, but not for ever.
    for _ in 0..8 {
        match open(path, cache_bytes) {
            Err(StorageError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            opened => {
                if opened.is_ok() {
                    remove_unfinished(path);
                }
                return opened;
            }
        }
        create(path, cache_bytes)?;
    }
    open(path, cache_bytes)
}

/// Opens the existing database at `path`.
pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Database, StorageError> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
        .open(path)
        .map_err(|e| Fault::from(redb::Error::from(e)).into_error(path))
}

/// Bytes the file takes on the device. redb grows its file ahead of need, so the length says more
/// than is used wherever files can be sparse.
pub(super) fn size_on_disk(path: &Path) -> Result<u64, StorageError> {
    let metadata = fs::metadata(path).map_err(|e| io_error(e, path))?;
    #[cfg(unix)]
    let size = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    #[cfg(not(unix))]
    let size = metadata.len();
    Ok(size)
}

/// Makes a database under a temporary name and moves it to `path`, so that `path` is at every
/// moment either absent or complete. A database someone else put there meanwhile is left alone.
fn create(path: &Path, cache_bytes: usize) -> Result<(), StorageError> {
    let temporary = temporary_name(path)?;
    let made = fill(&temporary, cache_bytes)
        .and_then(|()| publish(&temporary, path).map_err(|e| io_error(e, path)));
    // Gone already after a rename; in the way after everything else.
    let _ = fs::remove_file(&temporary);
    made
}

fn fill(temporary: &Path, cache_bytes: usize) -> Result<(), StorageError> {
    let file = new_private_file(temporary).map_err(|e| io_error(e, temporary))?;
    let failed = |e: redb::Error| Fault::from(e).into_error(temporary);
    let database = Builder::new()
        .set_cache_size(cache_bytes)
        .create_file(file)
        .map_err(|e| failed(e.into()))?;
    let mut transaction = database.begin_write().map_err(|e| failed(e.into()))?;
    transaction.set_quick_repair(true);
    for keyspace in 0..KEYSPACES {
        transaction
            .open_table(table(keyspace))
            .map_err(|e| failed(e.into()))?;
    }
    transaction.commit().map_err(|e| failed(e.into()))?;
    drop(database);
    File::open(temporary)
        .and_then(|f| f.sync_all())
        .map_err(|e| io_error(e, temporary))
}

fn publish(temporary: &Path, path: &Path) -> io::Result<()> {
    // A link, unlike a rename, never replaces what is there. Some file systems have no links.
    match fs::hard_link(temporary, path) {
        Ok(()) => {}
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
            ) =>
        {
            return Ok(());
        }
        Err(_) => fs::rename(temporary, path)?,
    }
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory(path))?.sync_all()?;
    let _ = path;
    Ok(())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn temporary_prefix(path: &Path) -> Result<OsString, StorageError> {
    let name = path.file_name().ok_or_else(|| StorageError::Io {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"),
    })?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".new-");
    Ok(prefix)
}

fn temporary_name(path: &Path) -> Result<PathBuf, StorageError> {
    let mut name = temporary_prefix(path)?;
    name.push(std::process::id().to_string());
    Ok(path.with_file_name(name))
}

/// Removes what processes that died while creating left behind. One that is alive and creating
/// finds its file gone, and then finds ours.
fn remove_unfinished(path: &Path) {
    let Ok(prefix) = temporary_prefix(path) else {
        return;
    };
    let Ok(entries) = fs::read_dir(directory(path)) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}
