//! A row into a record, as its mapping says.

use rhizome_schema::{Merge, ValueType};
use rhizome_tuple::{Attribute, EntityId, Value};

use super::cell::read;
use super::mapping::{Column, Constant, FileMapping};
use super::row::{Cell, Row};
use crate::error::ImportError;
use crate::importer::Sink;
use crate::problem::{Problem, ProblemCode};
use crate::record::{Fact, Identity, Record};
use crate::source::{Source, safe_path};

/// A mapping with its attributes made once.
pub struct Plan<'a> {
    pub mapping: &'a FileMapping,
    columns: Vec<(&'a str, &'a Column, Attribute, Merge)>,
    constants: Vec<Fact>,
}

impl<'a> Plan<'a> {
    pub fn new(mapping: &'a FileMapping) -> Result<Self, ImportError> {
        let name = |name: &str| {
            Attribute::new(name).map_err(|error| ImportError::Mapping(error.to_string()))
        };
        let column = |(from, column): (&'a String, &'a Column)| {
            Ok::<_, ImportError>((
                from.as_str(),
                column,
                name(&column.attribute)?,
                column.merge(),
            ))
        };
        let constant = |(attribute, value): (&String, &Constant)| {
            let value = match value {
                Constant::Boolean(b) => Value::Boolean(*b),
                Constant::Integer(n) => Value::Integer(*n),
                Constant::Text(text) => Value::from(text.as_str()),
            };
            Ok::<_, ImportError>(Fact::One {
                attribute: name(attribute)?,
                value,
            })
        };
        Ok(Self {
            mapping,
            columns: mapping
                .columns
                .iter()
                .map(column)
                .collect::<Result<_, _>>()?,
            constants: mapping
                .constants
                .iter()
                .map(constant)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Hands the record of a row over.
    pub fn record(
        &self,
        row: &Row<'_>,
        place: &Place<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let Some(key) = self.key(row) else {
            let message = format!(
                "it has nothing under {}; it was left out",
                self.mapping.id.join(", ")
            );
            sink.skip("record", place.problem(ProblemCode::Malformed, message));
            return Ok(());
        };
        let mut facts = self.constants.clone();
        let mut created = None;
        for (from, column, attribute, merge) in &self.columns {
            let cell = row.get(from).filter(|cell| !is_empty(*cell, column));
            let fact = fact(cell, column, attribute, *merge, place, sink)?;
            if let Some(Fact::One {
                value: Value::Time(ms),
                ..
            }) = &fact
                && (created.is_none() || attribute.as_str().ends_with("/created"))
            {
                created = Some(*ms);
            }
            facts.extend(fact);
        }
        sink.record(Record {
            kind: self.mapping.kind.clone().into(),
            identity: Identity::Key(key),
            facts,
            created,
            audience: None,
            provenance: self.mapping.provenance,
        })
    }

    /// `type/id`, the parts of an id of several columns with slashes between.
    fn key(&self, row: &Row<'_>) -> Option<String> {
        if self.mapping.id.is_empty() {
            return Some(format!("{}/#{}", self.mapping.kind, row.content()));
        }
        let mut key = self.mapping.kind.clone();
        for column in &self.mapping.id {
            let cell = row.get(column)?.text();
            if cell.is_empty() {
                return None;
            }
            key.push('/');
            key.push_str(&escaped(&cell));
        }
        Some(key)
    }
}

/// What a cell says, by how its column merges.
fn fact(
    cell: Option<Cell<'_>>,
    column: &Column,
    attribute: &Attribute,
    merge: Merge,
    place: &Place<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<Fact>, ImportError> {
    let attribute = attribute.clone();
    let cells: Vec<std::borrow::Cow<'_, str>> = match (cell, merge) {
        (None, _) => Vec::new(),
        (Some(cell), Merge::Register | Merge::Counter) => vec![cell.text()],
        (Some(cell), Merge::Set | Merge::List) => {
            let whole = cell.elements().into_iter().map(Cell::text);
            match &column.split {
                None => whole.collect(),
                Some(split) => {
                    let parts = whole.flat_map(|text| {
                        text.split(split.as_str())
                            .map(|part| part.trim().to_owned())
                            .collect::<Vec<_>>()
                    });
                    parts
                        .filter(|part| !part.is_empty())
                        .map(std::borrow::Cow::Owned)
                        .collect()
                }
            }
        }
    };
    let count = cells.len();
    let mut values = Vec::with_capacity(count);
    for cell in cells {
        values.extend(value(&cell, column, place, sink)?);
    }
    Ok(match merge {
        Merge::Register if count == 0 => Some(Fact::Empty { attribute }),
        Merge::Register => values.pop().map(|value| Fact::One { attribute, value }),
        Merge::Counter => match values.pop() {
            Some(Value::Integer(total)) => Some(Fact::Total { attribute, total }),
            _ => None,
        },
        // With a value that could not be read, what is missing was not removed.
        Merge::Set => Some(Fact::Members {
            attribute,
            whole: values.len() == count,
            values,
        }),
        Merge::List => (values.len() == count).then_some(Fact::Elements { attribute, values }),
    })
}

/// The value of a cell; a cell that does not hold what its column says is reported.
fn value(
    cell: &str,
    column: &Column,
    place: &Place<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<Value>, ImportError> {
    match (column.value_type, &column.to) {
        (ValueType::Ref, Some(to)) => {
            let entity: EntityId = sink.entity(&format!("{to}/{}", escaped(cell.trim())));
            Ok(Some(Value::Ref(entity)))
        }
        (ValueType::Blob, _) => {
            let folder = place
                .file
                .rfind('/')
                .and_then(|at| place.file.get(..=at))
                .unwrap_or_default();
            let path = safe_path(cell.trim()).map(|path| (format!("{folder}{path}"), path));
            let found = path.and_then(|(beside, top)| {
                [beside, top]
                    .into_iter()
                    .find(|path| place.source.find(path).is_some())
            });
            let Some(found) = found else {
                let message = format!("{} names no file of the export", column.attribute);
                sink.problem(place.problem(ProblemCode::MissingFile, message));
                return Ok(None);
            };
            Ok(sink.file(&found)?.map(|stored| Value::Blob(stored.cid)))
        }
        _ => match read(cell, column) {
            Ok(value) => Ok(Some(value)),
            Err(why) => {
                let message = format!("{}: {why}; it was left out", column.attribute);
                sink.problem(place.problem(ProblemCode::Type, message));
                Ok(None)
            }
        },
    }
}

/// Where a row stands, for messages.
pub struct Place<'a> {
    pub source: &'a Source,
    pub file: &'a str,
    pub number: u64,
}

impl Place<'_> {
    pub fn problem(&self, code: ProblemCode, message: impl Into<String>) -> Problem {
        Problem::of_item(code, self.file, format!("record {}", self.number), message)
    }
}

fn is_empty(cell: Cell<'_>, column: &Column) -> bool {
    match cell {
        Cell::Text(text) => text.is_empty() || column.empty.iter().any(|empty| empty == text),
        Cell::Json(_) => false,
    }
}

/// A part of a native id: the slashes between parts stay the only ones.
fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}
