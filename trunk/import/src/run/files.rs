//! Files of the export on their way into the blob store.

use std::io::Read;

use rhizome_blob::BlobError;
use rhizome_ipld::cid_raw_blake3;
use rhizome_tuple::Value;

use super::{Run, pod_error};
use crate::error::ImportError;
use crate::importer::StoredFile;
use crate::media::{HEAD, look};
use crate::problem::{Problem, ProblemCode};
use crate::progress::{Cancel, Progress, Stage};
use crate::record::{Fact, Identity, Record};

impl Run<'_> {
    pub(super) fn mark(&mut self, path: &str) {
        let at = self
            .source
            .entries()
            .binary_search_by(|entry| entry.path.as_str().cmp(path));
        if let Some(read) = at.ok().and_then(|at| self.read.get_mut(at)) {
            *read = true;
        }
    }

    pub(super) fn store(&mut self, path: &str) -> Result<Option<StoredFile>, ImportError> {
        let Some(entry) = self.source.find(path) else {
            let message = "the export names this file but does not hold it";
            self.report
                .problem(Problem::of_file(ProblemCode::MissingFile, path, message));
            return Ok(None);
        };
        let size = entry.size;
        self.mark(path);
        self.tick(Stage::Files, path, 0, size)?;
        match self.put(path, size) {
            Ok(stored) => Ok(Some(stored)),
            // A damaged member costs itself; a full disk or a failing pod stops the import.
            Err(error @ (ImportError::Read { .. } | ImportError::Archive { .. })) => {
                self.report.problem(Problem::of_file(
                    ProblemCode::Damaged,
                    path,
                    error.to_string(),
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn store_bytes(
        &mut self,
        what: &str,
        bytes: &[u8],
    ) -> Result<Option<StoredFile>, ImportError> {
        self.tick(Stage::Files, what, 0, bytes.len() as u64)?;
        if !self.options.dry_run {
            self.blobs.put_bytes(bytes).map_err(pod_error)?;
        }
        Ok(Some(StoredFile::of(bytes)))
    }

    /// Stores what no importer read as it is, one entity for each file.
    pub(super) fn keep_unknown_files(&mut self) -> Result<(), ImportError> {
        let unread = self
            .source
            .entries()
            .iter()
            .zip(self.read.clone())
            .filter(|(_, read)| !read);
        let unread: Vec<String> = unread.map(|(entry, _)| entry.path.clone()).collect();
        for path in unread {
            let Some(stored) = self.store(&path)? else {
                continue;
            };
            let one = |name: &rhizome_tuple::Attribute, value| Fact::One {
                attribute: name.clone(),
                value,
            };
            let mut facts = vec![
                one(&self.names.r#type, Value::from("file")),
                one(&self.names.path, Value::from(path.as_str())),
                one(&self.names.blob, Value::Blob(stored.cid)),
                one(
                    &self.names.bytes,
                    Value::Integer(i64::try_from(stored.bytes).unwrap_or(i64::MAX)),
                ),
            ];
            facts.extend(
                stored
                    .mime
                    .map(|mime| one(&self.names.mime, Value::from(mime))),
            );
            self.report.keep_file(&path, stored.bytes);
            super::Sink::record(
                self,
                Record {
                    kind: "file".into(),
                    identity: Identity::Key(format!("file\n{}\n{path}", self.journal.account())),
                    facts,
                    created: None,
                    audience: None,
                    provenance: true,
                },
            )?;
        }
        Ok(())
    }

    fn put(&mut self, path: &str, total: u64) -> Result<StoredFile, ImportError> {
        let head = self.source.head(path, HEAD)?;
        let (mime, size) = look(&head);
        let mut reader = self.source.read(path)?;
        let stored = self.store_stream(path, &mut reader, total)?;
        Ok(StoredFile {
            mime,
            size,
            ..stored
        })
    }

    /// Its kind is not looked at.
    pub(super) fn store_stream(
        &mut self,
        what: &str,
        from: &mut dyn Read,
        total: u64,
    ) -> Result<StoredFile, ImportError> {
        let mut watched = Watched {
            inner: from,
            progress: &mut *self.progress,
            cancel: self.cancel,
            file: what,
            done: 0,
            total,
            records: self.records,
        };
        let stored = if self.options.dry_run {
            let mut hasher = blake3::Hasher::new();
            let bytes = std::io::copy(&mut watched, &mut hasher).map_err(BlobError::Source);
            bytes.map(|bytes| (cid_raw_blake3(*hasher.finalize().as_bytes()), bytes))
        } else {
            self.blobs.put(&mut watched, u64::MAX)
        };
        let (cid, bytes) = stored.map_err(|error| match error {
            BlobError::Source(_) if self.cancel.is_cancelled() => ImportError::Cancelled,
            BlobError::Source(error) => ImportError::read(what, error),
            error => pod_error(error),
        })?;
        Ok(StoredFile {
            cid,
            bytes,
            mime: None,
            size: None,
        })
    }
}

/// A file on its way, which tells how far it is and can be stopped.
struct Watched<'a> {
    inner: &'a mut dyn Read,
    progress: &'a mut dyn FnMut(Progress<'_>),
    cancel: &'a Cancel,
    file: &'a str,
    done: u64,
    total: u64,
    records: u64,
}

/// Bytes between two words on progress.
const WORD: u64 = 1 << 20;

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(std::io::Error::other("stopped"));
        }
        let n = self.inner.read(buffer)?;
        let before = self.done / WORD;
        self.done += n as u64;
        if self.done / WORD != before {
            (self.progress)(Progress {
                stage: Stage::Files,
                file: self.file,
                done: self.done,
                total: self.total,
                records: self.records,
            });
        }
        Ok(n)
    }
}
