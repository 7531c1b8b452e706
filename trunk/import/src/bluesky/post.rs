//! Posts: text with facets, answers, quotes, pictures, films and cards.

use std::ops::Range;

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::Reading;
use super::document::is_handle;
use super::record::labels;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::part::Part;
use crate::social::social;
use crate::text::{escape, sanitise};

/// Labels under which apps cover pictures until asked for.
const COVERED: [&str; 6] = ["porn", "sexual", "nudity", "nsfw", "graphic-media", "gore"];

/// Tags, mentions and addresses of a post.
#[derive(Default)]
struct Named {
    tags: Vec<Tuple>,
    mentions: Vec<Tuple>,
    links: Vec<Tuple>,
}

impl Named {
    fn tag(&mut self, tag: &str) {
        self.tags
            .push(Tuple::from(tag.trim_start_matches('#').to_lowercase()));
    }
}

impl Reading<'_> {
    pub(super) fn post(
        &mut self,
        uri: &str,
        name: &str,
        record: &Map<String, Value>,
        created: Option<i64>,
    ) -> Result<(), ImportError> {
        let mut part = Part::new(record);
        let reply = part.object("reply");
        let kind = if reply.is_some() { "reply" } else { "post" };
        let mut facts = social(kind, self.audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.maybe(&self.names.created, created.map(Tuple::Time));
        let web = format!("https://bsky.app/profile/{}/post/{name}", self.did);
        facts.one(&self.names.url, web);
        if let Some(reply) = reply {
            let parent = reply
                .get("parent")
                .and_then(|parent| parent.get("uri")?.as_str());
            match parent {
                Some(parent) => {
                    facts.one(&self.names.reply_to_url, parent);
                    facts.maybe(&self.names.reply_to, self.known(parent));
                }
                None => part.complain("it does not say what it answers"),
            }
        }
        let mut named = Named::default();
        let text = part.text("text").unwrap_or_default();
        let anchors = facets(&mut part, text, &mut named);
        entities(&mut part, &mut named);
        for tag in part.texts("tags") {
            named.tag(tag);
        }
        facts.one(&self.names.text, text);
        facts.one(&self.names.html, sanitise(&html(text, &anchors)));
        facts.maybe(
            &self.names.language,
            part.texts("langs")
                .into_iter()
                .find(|language| !language.is_empty() && language.len() <= 35),
        );
        if labels(record).any(|label| COVERED.contains(&label)) {
            facts.one(&self.names.sensitive, true);
        }
        let mut media = Vec::new();
        if let Some(embed) = part.object("embed") {
            self.embed(uri, embed, created, &mut facts, &mut named, &mut media)?;
        }
        facts.list(&self.names.media, media);
        facts.set(&self.names.tag, named.tags);
        facts.set(&self.names.mention, named.mentions);
        facts.set(&self.names.link, named.links);
        self.report(part, uri);
        self.sink
            .record(facts.record(kind, uri.to_owned(), created, Some(self.audience)))
    }

    /// What a post shows beside its text.
    fn embed(
        &mut self,
        uri: &str,
        embed: &Map<String, Value>,
        created: Option<i64>,
        facts: &mut Facts,
        named: &mut Named,
        media: &mut Vec<Tuple>,
    ) -> Result<(), ImportError> {
        let mut inner = Part::new(embed);
        match inner.text("$type") {
            Some("app.bsky.embed.images") => {
                for image in inner.objects("images") {
                    let mut of = Part::new(image);
                    let alt = of.text("alt");
                    if let Some(blob) = of.object("image") {
                        media.extend(self.attached(uri, &mut of, blob, alt, created)?);
                    }
                    self.report(of, uri);
                }
            }
            Some("app.bsky.embed.video") => {
                let alt = inner.text("alt");
                if let Some(blob) = inner.object("video") {
                    media.extend(self.attached(uri, &mut inner, blob, alt, created)?);
                }
            }
            Some("app.bsky.embed.external") => {
                if let Some(card) = inner.object("external") {
                    let mut of = Part::new(card);
                    named.links.extend(of.text("uri").map(Tuple::from));
                    facts.maybe(&self.names.link_title, of.text("title"));
                    facts.maybe(&self.names.link_description, of.text("description"));
                    self.report(of, uri);
                }
            }
            Some("app.bsky.embed.record") => self.quote(embed.get("record"), facts, named),
            Some("app.bsky.embed.recordWithMedia") => {
                let quoted = embed.get("record").and_then(|record| record.get("record"));
                self.quote(quoted, facts, named);
                if let Some(with) = inner.object("media")
                    && with.get("$type") != embed.get("$type")
                {
                    self.embed(uri, with, created, facts, named, media)?;
                }
            }
            other => inner.complain(format!(
                "what it shows is of the unknown type {}; it was left out",
                crate::problem::shorten(other.unwrap_or("?"))
            )),
        }
        self.report(inner, uri);
        Ok(())
    }

    /// A quoted post; another kind of record is a link.
    fn quote(&self, quoted: Option<&Value>, facts: &mut Facts, named: &mut Named) {
        let Some(uri) = quoted.and_then(|quoted| quoted.get("uri")?.as_str()) else {
            return;
        };
        if uri.contains("/app.bsky.feed.post/") {
            facts.one(&self.names.quote_of_url, uri);
            facts.maybe(&self.names.quote_of, self.known(uri));
        } else {
            named.links.push(Tuple::from(uri));
        }
    }
}

