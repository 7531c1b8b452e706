//! Posts and replies.

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::Reading;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::limits::TEXT_BYTES;
use crate::part::Part;
use crate::problem::shorten;
use crate::social::social;
use crate::text::clean;

impl Reading<'_> {
    pub(crate) fn note(
        &mut self,
        file: &str,
        item: &str,
        activity: &Map<String, Value>,
        object: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let mut part = Part::new(object);
        let Some(key) = part.text("id") else {
            return self.leave_out("post", file, item, "it has no id");
        };
        if part
            .text("attributedTo")
            .is_some_and(|by| by != self.actor.id)
        {
            return self.leave_out("post", file, item, "it is by somebody else");
        }
        let shown = shorten(key);
        let audience = self.audience(file, &shown, activity, Some(object));
        let answers = part.text("inReplyTo");
        let kind = if answers.is_some() { "reply" } else { "post" };
        let created = part
            .time("published")
            .or_else(|| Part::new(activity).time("published"));
        let mut facts = social(kind, audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.maybe(&self.names.created, created.map(Tuple::Time));
        facts.maybe(&self.names.updated, part.time("updated").map(Tuple::Time));
        facts.one(&self.names.url, part.text("url").unwrap_or(key));
        facts.maybe(&self.names.title, part.text("name"));
        self.content(&mut part, &mut facts);
        facts.or_empty(&self.names.summary, part.text("summary"));
        facts.maybe(&self.names.sensitive, part.boolean("sensitive"));
        facts.maybe(&self.names.reply_to_url, answers);
        facts.maybe(
            &self.names.reply_to,
            answers.and_then(|url| self.known(url)),
        );
        let quoted = ["quote", "quoteUrl", "quoteUri", "_misskey_quote"]
            .iter()
            .find_map(|name| part.get(name)?.as_str());
        facts.maybe(&self.names.quote_of_url, quoted);
        facts.maybe(&self.names.quote_of, quoted.and_then(|url| self.known(url)));
        self.tags(file, &shown, &mut part, &mut facts)?;
        let attachments = part.objects("attachment");
        let media = self.attachments(file, &shown, attachments, audience, created)?;
        facts.list(&self.names.media, media);
        if part.get("oneOf").or(part.get("anyOf")).is_some() {
            self.poll(file, &shown, key, &mut part, &mut facts, audience)?;
        }
        part.problems(file, &shown)
            .for_each(|problem| self.sink.problem(problem));
        self.sink
            .record(facts.record(kind, key.to_owned(), created, Some(audience)))
    }

    /// Text, HTML and language.
    fn content(&mut self, part: &mut Part<'_>, facts: &mut Facts) {
        let map = part.object("contentMap");
        let content = match part.text("content") {
            Some(content) => Some(content),
            None => map.and_then(|map| map.values().find_map(Value::as_str)),
        };
        let html = content.unwrap_or_default();
        if html.len() > TEXT_BYTES {
            part.complain(format!(
                "the text is longer than {TEXT_BYTES} bytes; it was left out"
            ));
            return;
        }
        let (html, text) = clean(html);
        facts.one(&self.names.text, text);
        facts.one(&self.names.html, html);
        // With several languages the one whose text is shown counts.
        let language = map.and_then(|map| {
            let shown = map
                .iter()
                .find(|(_, text)| content.is_some() && text.as_str() == content);
            shown
                .or_else(|| map.iter().next().filter(|_| map.len() == 1))
                .map(|(language, _)| language.as_str())
        });
        facts.maybe(
            &self.names.language,
            language.filter(|language| !language.is_empty() && language.len() <= 35),
        );
    }

    /// Hashtags, mentions and custom emoji.
    fn tags(
        &mut self,
        file: &str,
        item: &str,
        part: &mut Part<'_>,
        facts: &mut Facts,
    ) -> Result<(), ImportError> {
        let (mut tags, mut mentions, mut emoji) = (Vec::new(), Vec::new(), Vec::new());
        for tag in part.objects("tag") {
            let mut inner = Part::new(tag);
            match (inner.text("type"), inner.text("name")) {
                (Some("Hashtag"), Some(name)) => {
                    tags.push(Tuple::from(name.trim_start_matches('#').to_lowercase()));
                }
                (Some("Mention"), name) => match inner.text("href").or(name) {
                    Some(who) => mentions.push(Tuple::from(who)),
                    None => inner.complain("a mention names nobody; it was left out"),
                },
                (Some("Emoji"), Some(name)) => {
                    emoji.push(Tuple::Ref(self.emoji(&mut inner, name)?));
                }
                (kind, _) => inner.complain(format!(
                    "a tag of type {} was left out",
                    shorten(kind.unwrap_or("?"))
                )),
            }
            inner
                .problems(file, item)
                .for_each(|problem| self.sink.problem(problem));
        }
        facts.set(&self.names.tag, tags);
        facts.set(&self.names.mention, mentions);
        facts.set(&self.names.emoji, emoji);
        Ok(())
    }

    /// One entity for each custom emoji, however often it is used.
    fn emoji(
        &mut self,
        part: &mut Part<'_>,
        name: &str,
    ) -> Result<rhizome_tuple::EntityId, ImportError> {
        let url = part
            .object("icon")
            .and_then(|icon| icon.get("url")?.as_str());
        let key = match part.text("id") {
            Some(id) => id.to_owned(),
            None => format!("{}#emoji/{name}", self.actor.id),
        };
        let entity = self.sink.entity(&key);
        if self.emoji.insert(key.clone()) {
            let mut facts = Facts::default();
            facts.one(&self.names.r#type, "emoji");
            facts.one(&self.names.name, name);
            facts.maybe(&self.names.url, url);
            self.sink.record(facts.record("emoji", key, None, None))?;
        }
        Ok(entity)
    }
}
