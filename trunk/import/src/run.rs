//! One import: records in, tuples and a report out.

mod bases;
mod conflicts;
mod files;
mod journal;
mod records;

use rhizome_blob::BlobStore;
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};

use crate::base::{Base, SegmentWriter};
use crate::error::ImportError;
use crate::fingerprint::Fingerprints;
use crate::importer::{Importer, Recognition, Sink};
use crate::keys::Keys;
use crate::pod::Pod;
use crate::progress::{Cancel, Progress, Stage};
use crate::reconcile::{Standing, reconcile};
use crate::record::{Identity, Record};
use crate::report::Report;
use crate::source::Source;
use crate::vocabulary::ImportNames;
use conflicts::Conflicts;
use journal::Journal;

/// What an import is to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Compare and report, write nothing.
    pub dry_run: bool,
    /// Milliseconds since 1970, for the run's `import/started` and `import/finished`.
    pub now: fn() -> i64,
    /// Tuples written in one go. Larger is faster; what a crash can lose is imported again by the next run.
    pub batch: usize,
}

impl Options {
    /// An import that writes, in batches of 50,000 tuples, by the clock given.
    pub fn new(now: fn() -> i64) -> Self {
        Self {
            dry_run: false,
            now,
            batch: 50_000,
        }
    }
}

/// An import that stopped before its end, with what it had done: everything it reports as added or changed is in the
/// pod.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Why it stopped.
    #[source]
    pub error: ImportError,
    /// What was done until then.
    pub report: Box<Report>,
}

/// One import, ready to run.
pub struct Import<'a> {
    /// What is imported.
    pub source: &'a Source,
    /// By whom; the importer that gave the recognition.
    pub importer: &'a dyn Importer,
    /// As what.
    pub recognition: Recognition,
    /// Into which pod.
    pub pod: &'a mut dyn Pod,
    /// Where files go.
    pub blobs: &'a BlobStore,
    /// How.
    pub options: Options,
}

impl Import<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// [`Failed`], with a report of what was done. Running the import again continues from there.
    pub fn run(
        self,
        progress: &mut dyn FnMut(Progress<'_>),
        cancel: &Cancel,
    ) -> Result<Report, Failed> {
        let Self {
            source,
            importer,
            recognition,
            pod,
            blobs,
            options,
        } = self;
        let report = Report {
            dry_run: options.dry_run,
            recognised: Some(recognition.clone()),
            file: source.name().to_owned(),
            packing: Some(source.packing()),
            complete: true,
            ..Report::default()
        };
        let names = ImportNames::new();
        let creator = match creator_of(pod, &recognition, &names) {
            Ok(creator) => creator,
            Err(error) => {
                let report = Box::new(Report {
                    complete: false,
                    ..report
                });
                return Err(Failed { error, report });
            }
        };
        let mut run = Run {
            keys: Keys::new(&creator, &recognition.source),
            journal: Journal::new(&creator, &recognition),
            source,
            pod,
            blobs,
            options,
            progress,
            cancel,
            report,
            names,
            base: Base::default(),
            conflicts: Conflicts::default(),
            prints: Fingerprints::default(),
            pending: Vec::new(),
            weight: Weight::default(),
            read: vec![false; source.entries().len()],
            records: 0,
        };
        match run.whole(importer, &recognition) {
            Ok(()) => Ok(run.report),
            Err(error) => {
                run.report.complete = false;
                Err(Failed {
                    error,
                    report: Box::new(run.report),
                })
            }
        }
    }
}

