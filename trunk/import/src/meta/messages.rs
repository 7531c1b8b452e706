//! Conversations: one folder each, `message_1.json` and on.

use std::collections::BTreeMap;

use rhizome_tuple::EntityId;
use serde_json::{Map, Value};

use super::{Reading, mojibake, tail};
use crate::audience::Audience;
use crate::chat::{ChatNames, Conversation, Message, Repeats};
use crate::error::ImportError;
use crate::json::{each_item, parse_path};
use crate::part::Part;
use crate::source::Source;

/// Participants of one conversation.
const MAX_PARTICIPANTS: usize = 10_000;

/// The conversations of a download: their folders' names, which end with their ids, and their files.
pub fn conversations(source: &Source) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in super::numbered(source, "message") {
        let mut parts = path.rsplit('/').skip(1);
        let (folder, kind) = (parts.next(), parts.next());
        let known = [
            "inbox",
            "archived_threads",
            "filtered_threads",
            "message_requests",
            "e2ee_cutover",
            "legacy_threads",
        ];
        if let (Some(folder), Some(kind)) = (folder, kind)
            && known.contains(&kind)
        {
            let files = found.entry(folder.to_owned()).or_default();
            files.push(path.to_owned());
        }
    }
    found
}

impl Reading<'_> {
    /// Hands all conversations over.
    pub(super) fn conversations(&mut self) -> Result<(), ImportError> {
        for (folder, files) in conversations(self.source) {
            self.conversation(&folder, &files)?;
        }
        Ok(())
    }

    /// Hands one conversation over.
    pub(super) fn conversation(&mut self, name: &str, files: &[String]) -> Result<(), ImportError> {
        let names = ChatNames::new();
        let (mut title, mut participants) = (None, Vec::new());
        for file in files {
            title = match self.one(file, "/title")? {
                Some(Value::String(title)) => Some(title),
                _ => title,
            };
            self.each(file, "conversation", "/participants/*", &mut |_, _, who| {
                let name = who.get("name").and_then(Value::as_str).unwrap_or_default();
                let known = participants.iter().any(|known| known == name);
                if !name.is_empty() && !known && participants.len() < MAX_PARTICIPANTS {
                    participants.push(name.to_owned());
                }
                Ok(())
            })?;
        }
        let key = format!("conversation/{name}");
        let entity = self.sink.entity(&key);
        let conversation = Conversation {
            service: self.service,
            title: title.as_deref(),
            whole: !participants.is_empty(),
            participants,
        };
        self.sink.record(conversation.record(&names, key))?;
        let mut repeats = Repeats::default();
        for file in files {
            self.each(
                file,
                "message",
                "/messages/*",
                &mut |reading, n, message| {
                    reading.message(file, n, name, message, &names, &mut repeats, entity)
                },
            )?;
        }
        Ok(())
    }

    /// The first value at a path.
    fn one(&mut self, file: &str, path: &str) -> Result<Option<Value>, ImportError> {
        let mut found = None;
        let steps = parse_path(path).unwrap_or_default();
        let limit = self.source.limits().record_bytes;
        each_item(self.source.read(file)?, &steps, limit, &mut |_, item, _| {
            found = serde_json::from_str(item).ok();
            Ok(())
        })?;
        if let Some(value) = &mut found {
            mojibake::repair_all(value);
        }
        Ok(found)
    }

    #[allow(clippy::too_many_arguments)] // the parts of one message
    fn message(
        &mut self,
        file: &str,
        n: u64,
        conversation: &str,
        message: &Map<String, Value>,
        names: &ChatNames,
        repeats: &mut Repeats,
        entity: EntityId,
    ) -> Result<(), ImportError> {
        let item = format!("message {n}");
        let mut part = Part::new(message);
        let sent = message.get("timestamp_ms").and_then(Value::as_i64);
        let Some(sent) = sent.or_else(|| super::seconds(message, "timestamp")) else {
            self.leave_out("message", file, &item, "it does not say when it was sent");
            return Ok(());
        };
        let sender = part.text("sender_name");
        let text = part.text("content");
        let (mut attachments, mut first) = (Vec::new(), "");
        for list in [
            "photos",
            "videos",
            "audio_files",
            "gifs",
            "files",
            "sticker",
        ] {
            for of in part.objects(list) {
                let uri = of.get("uri").and_then(Value::as_str).unwrap_or_default();
                if first.is_empty() {
                    first = tail(uri);
                }
                attachments.extend(self.shown(file, &item, of, Audience::Direct)?);
            }
        }
        let share = part.object("share");
        let shared = |name: &str| share?.get(name)?.as_str();
        let reactions = part.objects("reactions").into_iter().filter_map(|of| {
            let what = of.get("reaction")?.as_str()?;
            let who = of.get("actor").and_then(Value::as_str).unwrap_or_default();
            Some(format!("{what} {who}").trim_end().to_owned())
        });
        let reactions = reactions.collect();
        let call = part.get("call_duration").is_some();
        let key = repeats.key(&[
            conversation,
            sender.unwrap_or_default(),
            &sent.to_string(),
            text.unwrap_or_default(),
            first,
            shared("link").unwrap_or_default(),
        ]);
        let said = Message {
            sender,
            sent: Some(sent),
            text: text.or(shared("share_text")),
            attachments,
            links: shared("link").map(str::to_owned).into_iter().collect(),
            reactions,
            notice: call,
            ..Message::default()
        };
        self.report(part, file, &item);
        let key = format!("message/{key}");
        self.sink.record(said.record(names, key, entity))
    }
}
