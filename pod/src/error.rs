//! What can go wrong with a pod's home and with a running node.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use rhizome_blob::BlobError;
use rhizome_export::ExportError;
use rhizome_identity::IdentityError;
use rhizome_import::ImportError;
use rhizome_member::MemberError;
use rhizome_network::NetworkError;
use rhizome_query::QueryError;
use rhizome_replica::ReplicaError;
use rhizome_sealed::SealedError;
use rhizome_search::SearchError;
use rhizome_share::ShareError;
use rhizome_storage::StorageError;
use rhizome_sync::SyncError;
use rhizome_view::ViewError;

use crate::{
    InboxError,
    json::{ChangeError, ValueError},
    lock::Holder,
};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodError {
    /// There is no pod in this directory.
    #[error("there is no pod in {}: run `rhizome init` first", .0.display())]
    NoPod(PathBuf),
    /// There is one already.
    #[error("there is a pod in {} already", .0.display())]
    Exists(PathBuf),
    /// Another process writes to it.
    #[error("the pod in {} is in use by {}", .home.display(), holder_words(.holder.as_ref()))]
    InUse {
        /// The pod's directory.
        home: PathBuf,
        /// Who has it, if that could be read.
        holder: Option<Holder>,
    },
    /// The port is taken.
    #[error(
        "{0} is in use by another program: choose another port with --listen 127.0.0.1:PORT (0 takes any free one)"
    )]
    PortInUse(SocketAddr),
    /// Not a loopback address.
    #[error(
        "{0} is not a loopback address: the pod's page is for this machine only, use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A query was refused.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A search was refused, or its index failed.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A transaction could not be read.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// An input or a value could not be read.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A request that makes no sense as it is.
    #[error("{0}")]
    Request(String),
    /// Too much of this kind is under way.
    #[error("{0}")]
    Busy(String),
    /// An import failed.
    #[error(transparent)]
    Import(ImportError),
    /// A file does not fit into what files may take here.
    #[error(
        "the file takes {wanted} bytes, and of the {limit} bytes that files may take on this device {used} are used: raise the limit (`rhizome storage --limit`, or on the \
         page about storage), or remove files that nothing names any more (`rhizome gc`){after}"
    )]
    NoRoom {
        /// Bytes that it takes, as they are counted.
        wanted: u64,
        /// Bytes that are used.
        used: u64,
        /// Bytes that there may be.
        limit: u64,
        /// What else is to be known.
        after: &'static str,
    },
    /// An export failed.
    #[error(transparent)]
    Export(Box<ExportError>),
    /// The keys could not be read or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A certificate was refused, or could not be made.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A view could not be read or kept.
    #[error(transparent)]
    View(ViewError),
    /// The tuples could not be read or written.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The store below the tuples.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The connection to another device failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The store of a cloud peer.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// A message that cannot be sent, or is not taken.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// What another device said makes no sense.
    #[error("{0}")]
    Peer(String),
    /// Another device refused.
    #[error("the other side refused: {0}")]
    Refused(String),
    /// An app may not.
    #[error("{0}")]
    NotGranted(String),
    /// An app has used up what it may.
    #[error("that is more than an app may do ({most} {what}): try again in {seconds} seconds")]
    Quota {
        /// Of what.
        what: &'static str,
        /// How much there is.
        most: u64,
        /// Seconds until there is more.
        seconds: u64,
    },
    /// An app has not got its answer yet, or not the one that it would like; the code is that of OAuth.
    #[error("{1}")]
    Authorization(&'static str, String),
    /// Two people compared, and one of them said no.
    #[error(
        "the pictures were not confirmed on both devices, so nothing was added: try again with a new code, and if they differ again, somebody is \
         in between"
    )]
    NotConfirmed,
    /// A session with another device ended early.
    #[error(transparent)]
    Sync(SyncError),
    /// A file could not be read or written.
    #[error(transparent)]
    Blob(BlobError),
    /// A file of the home directory.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system's random number generator failed: {0}")]
    Random(#[from] getrandom::Error),
    /// A running pod refused, or could not be reached; `code` is that of the API.
    #[error("{message}")]
    Remote {
        /// The API's code.
        code: String,
        /// What it said.
        message: String,
        /// The place in the query, if it was a query.
        position: Option<rhizome_query::Position>,
    },
}

impl From<ViewError> for PodError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Replica(error) => Self::Replica(error),
            error => Self::View(error),
        }
    }
}

impl From<BlobError> for PodError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Quota {
                wanted,
                left,
                quota,
            } => Self::NoRoom {
                wanted,
                used: quota.saturating_sub(left),
                limit: quota,
                after: "",
            },
            error => Self::Blob(error),
        }
    }
}

impl From<ImportError> for PodError {
    fn from(error: ImportError) -> Self {
        let ImportError::Pod(cause) = error else {
            return Self::Import(error);
        };
        // what the store of files says is said as anywhere else
        match cause
            .downcast::<BlobError>()
            .map(|error| Self::from(*error))
        {
            Ok(Self::NoRoom {
                wanted,
                used,
                limit,
                ..
            }) => Self::NoRoom {
                wanted,
                used,
                limit,
                after: "; what was imported so far stays, and running the import again continues",
            },
            Ok(error) => error,
            Err(cause) => Self::Import(ImportError::Pod(cause)),
        }
    }
}

