//! How far an import is, and how to stop it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// What an import is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Hashing the export.
    Hashing,
    /// Reading records.
    Reading,
    /// Storing media and unknown files.
    Files,
    /// Writing the last of it.
    Finishing,
}

/// How far an import is: `done` of `total` bytes of `file`.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What it is doing.
    pub stage: Stage,
    /// The file it is at, inside the export.
    pub file: &'a str,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; zero where not known.
    pub total: u64,
    /// Records read so far.
    pub records: u64,
}

/// Stops an import from another thread or a signal handler. What was committed stays; running the import again continues.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// One that nobody set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the import at its next record.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it was set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }
}
