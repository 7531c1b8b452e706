use std::io;

use rhizome_blob::BlobError;
use rhizome_ipld::{CodecError, car::CarError};
use rhizome_replica::ReplicaError;

/// Why an export came to no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The name of no format.
    #[error(
        "there is no format `{0}`: use car (everything), zip (JSON lines with the files), jsonl (without the files), activitystreams (posts), markdown (notes, articles and posts), vcard (contacts) or icalendar"
    )]
    Format(String),
    /// The pod could not be read.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// A file could not be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// It could not be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A block could not be made.
    #[error("the export cannot be written: {0}")]
    Car(#[from] CarError),
    /// A block could not be encoded.
    #[error("the export cannot be written: {0}")]
    Codec(#[from] CodecError),
    /// A member of an archive could not be made.
    #[error("the export cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A line could not be made.
    #[error("the export cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// It was stopped.
    #[error("the export was stopped")]
    Stopped,
}
