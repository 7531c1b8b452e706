//! A sink that only collects: what an importer makes of a source, without a pod.

use std::io::Read;

use rhizome_ipld::cid_raw_blake3;
use rhizome_tuple::EntityId;

use crate::error::ImportError;
use crate::importer::{Sink, StoredFile};
use crate::keys::Keys;
use crate::media::{HEAD, look};
use crate::problem::{Problem, ProblemCode};
use crate::record::Record;
use crate::source::Source;

/// Everything an importer read, in order. Unbounded: for tests, and for looking at a small export.
pub struct Preview<'a> {
    source: &'a Source,
    keys: Keys,
    /// The records.
    pub records: Vec<Record>,
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// Files that were read or stored.
    pub used: Vec<String>,
    /// Records that could not be read.
    pub skipped: usize,
    /// Whether every document was read to its end.
    pub complete: bool,
}

impl<'a> Preview<'a> {
    /// For the pod of `creator` and records of `source_name`.
    pub fn new(source: &'a Source, creator: &str, source_name: &str) -> Self {
        Self {
            source,
            keys: Keys::new(creator, source_name),
            records: Vec::new(),
            problems: Vec::new(),
            used: Vec::new(),
            skipped: 0,
            complete: true,
        }
    }
}

impl Sink for Preview<'_> {
    fn entity(&self, key: &str) -> EntityId {
        self.keys.entity(key)
    }

    fn record(&mut self, record: Record) -> Result<(), ImportError> {
        self.records.push(record);
        Ok(())
    }

    fn skip(&mut self, _kind: &'static str, problem: Problem) {
        self.skipped += 1;
        self.problems.push(problem);
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn file(&mut self, path: &str) -> Result<Option<StoredFile>, ImportError> {
        self.used(path);
        if self.source.find(path).is_none() {
            self.problems.push(Problem::of_file(
                ProblemCode::MissingFile,
                path,
                "the export does not hold it",
            ));
            return Ok(None);
        }
        let (mime, size) = look(&self.source.head(path, HEAD)?);
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut self.source.read(path)?, &mut hasher)
            .map_err(|error| ImportError::read(path, error))?;
        Ok(Some(StoredFile {
            cid: cid_raw_blake3(*hasher.finalize().as_bytes()),
            bytes,
            mime,
            size,
        }))
    }

    fn bytes(&mut self, _what: &str, bytes: &[u8]) -> Result<Option<StoredFile>, ImportError> {
        Ok(Some(StoredFile::of(bytes)))
    }

    fn stream(
        &mut self,
        what: &str,
        from: &mut dyn Read,
        _total: u64,
    ) -> Result<Option<StoredFile>, ImportError> {
        let mut hasher = blake3::Hasher::new();
        let bytes =
            std::io::copy(from, &mut hasher).map_err(|error| ImportError::read(what, error))?;
        Ok(Some(StoredFile {
            cid: cid_raw_blake3(*hasher.finalize().as_bytes()),
            bytes,
            mime: None,
            size: None,
        }))
    }

    fn used(&mut self, path: &str) {
        self.used.push(path.to_owned());
    }

    fn incomplete(&mut self, problem: Problem) {
        self.complete = false;
        self.problems.push(problem);
    }

    fn progress(&mut self, _file: &str, _done: u64, _total: u64) -> Result<(), ImportError> {
        Ok(())
    }
}
