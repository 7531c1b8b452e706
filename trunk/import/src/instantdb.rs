//! Backups of InstantDB: the zip that its dashboard and `instant-cli backup download` give.
//!
//! The layout is documented at <https://instantdb.com/docs/backups>; what writes and reads it is `backup.clj` and
//! `restore.clj` under `server/src/instant` of <https://github.com/instantdb/instant>, as of August 2026:
//!
//! * `config.json`: among other things the schema, which alone says what is a link and where it leads;
//! * `entities/TABLE.jsonl`: a line `{"entity": {…}, "createdAt": MS}` for each entity of a table. The value of a link is the
//!   id of an entity, or a list of ids where there may be many;
//! * `files/LOCATION`: the bytes of a file, named by `location-id` of a line of `entities/$files.jsonl`.

mod schema;

use std::collections::HashMap;

use percent_encoding::NON_ALPHANUMERIC;
use rhizome_tuple::{Attribute, Value as Tuple};
use serde_json::{Map, Value};

use crate::audience::Audience;
use crate::chunks::{Cut, each_chunk};
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::outcome::replaced;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::record::{Fact, Identity, Record};
use crate::source::{Entry, Source};
use crate::text::Lossy;
use crate::time::parse_any_time;
use schema::{Config, Field};

/// Reads backups of apps on InstantDB.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstantDb;

/// The `import/source` of everything read here.
const SOURCE: &str = "instantdb";
const CONFIG: &str = "config.json";
/// The table of files, and the field of it that names their bytes.
const FILES: &str = "$files";
const LOCATION: &str = "location-id";
/// Bytes of a table that are looked at.
const HEAD: usize = 64 << 10;

/// A file of entities, with the name of its table: `entities/posts.jsonl` of the folder `root`.
fn tables<'a>(source: &'a Source, root: &'a str) -> impl Iterator<Item = (&'a Entry, &'a str)> {
    source.entries().iter().filter_map(move |entry| {
        let name = entry.path.strip_prefix(root)?.strip_prefix("entities/")?;
        let table = name.strip_suffix(".jsonl")?;
        (!table.is_empty() && !table.contains('/')).then_some((entry, table))
    })
}

/// The folder of a backup: that of the highest `config.json`, or the one in which `entities` lies.
fn root(source: &Source) -> Option<&str> {
    let config = source.find_named(CONFIG).map(|entry| entry.path.as_str());
    if let Some(path) = config {
        return path.strip_suffix(CONFIG);
    }
    source.entries().iter().find_map(|entry| {
        let (folder, file) = entry.path.rsplit_once('/')?;
        let above = folder.strip_suffix("entities")?;
        (file.len() > 6 && entry.ends("jsonl") && (above.is_empty() || above.ends_with('/')))
            .then_some(above)
    })
}

/// The entity and its moment on a line, if it is one.
fn line(text: &str) -> Result<(Map<String, Value>, Option<i64>), String> {
    let mut line: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let created = line.get("createdAt").and_then(Value::as_i64);
    match line.remove("entity") {
        Some(Value::Object(entity)) => Ok((entity, created)),
        _ => Err("it has no object entity".to_owned()),
    }
}

/// Whether the first table holds lines as a backup does.
fn has_lines(source: &Source, root: &str) -> Result<bool, ImportError> {
    let Some((entry, _)) = tables(source, root).find(|(entry, _)| entry.size > 0) else {
        return Ok(false);
    };
    let head = source.head(&entry.path, HEAD)?;
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default();
    // A line longer than the head cannot be read here, but begins as all do.
    let cut = head.len() == HEAD && !head.contains('\n') && first.starts_with("{\"entity\":{");
    Ok(cut
        || line(first)
            .is_ok_and(|(entity, created)| entity.contains_key("id") && created.is_some()))
}

