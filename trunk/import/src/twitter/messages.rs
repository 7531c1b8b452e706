//! Private messages, of two or of a group.

use serde_json::{Map, Value};

use super::files::{Files, Kind};
use super::{Reading, text};
use crate::chat::{ChatNames, Conversation, Message};
use crate::error::ImportError;
use crate::part::Part;
use crate::problem::shorten;

impl Reading<'_> {
    pub(super) fn conversations(&mut self, files: &Files) -> Result<(), ImportError> {
        let names = ChatNames::new();
        for path in files.all(Kind::Messages) {
            let wrapper = ["dmConversation"];
            self.each(path, "conversation", &wrapper, &mut |reading, n, item| {
                reading.conversation(&names, path, n, item)
            })?;
        }
        Ok(())
    }

    /// How a person is named: an archive knows others by their numbers.
    fn person(&self, id: &str) -> String {
        match (&self.account.id, &self.account.name) {
            (Some(own), Some(name)) if own == id => format!("@{name}"),
            _ => format!("https://twitter.com/i/user/{id}"),
        }
    }

    fn conversation(
        &mut self,
        names: &ChatNames,
        file: &str,
        n: u64,
        item: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let mut part = Part::new(item);
        let Some(id) = part.text("conversationId") else {
            self.leave_out("conversation", file, &format!("item {n}"), "it has no id");
            return Ok(());
        };
        let messages = part.objects("messages");
        let key = format!("conversation/{id}");
        let entity = self.sink.entity(&key);
        let (mut participants, mut title) = (Vec::new(), None);
        let mut note = |who: &str| {
            if !participants.iter().any(|known| known == who) {
                participants.push(who.to_owned());
            }
        };
        for message in &messages {
            let of = |kind: &str, name: &str| message.get(kind)?.get(name)?.as_str();
            for name in ["senderId", "recipientId"] {
                if let Some(who) = of("messageCreate", name) {
                    note(who);
                }
            }
            // The list goes from the newest to the oldest.
            title = title.or(of("conversationNameUpdate", "name"));
        }
        let conversation = Conversation {
            service: "Twitter",
            title,
            participants: participants.iter().map(|who| self.person(who)).collect(),
            whole: false,
        };
        self.sink.record(conversation.record(names, key))?;
        for (n, message) in messages.into_iter().enumerate() {
            let Some(create) = message.get("messageCreate").and_then(Value::as_object) else {
                // Somebody joined, left or named the group.
                continue;
            };
            let mut inner = Part::new(create);
            let Some(id) = inner.text("id") else {
                let shown = format!("message {n} of {}", shorten(id));
                self.leave_out("message", file, &shown, "it has no id");
                continue;
            };
            let sent = inner.time("createdAt");
            let sender = inner.text("senderId").map(|who| self.person(who));
            let mut longs = text::Longs::new();
            let mut links = Vec::new();
            for url in inner.objects("urls") {
                let of = |name: &str| url.get(name).and_then(Value::as_str);
                if let (Some(short), Some(long)) = (of("url"), of("expanded")) {
                    let shown = of("display").unwrap_or(long);
                    longs.insert(short, text::Long::Address(long, shown));
                    links.push(long.to_owned());
                }
            }
            let (plain, _) = text::expand(inner.text("text").unwrap_or_default(), &longs);
            let mut attachments = Vec::new();
            for url in inner.texts("mediaUrls") {
                attachments.push(self.sent(id, url, sent)?);
            }
            let reactions = inner.objects("reactions").into_iter().filter_map(|of| {
                let key = of.get("reactionKey")?.as_str()?;
                let who = of.get("senderId")?.as_str()?;
                Some(format!("{key} {}", self.person(who)))
            });
            let message = Message {
                sender: sender.as_deref(),
                sent,
                text: Some(&plain),
                reactions: reactions.collect(),
                attachments,
                links,
                ..Message::default()
            };
            inner
                .problems(file, &shorten(id))
                .for_each(|problem| self.sink.problem(problem));
            let key = format!("message/{id}");
            self.sink.record(message.record(names, key, entity))?;
        }
        part.problems(file, &shorten(id))
            .for_each(|problem| self.sink.problem(problem));
        Ok(())
    }
}