/// In whose pod the records of an account were imported first: here, unless an export of another pod brought them. Their entities derive from it.
fn creator_of(
    pod: &dyn Pod,
    recognition: &Recognition,
    names: &ImportNames,
) -> Result<String, ImportError> {
    let own = pod.creator().to_owned();
    let origin = Journal::new(&own, recognition).origin();
    if !pod.held(&origin).map_err(ImportError::Pod)?.is_empty() {
        return Ok(own);
    }
    let mut origins = pod
        .entities_with(names.r#type.as_str(), &Value::from("origin"))
        .map_err(ImportError::Pod)?;
    origins.sort_unstable();
    for origin in origins {
        let held = pod.held(&origin).map_err(ImportError::Pod)?;
        let text = |name| {
            let (_, values) = held.iter().find(|(attribute, _)| attribute == name)?;
            match values.first() {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            }
        };
        if text(&names.source) == Some(recognition.source.as_str())
            && text(&names.account) == recognition.account.as_deref()
            && let Some(creator) = text(&names.creator)
        {
            return Ok(creator.to_owned());
        }
    }
    Ok(own)
}

struct Run<'a> {
    source: &'a Source,
    pod: &'a mut dyn Pod,
    blobs: &'a BlobStore,
    options: Options,
    progress: &'a mut dyn FnMut(Progress<'_>),
    cancel: &'a Cancel,
    keys: Keys,
    journal: Journal,
    report: Report,
    names: ImportNames,
    base: Base,
    conflicts: Conflicts,
    prints: Fingerprints,
    pending: Vec<(EntityId, Record)>,
    weight: Weight,
    /// Which entries of the source an importer read.
    read: Vec<bool>,
    records: u64,
}

/// What waits to be written.
#[derive(Default)]
struct Weight {
    tuples: usize,
    bytes: usize,
}

/// Entities in one write: below what one commit holds, with the run, the origin and conflicts beside them, so that every
/// commit of an import writes to its run.
const BATCH_ENTITIES: usize = 3_000;
/// Bytes of text in one write.
const BATCH_BYTES: usize = 32 << 20;
/// Tuples and bytes of one entity in one write: well below what a leaf holds.
const LEAF_TUPLES: usize = 32_000;
const LEAF_BYTES: usize = 2 << 20;