impl Importer for InstantDb {
    fn name(&self) -> &'static str {
        SOURCE
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let Some(root) = root(source) else {
            return Ok(None);
        };
        let lines = has_lines(source, root)?;
        let Ok(config) = Config::read(source, &format!("{root}{CONFIG}"))? else {
            let why = "tables of InstantDB without a config.json that says what is a link";
            return Ok(lines.then(|| Recognition::of(SOURCE, 0.9, why)));
        };
        if !lines && !config.counted {
            return Ok(None);
        }
        let tables = tables(source, root).count();
        let of = config.title.as_deref().map(shorten);
        let of = of.map_or(String::new(), |title| format!(" of {title}"));
        Ok(Some(Recognition {
            account: config.app.or(config.title),
            ..Recognition::of(SOURCE, 0.98, format!("a backup{of}: {tables} tables"))
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let refused = |why: String| ImportError::NotRecognised {
            what: source.name().to_owned(),
            why,
        };
        let root = root(source).ok_or_else(|| refused("it holds no config.json".to_owned()))?;
        let config = Config::read(source, &format!("{root}{CONFIG}"))?.map_err(|why| {
            refused(format!(
                "its config.json, which says what is a link, cannot be read: {why}; download the backup again"
            ))
        })?;
        for (entry, name) in tables(source, root) {
            // Tables that InstantDB keeps for itself and shows nobody hold codes and tokens: the file stays a file.
            if name.starts_with('$') && !config.tells_of(name) {
                let message = "a table that InstantDB keeps for itself; it is kept as a file";
                sink.problem(Problem::of_file(
                    ProblemCode::NotImported,
                    &entry.path,
                    message,
                ));
                continue;
            }
            let mut table = Table {
                source,
                root,
                entry,
                name,
                fields: config.fields(name),
                attributes: HashMap::new(),
            };
            table.read(sink)?;
        }
        Ok(())
    }
}

/// A table while it is read.
struct Table<'a> {
    source: &'a Source,
    root: &'a str,
    entry: &'a Entry,
    name: &'a str,
    /// What the schema says of its fields.
    fields: HashMap<&'a str, Field<'a>>,
    /// Attributes by field; `None` for a name that no attribute can have.
    attributes: HashMap<String, Option<Attribute>>,
}

/// `TABLE/FIELD`. What an attribute may not have in its name is written as in addresses.
fn attribute(table: &str, field: &str) -> Option<Attribute> {
    let mut name = String::with_capacity(table.len() + field.len() + 1);
    for c in table.chars().chain(['/']).chain(field.chars()) {
        let mut bytes = [0; 4];
        let text = c.encode_utf8(&mut bytes);
        if c == '%' || c.is_whitespace() || c.is_control() {
            name.extend(percent_encoding::percent_encode(
                text.as_bytes(),
                NON_ALPHANUMERIC,
            ));
        } else {
            name.push(c);
        }
    }
    Attribute::new(&name).ok()
}

impl Table<'_> {
    fn read(&mut self, sink: &mut dyn Sink) -> Result<(), ImportError> {
        let (path, size) = (&self.entry.path, self.entry.size);
        sink.used(path);
        let (reader, lossy) = Lossy::new(self.source.read(path)?);
        let limit = self.source.limits().record_bytes;
        each_chunk(path, reader, limit, &mut |_| Cut::After, &mut |chunk| {
            if chunk.number % 256 == 0 {
                sink.progress(path, chunk.done.min(size), size)?;
            }
            let item = format!("line {}", chunk.number + 1);
            if chunk.over {
                let message = format!("it has more than {limit} bytes; it was left out");
                let problem = Problem::of_item(ProblemCode::TooLong, path, item, message);
                sink.skip("entity", problem);
                return Ok(());
            }
            let text = String::from_utf8_lossy(chunk.bytes);
            if text.trim().is_empty() {
                return Ok(());
            }
            match line(&text) {
                Ok((entity, created)) => self.entity(&item, &entity, created, sink),
                Err(why) => {
                    let message = format!("{why}; it was left out");
                    let problem = Problem::of_item(ProblemCode::Malformed, path, item, message);
                    sink.skip("entity", problem);
                    Ok(())
                }
            }
        })?;
        replaced(path, lossy.count(), sink);
        sink.progress(path, size, size)
    }

    fn attribute(&mut self, field: &str) -> Option<Attribute> {
        if let Some(known) = self.attributes.get(field) {
            return known.clone();
        }
        let made = attribute(self.name, field);
        self.attributes.insert(field.to_owned(), made.clone());
        made
    }

