//! Mastodon archives, as the server's "request your archive" gives them (a zip or a gzipped tar), or unpacked.

mod actor;
mod addressing;
mod attachment;
mod lists;
mod note;
mod poll;

use std::collections::HashSet;

use rhizome_tuple::EntityId;
use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use crate::audience::Audience;
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{each_item, parse_path};
use crate::part::kind_of;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::{Names, social};
use crate::source::Source;
use actor::Actor;

/// Reads Mastodon archives: `outbox.json` with `actor.json`, `likes.json`, `bookmarks.json` and media beside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mastodon;

/// The `import/source` of everything read here.
const SOURCE: &str = "mastodon";
/// What is said of a document whose items are not where they belong.
const UNLIKE: &str = "orderedItems is not a list of items";

impl Importer for Mastodon {
    fn name(&self) -> &'static str {
        "mastodon"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let Some(outbox) = source.find_named("outbox.json") else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&source.head(&outbox.path, 4_096)?).into_owned();
        let collection = head.contains("orderedItems") || head.contains("OrderedCollection");
        let activities = head.contains("https://www.w3.org/ns/activitystreams");
        let folder = outbox.path.strip_suffix("outbox.json").unwrap_or_default();
        let actor = Actor::read(source, folder)?.0;
        let mut confidence: f32 = 0.2;
        let mut why = vec!["outbox.json".to_owned()];
        if collection && activities {
            confidence += 0.4;
            why.push("an ActivityStreams collection".to_owned());
        }
        let account = match &actor {
            Some(actor) => {
                confidence += 0.39;
                why.push(format!(
                    "actor.json of {}",
                    actor.handle.as_deref().unwrap_or(&actor.id)
                ));
                Some(actor.id.clone())
            }
            None => first_actor(source, &outbox.path)?,
        };
        let Some(account) = account else {
            return Ok(None);
        };
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why: why.join(", "),
            source: SOURCE.to_owned(),
            account: Some(account),
        }))
    }

    fn read(
        &self,
        source: &Source,
        recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let not_here = || ImportError::NotRecognised {
            what: source.name().to_owned(),
            why: "it holds no outbox.json".to_owned(),
        };
        let outbox = source
            .find_named("outbox.json")
            .ok_or_else(not_here)?
            .path
            .clone();
        let folder = outbox
            .strip_suffix("outbox.json")
            .unwrap_or_default()
            .to_owned();
        let (actor, problems) = Actor::read(source, &folder)?;
        for problem in problems {
            sink.problem(problem);
        }
        if actor.is_some() {
            sink.used(&format!("{folder}actor.json"));
        }
        let account = recognition.account.clone().unwrap_or_default();
        let actor = actor.unwrap_or_else(|| Actor::bare(&account));
        let names = Names::new();
        actor.record(&names, &folder, source, sink)?;
        let author = sink.entity(&actor.id);
        let mut reading = Reading {
            source,
            sink,
            names,
            folder,
            author,
            actor,
            posts: FxHashSet::default(),
            emoji: HashSet::new(),
            media: HashSet::new(),
        };
        reading.list_posts(&outbox)?;
        reading.outbox(&outbox)?;
        reading.lists()
    }
}

/// The actor of the first activity, for archives without `actor.json`.
fn first_actor(source: &Source, outbox: &str) -> Result<Option<String>, ImportError> {
    let mut actor = None;
    let path = parse_path("/orderedItems/*").unwrap_or_default();
    let first = each_item(
        source.read(outbox)?,
        &path,
        source.limits().record_bytes,
        &mut |_, item, _| {
            let activity: Option<Value> = serde_json::from_str(item).ok();
            actor = activity
                .as_ref()
                .and_then(|activity| activity.get("actor")?.as_str())
                .map(str::to_owned);
            if actor.is_some() {
                Err(ImportError::Cancelled)
            } else {
                Ok(())
            }
        },
    );
    match first {
        Ok(_) | Err(ImportError::Cancelled) => Ok(actor.filter(|actor| !actor.is_empty())),
        Err(error) => Err(error),
    }
}

/// An archive while it is read.
struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// Where `outbox.json` lies: empty, or a folder with a slash.
    folder: String,
    actor: Actor,
    author: EntityId,
    /// Posts and boosts of this archive, for references between them.
    posts: FxHashSet<EntityId>,
    /// Emoji and media that already are records.
    emoji: HashSet<String>,
    media: HashSet<String>,
}

