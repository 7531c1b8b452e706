//! Tables: CSV, JSON and JSON lines, by a mapping file or by a guess that people can edit.

mod cell;
mod guess;
mod mapping;
mod record;
mod row;

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

pub use mapping::{Column, Constant, FileMapping, Format, MAX_COLUMNS, MAX_MAPPING_LEN, Mapping};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{End, each_item};
use crate::part::kind_of;
use crate::problem::{Problem, ProblemCode};
use crate::source::{Entry, Metered, Source};
use crate::text::Lossy;
use record::{Place, Plan};
use row::Row;

/// Reads tables, as a mapping says or as it guesses.
#[derive(Clone, Debug, Default)]
pub struct Table {
    mapping: Option<Mapping>,
}

impl Table {
    /// A reader that guesses.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader that does as `mapping` says.
    pub fn with_mapping(mapping: Mapping) -> Self {
        Self {
            mapping: Some(mapping),
        }
    }

    /// The mapping this reader uses for a source: its own, or a guess from the first thousand records of each file.
    /// `None` where nothing in the source looks like a table.
    pub fn mapping_of(&self, source: &Source) -> Result<Option<Mapping>, ImportError> {
        match &self.mapping {
            Some(mapping) => Ok(Some(mapping.clone())),
            None => guess::mapping(source),
        }
    }
}

impl Importer for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let Some(mapping) = self.mapping_of(source)? else {
            return Ok(None);
        };
        let read = source
            .entries()
            .iter()
            .filter(|entry| mapping.of(&entry.path).is_some())
            .count();
        if read == 0 {
            return Ok(None);
        }
        let all = source.entries().len();
        let (confidence, why) = match self.mapping {
            Some(_) => (1.0, format!("the mapping names {read} of its {all} files")),
            None => (
                0.5 + 0.2 * read as f32 / all as f32,
                format!("{read} of its {all} files are tables"),
            ),
        };
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why,
            source: mapping.source,
            account: None,
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let Some(mapping) = self.mapping_of(source)? else {
            return Ok(());
        };
        for entry in source.entries() {
            if let Some(file) = mapping.of(&entry.path) {
                sink.used(&entry.path);
                let plan = Plan::new(file)?;
                let reading = Reading { source, entry };
                reading.records(file, &mut |number, row, done, _| {
                    let place = Place {
                        source,
                        file: &entry.path,
                        number,
                    };
                    match row {
                        Ok(row) => plan.record(&row, &place, sink)?,
                        Err(Stop::Broken(why)) => {
                            let message = format!("the rest of the file cannot be read: {why}");
                            sink.incomplete(Problem::of_file(
                                ProblemCode::Malformed,
                                &entry.path,
                                message,
                            ));
                        }
                        Err(Stop::Replaced(count)) => {
                            let message = format!(
                                "{count} sequences of bytes are not UTF-8; each became U+FFFD"
                            );
                            sink.problem(Problem::of_file(
                                ProblemCode::Encoding,
                                &entry.path,
                                message,
                            ));
                        }
                        Err(Stop::Record(why)) => {
                            sink.skip(
                                "record",
                                place.problem(
                                    ProblemCode::Malformed,
                                    format!("{why}; it was left out"),
                                ),
                            );
                        }
                    }
                    if number % 256 == 0 {
                        sink.progress(&entry.path, done.min(entry.size), entry.size)
                    } else {
                        Ok(())
                    }
                })?;
            }
        }
        Ok(())
    }

    fn explain(&self, source: &Source) -> Result<Option<Value>, ImportError> {
        let mapping = self.mapping_of(source)?;
        Ok(mapping.and_then(|mapping| serde_json::to_value(mapping).ok()))
    }
}

/// What is not a row.
enum Stop {
    /// One record that cannot be read.
    Record(String),
    /// The rest of the file.
    Broken(String),
    /// Bytes that were not UTF-8.
    Replaced(u64),
}

/// Takes rows: their number from 1, the row, the bytes read so far.
type Take<'a> =
    &'a mut dyn FnMut(u64, Result<Row<'_>, Stop>, u64, &[String]) -> Result<(), ImportError>;

/// One file of a source, as records.
struct Reading<'a> {
    source: &'a Source,
    entry: &'a Entry,
}