    fn entity(
        &mut self,
        item: &str,
        entity: &Map<String, Value>,
        created: Option<i64>,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let path = &self.entry.path;
        let problem = |code, message: String| Problem::of_item(code, path, item, message);
        let Some(id) = entity
            .get("id")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty())
        else {
            let message = "it has no id; it was left out".to_owned();
            sink.skip("entity", problem(ProblemCode::Malformed, message));
            return Ok(());
        };
        let mut facts = Vec::with_capacity(entity.len() + 2);
        // What the schema has and an entity has not is known to be empty.
        let absent = self
            .fields
            .keys()
            .filter(|field| !entity.contains_key(**field));
        let absent: Vec<String> = absent.map(|field| (*field).to_owned()).collect();
        let fields = entity.iter().map(|(field, value)| (field.as_str(), value));
        for (field, value) in
            fields.chain(absent.iter().map(|field| (field.as_str(), &Value::Null)))
        {
            let Some(attribute) = self.attribute(field) else {
                let message = format!(
                    "{} cannot be the name of an attribute; it was left out",
                    shorten(field)
                );
                sink.problem(problem(ProblemCode::PartIgnored, message));
                continue;
            };
            match self.fields.get(field) {
                Some(Field::Link { to, many }) => match links(to, *many, attribute, value, sink) {
                    Ok(fact) => facts.push(fact),
                    Err(why) => {
                        let message = format!("{}: {why}; it was left out", shorten(field));
                        sink.problem(problem(ProblemCode::Type, message));
                    }
                },
                said => {
                    let date = matches!(said, Some(Field::Date));
                    match scalar(value, date) {
                        Ok(Some(value)) => facts.push(Fact::One { attribute, value }),
                        Ok(None) => facts.push(Fact::Empty { attribute }),
                        Err((value, why)) => {
                            let message = format!("{}: {why}", shorten(field));
                            sink.problem(problem(ProblemCode::Type, message));
                            facts.push(Fact::One { attribute, value });
                        }
                    }
                }
            }
        }
        if let Some(created) = created
            && !entity.contains_key("serverCreatedAt")
            && let Some(attribute) = self.attribute("serverCreatedAt")
        {
            let value = Tuple::Time(created);
            facts.push(Fact::One { attribute, value });
        }
        if self.name == FILES {
            self.file(entity, item, &mut facts, sink)?;
        }
        sink.record(Record {
            kind: self.name.to_owned().into(),
            identity: Identity::Key(key(self.name, id)),
            facts,
            created,
            audience: Some(Audience::Direct),
            provenance: true,
        })
    }

    /// The bytes of a file.
    fn file(
        &mut self,
        entity: &Map<String, Value>,
        item: &str,
        facts: &mut Vec<Fact>,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let location = entity
            .get(LOCATION)
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("{}files/{location}", self.root);
        if self.source.find(&path).is_none() {
            let message = "the backup does not hold the bytes of this file";
            let problem =
                Problem::of_item(ProblemCode::MissingFile, &self.entry.path, item, message);
            sink.problem(problem);
            return Ok(());
        }
        if let (Some(stored), Some(attribute)) = (sink.file(&path)?, self.attribute("blob")) {
            let value = Tuple::Blob(stored.cid);
            facts.push(Fact::One { attribute, value });
        }
        Ok(())
    }
}

/// The native id of an entity. Ids are unique in an app, but one entity may have fields in two tables.
fn key(table: &str, id: &str) -> String {
    format!("{table}/{id}")
}

/// Where a link leads.
fn links(
    to: &str,
    many: bool,
    attribute: Attribute,
    value: &Value,
    sink: &dyn Sink,
) -> Result<Fact, &'static str> {
    let reference = |value: &Value| {
        let id = value.as_str().ok_or("a link leads to an id")?;
        Ok::<_, &'static str>(Tuple::Ref(sink.entity(&key(to, id))))
    };
    match (value, many) {
        (Value::Null, false) => Ok(Fact::Empty { attribute }),
        (one, false) => Ok(Fact::One {
            attribute,
            value: reference(one)?,
        }),
        (many, true) => {
            let many = match many {
                Value::Null => &[],
                Value::Array(many) => many.as_slice(),
                one => std::slice::from_ref(one),
            };
            let values: Result<_, _> = many.iter().map(reference).collect();
            Ok(Fact::Members {
                attribute,
                values: values?,
                whole: true,
            })
        }
    }
}

/// The value of a field that is no link: as it is written, with objects and lists as JSON. A date that is none stays what it
/// is, with the reason.
fn scalar(value: &Value, date: bool) -> Result<Option<Tuple>, (Tuple, &'static str)> {
    let as_is = match value {
        Value::Null => return Ok(None),
        Value::Bool(yes) => Tuple::Boolean(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if date => return Ok(Some(Tuple::Time(whole))),
            Some(whole) => Tuple::Integer(whole),
            None => {
                let float = number.as_f64().and_then(|x| Tuple::float(x).ok());
                float.unwrap_or_else(|| Tuple::from(number.to_string()))
            }
        },
        Value::String(text) => match parse_any_time(text).filter(|_| date) {
            Some(time) => return Ok(Some(Tuple::Time(time))),
            None => Tuple::from(text.as_str()),
        },
        other => Tuple::from(other.to_string()),
    };
    if date {
        Err((as_is, "it is not a date; it is kept as it is written"))
    } else {
        Ok(Some(as_is))
    }
}