impl Reading<'_> {
    fn path() -> Vec<crate::json::Step> {
        parse_path("/orderedItems/*").unwrap_or_default()
    }

    /// A first reading, for the ids alone: a reply may come before what it answers.
    fn list_posts(&mut self, outbox: &str) -> Result<(), ImportError> {
        #[derive(serde::Deserialize)]
        struct Ids<'a> {
            #[serde(borrow)]
            object: Option<Object<'a>>,
        }
        #[derive(serde::Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            id: Option<std::borrow::Cow<'a, str>>,
        }
        let total = self.size(outbox);
        let (sink, posts) = (&mut *self.sink, &mut self.posts);
        each_item(
            self.source.read(outbox)?,
            &Self::path(),
            self.source.limits().record_bytes,
            &mut |n, item, done| {
                if let Ok(Ids {
                    object: Some(Object { id: Some(id) }),
                }) = serde_json::from_str(item)
                {
                    posts.insert(sink.entity(&id));
                }
                if n % 512 == 0 {
                    sink.progress(outbox, done / 2, total)
                } else {
                    Ok(())
                }
            },
        )?;
        Ok(())
    }

    fn outbox(&mut self, outbox: &str) -> Result<(), ImportError> {
        self.sink.used(outbox);
        let total = self.size(outbox);
        let (reader, limit) = (self.source.read(outbox)?, self.source.limits().record_bytes);
        let outcome = each_item(reader, &Self::path(), limit, &mut |n, item, done| {
            if n % 64 == 0 {
                self.sink.progress(outbox, total / 2 + done / 2, total)?;
            }
            let item = match serde_json::from_str::<Value>(item) {
                Ok(Value::Object(activity)) => return self.activity(outbox, n, &activity),
                Ok(other) => format!("an activity is an object, not a {}", kind_of(&other)),
                Err(error) => error.to_string(),
            };
            let message = format!("{item}; it was left out");
            self.sink.skip(
                "post",
                Problem::of_item(
                    ProblemCode::Malformed,
                    outbox,
                    format!("activity {n}"),
                    message,
                ),
            );
            Ok(())
        })?;
        outcome.report(outbox, "document", UNLIKE, self.sink);
        self.sink.progress(outbox, total, total)
    }

    fn size(&self, path: &str) -> u64 {
        self.source.find(path).map_or(0, |entry| entry.size)
    }

    fn activity(
        &mut self,
        file: &str,
        n: u64,
        activity: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let id = activity
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let item = if id.is_empty() {
            format!("activity {n}")
        } else {
            id.to_owned()
        };
        let by = activity.get("actor").and_then(Value::as_str);
        if by.is_some_and(|by| by != self.actor.id) {
            return self.leave_out("post", file, &item, "it is by somebody else");
        }
        match (
            activity.get("type").and_then(Value::as_str),
            activity.get("object"),
        ) {
            (Some("Create"), Some(Value::Object(object))) => {
                self.note(file, &item, activity, object)
            }
            (Some("Create"), _) => self.leave_out("post", file, &item, "its object is not here"),
            (Some("Announce"), Some(object)) => self.boost(file, &item, id, activity, object),
            (Some("Announce"), None) => {
                self.leave_out("boost", file, &item, "it does not say what it boosts")
            }
            (Some(other), _) => {
                let message = format!("activities of type {} are not imported", shorten(other));
                self.leave_out("activity", file, &item, &message)
            }
            (None, _) => self.leave_out("activity", file, &item, "it has no type"),
        }
    }

    #[allow(clippy::unnecessary_wraps)] // so that a caller can end with it
    fn leave_out(
        &mut self,
        kind: &'static str,
        file: &str,
        item: &str,
        why: &str,
    ) -> Result<(), ImportError> {
        let message = format!("{why}; it was left out");
        self.sink.skip(
            kind,
            Problem::of_item(ProblemCode::Malformed, file, shorten(item), message),
        );
        Ok(())
    }

    /// The audience, direct where the export says none.
    fn audience(
        &mut self,
        file: &str,
        item: &str,
        activity: &Map<String, Value>,
        object: Option<&Map<String, Value>>,
    ) -> Audience {
        addressing::audience(activity, object, &self.actor.followers).unwrap_or_else(|| {
            let message = "it does not say who may see it; it was imported as direct";
            self.sink.problem(Problem::of_item(
                ProblemCode::Audience,
                file,
                shorten(item),
                message,
            ));
            Audience::Direct
        })
    }

    /// The entity of a post, where this archive holds it.
    fn known(&self, url: &str) -> Option<EntityId> {
        let entity = self.sink.entity(url);
        self.posts.contains(&entity).then_some(entity)
    }

    fn boost(
        &mut self,
        file: &str,
        item: &str,
        id: &str,
        activity: &Map<String, Value>,
        object: &Value,
    ) -> Result<(), ImportError> {
        let url = match object {
            Value::String(url) => Some(url.as_str()),
            Value::Object(object) => object.get("id").and_then(Value::as_str),
            _ => None,
        };
        let Some(url) = url.filter(|url| !url.is_empty()) else {
            return self.leave_out("boost", file, item, "it does not say what it boosts");
        };
        if id.is_empty() {
            return self.leave_out("boost", file, item, "it has no id");
        }
        let audience = self.audience(file, item, activity, None);
        let mut part = crate::part::Part::new(activity);
        let created = part.time("published");
        let mut facts = social("boost", audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.maybe(&self.names.created, created.map(rhizome_tuple::Value::Time));
        facts.one(&self.names.boost_of_url, url);
        facts.maybe(&self.names.boost_of, self.known(url));
        part.problems(file, &shorten(item))
            .for_each(|problem| self.sink.problem(problem));
        self.sink
            .record(facts.record("boost", id.to_owned(), created, Some(audience)))
    }
}
