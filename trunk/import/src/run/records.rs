//! Records on their way in: checked, counted, and kept until there are enough to write.

use std::io::Read;

use rhizome_schema::Schemas;
use rhizome_tuple::{EntityId, Value};

use super::{BATCH_BYTES, BATCH_ENTITIES, Run, size};
use crate::error::ImportError;
use crate::importer::{Sink, StoredFile};
use crate::limits::{KEY_BYTES, RECORD_FACTS, TEXT_BYTES};
use crate::problem::{Problem, ProblemCode};
use crate::progress::Stage;
use crate::record::{Fact, Identity, Record};
use crate::report::Outcome;

impl Run<'_> {
    /// Leaves out what a tuple cannot hold or the schema does not allow.
    fn checked(&mut self, record: &mut Record) {
        let Run { report, source, .. } = self;
        let what = match &record.identity {
            Identity::Key(key) => key.as_str(),
            Identity::Derived(_) => "",
        };
        let mut refuse = |code, message: String| {
            report.problem(Problem::of_item(code, source.name(), what, message));
        };
        let schemas = Schemas::built_in();
        let mut fits = |fact: &str, value: &Value| {
            let long = match value {
                Value::Text(text) => text.len() > TEXT_BYTES,
                Value::Bytes(bytes) => bytes.len() > TEXT_BYTES,
                Value::Float(x) if !x.is_finite() => {
                    refuse(
                        ProblemCode::Type,
                        format!("{fact} is not a finite number; it was left out"),
                    );
                    return false;
                }
                _ => false,
            };
            if long {
                refuse(
                    ProblemCode::TooLong,
                    format!("{fact} is longer than {TEXT_BYTES} bytes; it was left out"),
                );
                return false;
            }
            match schemas.check(fact, value) {
                Ok(()) => true,
                Err(error) => {
                    refuse(ProblemCode::Type, format!("{error}; it was left out"));
                    false
                }
            }
        };
        record.facts.retain_mut(|fact| match fact {
            Fact::One { attribute, value } => fits(attribute.as_str(), value),
            Fact::Members {
                attribute, values, ..
            } => {
                values.retain(|value| fits(attribute.as_str(), value));
                true
            }
            Fact::Elements { attribute, values } => {
                values.retain(|value| fits(attribute.as_str(), value));
                true
            }
            Fact::Empty { .. } | Fact::Total { .. } => true,
        });
    }
}

impl Sink for Run<'_> {
    fn entity(&self, key: &str) -> EntityId {
        self.keys.entity(key)
    }

    fn record(&mut self, mut record: Record) -> Result<(), ImportError> {
        self.records += 1;
        let entity = match &record.identity {
            Identity::Key(key) if key.is_empty() || key.len() > KEY_BYTES => {
                let message =
                    format!("a native id has 1 to {KEY_BYTES} bytes; the record was left out");
                let shown: String = key.chars().take(80).collect();
                self.report.problem(Problem::of_item(
                    ProblemCode::Malformed,
                    self.source.name(),
                    shown,
                    message,
                ));
                self.report.count(&record.kind, Outcome::Skipped);
                return Ok(());
            }
            Identity::Key(key) => self.keys.entity(key),
            Identity::Derived(entity) => *entity,
        };
        let tuples: usize = record.facts.iter().map(Fact::tuples).sum();
        let problem = if !self.base.meet(entity) {
            Some((
                ProblemCode::Duplicate,
                "a record of this id came before it; it was left out".to_owned(),
            ))
        } else if tuples > RECORD_FACTS {
            Some((
                ProblemCode::TooLong,
                format!("it has more than {RECORD_FACTS} values; it was left out"),
            ))
        } else {
            None
        };
        if let Some((code, message)) = problem {
            let item = match record.identity {
                Identity::Key(key) => key,
                Identity::Derived(entity) => entity.to_string(),
            };
            self.report
                .problem(Problem::of_item(code, self.source.name(), item, message));
            self.report.count(&record.kind, Outcome::Skipped);
            return Ok(());
        }
        self.checked(&mut record);
        if let Some(time) = record.created {
            self.report.spans(time);
        }
        if let Some(audience) = record.audience {
            *self.report.audience.entry(audience.as_str()).or_default() += 1;
        }
        self.weight.tuples += tuples;
        self.weight.bytes += bytes_of(&record.facts);
        self.pending.push((entity, record));
        let full = self.weight.tuples >= self.options.batch
            || self.weight.bytes >= BATCH_BYTES
            || self.pending.len() >= BATCH_ENTITIES;
        if full { self.flush() } else { Ok(()) }
    }

    fn skip(&mut self, kind: &'static str, problem: Problem) {
        self.report.problem(problem);
        self.report.count(kind, Outcome::Skipped);
    }

    fn problem(&mut self, problem: Problem) {
        self.report.problem(problem);
    }

    fn file(&mut self, path: &str) -> Result<Option<StoredFile>, ImportError> {
        self.store(path)
    }

    fn bytes(&mut self, what: &str, bytes: &[u8]) -> Result<Option<StoredFile>, ImportError> {
        self.store_bytes(what, bytes)
    }

    fn stream(
        &mut self,
        what: &str,
        from: &mut dyn Read,
        total: u64,
    ) -> Result<Option<StoredFile>, ImportError> {
        self.store_stream(what, from, total).map(Some)
    }

    fn used(&mut self, path: &str) {
        self.mark(path);
    }

    fn incomplete(&mut self, problem: Problem) {
        self.report.complete = false;
        self.report.problem(problem);
    }

    fn progress(&mut self, file: &str, done: u64, total: u64) -> Result<(), ImportError> {
        self.tick(Stage::Reading, file, done, total)
    }
}

fn bytes_of(facts: &[Fact]) -> usize {
    let one = |fact: &Fact| match fact {
        Fact::One { value, .. } => size(value),
        Fact::Members { values, .. } | Fact::Elements { values, .. } => {
            values.iter().map(size).sum()
        }
        Fact::Empty { .. } | Fact::Total { .. } => 8,
    };
    facts.iter().map(one).sum()
}
