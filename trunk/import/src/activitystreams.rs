//! Documents of ActivityStreams 2.0 that are no archive of Mastodon: notes, articles and activities, alone or in collections,
//! as servers give them for `application/activity+json` and as other programs write them.
//!
//! Names are those of the [vocabulary](https://www.w3.org/TR/activitystreams-vocabulary/); how each may be written is in
//! [its core](https://www.w3.org/TR/activitystreams-core/): an object may stand for its id, a list for its only member.

mod plain;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::audience::Audience;
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{each_item, parse_path};
use crate::mastodon::{Actor, Reading, SOURCE};
use crate::outcome::{End, Outcome, broken_off};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::social;
use crate::source::{Entry, Source};
use plain::{id_of, kind, leaves, plain};

/// Reads documents of ActivityStreams.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivityStreams;

const NAME: &str = "activitystreams";
const CONTEXT: &[u8] = b"https://www.w3.org/ns/activitystreams";
/// Bytes that are looked at, and documents looked at to recognise a source.
const HEAD: usize = 8 << 10;
const LOOKED: usize = 256;
/// Documents longer than this are read item by item.
const LONG: u64 = 1 << 20;
/// Where the items of a long collection are.
const PLACES: [&str; 4] = [
    "/orderedItems/*",
    "/items/*",
    "/first/orderedItems/*",
    "/first/items/*",
];

const ACTORS: [&str; 5] = ["Person", "Organization", "Service", "Group", "Application"];
const POSTS: [&str; 7] = [
    "Note", "Article", "Page", "Question", "Image", "Video", "Audio",
];

fn is_document(source: &Source, entry: &Entry) -> Result<bool, ImportError> {
    if !["json", "jsonld", "activity"]
        .iter()
        .any(|end| entry.ends(end))
    {
        return Ok(false);
    }
    let head = source.head(&entry.path, HEAD)?;
    Ok(memchr::memmem::find(&head, CONTEXT).is_some())
}

impl Importer for ActivityStreams {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let (mut right, entries) = (0, source.entries());
        for entry in entries.iter().take(LOOKED) {
            right += usize::from(is_document(source, entry)?);
        }
        if right == 0 {
            return Ok(None);
        }
        let looked = entries.len().min(LOOKED);
        let share = right as f32 / looked as f32;
        let why = format!("{right} of {looked} files are documents of ActivityStreams");
        Ok(Some(Recognition {
            // An address is that of a post wherever it was found: what is in an archive too is the same.
            source: SOURCE.to_owned(),
            ..Recognition::of(NAME, 0.35 + 0.6 * share, why)
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let documents = source.files_that(|entry| is_document(source, entry))?;
        let mut reading = Documents {
            source,
            reading: Reading::new(source, sink, String::new(), Actor::bare("")),
            actors: BTreeMap::new(),
        };
        // A first reading for ids and profiles: an answer may come before what it answers, and a note before its author.
        for file in &documents {
            reading.each(file, false, &mut |reading, _, _, object| {
                reading.look(object);
                Ok(0)
            })?;
        }
        reading.profiles()?;
        for file in &documents {
            let read = reading.each(file, true, &mut Documents::take)?;
            // A document of which nothing could be read stays a file.
            if read > 0 {
                reading.reading.sink.used(file);
            }
        }
        Ok(())
    }
}

/// Takes an object of a document: the file, what it is called in messages, the object. Gives how many records it was.
type Take<'f, 'a> = &'f mut dyn FnMut(
    &mut Documents<'a>,
    &str,
    &str,
    &Map<String, Value>,
) -> Result<usize, ImportError>;

/// Documents while they are read.
struct Documents<'a> {
    source: &'a Source,
    reading: Reading<'a>,
    /// What is known of actors, by their ids: a document of their own before what others say in passing.
    actors: BTreeMap<String, (bool, Map<String, Value>)>,
}

impl<'a> Documents<'a> {
    /// Hands over every object of a document that is no collection.
    fn each(&mut self, file: &str, report: bool, take: Take<'_, 'a>) -> Result<usize, ImportError> {
        let size = self.source.find(file).map_or(0, |entry| entry.size);
        self.reading.sink.progress(file, 0, size)?;
        let read = if size <= LONG {
            self.short(file, report, take)?
        } else {
            self.long(file, size, report, take)?
        };
        self.reading.sink.progress(file, size, size)?;
        Ok(read)
    }

