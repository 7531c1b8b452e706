//! Telegram: `result.json` of the desktop app, of one conversation or of all.

use std::collections::BTreeMap;

use rhizome_tuple::Value as Tuple;
use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use crate::attached::{Said, media};
use crate::audience::Audience;
use crate::chat::{ChatNames, Conversation, Message, Repeats};
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{each_item_within, parse_path};
use crate::outcome::{End, Outcome};
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::Names;
use crate::source::{Source, safe_path};
use crate::time::by_pattern;

/// Reads exports of Telegram as JSON, with the files beside them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telegram;

/// Bytes that are looked at to recognise a document, and documents looked at.
const HEAD: usize = 16 << 10;
const MAX_FILES: usize = 256;
/// Where messages are: of one conversation, of all, of those that were left.
const PLACES: [&str; 3] = [
    "/messages/*",
    "/chats/list/*/messages/*",
    "/left_chats/list/*/messages/*",
];
/// Participants that are listed of one conversation.
const MAX_PARTICIPANTS: usize = 10_000;

fn documents(source: &Source) -> Result<Vec<String>, ImportError> {
    let mut found = Vec::new();
    let json = source.entries().iter().filter(|entry| entry.ends("json"));
    for entry in json.take(MAX_FILES) {
        let head = source.head(&entry.path, HEAD)?;
        let head = String::from_utf8_lossy(&head);
        let messages = head.contains("\"messages\"") && head.contains("\"type\"");
        let dated = head.contains("\"date_unixtime\"");
        let old = head.contains("\"date\"") && head.contains("\"from_id\"");
        let all = head.contains("\"about\"") && head.contains("\"personal_information\"");
        if (messages && (dated || old)) || (all && head.contains("Telegram")) {
            found.push(entry.path.clone());
        }
    }
    Ok(found)
}

impl Importer for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let documents = documents(source)?;
        let Some(first) = documents.first() else {
            return Ok(None);
        };
        Ok(Some(Recognition::of(
            self.name(),
            0.95,
            format!("{first} holds messages as Telegram writes them"),
        )))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        for file in documents(source)? {
            let own = file.rsplit('/').next().unwrap_or(&file);
            let mut reading = Reading {
                folder: file.strip_suffix(own).unwrap_or_default().to_owned(),
                source,
                sink: &mut *sink,
                file: &file,
                names: ChatNames::new(),
                social: Names::new(),
                conversations: BTreeMap::new(),
                repeats: Repeats::default(),
            };
            reading.whole()?;
        }
        Ok(())
    }
}

/// What is known of a conversation while its messages are read.
#[derive(Default)]
struct Known {
    title: Option<String>,
    participants: FxHashSet<String>,
}

/// A document while it is read.
struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    file: &'a str,
    folder: String,
    names: ChatNames,
    social: Names,
    conversations: BTreeMap<String, Known>,
    repeats: Repeats,
}

