//! redb's many error types sorted by what can be done about them.

use std::{io, path::Path};

use crate::StorageError;

/// What a redb error means for us.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file system failed in this very call.
    Io(io::Error),
    /// An earlier call failed, or the database was closed: it must be reopened.
    Ended,
    Locked,
    Busy,
    Corrupt(String),
}

impl Fault {
    /// Whether redb refuses to work, or must not be trusted, until it is reopened.
    pub(super) fn needs_reopening(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Ended | Self::Corrupt(_))
    }

    pub(super) fn into_error(self, path: &Path) -> StorageError {
        match self {
            Self::Io(error) => io_error(error, path),
            Self::Ended => StorageError::Io {
                path: path.to_owned(),
                source: io::Error::other("an earlier read or write failed"),
            },
            Self::Locked => StorageError::Locked {
                path: path.to_owned(),
            },
            Self::Busy => StorageError::Busy,
            Self::Corrupt(detail) => StorageError::Corrupt {
                path: path.to_owned(),
                detail,
            },
        }
    }
}

pub(super) fn io_error(error: io::Error, path: &Path) -> StorageError {
    use io::ErrorKind as E;
    match error.kind() {
        E::StorageFull | E::QuotaExceeded | E::FileTooLarge => StorageError::Full(error),
        // redb reports a file that is not its own, or is cut short, as these.
        E::InvalidData | E::UnexpectedEof => StorageError::Corrupt {
            path: path.to_owned(),
            detail: error.to_string(),
        },
        _ => StorageError::Io {
            path: path.to_owned(),
            source: error,
        },
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        use redb::Error as E;
        match error {
            E::Io(error) => Self::Io(error),
            E::PreviousIo | E::DatabaseClosed | E::LockPoisoned(_) => Self::Ended,
            E::DatabaseAlreadyOpen => Self::Locked,
            E::TransactionInProgress | E::ReadTransactionStillInUse(_) => Self::Busy,
            other => Self::Corrupt(other.to_string()),
        }
    }
}
