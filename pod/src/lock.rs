//! One writer at a time. The lock is the operating system's, so it cannot outlive its process; the file says who holds it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::PodError;

/// Who holds a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// What it is doing: `rhizome up`, `rhizome import`.
    pub what: String,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
}

/// The right to write to a pod, until dropped.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
}

/// A note about a holder is longer than this only if it is none.
const MAX_NOTE: u64 = 4096;

impl WriterLock {
    /// Takes the lock, or says who has it.
    pub fn take(path: &Path, what: &str, now_ms: i64) -> Result<Self, PodError> {
        let io = |error| PodError::file(path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PodError::InUse {
                    home: path.parent().map(PathBuf::from).unwrap_or_default(),
                    holder: note(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let holder = Holder {
            pid: std::process::id(),
            what: what.to_owned(),
            since: now_ms,
        };
        // A note that cannot be written (full disk) makes the next explanation poorer, nothing else.
        let _ = write_note(&mut file, &holder);
        Ok(Self { file })
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn write_note(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&serde_json::to_vec(holder)?)
}

fn note(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    Read::by_ref(file)
        .take(MAX_NOTE)
        .read_to_end(&mut text)
        .ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_writer_learns_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("writer.lock");
        let first = WriterLock::take(&path, "rhizome import", 1_700_000_000_000).unwrap();
        let error = WriterLock::take(&path, "rhizome tx", 0).unwrap_err();
        let PodError::InUse {
            holder: Some(holder),
            ..
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(
            (holder.pid, holder.what.as_str()),
            (std::process::id(), "rhizome import")
        );
        assert!(error.to_string().contains("`rhizome import`"), "{error}");
        drop(first);
        WriterLock::take(&path, "rhizome tx", 0).unwrap();
    }

    #[test]
    fn a_note_that_is_rubbish_does_not_hinder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("writer.lock");
        std::fs::write(&path, "}{").unwrap();
        drop(WriterLock::take(&path, "a", 0).unwrap());
        let held = WriterLock::take(&path, "b", 0).unwrap();
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        assert!(matches!(
            WriterLock::take(&path, "c", 0),
            Err(PodError::InUse { holder: None, .. })
        ));
        drop(held);
    }
}
