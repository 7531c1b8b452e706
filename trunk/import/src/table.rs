//! Tables: CSV, JSON and JSON lines, by a mapping file or by a guess that people can edit.

mod cell;
mod guess;
mod mapping;
mod published;
mod record;
mod row;

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

pub use mapping::{Column, Constant, FileMapping, Format, MAX_COLUMNS, MAX_MAPPING_LEN, Mapping};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::each_item;
use crate::outcome::{self, End};
use crate::part::kind_of;
use crate::problem::ProblemCode;
use crate::source::{Allowance, Entry, Metered, Source};
use crate::text::{Lossy, Replaced};
pub use published::{Published, published};
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
        let mut read = 0;
        for entry in source.entries() {
            read += usize::from(!files_of(&mapping, source, entry)?.is_empty());
        }
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
            for file in files_of(&mapping, source, entry)? {
                sink.used(&entry.path);
                read_file(source, entry, file, sink)?;
            }
        }
        Ok(())
    }

    fn explain(&self, source: &Source) -> Result<Option<Value>, ImportError> {
        let mapping = self.mapping_of(source)?;
        Ok(mapping.and_then(|mapping| serde_json::to_value(mapping).ok()))
    }
}

/// The mappings by which a file is read: the first that fits its name and columns, and those that take other records out of
/// the same document.
fn files_of<'a>(
    mapping: &'a Mapping,
    source: &Source,
    entry: &'a Entry,
) -> Result<Vec<&'a FileMapping>, ImportError> {
    let mut chosen: Vec<&FileMapping> = Vec::new();
    for file in mapping.named(&entry.path) {
        let first = chosen.first();
        let other = first.is_some_and(|first| first.file != file.file)
            || chosen.iter().any(|chosen| chosen.records == file.records);
        let reading = Reading { source, entry };
        if !other && reading.has_columns(file)? {
            chosen.push(file);
        }
    }
    Ok(chosen)
}

/// Hands every record of one file over.
fn read_file(
    source: &Source,
    entry: &Entry,
    file: &FileMapping,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
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
                outcome::broken_off(&entry.path, "file", &why, sink);
            }
            Err(Stop::Replaced(count)) => outcome::replaced(&entry.path, count, sink),
            Err(Stop::Record(why)) => {
                let message = format!("{why}; it was left out");
                sink.skip("record", place.problem(ProblemCode::Malformed, message));
            }
        }
        if number % 256 == 0 {
            sink.progress(&entry.path, done.min(entry.size), entry.size)
        } else {
            Ok(())
        }
    })
}

/// Records looked at for the columns that a file must have.
const LOOKED_AT: u64 = 10;

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
            Format::Csv => self.csv(file, take),
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

    /// Whether the file has the columns that its mapping asks for: in its header, or together in one of its first records.
    fn has_columns(&self, file: &FileMapping) -> Result<bool, ImportError> {
        if file.recognise.is_empty() {
            return Ok(true);
        }
        if file.format == Format::Csv {
            let (mut reader, ..) = self.csv_reader(file)?;
            let mut cells = csv::StringRecord::new();
            if !reader.read_record(&mut cells).unwrap_or(false) || cells.len() > MAX_COLUMNS {
                return Ok(false);
            }
            let names = header(&cells);
            return Ok(file.recognise.iter().all(|name| names.contains(name)));
        }
        let mut found = false;
        let read = self.records(file, &mut |number, row, _, _| {
            let has = |row: &Row<'_>| file.recognise.iter().all(|name| row.has(name));
            found |= row.is_ok_and(|row| has(&row));
            if found || number >= LOOKED_AT {
                Err(ImportError::Cancelled)
            } else {
                Ok(())
            }
        });
        match read {
            Ok(()) | Err(ImportError::Cancelled) => Ok(found),
            Err(error) => Err(error),
        }
    }

    /// The rows of a CSV file from its header on.
    fn csv_reader(
        &self,
        file: &FileMapping,
    ) -> Result<(csv::Reader<impl Read>, Allowance, Replaced), ImportError> {
        let limit = self.source.limits().record_bytes as u64;
        let (lossy, replaced) = Lossy::new(self.source.read(&self.entry.path)?);
        let mut lines = BufReader::with_capacity(1 << 15, lossy);
        for _ in 0..file.skip {
            lines
                .by_ref()
                .take(limit)
                .skip_until(b'\n')
                .map_err(|error| ImportError::read(&self.entry.path, error))?;
        }
        let (metered, allowance) = Metered::new(lines, limit);
        let reader = csv::ReaderBuilder::new()
            .delimiter(file.delimiter.unwrap_or(',') as u8)
            .flexible(true)
            .has_headers(false)
            .from_reader(metered);
        Ok((reader, allowance, replaced))
    }

    fn csv(&self, file: &FileMapping, take: Take<'_>) -> Result<(), ImportError> {
        let (mut reader, allowance, replaced) = self.csv_reader(file)?;
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
