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
pub(crate) use actor::Actor;

/// Reads Mastodon archives: `outbox.json` with `actor.json`, `likes.json`, `bookmarks.json` and media beside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mastodon;

/// The `import/source` of everything read here.
pub(crate) const SOURCE: &str = "mastodon";
const OUTBOX: &str = "outbox.json";
/// What is said of a document whose items are not where they belong.
const UNLIKE: &str = "orderedItems is not a list of items";

impl Importer for Mastodon {
    fn name(&self) -> &'static str {
        "mastodon"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let Some(outbox) = source.find_named(OUTBOX) else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&source.head(&outbox.path, 4_096)?).into_owned();
        let collection = head.contains("orderedItems") || head.contains("OrderedCollection");
        let activities = head.contains("https://www.w3.org/ns/activitystreams");
        let folder = outbox.path.strip_suffix(OUTBOX).unwrap_or_default();
        let actor = Actor::read(source, folder)?.0;
        let mut confidence: f32 = 0.2;
        let mut why = vec![OUTBOX.to_owned()];
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
        let others = outboxes(source).len() - 1;
        if others > 0 {
            why.push(format!("and of {others} others"));
        }
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why: why.join(", "),
            source: SOURCE.to_owned(),
            // Of several accounts none is that of the export.
            account: Some(account).filter(|_| others == 0),
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut archives = Vec::new();
        for outbox in outboxes(source) {
            let folder = outbox.strip_suffix(OUTBOX).unwrap_or_default().to_owned();
            let (actor, problems) = Actor::read(source, &folder)?;
            for problem in problems {
                sink.problem(problem);
            }
            let file = format!("{folder}actor.json");
            if actor.is_some() {
                sink.used(&file);
            }
            let actor = match actor {
                Some(actor) => Some(actor),
                None => first_actor(source, &outbox)?.map(|id| Actor::bare(&id)),
            };
            if let Some(actor) = actor {
                archives.push((outbox, folder, file, actor));
            } else {
                let message = "nothing says whose activities these are; it was kept as a file";
                sink.problem(Problem::of_file(ProblemCode::Malformed, outbox, message));
            }
        }
        if archives.is_empty() {
            return Err(ImportError::NotRecognised {
                what: source.name().to_owned(),
                why: "it holds no outbox.json of anybody".to_owned(),
            });
        }
        let mut reading = Reading::new(source, sink, String::new(), Actor::bare(""));
        for (outbox, ..) in &archives {
            reading.list_posts(outbox)?;
        }
        for (outbox, folder, file, actor) in archives {
            actor.record(&reading.names, &file, &folder, source, reading.sink)?;
            reading.author = reading.sink.entity(&actor.id);
            reading.actor = actor;
            reading.folder = folder;
            reading.outbox(&outbox)?;
            reading.lists()?;
        }
        Ok(())
    }
}

/// Every `outbox.json`: an archive has one, and an export of several accounts a folder for each.
fn outboxes(source: &Source) -> Vec<String> {
    let entries = source.entries().iter();
    let named = entries.filter(|entry| entry.path.rsplit('/').next() == Some(OUTBOX));
    let mut found: Vec<String> = named.map(|entry| entry.path.clone()).collect();
    // The highest first, as that which recognition looks at.
    found.sort_by_key(|path| path.matches('/').count());
    found
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
pub(crate) struct Reading<'a> {
    source: &'a Source,
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) names: Names,
    /// Where `outbox.json` lies: empty, or a folder with a slash.
    folder: String,
    pub(crate) actor: Actor,
    pub(crate) author: EntityId,
    /// Posts and boosts of this archive, for references between them.
    pub(crate) posts: FxHashSet<EntityId>,
    /// Emoji and media that already are records.
    emoji: HashSet<String>,
    media: HashSet<String>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        source: &'a Source,
        sink: &'a mut dyn Sink,
        folder: String,
        actor: Actor,
    ) -> Self {
        Self {
            source,
            author: sink.entity(&actor.id),
            sink,
            names: Names::new(),
            folder,
            actor,
            posts: FxHashSet::default(),
            emoji: HashSet::new(),
            media: HashSet::new(),
        }
    }

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
    pub(crate) fn leave_out(
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

    pub(crate) fn boost(
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
