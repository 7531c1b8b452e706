//! What downloads of Facebook and Instagram have in common: JSON whose texts are UTF-8 read as Latin-1, files named by their
//! place in the download, and conversations.

pub mod facebook;
pub mod instagram;
mod messages;
mod mojibake;

use std::collections::BTreeMap;

use rhizome_tuple::{EntityId, Value as Tuple};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};

use crate::attached::{Said, media};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::importer::Sink;
use crate::json::{each_item, parse_path};
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::Names;
use crate::source::{Entry, Source, safe_path};

/// Takes one item of a document, with its number.
type Take<'a, R> = dyn FnMut(&mut R, u64, &Map<String, Value>) -> Result<(), ImportError> + 'a;

/// A download while it is read.
struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    author: EntityId,
    /// What carried the conversations.
    service: &'static str,
    /// Media that already are records.
    media: FxHashSet<EntityId>,
    /// How often a native id came, for things that have none of their own.
    repeats: FxHashMap<String, u32>,
    /// Files by the last two parts of their paths, for links of another layout than the files have.
    tails: BTreeMap<String, Option<String>>,
}

impl<'a> Reading<'a> {
    fn new(
        source: &'a Source,
        sink: &'a mut dyn Sink,
        author: &str,
        service: &'static str,
    ) -> Self {
        let mut tails = BTreeMap::new();
        for entry in source.entries() {
            // Of two files of one tail neither is meant for sure.
            tails
                .entry(tail(&entry.path).to_owned())
                .and_modify(|path| *path = None)
                .or_insert_with(|| Some(entry.path.clone()));
        }
        Self {
            author: sink.entity(author),
            source,
            sink,
            names: Names::new(),
            service,
            media: FxHashSet::default(),
            repeats: FxHashMap::default(),
            tails,
        }
    }

    /// Hands the objects at `path` of a document over, their texts repaired.
    fn each(
        &mut self,
        file: &str,
        kind: &'static str,
        path: &str,
        take: &mut Take<'_, Self>,
    ) -> Result<u64, ImportError> {
        self.sink.used(file);
        let total = self.source.find(file).map_or(0, |entry| entry.size);
        let limit = self.source.limits().record_bytes;
        let steps = parse_path(path).unwrap_or_default();
        let mut count = 0;
        let outcome = each_item(
            self.source.read(file)?,
            &steps,
            limit,
            &mut |n, item, done| {
                count += 1;
                if n % 64 == 0 {
                    self.sink.progress(file, done, total)?;
                }
                let why = match serde_json::from_str::<Value>(item) {
                    Ok(mut value) => {
                        mojibake::repair_all(&mut value);
                        match value {
                            Value::Object(object) => return take(self, n, &object),
                            _ => "it is not an object".to_owned(),
                        }
                    }
                    Err(error) => error.to_string(),
                };
                self.leave_out(kind, file, &format!("item {n}"), &why);
                Ok(())
            },
        )?;
        let unlike = "it does not hold a list where one belongs";
        outcome.report(file, "document", unlike, self.sink);
        Ok(count)
    }

    fn leave_out(&mut self, kind: &'static str, file: &str, item: &str, why: &str) {
        let message = format!("{why}; it was left out");
        let problem = Problem::of_item(ProblemCode::Malformed, file, shorten(item), message);
        self.sink.skip(kind, problem);
    }

    /// A native id of what has none but its moment: numbered where several are of one.
    fn numbered(&mut self, key: String) -> String {
        let seen = self.repeats.entry(key.clone()).or_default();
        *seen += 1;
        match *seen {
            1 => key,
            n => format!("{key}-{n}"),
        }
    }

    /// The file that a link of a download means.
    fn locate(&self, uri: &str) -> Option<String> {
        let safe = safe_path(uri)?;
        if self.source.find(&safe).is_some() {
            return Some(safe);
        }
        self.tails.get(tail(&safe))?.clone()
    }