    fn short(
        &mut self,
        file: &str,
        report: bool,
        take: Take<'_, 'a>,
    ) -> Result<usize, ImportError> {
        let bytes = self.source.read_document(file)?;
        let text = String::from_utf8_lossy(&bytes);
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(value) => self.value(file, value, report, take),
            Err(error) => {
                if report {
                    broken_off(file, "document", &error.to_string(), self.reading.sink);
                }
                Ok(0)
            }
        }
    }

    fn long(
        &mut self,
        file: &str,
        size: u64,
        report: bool,
        take: Take<'_, 'a>,
    ) -> Result<usize, ImportError> {
        let head = self.source.head(file, 16)?;
        let list = head.trim_ascii_start().starts_with(b"[");
        let places = if list { &["/*"][..] } else { &PLACES };
        let limit = self.source.limits().record_bytes;
        let mut read = 0;
        for (n, place) in places.iter().enumerate() {
            let path = parse_path(place).unwrap_or_default();
            let reader = self.source.read(file)?;
            let outcome = each_item(reader, &path, limit, &mut |number, item, done| {
                if number % 64 == 0 {
                    self.reading.sink.progress(file, done.min(size), size)?;
                }
                match serde_json::from_str(item) {
                    Ok(value) => read += self.value(file, value, report, take)?,
                    Err(error) if report => {
                        let item = format!("item {number}");
                        self.reading
                            .leave_out("activity", file, &item, &error.to_string())?;
                    }
                    Err(_) => {}
                }
                Ok(())
            })?;
            let broken = outcome.end != End::Whole;
            if report {
                // A collection has its items in one of these places; of the bytes one reading says enough.
                let outcome = Outcome {
                    mismatches: 0,
                    replaced: if n == 0 { outcome.replaced } else { 0 },
                    ..outcome
                };
                outcome.report(file, "document", "", self.reading.sink);
            }
            if broken {
                break;
            }
        }
        Ok(read)
    }

    fn value(
        &mut self,
        file: &str,
        value: Value,
        report: bool,
        take: Take<'_, 'a>,
    ) -> Result<usize, ImportError> {
        let mut found = Vec::new();
        let other = leaves(value, &mut found);
        if report && other > 0 {
            let message =
                format!("{other} items are only addresses, or no objects; they were left out");
            self.reading
                .sink
                .problem(Problem::of_file(ProblemCode::PartIgnored, file, message));
        }
        let mut read = 0;
        for (n, object) in found.into_iter().enumerate() {
            let item = match id_of(object.get("id")) {
                Some(id) => shorten(&id),
                None => format!("object {n}"),
            };
            read += take(self, file, &item, &object)?;
        }
        Ok(read)
    }

    /// Notes the ids of posts, and actors.
    fn look(&mut self, object: &Map<String, Value>) {
        if kind(object).is_some_and(|kind| ACTORS.contains(&kind)) {
            self.actor(object, true);
            return;
        }
        let inner = object.get("object").and_then(Value::as_object);
        let of = |object: &Map<String, Value>| {
            let is_post = kind(object).is_some_and(|kind| POSTS.contains(&kind));
            id_of(object.get("id")).filter(|_| is_post)
        };
        for id in [of(object), inner.and_then(of)].into_iter().flatten() {
            let entity = self.reading.sink.entity(&id);
            self.reading.posts.insert(entity);
        }
        for object in [Some(object), inner].into_iter().flatten() {
            for field in ["actor", "attributedTo", "object"] {
                if let Some(Value::Object(actor)) = object.get(field)
                    && kind(actor).is_some_and(|kind| ACTORS.contains(&kind))
                {
                    self.actor(actor, false);
                }
            }
        }
    }

    fn actor(&mut self, fields: &Map<String, Value>, own: bool) {
        let Some(id) = id_of(fields.get("id").or(fields.get("url"))) else {
            return;
        };
        match self.actors.get(&id) {
            Some((known, _)) if *known || !own => {}
            _ => drop(self.actors.insert(id, (own, fields.clone()))),
        }
    }

    /// Hands over the profiles of all actors that are more than an address.
    fn profiles(&mut self) -> Result<(), ImportError> {
        let Self {
            reading,
            actors,
            source,
        } = self;
        for (id, (_, fields)) in actors {
            let actor = Actor::of(id.clone(), plain(fields, id, "", ""));
            actor.record(&reading.names, id, "", source, reading.sink)?;
        }
        Ok(())
    }

    /// Makes `id` the author of what is read next, with a profile of its own.
    fn become_author(&mut self, id: &str) -> Result<(), ImportError> {
        if !self.actors.contains_key(id) {
            self.actors.insert(id.to_owned(), (false, Map::new()));
            let bare = Actor::bare(id);
            bare.record(&self.reading.names, id, "", self.source, self.reading.sink)?;
        }
        if self.reading.actor.id != id {
            let fields = self.actors.get(id).map(|(_, fields)| fields.clone());
            self.reading.actor = Actor::of(id.to_owned(), fields.unwrap_or_default());
            self.reading.author = self.reading.sink.entity(id);
        }
        Ok(())
    }

    /// One object, by what it is.
    fn take(
        &mut self,
        file: &str,
        item: &str,
        object: &Map<String, Value>,
    ) -> Result<usize, ImportError> {
        let inner = object.get("object").and_then(Value::as_object);
        let of = |of: &[&str], object| kind(object).is_some_and(|kind| of.contains(&kind));
        match kind(object) {
            Some(kind) if ACTORS.contains(&kind) => Ok(1),
            Some(kind) if POSTS.contains(&kind) => self.post(file, item, &Map::new(), object),
            Some("Create" | "Update") => match inner {
                Some(actor) if of(&ACTORS, actor) => Ok(1),
                Some(post) if of(&POSTS, post) => self.post(file, item, object, post),
                Some(other) => self.not_imported(file, item, other),
                None => self.leave_out("post", file, item, "its object is not here"),
            },
            Some("Announce") => self.passed_on("boost", file, item, object),
            Some("Like") => self.passed_on("like", file, item, object),
            Some("Follow") => self.passed_on("follow", file, item, object),
            _ => self.not_imported(file, item, object),
        }
    }

    fn leave_out(
        &mut self,
        what: &'static str,
        file: &str,
        item: &str,
        why: &str,
    ) -> Result<usize, ImportError> {
        self.reading.leave_out(what, file, item, why)?;
        Ok(0)
    }

    #[allow(clippy::unnecessary_wraps)] // so that a caller can end with it
    fn not_imported(
        &mut self,
        file: &str,
        item: &str,
        object: &Map<String, Value>,
    ) -> Result<usize, ImportError> {
        let message = match kind(object) {
            Some(kind) => format!("objects of type {} are not imported", shorten(kind)),
            None => "it has no type; it was left out".to_owned(),
        };
        let problem = Problem::of_item(ProblemCode::NotImported, file, item, message);
        self.reading.sink.skip("activity", problem);
        Ok(0)
    }

    fn post(
        &mut self,
        file: &str,
        item: &str,
        activity: &Map<String, Value>,
        object: &Map<String, Value>,
    ) -> Result<usize, ImportError> {
        let by = id_of(activity.get("actor"));
        let author = id_of(object.get("attributedTo").or(object.get("actor")));
        let Some(author) = author.or_else(|| by.clone()) else {
            return self.leave_out("post", file, item, "it does not say who wrote it");
        };
        if by.is_some_and(|by| by != author) {
            return self.leave_out("post", file, item, "it is by somebody else");
        }
        self.become_author(&author)?;
        let id = id_of(object.get("id").or(object.get("url")));
        // What has no address is known by its place.
        let id = id.unwrap_or_else(|| format!("file/{file}#{item}"));
        let object = plain(object, &id, &author, "attachment");
        self.reading.note(file, item, activity, &object)?;
        Ok(1)
    }

    /// A boost, a like, or that somebody follows somebody.
    fn passed_on(
        &mut self,
        what: &'static str,
        file: &str,
        item: &str,
        activity: &Map<String, Value>,
    ) -> Result<usize, ImportError> {
        let Some(actor) = id_of(activity.get("actor")) else {
            return self.leave_out(what, file, item, "it does not say whose it is");
        };
        let Some(url) = id_of(activity.get("object")) else {
            return self.leave_out(what, file, item, "it does not say what it is about");
        };
        self.become_author(&actor)?;
        match what {
            "boost" => {
                let id = id_of(activity.get("id").or(activity.get("url")));
                let id = id.unwrap_or_else(|| format!("{actor}#boost/{url}"));
                let url = Value::String(url);
                self.reading.boost(file, item, &id, activity, &url)?;
            }
            "like" => self.reading.marked("like", &url)?,
            _ => {
                let names = &self.reading.names;
                let mut facts = social("follow", Audience::Direct, names);
                facts.one(&names.author, self.reading.author);
                facts.one(&names.follow_of_url, url.as_str());
                let key = format!("{actor}#follow/{url}");
                let record = facts.record("follow", key, None, Some(Audience::Direct));
                self.reading.sink.record(record)?;
            }
        }
        Ok(1)
    }
}