impl Reading<'_> {
    fn records(&self, file: &FileMapping, take: Take<'_>) -> Result<(), ImportError> {
        match file.format {
            Format::Csv => self.csv(file.delimiter.unwrap_or(',') as u8, take),
            Format::Json => {
                let path = file.path().map_err(ImportError::Mapping)?;
                let limit = self.source.limits().record_bytes;
                let outcome = each_item(
                    self.source.read(&self.entry.path)?,
                    &path,
                    limit,
                    &mut |n, item, done| object(item, n + 1, done, take),
                )?;
                if let End::Broken(why) = outcome.end {
                    take(0, Err(Stop::Broken(why)), 0, &[])?;
                }
                if outcome.mismatches > 0 {
                    take(
                        0,
                        Err(Stop::Broken(
                            "the path of the mapping does not lead to its records".to_owned(),
                        )),
                        0,
                        &[],
                    )?;
                }
                if outcome.replaced > 0 {
                    take(0, Err(Stop::Replaced(outcome.replaced)), 0, &[])?;
                }
                Ok(())
            }
            Format::Jsonl => self.lines(take),
        }
    }

    fn csv(&self, delimiter: u8, take: Take<'_>) -> Result<(), ImportError> {
        let (lossy, replaced) = Lossy::new(self.source.read(&self.entry.path)?);
        let (metered, allowance) = Metered::new(lossy, self.source.limits().record_bytes as u64);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(metered);
        let mut names: Option<Vec<String>> = None;
        let mut cells = csv::StringRecord::new();
        let mut number = 0;
        loop {
            allowance.renew();
            match reader.read_record(&mut cells) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => {
                    let why = if allowance.spent() {
                        format!("record {} is longer than a record may be", number + 1)
                    } else {
                        error.to_string()
                    };
                    take(0, Err(Stop::Broken(why)), 0, &[])?;
                    break;
                }
            }
            let Some(names) = &names else {
                if cells.len() > MAX_COLUMNS {
                    take(
                        0,
                        Err(Stop::Broken(format!(
                            "it has more than {MAX_COLUMNS} columns"
                        ))),
                        0,
                        &[],
                    )?;
                    break;
                }
                names = Some(header(&cells));
                continue;
            };
            number += 1;
            let done = reader.position().byte();
            if cells.len() == names.len() {
                take(
                    number,
                    Ok(Row::Cells {
                        names,
                        cells: &cells,
                    }),
                    done,
                    names,
                )?;
            } else if cells.iter().any(|cell| !cell.is_empty()) {
                let why = format!("it has {} cells under {} columns", cells.len(), names.len());
                take(number, Err(Stop::Record(why)), done, names)?;
            }
        }
        if replaced.count() > 0 {
            take(0, Err(Stop::Replaced(replaced.count())), 0, &[])?;
        }
        Ok(())
    }

    fn lines(&self, take: Take<'_>) -> Result<(), ImportError> {
        let limit = self.source.limits().record_bytes as u64;
        let failed = |error| ImportError::read(&self.entry.path, error);
        let (lossy, replaced) = Lossy::new(self.source.read(&self.entry.path)?);
        let mut reader = BufReader::with_capacity(1 << 16, lossy);
        let (mut line, mut done, mut number) = (Vec::new(), 0, 0);
        loop {
            line.clear();
            let n = reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut line)
                .map_err(failed)? as u64;
            if n == 0 {
                break;
            }
            done += n;
            number += 1;
            let text = std::str::from_utf8(&line).unwrap_or_default().trim();
            if n == limit && !line.ends_with(b"\n") {
                done += reader.skip_until(b'\n').map_err(failed)? as u64;
                take(
                    number,
                    Err(Stop::Record("it is longer than a record may be".to_owned())),
                    done,
                    &[],
                )?;
            } else if !text.is_empty() {
                object(text, number, done, take)?;
            }
        }
        if replaced.count() > 0 {
            take(0, Err(Stop::Replaced(replaced.count())), 0, &[])?;
        }
        Ok(())
    }
}

fn object(json: &str, number: u64, done: u64, take: Take<'_>) -> Result<(), ImportError> {
    match serde_json::from_str::<Value>(json) {
        Ok(Value::Object(object)) => take(number, Ok(Row::Object(&object)), done, &[]),
        Ok(other) => {
            let why = format!("a record is an object, not a {}", kind_of(&other));
            take(number, Err(Stop::Record(why)), done, &[])
        }
        Err(error) => take(number, Err(Stop::Record(error.to_string())), done, &[]),
    }
}

/// Names of columns, each once: an empty one is its number, a repeated one gets a number.
fn header(cells: &csv::StringRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(cells.len());
    for (n, cell) in cells.iter().enumerate() {
        let name = cell.trim();
        let mut name = if name.is_empty() {
            (n + 1).to_string()
        } else {
            name.to_owned()
        };
        if names.contains(&name) {
            name = format!("{name}#{}", n + 1);
        }
        names.push(name);
    }
    names
}
