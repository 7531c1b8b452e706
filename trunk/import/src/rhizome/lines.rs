//! JSON lines: a header, then an entity a line, then a line that says how many there were.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use rhizome_blob::Cid;
use rhizome_schema::from_json;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::{Map, Value as Json};

use super::{ENTITY_BYTES, Header, fact, record};
use crate::error::ImportError;
use crate::importer::Sink;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::record::{Fact, Record};
use crate::source::{Entry, Source};

/// Whose export it is, by its first line.
pub fn pod(head: &[u8]) -> Option<String> {
    let line = head.split(|b| *b == b'\n').next()?;
    serde_json::from_slice::<Header>(line).ok()?.pod()
}

/// The last line.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    rhizome: String,
    entities: u64,
}

pub fn read(source: &Source, entry: &Entry, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let path = entry.path.as_str();
    sink.used(path);
    let files = files(source, path);
    let longest = ENTITY_BYTES as u64;
    let mut reader = BufReader::new(source.read(path)?);
    let mut line = Vec::new();
    let mut done = 0;
    let (mut met, mut ended) = (0_u64, false);
    for n in 1_u64.. {
        line.clear();
        let read = (&mut reader)
            .take(longest + 1)
            .read_until(b'\n', &mut line)
            .map_err(|error| ImportError::read(path, error))?;
        if read == 0 {
            break;
        }
        done += read as u64;
        let whole = line.ends_with(b"\n");
        if read as u64 > longest && !whole {
            let message = format!("line {n} is longer than {longest} bytes; the rest was not read");
            sink.incomplete(Problem::of_file(ProblemCode::TooLong, path, message));
            return Ok(());
        }
        if n == 1 {
            continue;
        }
        if let Ok(end) = serde_json::from_slice::<End>(&line) {
            ended = end.rhizome == "end" && end.entities == met;
            continue;
        }
        met += 1;
        match entity(&line) {
            Ok(record) => {
                for cid in blobs(&record) {
                    if let Some(file) = files.get(&cid) {
                        sink.file(file)?;
                    }
                }
                sink.record(record)?;
            }
            // every line of an export ends with a line break
            Err(_) if !whole => break,
            Err(why) => {
                let (item, message) = (format!("line {n}"), format!("{why}; it was left out"));
                sink.skip(
                    "entity",
                    Problem::of_item(ProblemCode::Malformed, path, item, message),
                );
            }
        }
        if n % 256 == 0 {
            sink.progress(path, done, entry.size)?;
        }
    }
    if !ended {
        let message = format!("it breaks off after {met} entities");
        sink.incomplete(Problem::of_file(ProblemCode::Malformed, path, message));
    }
    sink.progress(path, entry.size, entry.size)
}

/// The files beside the lines, by their names. What they are called says nothing yet: their bytes are hashed when they are taken.
fn files(source: &Source, lines: &str) -> HashMap<Cid, String> {
    let folder = lines
        .rsplit_once('/')
        .map_or_else(String::new, |(folder, _)| format!("{folder}/"));
    let folder = format!("{folder}files/");
    let named = source.entries().iter().filter_map(|entry| {
        let name = entry.path.strip_prefix(&folder)?;
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        Some((stem.parse().ok()?, entry.path.clone()))
    });
    named.collect()
}

fn blobs(record: &Record) -> Vec<Cid> {
    let values = record.facts.iter().flat_map(|fact| match fact {
        Fact::One { value, .. } => std::slice::from_ref(value),
        Fact::Members { values, .. } | Fact::Elements { values, .. } => values,
        Fact::Empty { .. } | Fact::Total { .. } => &[],
    });
    let cids = values.filter_map(|value| match value {
        Value::Blob(cid) => Some(*cid),
        _ => None,
    });
    cids.collect()
}

fn entity(line: &[u8]) -> Result<Record, String> {
    #[derive(serde::Deserialize)]
    struct Line {
        id: String,
        facts: Map<String, Json>,
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let id: EntityId = line
        .id
        .parse()
        .map_err(|_| format!("`{}` is no entity's id", shorten(&line.id)))?;
    let mut facts = Vec::with_capacity(line.facts.len());
    for (name, json) in line.facts {
        let attribute = Attribute::new(&name).map_err(|error| error.to_string())?;
        let (form, values) = taken_apart(json);
        let values: Result<Vec<Value>, _> = values.iter().map(from_json).collect();
        let values = values.map_err(|error| format!("{name}: {error}"))?;
        facts.push(
            fact(attribute, form, values).ok_or_else(|| format!("{name} holds no such value"))?,
        );
    }
    Ok(record(id, facts))
}

/// The form and the values of what stands under an attribute.
fn taken_apart(json: Json) -> (&'static str, Vec<Json>) {
    let Json::Object(mut object) = json else {
        return ("register", vec![json]);
    };
    let form = ["set", "list", "counter"]
        .into_iter()
        .find(|form| object.len() == 1 && object.contains_key(*form));
    match form.and_then(|form| Some((form, object.remove(form)?))) {
        Some((form, Json::Array(all))) if form != "counter" => (form, all),
        Some((form, one)) => (form, vec![one]),
        None => ("register", vec![Json::Object(object)]),
    }
}
