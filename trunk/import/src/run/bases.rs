//! Base segments in the blob store, named by the origin.

use std::io::Read;

use rhizome_blob::{BlobError, Cid};
use rhizome_replica::Edit;
use rhizome_tuple::Value;

use super::{Run, pod_error};
use crate::error::ImportError;
use crate::problem::{Problem, ProblemCode};
use crate::progress::Stage;

/// Segments that an origin keeps before they are merged.
const MOST_SEGMENTS: usize = 8;

impl Run<'_> {
    /// Segments the origin names now.
    fn segments(&self) -> Result<Vec<Cid>, ImportError> {
        let held = self
            .pod
            .held(&self.journal.origin())
            .map_err(ImportError::Pod)?;
        let blobs = held
            .into_iter()
            .filter(|(name, _)| *name == self.names.base)
            .flat_map(|(_, values)| values);
        let mut cids: Vec<Cid> = blobs
            .filter_map(|value| {
                if let Value::Blob(cid) = value {
                    Some(cid)
                } else {
                    None
                }
            })
            .collect();
        cids.sort_unstable();
        Ok(cids)
    }

    /// Reads what earlier imports said. A segment that is not on this device or is damaged is reported: then values that
    /// differ are taken for changed on both sides, and nothing of the person's is overwritten.
    pub(super) fn load_bases(&mut self) -> Result<(), ImportError> {
        for cid in self.segments()? {
            let trouble = match self.read_blob(&cid) {
                Ok(bytes) => self.base.take(bytes).err().map(|error| error.to_string()),
                Err(error @ (BlobError::Missing(_) | BlobError::Corrupt { .. })) => {
                    Some(error.to_string())
                }
                Err(error) => return Err(pod_error(error)),
            };
            if let Some(why) = trouble {
                let message = format!(
                    "what an earlier import said is not readable ({why}); differing values are reported as conflicts"
                );
                self.report.problem(Problem::of_file(
                    ProblemCode::Base,
                    cid.to_string(),
                    message,
                ));
            }
        }
        Ok(())
    }

    fn read_blob(&self, cid: &Cid) -> Result<Vec<u8>, BlobError> {
        let blob = self.blobs.open(cid)?;
        // once in memory it stays there for the whole import: without room to grow
        let mut bytes = Vec::with_capacity(blob.len().min(64 << 20) as usize);
        let corrupt = |_| BlobError::Corrupt { cid: *cid };
        blob.reader(0, u64::MAX)
            .read_to_end(&mut bytes)
            .map_err(corrupt)?;
        Ok(bytes)
    }

    /// The last write: the run's counts, and the base as one segment if it lies in many.
    pub(super) fn finish(&mut self) -> Result<(), ImportError> {
        if self.options.dry_run {
            return Ok(());
        }
        self.tick(Stage::Finishing, "", 0, 0)?;
        let mut edits = Vec::new();
        let segments = self.segments()?;
        let mut retired = Vec::new();
        if segments.len() > MOST_SEGMENTS
            && !self.report.totals.problems.contains_key(&ProblemCode::Base)
        {
            let merged = self
                .blobs
                .put_bytes(&self.base.merged())
                .map_err(pod_error)?;
            self.journal.add_base(merged, &self.names, &mut edits);
            for cid in segments.into_iter().filter(|cid| *cid != merged) {
                edits.push(Edit::Retract(
                    self.journal.origin(),
                    self.names.base.clone(),
                    Some(Value::Blob(cid)),
                ));
                retired.push(cid);
            }
        }
        self.journal.stamp(&self.names, &mut edits);
        let finished = (self.options.now)();
        self.journal
            .finish(&self.report, finished, &self.names, &mut edits);
        self.pod.write(edits).map_err(ImportError::Pod)?;
        self.pod.flush().map_err(ImportError::Pod)?;
        // Only now does nothing current name them.
        for cid in retired {
            self.blobs.remove(&cid).map_err(pod_error)?;
        }
        Ok(())
    }
}
