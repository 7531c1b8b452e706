//! Where the database lives: the only part of the engine that knows about files.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use redb::{Builder, Database};

use super::{
    database::ensure_tables,
    fault::{Fault, io_error},
    medium::Medium,
};
use crate::StorageError;

/// A database in a file of its own, which one process has open at a time.
#[derive(Clone)]
pub(super) struct DatabaseFile {
    path: PathBuf,
}

impl DatabaseFile {
    /// The file at `path`, which is made if it is missing; its directory must exist.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, StorageError> {
        if !path.try_exists().map_err(|e| io_error(e, path))? {
            create(path)?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Removes what processes that died while creating left behind. Call it with the file open: one
    /// that is alive and creating finds its file gone, and then finds ours.
    pub(super) fn remove_unfinished(&self) {
        let Ok(prefix) = temporary_prefix(&self.path) else {
            return;
        };
        let Ok(entries) = fs::read_dir(directory(&self.path)) else {
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
}

impl Medium for DatabaseFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self, builder: &Builder) -> Result<Database, redb::Error> {
        // Not `create`: should the file have been taken away, an empty one is no substitute.
        Ok(builder.open(&self.path)?)
    }

    // redb grows its file ahead of need, so where files can be sparse their length is not what
    // they take.
    fn size_on_disk(&self) -> io::Result<u64> {
        let metadata = fs::metadata(&self.path)?;
        #[cfg(unix)]
        let size = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
        #[cfg(not(unix))]
        let size = metadata.len();
        Ok(size)
    }
}

/// Makes a database under a temporary name and moves it to `path`, so that `path` is at every
/// moment either absent or complete. A database someone else put there meanwhile is left alone.
fn create(path: &Path) -> Result<(), StorageError> {
    let temporary = temporary_name(path)?;
    let made =
        fill(&temporary).and_then(|()| publish(&temporary, path).map_err(|e| io_error(e, path)));
    // Gone already after a rename; in the way after everything else.
    let _ = fs::remove_file(&temporary);
    made
}

fn fill(temporary: &Path) -> Result<(), StorageError> {
    let file = new_private_file(temporary).map_err(|e| io_error(e, temporary))?;
    let failed = |e: redb::Error| Fault::from(e).into_error(temporary);
    let database = Builder::new()
        .create_file(file)
        .map_err(|e| failed(e.into()))?;
    ensure_tables(&database).map_err(failed)?;
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
