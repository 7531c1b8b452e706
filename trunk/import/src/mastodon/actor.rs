//! `actor.json`: whose archive it is.

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::attachment;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::Sink;
use crate::part::Part;
use crate::problem::{Problem, ProblemCode};
use crate::record::{Identity, Record};
use crate::social::Names;
use crate::source::Source;
use crate::text::{clean, plain_text};

/// The account of an archive.
pub struct Actor {
    /// Its address, which is its id.
    pub id: String,
    /// The address of its followers' collection.
    pub followers: String,
    /// `name@host`.
    pub handle: Option<String>,
    fields: Map<String, Value>,
}

impl Actor {
    /// Reads `actor.json`. `None` where there is none, or none that says who it is about.
    pub fn read(
        source: &Source,
        folder: &str,
    ) -> Result<(Option<Self>, Vec<Problem>), ImportError> {
        let path = format!("{folder}actor.json");
        if source.find(&path).is_none() {
            return Ok((None, Vec::new()));
        }
        let broken = |why: String| {
            let message = format!("{why}; the profile was left out");
            Ok((
                None,
                vec![Problem::of_file(
                    ProblemCode::Malformed,
                    path.as_str(),
                    message,
                )],
            ))
        };
        let bytes = source.read_document(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(Value::Object(fields)) => {
                match fields.get("id").and_then(Value::as_str).map(str::to_owned) {
                    Some(id) if !id.is_empty() => Ok((Some(Self::of(id, fields)), Vec::new())),
                    _ => broken("it has no id".to_owned()),
                }
            }
            Ok(_) => broken("it is not an object".to_owned()),
            Err(error) => broken(error.to_string()),
        }
    }

    /// An actor of whom only the address is known.
    pub fn bare(id: &str) -> Self {
        Self::of(id.to_owned(), Map::new())
    }

    pub fn of(id: String, fields: Map<String, Value>) -> Self {
        let followers = match fields.get("followers").and_then(Value::as_str) {
            Some(followers) => followers.to_owned(),
            None => format!("{id}/followers"),
        };
        let name = fields
            .get("preferredUsername")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        let handle = name
            .zip(host(&id))
            .map(|(name, host)| format!("{name}@{host}"));
        Self {
            id,
            followers,
            handle,
            fields,
        }
    }

    /// Hands the profile over; `file` and `folder` are where it and its pictures lie.
    pub fn record(
        &self,
        names: &Names,
        file: &str,
        folder: &str,
        source: &Source,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut part = Part::new(&self.fields);
        let mut facts = Facts::default();
        facts.one(&names.r#type, "profile");
        let last = self.id.rsplit('/').next().unwrap_or(&self.id);
        facts.one(&names.handle, self.handle.as_deref().unwrap_or(last));
        facts.maybe(&names.name, part.text("name"));
        if let Some(html) = part.text("summary") {
            let (html, text) = clean(html);
            facts.one(&names.bio_html, html);
            facts.one(&names.bio, text);
        }
        facts.one(&names.url, part.text("url").unwrap_or(&self.id));
        let created = part.time("published");
        facts.maybe(&names.created, created.map(Tuple::Time));
        let aliases = part
            .texts("alsoKnownAs")
            .into_iter()
            .map(Tuple::from)
            .collect();
        facts.set(&names.alias, aliases);
        let lines = part
            .objects("attachment")
            .into_iter()
            .filter_map(field)
            .map(Tuple::from)
            .collect();
        facts.list(&names.field, lines);
        for (name, attribute) in [("icon", &names.avatar), ("image", &names.header)] {
            let Some(picture) = part.object(name) else {
                continue;
            };
            let mut inner = Part::new(picture);
            let stored = match inner
                .text("url")
                .map(|url| attachment::locate(source, folder, url))
            {
                None => None,
                Some(Ok(path)) => sink.file(&path)?,
                Some(Err(problem)) => {
                    sink.problem(problem);
                    None
                }
            };
            facts.maybe(attribute, stored.map(|stored| Tuple::Blob(stored.cid)));
            inner
                .problems(file, name)
                .for_each(|problem| sink.problem(problem));
        }
        part.problems(file, "")
            .for_each(|problem| sink.problem(problem));
        sink.record(Record {
            kind: "profile".into(),
            identity: Identity::Key(self.id.clone()),
            facts: facts.0,
            created: None,
            audience: None,
            provenance: true,
        })
    }
}

/// `name: value` of a line in the profile's table.
fn field(line: &Map<String, Value>) -> Option<String> {
    let name = line.get("name")?.as_str()?;
    let value = line.get("value")?.as_str()?;
    Some(format!(
        "{}: {}",
        name.trim_end_matches(':'),
        plain_text(value)
    ))
}

/// The host of an https address.
fn host(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#'])
        .next()
        .filter(|host| !host.is_empty())
}
