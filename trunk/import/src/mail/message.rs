//! One message.

use std::collections::BTreeSet;

use mail_parser::{Address, HeaderName, HeaderValue, Message, MessagePart, MimeHeaders, PartType};
use rhizome_tuple::Value;

use super::flags::{mailbox, maildir, status};
use super::{Form, Raw, Reading, print};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::text::clean;

/// Attachments of one message; further ones are left out.
const ATTACHMENTS: usize = 1_000;
/// Message ids that one message names; further ones are left out.
const REFERENCES: usize = 1_000;

/// A message id, without angle brackets and what lies around.
fn bare(id: &str) -> Option<String> {
    let id = id
        .trim()
        .trim_start_matches('<')
        .trim_end_matches('>')
        .trim();
    (!id.is_empty()).then(|| id.to_owned())
}

pub fn message_id(message: &Message<'_>) -> Option<String> {
    bare(message.message_id()?)
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    let ids: Vec<&str> = match value {
        HeaderValue::Text(text) => vec![text],
        HeaderValue::TextList(list) => list.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    ids.into_iter().filter_map(bare).take(REFERENCES).collect()
}

/// Everybody in an address header: as lines, and the bare addresses.
fn people(address: Option<&Address<'_>>) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut addresses) = (Vec::new(), Vec::new());
    for who in address.iter().flat_map(|address| address.iter()) {
        let name = who.name().map(str::trim).filter(|name| !name.is_empty());
        let address = who
            .address()
            .map(str::trim)
            .filter(|address| !address.is_empty());
        match (name, address) {
            (Some(name), Some(address)) if name != address => {
                lines.push(format!("{name} <{address}>"));
            }
            (_, Some(address)) => lines.push(address.to_owned()),
            (Some(name), None) => lines.push(name.to_owned()),
            (None, None) => {}
        }
        addresses.extend(address.map(str::to_lowercase));
    }
    (lines, addresses)
}

fn texts(lines: Vec<String>) -> Vec<Value> {
    lines.into_iter().map(Value::from).collect()
}

/// A header that only some programs write.
fn raw<'a>(message: &'a Message<'_>, name: &'static str) -> Option<&'a str> {
    let text = message
        .header(HeaderName::Other(name.into()))?
        .as_text()?
        .trim();
    (!text.is_empty()).then_some(text)
}

/// A list of labels as Google writes it: between commas, in quotes where a label has one.
fn labels(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut label = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut label)),
            '\r' | '\n' => {}
            c => label.push(c),
        }
    }
    out.push(label);
    out.iter()
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect()
}

/// What a label of Google's says of a message's state.
fn label_flag(label: &str) -> Option<&'static str> {
    Some(match label.to_lowercase().as_str() {
        "starred" => "flagged",
        "draft" | "drafts" => "draft",
        "opened" => "seen",
        _ => return None,
    })
}

