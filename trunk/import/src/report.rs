//! What an import did, or would do: one JSON document.

use std::collections::BTreeMap;

use rhizome_tuple::{EntityId, Value};
use serde::{Serialize, Serializer};

use crate::importer::Recognition;
use crate::limits::{REPORT_KINDS, REPORT_LINES};
use crate::problem::{Problem, ProblemCode};
use crate::reconcile::{self, Resolution, Standing};
use crate::source::Packing;
use crate::value_json::value_json;

/// What an import did, or with `dry_run` would do. Every record of the export is in exactly one of `added`, `changed`,
/// `unchanged` and `skipped`. The lists hold their first 1,000 lines; `totals` are exact.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Records that were new.
    pub added: u64,
    /// Records of which something was taken.
    pub changed: u64,
    /// Records that stay as they are.
    pub unchanged: u64,
    /// Records left out: malformed, repeated, or deleted here since an earlier import.
    pub skipped: u64,
    /// The same by kind of record.
    pub kinds: BTreeMap<String, Counts>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether all of the export was read. False after a broken document or a stop.
    pub complete: bool,
    /// What the export was taken for.
    pub recognised: Option<Recognition>,
    /// How it was read, for importers that can be told otherwise: a mapping, to be saved, edited and given to the next run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<serde_json::Value>,
    /// The name of the imported file or folder.
    pub file: String,
    /// How it is packed.
    pub packing: Option<Packing>,
    /// BLAKE3 of it, hexadecimal.
    pub hash: Option<String>,
    /// The run's entity; none in a dry run.
    #[serde(serialize_with = "optional_entity")]
    pub run: Option<EntityId>,
    /// Earliest and latest time of a record.
    pub range: Option<Range>,
    /// Records by audience.
    pub audience: BTreeMap<&'static str, u64>,
    /// Tuples written to records.
    pub tuples: u64,
    /// Changed here only: they stay.
    pub kept: Vec<Difference>,
    /// Changed in the export only: they were taken.
    pub taken: Vec<Difference>,
    /// Changed on both sides: the pod's stay, the export's wait as proposals.
    pub conflicts: Vec<Difference>,
    /// Imported before and no longer in this export: they stay, for exports are often partial.
    #[serde(serialize_with = "entities")]
    pub vanished: Vec<EntityId>,
    /// Files that no importer reads, kept as they are.
    pub files: Vec<KeptFile>,
    /// What went wrong without stopping the import.
    pub problems: Vec<Problem>,
    /// Exact counts of the lists above.
    pub totals: Totals,
}

/// Records of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As [`Report::added`].
    pub added: u64,
    /// As [`Report::changed`].
    pub changed: u64,
    /// As [`Report::unchanged`].
    pub unchanged: u64,
    /// As [`Report::skipped`].
    pub skipped: u64,
}

/// Exact counts of the lists of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Of [`Report::kept`].
    pub kept: u64,
    /// Of [`Report::taken`].
    pub taken: u64,
    /// Of [`Report::conflicts`].
    pub conflicts: u64,
    /// Of [`Report::vanished`].
    pub vanished: u64,
    /// Of [`Report::files`].
    pub files: u64,
    /// Records deleted here since an earlier import, which stay deleted; part of `skipped`.
    pub deleted: u64,
    /// Of [`Report::problems`], by code.
    pub problems: BTreeMap<ProblemCode, u64>,
}

/// Earliest and latest time, milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The earliest.
    pub from: i64,
    /// The latest.
    pub to: i64,
}

/// One attribute of one record where the sides differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The entity.
    #[serde(serialize_with = "entity")]
    pub entity: EntityId,
    /// The kind of record.
    pub kind: String,
    /// Its id at the source, where it has one in text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// What the pod showed before the import.
    pub here: serde_json::Value,
    /// What the export says.
    pub export: serde_json::Value,
}

/// A file that no importer reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptFile {
    /// Its path inside the export.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

impl Report {
    pub(crate) fn count(&mut self, kind: &str, standing: Outcome) {
        let known = self.kinds.contains_key(kind) || self.kinds.len() < REPORT_KINDS;
        let counts = self
            .kinds
            .entry(if known { kind } else { "other" }.to_owned())
            .or_default();
        let (all, of_kind) = match standing {
            Outcome::Added => (&mut self.added, &mut counts.added),
            Outcome::Changed => (&mut self.changed, &mut counts.changed),
            Outcome::Unchanged => (&mut self.unchanged, &mut counts.unchanged),
            Outcome::Skipped => (&mut self.skipped, &mut counts.skipped),
        };
        *all += 1;
        *of_kind += 1;
    }

    pub(crate) fn spans(&mut self, time: i64) {
        let range = self.range.get_or_insert(Range {
            from: time,
            to: time,
        });
        range.from = range.from.min(time);
        range.to = range.to.max(time);
    }

    pub(crate) fn problem(&mut self, problem: Problem) {
        *self.totals.problems.entry(problem.code).or_default() += 1;
        if self.problems.len() < REPORT_LINES {
            self.problems.push(problem);
        }
    }

    pub(crate) fn keep_file(&mut self, path: &str, bytes: u64) {
        self.totals.files += 1;
        if self.files.len() < REPORT_LINES {
            self.files.push(KeptFile {
                path: path.to_owned(),
                bytes,
            });
        }
    }

    pub(crate) fn difference(
        &mut self,
        entity: EntityId,
        kind: &str,
        key: Option<&str>,
        difference: &reconcile::Difference,
    ) {
        let (list, total) = match difference.resolution {
            Resolution::Kept => (&mut self.kept, &mut self.totals.kept),
            Resolution::Taken => (&mut self.taken, &mut self.totals.taken),
            Resolution::Conflict => (&mut self.conflicts, &mut self.totals.conflicts),
        };
        *total += 1;
        if list.len() < REPORT_LINES {
            list.push(Difference {
                entity,
                kind: kind.to_owned(),
                key: key.map(str::to_owned),
                attribute: difference.attribute.as_str().to_owned(),
                here: side(&difference.here),
                export: side(&difference.export),
            });
        }
    }
}

/// Where a record is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Added,
    Changed,
    Unchanged,
    Skipped,
}

impl From<Standing> for Outcome {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Added => Self::Added,
            Standing::Changed => Self::Changed,
            Standing::Unchanged => Self::Unchanged,
            Standing::Deleted => Self::Skipped,
        }
    }
}

/// Nothing, the value, or all of several.
fn side(values: &[Value]) -> serde_json::Value {
    match values {
        [] => serde_json::Value::Null,
        [one] => value_json(one),
        many => many.iter().map(value_json).collect(),
    }
}

fn entity<S: Serializer>(entity: &EntityId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(entity)
}

#[allow(clippy::ref_option)] // the signature serde asks for
fn optional_entity<S: Serializer>(
    entity: &Option<EntityId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    entity
        .as_ref()
        .map(ToString::to_string)
        .serialize(serializer)
}

fn entities<S: Serializer>(entities: &[EntityId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entities.iter().map(ToString::to_string))
}
