//! A mapping guessed from the first records of each file: meant to be looked at and edited.

use std::collections::{BTreeMap, HashSet};

use rhizome_schema::{Merge, ValueType};
use serde_json::Value;

use super::Reading;
use super::cell::time;
use super::mapping::{Column, FileMapping, Format, MAX_COLUMNS, Mapping};
use super::row::{Cell, Row};
use crate::error::ImportError;
use crate::json::find_records;
use crate::source::{Entry, Source};
use crate::tuples::stem;

/// Records looked at in each file.
const SAMPLE: u64 = 1_000;
/// Files of one source that are looked at.
const MOST_FILES: usize = 1_000;
/// How deep fields in fields are given columns of their own.
const DEPTH: usize = 4;
/// Names under which a record's own id is looked for, in this order.
const IDS: [&str; 8] = [
    "id",
    "uuid",
    "guid",
    "key",
    "permalink",
    "url",
    "link",
    "slug",
];
/// Patterns of times without a zone, tried after RFC 3339.
const PATTERNS: [&str; 5] = [
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
];

/// A mapping for every file of the source that looks like a table; `None` if none does.
pub fn mapping(source: &Source) -> Result<Option<Mapping>, ImportError> {
    let name = plain(stem(source.name()));
    let mut files = Vec::new();
    for entry in source.entries().iter().take(MOST_FILES) {
        if let Some((format, delimiter, records)) = format(source, entry)? {
            files.extend(file(source, entry, &name, format, delimiter, records)?);
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    link(&mut files);
    Ok(Some(Mapping {
        mapping: 1,
        title: String::new(),
        source: name,
        ignore: Vec::new(),
        files,
    }))
}

type Shape = (Format, Option<char>, Option<String>);

/// How a file is written, by its name and its first bytes.
fn format(source: &Source, entry: &Entry) -> Result<Option<Shape>, ImportError> {
    let extension = entry
        .path
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !matches!(
        extension.as_str(),
        "csv" | "tsv" | "txt" | "json" | "jsonl" | "ndjson"
    ) {
        return Ok(None);
    }
    let head = source.head(&entry.path, 64 << 10)?;
    let head = String::from_utf8_lossy(&head);
    let head = head.trim_start_matches('\u{feff}').trim_start();
    let first = head.lines().next().unwrap_or_default();
    // UTF-16 and other bytes that are no text: kept as an unknown file.
    if first.is_empty() || first.contains('\0') || first.contains('\u{fffd}') {
        return Ok(None);
    }
    if head.starts_with(['{', '[']) {
        let is_line =
            |line: &str| serde_json::from_str::<serde_json::Map<String, Value>>(line).is_ok();
        let second = head.lines().nth(1);
        let lines = is_line(first) && (extension != "json" || second.is_some_and(is_line));
        if lines {
            return Ok(Some((Format::Jsonl, None, None)));
        }
        let path = find_records(source.read(&entry.path)?, source.limits().record_bytes);
        return Ok(path.map(|path| (Format::Json, None, Some(path))));
    }
    if matches!(extension.as_str(), "json" | "jsonl" | "ndjson") {
        return Ok(None);
    }
    let most = [',', '\t', ';', '|']
        .into_iter()
        .max_by_key(|delimiter| first.matches(*delimiter).count());
    let delimiter = most.filter(|delimiter| first.contains(*delimiter));
    match (delimiter, extension.as_str()) {
        (None, "csv" | "tsv") => Ok(Some((Format::Csv, None, None))),
        (None, _) | (Some(_), "txt") => Ok(None),
        (Some(delimiter), _) => Ok(Some((
            Format::Csv,
            Some(delimiter).filter(|d| *d != ','),
            None,
        ))),
    }
}

/// What the cells of a column have in common.
#[derive(Default)]
struct Seen {
    cells: u64,
    not: HashSet<&'static str>,
    values: HashSet<String>,
    repeated: bool,
    array: bool,
}

fn file(
    source: &Source,
    entry: &Entry,
    name: &str,
    format: Format,
    delimiter: Option<char>,
    records: Option<String>,
) -> Result<Option<FileMapping>, ImportError> {
    let mut mapping = FileMapping {
        file: entry.path.clone(),
        format,
        recognise: Vec::new(),
        skip: 0,
        records,
        delimiter,
        kind: plain(stem(&entry.path)),
        id: Vec::new(),
        constants: BTreeMap::new(),
        columns: BTreeMap::new(),
        provenance: true,
    };
    let mut order: Vec<String> = Vec::new();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut rows = 0;
    let reading = Reading { source, entry };
    let read = reading.records(&mapping, &mut |number, row, _, _| {
        if number > SAMPLE {
            return Err(ImportError::Cancelled);
        }
        let Ok(row) = row else { return Ok(()) };
        rows += 1;
        for (name, cell) in cells(&row) {
            if !seen.contains_key(&name) {
                if seen.len() >= MAX_COLUMNS {
                    continue;
                }
                order.push(name.clone());
            }
            seen.entry(name).or_default().look(cell);
        }
        Ok(())
    });
    match read {
        Ok(()) | Err(ImportError::Cancelled) => {}
        Err(error) => return Err(error),
    }
    if rows == 0 {
        return Ok(None);
    }
    let unique = |name: &&String| {
        seen.get(*name)
            .is_some_and(|seen| seen.cells == rows && !seen.repeated && !seen.array)
    };
    let own = format!("{}_id", mapping.kind.trim_end_matches('s'));
    let ids = IDS.iter().copied().chain([own.as_str()]);
    let id = ids
        .filter_map(|id| order.iter().find(|name| name.eq_ignore_ascii_case(id)))
        .find(|name| unique(name));
    mapping.id = id.into_iter().cloned().collect();
    for from in &order {
        if let Some(seen) = seen.get(from) {
            let column = seen.column(from, format!("{name}/{}", plain(from)));
            mapping.columns.insert(from.clone(), column);
        }
    }
    Ok(Some(mapping))
}

/// The cells of a row with their names; fields in fields as `a.b`.
fn cells<'a>(row: &Row<'a>) -> Vec<(String, Cell<'a>)> {
    match row {
        Row::Cells { names, cells } => names
            .iter()
            .zip(cells.iter())
            .map(|(name, cell)| (name.clone(), Cell::Text(cell)))
            .collect(),
        Row::Object(object) => {
            let mut out = Vec::new();
            flatten(object, "", 0, &mut out);
            out
        }
    }
}

fn flatten<'a>(
    object: &'a serde_json::Map<String, Value>,
    prefix: &str,
    depth: usize,
    out: &mut Vec<(String, Cell<'a>)>,
) {
    for (name, value) in object {
        let name = format!("{prefix}{name}");
        match value {
            Value::Null => {}
            Value::String(text) => out.push((name, Cell::Text(text))),
            Value::Object(inner) if depth + 1 < DEPTH => {
                flatten(inner, &format!("{name}."), depth + 1, out);
            }
            other => out.push((name, Cell::Json(other))),
        }
    }
}

impl Seen {
    fn look(&mut self, cell: Cell<'_>) {
        let text = match cell {
            Cell::Text("") => return,
            Cell::Json(Value::Array(many)) => {
                self.array |= many
                    .iter()
                    .all(|value| !value.is_object() && !value.is_array());
                self.not
                    .extend(["boolean", "integer", "float", "rfc3339", "unix", "unix-ms"]);
                self.not.extend(PATTERNS);
                self.cells += 1;
                return;
            }
            cell => cell.text(),
        };
        self.cells += 1;
        self.repeated |= !self.values.insert(text.chars().take(200).collect());
        let mut rule_out = |kind: &'static str, fits: bool| {
            if !fits {
                self.not.insert(kind);
            }
        };
        let integer = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
        rule_out(
            "boolean",
            matches!(text.to_ascii_lowercase().as_str(), "true" | "false"),
        );
        rule_out("integer", integer.is_some());
        // A number with a leading zero or a plus sign is a code or a telephone number.
        let number = text.parse::<f64>().is_ok_and(f64::is_finite)
            && text.bytes().any(|b| b.is_ascii_digit());
        let code = text.starts_with('+')
            || text.trim_start_matches('-').starts_with('0')
                && !text.contains('.')
                && text.len() > 1;
        rule_out("float", number && !code);
        rule_out("rfc3339", time(&text, "rfc3339").is_some());
        for pattern in PATTERNS {
            rule_out(pattern, time(&text, pattern).is_some());
        }
        // Between 1995 and 2100.
        let within = |n: i64| (788_918_400..4_102_444_800).contains(&n);
        rule_out("unix", integer.is_some_and(within));
        rule_out("unix-ms", integer.is_some_and(|n| within(n / 1_000)));
    }

    fn column(&self, name: &str, attribute: String) -> Column {
        let is = |kind: &str| self.cells > 0 && !self.not.contains(kind);
        let mut column = Column::new(attribute);
        if self.array {
            column.merge = Some(Merge::List);
            return column;
        }
        let name = name.to_ascii_lowercase();
        let timely = ["time", "date", "created", "updated", "utc"]
            .iter()
            .any(|part| name.contains(part))
            || name.ends_with("_at");
        let format = ["rfc3339"]
            .into_iter()
            .chain(PATTERNS)
            .find(|format| is(format));
        if is("boolean") {
            column.value_type = ValueType::Boolean;
        } else if timely && (is("unix") || is("unix-ms")) {
            column.value_type = ValueType::Time;
            column.format = Some(if is("unix") { "unix" } else { "unix-ms" }.to_owned());
        } else if is("integer") {
            column.value_type = ValueType::Integer;
        } else if is("float") {
            column.value_type = ValueType::Float;
        } else if let Some(format) = format {
            column.value_type = ValueType::Time;
            column.format = Some(format)
                .filter(|format| *format != "rfc3339")
                .map(str::to_owned);
        }
        column
    }
}