/// The name or number of a conversation or message.
fn id(of: &Map<String, Value>, name: &str) -> Option<String> {
    match of.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// Milliseconds since 1970: seconds written as text, in older exports a local time of which nobody says the zone.
fn time(of: &Map<String, Value>, unix: &str, local: &str) -> Option<i64> {
    let seconds = match of.get(unix) {
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_i64(),
        None => None,
    };
    seconds
        .and_then(|seconds: i64| seconds.checked_mul(1_000))
        .or_else(|| by_pattern(of.get(local)?.as_str()?, "%Y-%m-%dT%H:%M:%S"))
}

impl Reading<'_> {
    fn whole(&mut self) -> Result<(), ImportError> {
        self.sink.used(self.file);
        let total = self.source.find(self.file).map_or(0, |entry| entry.size);
        let limit = self.source.limits().record_bytes;
        let around = ["id", "name"];
        for place in PLACES {
            let steps = parse_path(place).unwrap_or_default();
            let reader = self.source.read(self.file)?;
            let outcome = each_item_within(
                reader,
                &steps,
                &around,
                limit,
                &mut |chat, n, item, done| {
                    if n % 64 == 0 {
                        self.sink.progress(self.file, done, total)?;
                    }
                    let why = match serde_json::from_str::<Value>(item) {
                        Ok(Value::Object(message)) => return self.message(chat, n, &message),
                        Ok(_) => "it is not an object".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    self.leave_out(n, &why);
                    Ok(())
                },
            )?;
            // The bytes are the same in every reading.
            let outcome = Outcome {
                replaced: if place == PLACES[0] {
                    outcome.replaced
                } else {
                    0
                },
                ..outcome
            };
            let unlike = "it does not hold a list where one belongs";
            outcome.report(self.file, "document", unlike, self.sink);
            if outcome.end != End::Whole {
                break;
            }
        }
        for (key, known) in std::mem::take(&mut self.conversations) {
            let mut participants: Vec<String> = known.participants.into_iter().collect();
            participants.sort_unstable();
            let conversation = Conversation {
                service: "Telegram",
                title: known.title.as_deref(),
                participants,
                whole: false,
            };
            self.sink.record(conversation.record(&self.names, key))?;
        }
        Ok(())
    }

    fn leave_out(&mut self, n: u64, why: &str) {
        let (item, message) = (format!("message {n}"), format!("{why}; it was left out"));
        let problem = Problem::of_item(ProblemCode::Malformed, self.file, item, message);
        self.sink.skip("message", problem);
    }

    fn message(
        &mut self,
        chat: &Map<String, Value>,
        n: u64,
        message: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let title = chat.get("name").and_then(Value::as_str);
        // A conversation alone has its own name and number, if any; then the file's name stands for it.
        let own = self.file.rsplit('/').next().unwrap_or(self.file);
        let name = id(chat, "id").or_else(|| title.map(str::to_owned));
        let name = name.unwrap_or_else(|| own.trim_end_matches(".json").to_owned());
        let conversation = format!("conversation/{name}");
        let mut part = Part::new(message);
        let Some(sent) = time(message, "date_unixtime", "date") else {
            self.leave_out(n, "it does not say when it was sent");
            return Ok(());
        };
        let service = part.text("type") == Some("service");
        let sender = ["from", "actor", "from_id", "actor_id"]
            .iter()
            .find_map(|name| message.get(*name)?.as_str());
        let mut links = Vec::new();
        let mut words = words(message.get("text").unwrap_or(&Value::Null), &mut links);
        if service && words.is_empty() {
            words = part.text("action").unwrap_or_default().replace('_', " ");
        }
        let known = self.conversations.entry(conversation.clone()).or_default();
        known.title = known.title.take().or_else(|| title.map(str::to_owned));
        if let Some(sender) = sender.filter(|_| known.participants.len() < MAX_PARTICIPANTS) {
            known.participants.insert(sender.to_owned());
        }
        let key = match id(message, "id") {
            Some(id) => id,
            None => self.repeats.key(&[
                &conversation,
                sender.unwrap_or_default(),
                &sent.to_string(),
                &words,
            ]),
        };
        let mut attachments = Vec::new();
        let key = format!("{conversation}/message/{key}");
        for field in ["photo", "file"] {
            if let Some(path) = part.text(field) {
                // The files of every export are numbered anew, so the message names what it shows.
                let key = format!("{key}#{field}");
                attachments.extend(self.attachment(key, path, &part, sent)?);
            }
        }
        let reactions = part.objects("reactions").into_iter().flat_map(|of| {
            let what = of.get("emoji").and_then(Value::as_str).unwrap_or("?");
            let people = of.get("recent").and_then(Value::as_array);
            let people = people.into_iter().flatten();
            let who = people.filter_map(|of| of.get("from")?.as_str());
            who.map(move |who| format!("{what} {who}"))
        });
        let said = Message {
            sender,
            sent: Some(sent),
            edited: time(message, "edited_unixtime", "edited"),
            text: Some(&words),
            attachments,
            links,
            reactions: reactions.collect(),
            reply_to: id(message, "reply_to_message_id")
                .map(|id| self.sink.entity(&format!("{conversation}/message/{id}"))),
            forwarded_from: message.get("forwarded_from").and_then(Value::as_str),
            notice: service,
        };
        let item = shorten(&key);
        part.problems(self.file, &item)
            .for_each(|problem| self.sink.problem(problem));
        let entity = self.sink.entity(&conversation);
        self.sink.record(said.record(&self.names, key, entity))
    }

    /// A file of a message. What the app was told to leave out has a sentence in brackets in place of its path.
    fn attachment(
        &mut self,
        key: String,
        path: &str,
        part: &Part<'_>,
        sent: i64,
    ) -> Result<Option<Tuple>, ImportError> {
        let item = shorten(&key);
        if path.starts_with('(') {
            let message = format!("the export was made without this file: {}", shorten(path));
            let problem = Problem::of_item(ProblemCode::MissingFile, self.file, item, message);
            self.sink.problem(problem);
            return Ok(None);
        }
        let Some(safe) = safe_path(path) else {
            let message = "this path leaves the export or is not a path; the file was not read";
            let problem = Problem::of_item(ProblemCode::UnsafePath, self.file, item, message);
            self.sink.problem(problem);
            return Ok(None);
        };
        let entity = Tuple::Ref(self.sink.entity(&key));
        let stored = self.sink.file(&format!("{}{safe}", self.folder))?;
        let said = Said {
            mime: part.get("mime_type").and_then(Value::as_str),
            created: Some(sent),
            ..Said::default()
        };
        let mut facts = media(&self.social, Audience::Direct, said, stored.as_ref());
        let name = part.get("file_name").and_then(Value::as_str);
        facts.maybe(&self.social.title, name);
        self.sink.record(facts.record("media", key, None, None))?;
        Ok(Some(entity))
    }
}

/// The words of a text that is one piece or many, and the addresses in it.
fn words(text: &Value, links: &mut Vec<String>) -> String {
    match text {
        Value::String(text) => text.clone(),
        Value::Array(pieces) => {
            let mut all = String::new();
            for piece in pieces {
                let of = |name: &str| piece.get(name).and_then(Value::as_str);
                match (piece, of("type")) {
                    (Value::String(text), _) => all.push_str(text),
                    (_, kind) => {
                        let text = of("text").unwrap_or_default();
                        all.push_str(text);
                        match kind {
                            Some("link") => links.push(text.to_owned()),
                            Some("text_link") => links.extend(of("href").map(str::to_owned)),
                            _ => {}
                        }
                    }
                }
            }
            all
        }
        _ => String::new(),
    }
}