    /// Hands a picture or film over and gives its entity.
    fn shown(
        &mut self,
        file: &str,
        item: &str,
        of: &Map<String, Value>,
        audience: Audience,
    ) -> Result<Option<Tuple>, ImportError> {
        let mut part = Part::new(of);
        let Some(uri) = part.text("uri") else {
            part.complain("a picture has no uri; it was left out");
            self.report(part, file, item);
            return Ok(None);
        };
        let key = format!("media/{}", tail(uri));
        let entity = self.sink.entity(&key);
        if !self.media.insert(entity) {
            return Ok(Some(Tuple::Ref(entity)));
        }
        let elsewhere = uri.contains("://");
        let stored = if let Some(path) = self.locate(uri) {
            self.sink.file(&path)?
        } else {
            let shown = shorten(uri);
            let message = if elsewhere {
                format!("{shown} lies on the web and not in the download")
            } else {
                format!("the download does not hold {shown}")
            };
            let problem = Problem::of_item(ProblemCode::MissingFile, file, item, message);
            self.sink.problem(problem);
            None
        };
        let said = Said {
            url: elsewhere.then_some(uri),
            alt: None,
            mime: None,
            created: seconds(of, "creation_timestamp"),
        };
        let mut facts = media(&self.names, audience, said, stored.as_ref());
        facts.maybe(&self.names.title, part.text("title"));
        facts.maybe(&self.names.text, part.text("description"));
        self.report(part, file, item);
        self.sink.record(facts.record("media", key, None, None))?;
        Ok(Some(Tuple::Ref(entity)))
    }

    fn report(&mut self, part: Part<'_>, file: &str, item: &str) {
        part.problems(file, &shorten(item))
            .for_each(|problem| self.sink.problem(problem));
    }
}

/// The last two parts of a path: names of pictures are unique in their albums, and albums keep theirs in every layout.
fn tail(path: &str) -> &str {
    let mut ends = path.rmatch_indices(['/', '\\']).map(|(at, _)| at);
    match ends.nth(1) {
        Some(at) => path.get(at + 1..).unwrap_or(path),
        None => path,
    }
}

/// Seconds since 1970 under a name, as milliseconds; zero stands for nothing.
fn seconds(of: &Map<String, Value>, name: &str) -> Option<i64> {
    let seconds = of.get(name)?.as_i64().filter(|seconds| *seconds > 0)?;
    seconds.checked_mul(1_000)
}

/// Words after a number sign, lower case.
fn hashtags(text: &str) -> Vec<Tuple> {
    let mut tags = Vec::new();
    for piece in text.split('#').skip(1) {
        let end = piece
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(piece.len());
        let tag = piece.get(..end).unwrap_or_default();
        if !tag.is_empty() {
            tags.push(Tuple::from(tag.to_lowercase()));
        }
    }
    tags
}

/// The small document of that name with its texts repaired, and its path; `None` where there is none, and, with a problem
/// reported, where it cannot be read.
fn document(
    source: &Source,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Result<Option<(String, Value)>, ImportError> {
    let Some(Entry { path, .. }) = source.find_named(name) else {
        return Ok(None);
    };
    let bytes = source.read_document(path)?;
    let text = String::from_utf8_lossy(&bytes);
    match serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) {
        Ok(mut value) => {
            mojibake::repair_all(&mut value);
            Ok(Some((path.clone(), value)))
        }
        Err(error) => {
            let message = format!("{error}; it was left out");
            problems.push(Problem::of_file(ProblemCode::Malformed, path, message));
            Ok(None)
        }
    }
}

/// Files of a source that have a name of this beginning, a number or nothing behind it, and end in `.json`.
fn numbered<'a>(source: &'a Source, beginning: &'a str) -> impl Iterator<Item = &'a str> {
    let paths = source.entries().iter().map(|entry| entry.path.as_str());
    paths.filter(move |path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let rest = name
            .strip_prefix(beginning)
            .and_then(|rest| rest.strip_suffix(".json"));
        rest.is_some_and(|rest| {
            let number = rest.strip_prefix('_').unwrap_or(rest);
            number.bytes().all(|b| b.is_ascii_digit())
        })
    })
}