/// Columns `x_id` become references where another file holds records of type `x` or `xs` with an id of one column.
fn link(files: &mut [FileMapping]) {
    let kinds: Vec<String> = files
        .iter()
        .filter(|file| file.id.len() == 1)
        .map(|file| file.kind.clone())
        .collect();
    for file in files {
        for (name, column) in &mut file.columns {
            let name = name.to_ascii_lowercase();
            let Some(of) = name.strip_suffix("_id") else {
                continue;
            };
            let own = file
                .id
                .first()
                .is_some_and(|id| id.eq_ignore_ascii_case(&name));
            let target = kinds
                .iter()
                .find(|kind| kind.as_str() == of || kind.strip_suffix('s') == Some(of));
            if let Some(target) = target.filter(|_| !own && column.merge.is_none()) {
                column.value_type = ValueType::Ref;
                column.format = None;
                column.to = Some(target.clone());
            }
        }
    }
}

/// A name fit for an attribute or a type: lower case, with hyphens for white space and what would read as a path.
fn plain(name: &str) -> String {
    let plain: String = name
        .trim()
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '"') {
                '-'
            } else {
                c
            }
        })
        .flat_map(char::to_lowercase)
        .take(60)
        .collect();
    if plain.is_empty() {
        "unnamed".to_owned()
    } else {
        plain
    }
}
