//! What stops an import. What does not stop it is a [`Problem`](crate::Problem) in the report.

use std::path::PathBuf;

/// Why an import could not start or go on. Everything committed before the error stays; running the import again
/// continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Nothing is at that path.
    #[error(
        "nothing is at {0}: give the path of an export (a folder, a zip, a tar or a single file)"
    )]
    Missing(PathBuf),
    /// Reading failed.
    #[error("reading {what} failed: {error}")]
    Read {
        /// The file, inside the source or on disk.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The source holds more files than a source may.
    #[error("{what} holds more than {limit} files: unpack it and import the part you want")]
    TooManyEntries {
        /// The source.
        what: String,
        /// [`Limits::entries`](crate::Limits::entries).
        limit: usize,
    },
    /// Something is longer than it may be.
    #[error("{what} is larger than {limit} bytes, the most that is read")]
    TooLarge {
        /// The source or file.
        what: String,
        /// The named limit that was met.
        limit: u64,
    },
    /// An archive unpacks to far more than its size, or its entries overlap: it was built to exhaust the reader.
    #[error("{what} looks like a decompression bomb ({why}): nothing was imported from it")]
    Bomb {
        /// The archive.
        what: String,
        /// Which sign gave it away.
        why: String,
    },
    /// The archive's own structure is damaged.
    #[error("{what} is not a readable archive: {why}")]
    Archive {
        /// The archive.
        what: String,
        /// What its reader said.
        why: String,
    },
    /// No importer knows this source.
    #[error("no importer recognises {what}: {why}")]
    NotRecognised {
        /// The source.
        what: String,
        /// What was looked for.
        why: String,
    },
    /// A document of the export is not what its format says, so nothing after that place can be read.
    #[error("{file} cannot be read: {why}")]
    Document {
        /// The file inside the source.
        file: String,
        /// What is wrong, with its place where known.
        why: String,
    },
    /// The mapping file does not say something usable.
    #[error("the mapping file is not usable: {0}")]
    Mapping(String),
    /// The person stopped it.
    #[error("stopped; what was imported so far stays, and running the import again continues")]
    Cancelled,
    /// The pod refused a write or a read.
    #[error("the pod: {0}")]
    Pod(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ImportError {
    /// Wraps an I/O error with the file it happened in.
    pub(crate) fn read(what: impl Into<String>, error: std::io::Error) -> Self {
        Self::Read {
            what: what.into(),
            error,
        }
    }

    /// A stable code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Read { .. } => "read",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::TooLarge { .. } => "too-large",
            Self::Bomb { .. } => "bomb",
            Self::Archive { .. } => "archive",
            Self::NotRecognised { .. } => "not-recognised",
            Self::Document { .. } => "document",
            Self::Mapping(_) => "mapping",
            Self::Cancelled => "cancelled",
            Self::Pod(_) => "pod",
        }
    }
}