impl From<ExportError> for PodError {
    fn from(error: ExportError) -> Self {
        Self::Export(Box::new(error))
    }
}

impl From<MemberError> for PodError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::Identity(error) => Self::Identity(error),
            MemberError::Share(error) => Self::Share(error),
            MemberError::Replica(error) => Self::Replica(error),
            MemberError::Storage(error) => Self::Storage(error),
        }
    }
}

impl PodError {
    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            error,
        }
    }

    /// A name that stays the same between versions, for scripts and the API.
    pub fn code(&self) -> &str {
        match self {
            Self::NoPod(_) => "no-pod",
            Self::Exists(_) => "exists",
            Self::InUse { .. } => "in-use",
            Self::PortInUse(_) => "port-in-use",
            Self::NotLoopback(_) => "not-loopback",
            Self::Listen { .. } => "listen",
            Self::Query(e) => e.code(),
            Self::Search(_) => "search",
            Self::Change(_) | Self::Replica(ReplicaError::Edit(_)) => "transaction",
            Self::Value(_) => "value",
            Self::Request(_) => "request",
            Self::Busy(_) => "busy",
            Self::Import(e) => e.code(),
            Self::Export(e) if matches!(**e, ExportError::Format(_)) => "request",
            Self::Export(_) => "export",
            Self::Identity(IdentityError::OtherWords | IdentityError::Words(_)) => "words",
            Self::Identity(_) => "identity",
            Self::Share(ShareError::NotAnAdmin) => "not-an-admin",
            Self::Share(_) => "certificate",
            Self::View(_) => "view",
            Self::Storage(StorageError::Full(_))
            | Self::Blob(BlobError::Full(_) | BlobError::Low { .. }) => "disk-full",
            Self::NoRoom { .. } => "no-room",
            Self::Replica(e) => replica_code(e),
            Self::Storage(_) => "storage",
            Self::Sealed(_) => "sealed",
            Self::Network(_) => "network",
            Self::Inbox(_) => "message",
            Self::Peer(_) => "peer",
            Self::Refused(_) => "refused",
            Self::NotGranted(_) => "not-granted",
            Self::Quota { .. } => "quota",
            Self::Authorization(code, _) => code,
            Self::NotConfirmed => "not-confirmed",
            Self::Sync(_) => "sync",
            Self::Blob(BlobError::Missing(_)) => "missing",
            Self::Blob(_) => "blob",
            Self::File { .. } => "file",
            Self::Random(_) => "random",
            Self::Remote { code, .. } => code,
        }
    }

    /// The place in the text, for a query that was refused.
    pub fn position(&self) -> Option<rhizome_query::Position> {
        match self {
            Self::Query(e) => e.position(),
            Self::Remote { position, .. } => *position,
            _ => None,
        }
    }

    /// Whether the request was wrong, and not the pod.
    pub(crate) fn is_callers(&self) -> bool {
        match self {
            Self::Query(QueryError::Storage(_)) => false,
            Self::Search(error) => matches!(
                error,
                SearchError::Empty | SearchError::Long(_) | SearchError::Words | SearchError::Or
            ),
            Self::Query(_)
            | Self::Change(_)
            | Self::Value(_)
            | Self::Request(_)
            | Self::Busy(_)
            | Self::NotGranted(_)
            | Self::Quota { .. }
            | Self::Authorization(..)
            | Self::Import(_)
            | Self::Inbox(_)
            | Self::Replica(ReplicaError::Edit(_) | ReplicaError::Tuple(_))
            | Self::Share(ShareError::NotAnAdmin)
            | Self::Identity(
                IdentityError::OtherWords
                | IdentityError::Words(_)
                | IdentityError::NotADevice { .. }
                | IdentityError::NotAllowed(_),
            ) => true,
            Self::Export(e) => matches!(**e, ExportError::Format(_)),
            _ => false,
        }
    }

    /// Whether another device or peer is at fault, or cannot be reached.
    pub(crate) fn is_others(&self) -> bool {
        matches!(
            self,
            Self::Network(_)
                | Self::Peer(_)
                | Self::Refused(_)
                | Self::NotConfirmed
                | Self::Sync(_)
        )
    }
}

fn replica_code(error: &ReplicaError) -> &'static str {
    match error {
        ReplicaError::Storage(StorageError::Full(_)) => "disk-full",
        ReplicaError::Edit(_) => "transaction",
        ReplicaError::NotSaved(cause) => match replica_code(cause) {
            full @ "disk-full" => full,
            _ => "not-saved",
        },
        ReplicaError::Fault(cause) => replica_code(cause),
        _ => "replica",
    }
}

fn holder_words(holder: Option<&Holder>) -> String {
    match holder {
        Some(h) => {
            let since = jiff::Timestamp::from_millisecond(h.since)
                .map_or_else(|_| String::new(), |t| format!(", since {t:.0}"));
            format!(
                "`{}` (process {}{since}): wait for it, stop it, or talk to it",
                h.what, h.pid
            )
        }
        None => "another process: wait for it or stop it".to_owned(),
    }
}
