//! What an importer is, and what it hands its records to.

use std::io::Read;

use rhizome_ipld::cid_raw_blake3;
use rhizome_tuple::{Attribute, EntityId};
use serde::Serialize;

use crate::error::ImportError;
use crate::media::{HEAD, look};
use crate::problem::Problem;
use crate::record::Record;
use crate::source::Source;

/// Reads one kind of export.
pub trait Importer {
    /// Its name: `mastodon`, `table`, …
    fn name(&self) -> &'static str;

    /// Looks into a source and says whether this is its kind of export. `None`: certainly not.
    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError>;

    /// Reads all of a source that it recognised. Whatever cannot be read is a [`Problem`]; an error is only for what
    /// makes going on pointless.
    fn read(
        &self,
        source: &Source,
        recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError>;

    /// How it reads a source, where people may want to change that: a mapping, for the report.
    fn explain(&self, _source: &Source) -> Result<Option<serde_json::Value>, ImportError> {
        Ok(None)
    }
}

/// What a source was recognised as.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recognition {
    /// The importer.
    pub importer: &'static str,
    /// From 0 to 1. Below 0.5 an importer is only used when asked for by name.
    #[serde(serialize_with = "rounded")]
    pub confidence: f32,
    /// What spoke for it, for people.
    pub why: String,
    /// Where the records come from: their `import/source`, and with their native ids what their entities derive from.
    pub source: String,
    /// The account at the source, where there is one: imports of one account are compared with each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl Recognition {
    /// Of a source that says nothing of an account, whose records come from `importer`.
    pub(crate) fn of(importer: &'static str, confidence: f32, why: impl Into<String>) -> Self {
        Self {
            importer,
            confidence,
            why: why.into(),
            source: importer.to_owned(),
            account: None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn rounded<S: serde::Serializer>(confidence: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((f64::from(*confidence) * 100.0).round() / 100.0)
}

/// Takes what an importer reads. Two exist: the import itself, and [`crate::Preview`], which only collects.
pub trait Sink {
    /// The entity of a native id of this source.
    fn entity(&self, key: &str) -> EntityId;

    /// Takes a record. Records with a native id met before in this run are reported and left out.
    fn record(&mut self, record: Record) -> Result<(), ImportError>;

    /// Counts a record that could not be read, with the reason.
    fn skip(&mut self, kind: &'static str, problem: Problem);

    /// Reports something that went wrong without costing a record.
    fn problem(&mut self, problem: Problem);

    /// Keeps a file of the source by its hash. `None`, with a problem reported, where it is missing or damaged.
    fn file(&mut self, path: &str) -> Result<Option<StoredFile>, ImportError>;

    /// Keeps bytes that lie inside a document (an attachment of a mail, the photograph of a contact) by their hash. `what` names
    /// them in messages.
    fn bytes(&mut self, what: &str, bytes: &[u8]) -> Result<Option<StoredFile>, ImportError>;

    /// Keeps what a reader yields, of `total` bytes as far as is known, likewise.
    fn stream(
        &mut self,
        what: &str,
        from: &mut dyn Read,
        total: u64,
    ) -> Result<Option<StoredFile>, ImportError>;

    /// Says that a file was read, so that it is not kept as an unknown one.
    fn used(&mut self, path: &str);

    /// Says that the rest of a document could not be read: records missing from this run did not vanish.
    fn incomplete(&mut self, problem: Problem);

    /// Tells how far reading is, in bytes of the document `file`.
    ///
    /// # Errors
    /// [`ImportError::Cancelled`] once the person stopped it.
    fn progress(&mut self, file: &str, done: u64, total: u64) -> Result<(), ImportError>;
}

/// A file that is in the blob store now, or in a dry run would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name: CID version 1, raw, BLAKE3.
    pub cid: rhizome_blob::Cid,
    /// Its length.
    pub bytes: u64,
    /// Its media type by its first bytes; `None` where they tell nothing.
    pub mime: Option<&'static str>,
    /// Width and height in pixels, for pictures that say so.
    pub size: Option<(u32, u32)>,
}

impl StoredFile {
    /// What bytes in memory are.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let (mime, size) = look(bytes.get(..HEAD).unwrap_or(bytes));
        Self {
            cid: cid_raw_blake3(*blake3::hash(bytes).as_bytes()),
            bytes: bytes.len() as u64,
            mime,
            size,
        }
    }
}

/// Asks every importer and sorts their answers, the surest first.
pub fn recognise(
    source: &Source,
    importers: &[&dyn Importer],
) -> Result<Vec<Recognition>, ImportError> {
    let mut found = Vec::new();
    for importer in importers {
        found.extend(importer.recognise(source)?);
    }
    found.sort_by(|a: &Recognition, b| b.confidence.total_cmp(&a.confidence));
    Ok(found)
}

/// An attribute whose name is written in this crate.
pub(crate) fn attribute(name: &'static str) -> Attribute {
    match Attribute::new(name) {
        Ok(attribute) => attribute,
        // Names are constants that tests read; were one wrong, its facts would be found under this one.
        Err(_) => attribute("import/unnamed"),
    }
}
