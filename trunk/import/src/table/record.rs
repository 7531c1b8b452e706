//! A row into a record, as its mapping says.

use std::borrow::Cow;
use std::collections::HashSet;

use rhizome_schema::{Merge, ValueType};
use rhizome_tuple::{Attribute, EntityId, Value};

use super::cell::read;
use super::mapping::{Column, Constant, FileMapping};
use super::row::{Cell, Row};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::importer::Sink;
use crate::problem::{Problem, ProblemCode};
use crate::record::{Fact, Identity, Record};
use crate::source::{Source, safe_path};
use crate::text::plain_text;

/// A mapping with its attributes made once.
pub struct Plan<'a> {
    pub mapping: &'a FileMapping,
    columns: Vec<(&'a str, &'a Column, Attribute, Merge)>,
    constants: Vec<Fact>,
    /// Whether one attribute stands twice, so that facts about it are brought together.
    repeats: bool,
    audience: Option<Audience>,
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
        let columns: Vec<_> = mapping
            .columns
            .iter()
            .map(column)
            .collect::<Result<_, _>>()?;
        let constants: Vec<Fact> = mapping
            .constants
            .iter()
            .map(constant)
            .collect::<Result<_, _>>()?;
        let mut seen: HashSet<&str> = mapping.constants.keys().map(String::as_str).collect();
        let repeats = mapping
            .columns
            .values()
            .any(|column| !seen.insert(column.attribute.as_str()));
        let audience = mapping.constants.get("social/audience");
        Ok(Self {
            mapping,
            columns,
            constants,
            repeats,
            audience: audience.and_then(|audience| match audience {
                Constant::Text(audience) => Audience::from_name(audience),
                _ => None,
            }),
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
            let fact = fact(row.all(from), column, attribute, *merge, place, sink)?;
            if let Some(Fact::One {
                value: Value::Time(ms),
                ..
            }) = &fact
                && (created.is_none() || attribute.as_str().ends_with("/created"))
            {
                created = Some(*ms);
            }
            match fact {
                Some(fact) if self.repeats => together(&mut facts, fact, self.constants.len()),
                fact => facts.extend(fact),
            }
        }
        sink.record(Record {
            kind: self.mapping.kind.clone().into(),
            identity: Identity::Key(key),
            facts,
            created,
            audience: self.audience,
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
            let filled = |name: &str| {
                let cell = row.get(name)?.text();
                (!cell.is_empty()).then_some(cell)
            };
            let cell = filled(column).or_else(|| column.split('|').find_map(filled))?;
            key.push('/');
            key.push_str(&escaped(&cell));
        }
        Some(key)
    }
}

/// Adds a fact to others. Of several columns of one register the first that has a value counts, and it before a constant;
/// those of a set are one set.
fn together(facts: &mut Vec<Fact>, fact: Fact, constants: usize) {
    let same = |(_, known): &(usize, &mut Fact)| known.attribute() == fact.attribute();
    let Some((at, known)) = facts.iter_mut().enumerate().find(same) else {
        facts.push(fact);
        return;
    };
    match (known, fact) {
        (known @ Fact::Empty { .. }, fact) => *known = fact,
        (known, fact) if at < constants && !matches!(fact, Fact::Empty { .. }) => *known = fact,
        (
            Fact::Members { values, whole, .. },
            Fact::Members {
                values: more,
                whole: all,
                ..
            },
        ) => {
            for value in more {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            *whole &= all;
        }
        _ => {}
    }
}

/// What the cells of a column say, by how it merges.
fn fact(
    cells: Vec<Cell<'_>>,
    column: &Column,
    attribute: &Attribute,
    merge: Merge,
    place: &Place<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<Fact>, ImportError> {
    let attribute = attribute.clone();
    let cells: Vec<Cow<'_, str>> = match merge {
        Merge::Register | Merge::Counter => {
            let texts = cells.into_iter().filter_map(|cell| text(cell, column));
            texts.take(1).collect()
        }
        Merge::Set | Merge::List => {
            let all = cells.into_iter().flat_map(Cell::elements);
            let texts = all.filter_map(|cell| text(cell, column));
            match &column.split {
                None => texts.collect(),
                Some(split) => {
                    let parts = texts.flat_map(|text| {
                        text.split(split.as_str())
                            .map(|part| part.trim().to_owned())
                            .collect::<Vec<_>>()
                    });
                    parts
                        .filter(|part| !part.is_empty())
                        .map(Cow::Owned)
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

/// A cell as text, as its column wants it; `None` where it means that there is no value.
fn text<'a>(cell: Cell<'a>, column: &Column) -> Option<Cow<'a, str>> {
    let mut text = cell.text();
    if let Cell::Text(_) = cell {
        if !column.strip.is_empty() {
            let stripped = text.trim().trim_matches(|c| column.strip.contains(c));
            text = Cow::Owned(stripped.to_owned());
        }
        if text.is_empty() || column.empty.iter().any(|empty| *empty == text) {
            return None;
        }
        if column.html {
            let plain = plain_text(&text);
            if plain.is_empty() {
                return None;
            }
            text = Cow::Owned(plain);
        }
    }
    Some(match column.values.get(text.as_ref()) {
        Some(other) => Cow::Owned(other.clone()),
        None => text,
    })
}

/// A part of a native id: the slashes between parts stay the only ones.
fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}