/// Pieces of the text that lead somewhere, in order and apart, with where they lead. Their ends count bytes of UTF-8.
fn facets(part: &mut Part<'_>, text: &str, named: &mut Named) -> Vec<(Range<usize>, String)> {
    let mut anchors: Vec<(Range<usize>, String)> = Vec::new();
    for facet in part.objects("facets") {
        let mut target = None;
        let features = facet.get("features").and_then(Value::as_array);
        for feature in features.into_iter().flatten() {
            let of = |name| feature.get(name).and_then(Value::as_str);
            match (of("$type"), of("uri").or(of("did")).or(of("tag"))) {
                (Some("app.bsky.richtext.facet#link"), Some(uri)) => {
                    named.links.push(Tuple::from(uri));
                    target = Some(uri.to_owned());
                }
                (Some("app.bsky.richtext.facet#mention"), Some(did)) => {
                    named.mentions.push(Tuple::from(did));
                    target = Some(format!("https://bsky.app/profile/{did}"));
                }
                (Some("app.bsky.richtext.facet#tag"), Some(tag)) => named.tag(tag),
                _ => part.complain("a part of the text is marked in an unknown way"),
            }
        }
        let Some(target) = target else {
            continue;
        };
        let end = |name| {
            let at = facet.get("index")?.get(name)?.as_u64()?;
            usize::try_from(at).ok()
        };
        let range = end("byteStart").zip(end("byteEnd")).map(|(a, b)| a..b);
        match range.filter(|range| text.get(range.clone()).is_some_and(|of| !of.is_empty())) {
            Some(range) => anchors.push((range, target)),
            None => part.complain("a part of the text is marked where there is none"),
        }
    }
    anchors.sort_by_key(|(range, _)| range.start);
    let mut end = 0;
    anchors.retain(|(range, _)| {
        let apart = range.start >= end;
        end = end.max(range.end);
        apart
    });
    anchors
}

/// The handle of an account where a post of its own mentions it: nothing else in a repository says it.
pub fn own_handle(record: &Map<String, Value>, did: &str) -> Option<String> {
    let text = record.get("text")?.as_str()?;
    let facets = record.get("facets")?.as_array()?.iter();
    let mut own = facets.filter(|facet| {
        let features = facet.get("features").and_then(Value::as_array);
        let mut features = features.into_iter().flatten();
        features.any(|feature| feature.get("did").and_then(Value::as_str) == Some(did))
    });
    own.find_map(|facet| {
        let end = |name| {
            let at = facet.get("index")?.get(name)?.as_u64()?;
            usize::try_from(at).ok()
        };
        let handle = text.get(end("byteStart")?..end("byteEnd")?)?;
        let handle = handle.strip_prefix('@')?;
        is_handle(handle).then(|| handle.to_ascii_lowercase())
    })
}

/// What came before facets: marks of other units, of which only what they name is taken.
fn entities(part: &mut Part<'_>, named: &mut Named) {
    for entity in part.objects("entities") {
        let of = |name| entity.get(name).and_then(Value::as_str);
        match (of("type"), of("value")) {
            (Some("mention"), Some(who)) => named.mentions.push(Tuple::from(who)),
            (Some("link"), Some(uri)) => named.links.push(Tuple::from(uri)),
            _ => part.complain("a part of the text is marked in an unknown way"),
        }
    }
}

/// The text as HTML, its facets as links.
fn html(text: &str, anchors: &[(Range<usize>, String)]) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    html.push_str("<p>");
    let mut at = 0;
    for (range, target) in anchors {
        escape(text.get(at..range.start).unwrap_or_default(), &mut html);
        html.push_str("<a href=\"");
        escape(target, &mut html);
        html.push_str("\">");
        escape(text.get(range.clone()).unwrap_or_default(), &mut html);
        html.push_str("</a>");
        at = range.end;
    }
    escape(text.get(at..).unwrap_or_default(), &mut html);
    html.push_str("</p>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facets_count_bytes_and_those_that_cannot_be_are_left_out() {
        let text = "día <b> link";
        let facet = |start: u64, end: u64, uri: &str| {
            serde_json::json!({"index": {"byteStart": start, "byteEnd": end},
                "features": [{"$type": "app.bsky.richtext.facet#link", "uri": uri}]})
        };
        let record = serde_json::json!({"facets": [
            facet(9, 13, "https://example.org/?a=1&b=\"2\""), facet(2, 3, "https://half.example"),
            facet(0, 99, "https://long.example"), facet(8, 10, "https://over.example"), facet(3, 1, "https://back.example"),
        ]});
        let fields = record.as_object().unwrap();
        let mut part = Part::new(fields);
        let mut named = Named::default();
        let anchors = facets(&mut part, text, &mut named);
        assert_eq!(anchors.len(), 1, "{anchors:?}");
        assert_eq!(anchors[0].0, 8..10, "the first of two that overlap");
        assert_eq!(part.problems("f", "i").count(), 3);
        assert_eq!(named.links.len(), 5);
        let html = html(text, &[(9..13, "https://e.example/?a=\"".to_owned())]);
        assert_eq!(
            html,
            "<p>día &lt;b&gt; <a href=\"https://e.example/?a=&quot;\">link</a></p>"
        );
    }
}