impl Run<'_> {
    fn whole(
        &mut self,
        importer: &dyn Importer,
        recognition: &Recognition,
    ) -> Result<(), ImportError> {
        for problem in self.source.problems() {
            self.report.problem(problem.clone());
        }
        self.report.mapping = importer.explain(self.source)?;
        let started = (self.options.now)();
        let hash = self.hash()?;
        self.report.hash = Some(hash.clone());
        self.journal
            .begin(started, importer.name(), self.source.name(), hash);
        if !self.options.dry_run {
            self.report.run = Some(self.journal.run());
        }
        self.load_bases()?;
        self.conflicts = Conflicts::load(self.pod)?;
        importer.read(self.source, recognition, self)?;
        self.keep_unknown_files()?;
        self.flush()?;
        if self.report.complete {
            let unmet = self.base.unmet();
            self.report.totals.vanished = unmet.len() as u64;
            self.report.vanished = unmet
                .into_iter()
                .take(crate::limits::REPORT_LINES)
                .collect();
        }
        self.finish()
    }

    fn hash(&mut self) -> Result<String, ImportError> {
        let total = self.source.entries().iter().map(|entry| entry.size).sum();
        let mut done = 0;
        let (progress, cancel, file) = (&mut self.progress, self.cancel, self.source.name());
        let hash = self.source.digest(&mut |bytes| {
            done += bytes;
            progress(Progress {
                stage: Stage::Hashing,
                file,
                done,
                total,
                records: 0,
            });
            if cancel.is_cancelled() {
                Err(ImportError::Cancelled)
            } else {
                Ok(())
            }
        })?;
        Ok(hash.to_hex().to_string())
    }

    /// Compares what waits with the pod, writes the outcome with its base in one go, and counts it.
    fn flush(&mut self) -> Result<(), ImportError> {
        let pending = std::mem::take(&mut self.pending);
        self.weight = Weight::default();
        if pending.is_empty() {
            return Ok(());
        }
        let mut segment = SegmentWriter::new(self.base.next_generation());
        let mut edits: Vec<Edit> = Vec::new();
        let mut outcomes = Vec::with_capacity(pending.len());
        for (entity, record) in pending {
            let Record {
                kind,
                identity,
                facts,
                provenance,
                ..
            } = record;
            let here = self.pod.held(&entity).map_err(ImportError::Pod)?;
            let base = self.base.said(&entity);
            let pod = &*self.pod;
            let mut elements = |attribute: &_| pod.elements(&entity, attribute);
            let mentioned = self
                .conflicts
                .has(&entity)
                .then(|| facts.iter().map(|f| f.attribute().clone()).collect());
            let mut verdict =
                reconcile(entity, facts, base, &here, &mut elements, &mut self.prints)
                    .map_err(ImportError::Pod)?;
            if verdict.standing == Standing::Added && provenance {
                self.journal
                    .origin_of(entity, &identity, &self.names, &mut verdict.edits);
            }
            let key = match identity {
                Identity::Key(key) => Some(key),
                Identity::Derived(_) => None,
            };
            let run = self.journal.run();
            self.conflicts.note(
                &self.names,
                run,
                entity,
                mentioned,
                &verdict.differences,
                &mut edits,
            );
            if let Some(said) = &verdict.said {
                segment.put(entity, said);
            }
            self.write_large(entity, &mut verdict.edits)?;
            edits.append(&mut verdict.edits);
            outcomes.push((entity, kind, key, verdict));
        }
        self.write(edits, segment)?;
        for (entity, kind, key, verdict) in outcomes {
            self.report.tuples += verdict.tuples as u64;
            self.report.totals.deleted += u64::from(verdict.standing == Standing::Deleted);
            self.report.count(&kind, verdict.standing.into());
            for difference in &verdict.differences {
                self.report
                    .difference(entity, &kind, key.as_deref(), difference);
            }
        }
        Ok(())
    }

    /// Writes all but the last part of an entity too large for one leaf ahead of its base: should a crash come between,
    /// the next run finds these values here, equal to the export's.
    fn write_large(&mut self, entity: EntityId, edits: &mut Vec<Edit>) -> Result<(), ImportError> {
        let mut start = 0;
        let (mut tuples, mut bytes) = (0, 0);
        let mut parts = Vec::new();
        for (at, edit) in edits.iter().enumerate() {
            let (t, b) = weight(edit);
            if at > start && (tuples + t > LEAF_TUPLES || bytes + b > LEAF_BYTES) {
                parts.push(at - start);
                (start, tuples, bytes) = (at, 0, 0);
            }
            tuples += t;
            bytes += b;
        }
        for part in parts {
            let rest = edits.split_off(part);
            let part = std::mem::replace(edits, rest);
            if !self.options.dry_run {
                self.pod.write(part).map_err(ImportError::Pod)?;
            }
        }
        debug_assert!(edits.iter().all(|edit| *edit.entity() == entity));
        Ok(())
    }

    /// Writes edits, the base that goes with them and the run, in one go.
    fn write(&mut self, mut edits: Vec<Edit>, segment: SegmentWriter) -> Result<(), ImportError> {
        if edits.is_empty() && segment.is_empty() {
            return Ok(());
        }
        if self.options.dry_run {
            return Ok(());
        }
        if !segment.is_empty() {
            let bytes = segment.finish();
            let cid = self.blobs.put_bytes(&bytes).map_err(pod_error)?;
            self.journal.add_base(cid, &self.names, &mut edits);
            self.base.take(bytes).map_err(pod_error)?;
        }
        self.journal.stamp(&self.names, &mut edits);
        self.pod.write(edits).map_err(ImportError::Pod)?;
        self.pod.flush().map_err(ImportError::Pod)
    }

    fn tick(&mut self, stage: Stage, file: &str, done: u64, total: u64) -> Result<(), ImportError> {
        (self.progress)(Progress {
            stage,
            file,
            done,
            total,
            records: self.records,
        });
        if self.cancel.is_cancelled() {
            Err(ImportError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// Tuples and bytes of text in an edit.
fn weight(edit: &Edit) -> (usize, usize) {
    match edit {
        Edit::Assert(_, _, value) | Edit::Insert(_, _, value) | Edit::List(_, _, value, _) => {
            (1, size(value))
        }
        Edit::SetList(_, _, values) => (values.len(), values.iter().map(size).sum()),
        _ => (1, 0),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 16,
        Value::Bytes(bytes) => bytes.len() + 16,
        _ => 40,
    }
}

fn pod_error(error: impl std::error::Error + Send + Sync + 'static) -> ImportError {
    ImportError::Pod(Box::new(error))
}
