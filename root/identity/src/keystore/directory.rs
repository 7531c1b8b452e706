//! The directory on disk: who may reach it, and how its file is replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::IdentityError;

/// Longest key store file in bytes.
pub(super) const MAX_FILE: usize = 1 << 20;

const FILE: &str = "keystore";
/// Written whole and made durable, then renamed. One name, so that a crash leaves at most one behind, which the next save removes.
const NEW: &str = "keystore.new";
/// Locked while a save compares and replaces. Never removed: removing it would let two savers hold two locks of one name.
const LOCK: &str = "keystore.lock";

/// Which state of the file an open store is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// There was no file.
    None,
    /// Hash of the file. Every save has a new nonce, so no two files are the same.
    Hash([u8; 32]),
}

pub(super) struct Directory(PathBuf);

impl Directory {
    pub fn at(path: &Path) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    pub fn has_file(&self) -> bool {
        self.file().symlink_metadata().is_ok()
    }

    /// Makes the directory, for its owner only.
    pub fn make(&self) -> Result<(), IdentityError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|e| io(&self.0, e))?;
        self.check()
    }

    fn check(&self) -> Result<(), IdentityError> {
        match self.0.metadata() {
            Ok(metadata) => check_mode(&self.0, &metadata, 0o700),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(IdentityError::Missing(self.0.clone()))
            }
            Err(e) => Err(io(&self.0, e)),
        }
    }

    /// The file, after checking that others cannot reach it.
    pub fn read(&self) -> Result<(Vec<u8>, Version), IdentityError> {
        self.check()?;
        let path = self.file();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(IdentityError::Missing(self.0.clone()));
            }
            Err(e) => return Err(io(&path, e)),
        };
        // Asked of the open file, not of its name, which could meanwhile belong to another.
        let metadata = file.metadata().map_err(|e| io(&path, e))?;
        check_mode(&path, &metadata, 0o600)?;
        if !metadata.is_file() || metadata.len() > MAX_FILE as u64 {
            return Err(IdentityError::NotAKeyStore(path));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE as u64)
            .read_to_end(&mut bytes)
            .map_err(|e| io(&path, e))?;
        let version = Version::Hash(*blake3::hash(&bytes).as_bytes());
        Ok((bytes, version))
    }

    /// Replaces the file, if it is still the one in `based_on`.
    pub fn replace(&self, bytes: &[u8], based_on: &Version) -> Result<Version, IdentityError> {
        self.check()?;
        let lock_path = self.0.join(LOCK);
        let lock = private()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|e| io(&lock_path, e))?;
        lock.lock().map_err(|e| io(&lock_path, e))?;

        let current = match self.read() {
            Ok((_, version)) => version,
            Err(IdentityError::Missing(_)) => Version::None,
            Err(e) => return Err(e),
        };
        if current != *based_on {
            return Err(match based_on {
                Version::None => IdentityError::Exists(self.0.clone()),
                Version::Hash(_) => IdentityError::Changed,
            });
        }
        let new = self.0.join(NEW);
        match fs::remove_file(&new) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(io(&new, e)),
            _ => {}
        }
        let mut file = private()
            .create_new(true)
            .open(&new)
            .map_err(|e| io(&new, e))?;
        file.write_all(bytes).map_err(|e| io(&new, e))?;
        file.sync_all().map_err(|e| io(&new, e))?;
        fs::rename(&new, self.file()).map_err(|e| io(&new, e))?;
        self.sync()?;
        Ok(Version::Hash(*blake3::hash(bytes).as_bytes()))
    }

    /// Makes the rename durable.
    #[cfg(unix)]
    fn sync(&self) -> Result<(), IdentityError> {
        File::open(&self.0)
            .and_then(|directory| directory.sync_all())
            .map_err(|e| io(&self.0, e))
    }

    /// Elsewhere a directory cannot be opened as a file, and renaming is journaled.
    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps)]
    fn sync(&self) -> Result<(), IdentityError> {
        Ok(())
    }
}

fn io(path: &Path, error: std::io::Error) -> IdentityError {
    IdentityError::Io {
        path: path.into(),
        error,
    }
}

/// To write a file that only its owner can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata, want: u32) -> Result<(), IdentityError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
    let others = mode & 0o077;
    if others != 0 {
        return Err(IdentityError::TooOpen {
            path: path.into(),
            mode,
            want,
        });
    }
    Ok(())
}

/// Elsewhere the profile directory's access list is what protects the file.
#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata, _: u32) -> Result<(), IdentityError> {
    Ok(())
}