impl Reading<'_> {
    pub(super) fn parsed(
        &mut self,
        raw_message: &Raw<'_>,
        item: &str,
        message: &Message<'_>,
    ) -> Result<(), ImportError> {
        let file = raw_message.file;
        let id = message_id(message);
        let key = id
            .clone()
            .unwrap_or_else(|| format!("#{}", blake3::hash(raw_message.bytes).to_hex()));
        let shown = shorten(&key);
        let names = self.names.clone();
        let mut facts = Facts::default();
        facts.one(&names.r#type, "mail");
        let subject = message
            .subject()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        facts.or_empty(&names.subject, subject);
        let (from, from_address) = people(message.from());
        facts.or_empty(&names.from, from.into_iter().next());
        facts.or_empty(&names.from_address, from_address.first().cloned());
        let (sender, _) = people(message.sender());
        facts.or_empty(&names.sender, sender.into_iter().next());
        let mut everybody: BTreeSet<String> = from_address.into_iter().collect();
        for (attribute, address) in [
            (&names.to, message.to()),
            (&names.cc, message.cc()),
            (&names.bcc, message.bcc()),
        ] {
            let (lines, addresses) = people(address);
            everybody.extend(addresses);
            facts.list(attribute, texts(lines));
        }
        facts.list(&names.reply_to, texts(people(message.reply_to()).0));
        facts.set(
            &names.participant,
            everybody.into_iter().map(Value::from).collect(),
        );
        let sent = message.date().filter(|date| date.is_valid());
        let sent = sent.and_then(|date| date.to_timestamp().checked_mul(1_000));
        if sent.is_none() && message.header_raw("Date").is_some() {
            let problem = "its date cannot be read; it was left out";
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                file,
                shown.as_str(),
                problem,
            ));
        }
        facts.or_empty(&names.sent, sent.map(Value::Time));
        facts.maybe(&names.message_id, id.as_deref());
        self.thread(message, &key, &mut facts);
        let list = message.list_id().as_text().map(str::trim);
        facts.or_empty(&names.list, list.filter(|list| !list.is_empty()));
        self.filed(raw_message, message, &mut facts);
        self.body(message, &mut facts);
        let broken = message
            .parts
            .iter()
            .filter(|part| part.is_encoding_problem)
            .count();
        if broken > 0 {
            let text = format!("{broken} of its parts are not in the encoding they say");
            self.sink.problem(Problem::of_item(
                ProblemCode::Encoding,
                file,
                shown.as_str(),
                text,
            ));
        }
        self.attachments(message, &key, &mut facts, file, item)?;
        self.sink
            .record(facts.record("mail", key, sent, Some(Audience::Direct)))
    }

    /// What it answers, and what its thread began with.
    fn thread(&self, message: &Message<'_>, key: &str, facts: &mut Facts) {
        let names = &self.names;
        let references = ids(message.references());
        let answers = ids(message.in_reply_to()).into_iter().next();
        let answers = answers.or_else(|| references.last().cloned());
        let here = |id: &&String| self.here.contains(&print(id));
        facts.maybe(
            &names.reply_of,
            answers.as_ref().filter(here).map(|id| self.sink.entity(id)),
        );
        let first = references
            .first()
            .or(answers.as_ref())
            .map_or(key, String::as_str);
        facts.one(&names.thread, first);
        facts.or_empty(&names.in_reply_to, answers);
        facts.list(&names.reference, texts(references));
    }

    /// Where it lay, and what its reader made of it.
    fn filed(&self, raw_message: &Raw<'_>, message: &Message<'_>, facts: &mut Facts) {
        let names = &self.names;
        let single = raw_message.form == Form::Single;
        facts.or_empty(&names.mailbox, mailbox(raw_message.file, single));
        let mut flags: BTreeSet<&'static str> = BTreeSet::new();
        flags.extend(maildir(raw_message.file).into_iter().flatten());
        for name in ["Status", "X-Status"] {
            flags.extend(raw(message, name).into_iter().flat_map(status));
        }
        let all = raw(message, "X-Gmail-Labels")
            .map(labels)
            .unwrap_or_default();
        if !all.is_empty() && !all.iter().any(|label| label.eq_ignore_ascii_case("unread")) {
            flags.insert("seen");
        }
        flags.extend(all.iter().filter_map(|label| label_flag(label)));
        let words = raw(message, "X-Keywords")
            .map(|text| text.split_whitespace().map(str::to_owned).collect());
        let words: Vec<String> = words.unwrap_or_default();
        facts.set(&names.label, texts(all.into_iter().chain(words).collect()));
        facts.set(&names.flag, flags.into_iter().map(Value::from).collect());
    }

    /// What it says: every text part that is not an attachment, and the HTML where there is some.
    fn body(&self, message: &Message<'_>, facts: &mut Facts) {
        let names = &self.names;
        let html: Vec<&str> = message
            .html_bodies()
            .filter_map(|part| match &part.body {
                PartType::Html(html) => Some(html.as_ref()),
                _ => None,
            })
            .collect();
        let cleaned = (!html.is_empty()).then(|| clean(&html.join("\n")));
        let plain: Vec<&str> = message
            .text_bodies()
            .filter_map(|part| match &part.body {
                PartType::Text(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        let plain = plain.join("\n").replace("\r\n", "\n");
        let text = match (&cleaned, plain.trim()) {
            (Some((_, text)), "") => text.clone(),
            (_, plain) => plain.to_owned(),
        };
        facts.or_empty(&names.text, (!text.is_empty()).then_some(text));
        facts.or_empty(&names.html, cleaned.map(|(html, _)| html));
    }

    fn attachments(
        &mut self,
        message: &Message<'_>,
        key: &str,
        facts: &mut Facts,
        file: &str,
        item: &str,
    ) -> Result<(), ImportError> {
        let of = self.sink.entity(key);
        let mut refs = Vec::new();
        for (n, part) in message.attachments().enumerate() {
            if n >= ATTACHMENTS {
                let text =
                    format!("it has more than {ATTACHMENTS} attachments; the rest was left out");
                self.sink.problem(Problem::of_item(
                    ProblemCode::TooLong,
                    file,
                    shorten(key),
                    text,
                ));
                break;
            }
            let what = format!("{file} {item} attachment {n}");
            let nested = match &part.body {
                PartType::Message(message) => Some(
                    message
                        .raw_message
                        .get(part.offset_body as usize..part.offset_end as usize)
                        .unwrap_or(&message.raw_message),
                ),
                _ => None,
            };
            let bytes = nested.unwrap_or(part.contents());
            if bytes.is_empty() {
                continue;
            }
            let Some(stored) = self.sink.bytes(&what, bytes)? else {
                continue;
            };
            let names = &self.names;
            let mut said = Facts::default();
            said.one(&names.r#type, "mail-attachment");
            said.one(&names.of, of);
            said.one(&names.blob, Value::Blob(stored.cid));
            said.one(&names.bytes, Value::Integer(stored.bytes as i64));
            said.or_empty(&names.name, part.attachment_name().map(str::trim));
            let mime = stored.mime.map(str::to_owned).or_else(|| declared(part));
            said.or_empty(&names.mime, mime);
            said.or_empty(&names.content_id, part.content_id().and_then(bare));
            let key = format!("{key}#attachment/{n}");
            refs.push(self.sink.entity(&key).into());
            self.sink
                .record(said.record("mail-attachment", key, None, Some(Audience::Direct)))?;
        }
        facts.list(&self.names.attachment, refs);
        Ok(())
    }
}

/// The media type that a part says it has.
fn declared(part: &MessagePart<'_>) -> Option<String> {
    let said = part.content_type()?;
    let text = format!("{}/{}", said.ctype(), said.subtype()?).to_lowercase();
    text.is_ascii().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_split_at_commas_outside_quotes() {
        assert_eq!(
            labels("Inbox, Unread,\"A, B\""),
            ["Inbox", "Unread", "A, B"]
        );
        assert_eq!(labels("Inbox,\r\n Work"), ["Inbox", "Work"]);
        assert!(labels("").is_empty() && labels(" , ").is_empty());
    }
}
