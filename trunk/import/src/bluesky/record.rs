//! Records by what they are: profiles, posts, reposts, likes and follows.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use rhizome_ipld::{Cid, codec};
use rhizome_tuple::{EntityId, Value as Tuple};
use serde_json::{Map, Value, json};

use super::blocks::Blocks;
use super::commit::is_did;
use super::{Reading, uri};
use crate::attached::{Said, media};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::social;

/// Bytes of a record.
const MAX_RECORD_LEN: usize = 2 << 20;

/// A record's block as JSON, links as `{"$link": …}`: the form the protocol's documents write it in.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(block: &[u8]) -> Result<Map<String, Value>, String> {
    match codec::decode(block, MAX_RECORD_LEN) {
        Ok(Ipld::Map(map)) => Ok(object(map)),
        Ok(_) => Err("it is not a map".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn object(map: BTreeMap<String, Ipld>) -> Map<String, Value> {
    map.into_iter().map(|(key, of)| (key, value(of))).collect()
}

/// Nesting is bounded by the codec.
fn value(ipld: Ipld) -> Value {
    match ipld {
        Ipld::Null => Value::Null,
        Ipld::Bool(value) => Value::Bool(value),
        Ipld::Integer(n) => i64::try_from(n).map_or_else(|_| json!(n as f64), Value::from),
        Ipld::Float(x) => json!(x),
        Ipld::String(text) => Value::String(text),
        Ipld::Bytes(bytes) => json!({"$bytes": data_encoding::BASE64.encode(&bytes)}),
        Ipld::List(values) => values.into_iter().map(value).collect(),
        Ipld::Map(map) => Value::Object(object(map)),
        Ipld::Link(cid) => json!({"$link": cid.to_string()}),
    }
}

/// Everything in a repository can be read by everyone, so it is public. Who asked in the profile that only people with an
/// account be shown it meant fewer than everyone.
pub fn audience(profile: &Map<String, Value>) -> Audience {
    if labels(profile).any(|of| of == "!no-unauthenticated") {
        Audience::Followers
    } else {
        Audience::Public
    }
}

/// What authors say of their own records (`com.atproto.label.defs#selfLabels`).
pub fn labels(record: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let values = record.get("labels").and_then(|labels| labels.get("values"));
    let values = values.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(|label| label.get("val")?.as_str())
}

/// The moment in a record's name, milliseconds since 1970: 13 signs of which the first 53 bits count microseconds.
fn time_of(name: &str) -> Option<i64> {
    const SIGNS: &[u8] = b"234567abcdefghijklmnopqrstuvwxyz";
    if name.len() != 13 {
        return None;
    }
    let mut n = 0_u64;
    for sign in name.bytes() {
        let digit = SIGNS.iter().position(|known| *known == sign)?;
        n = n.checked_mul(32)? | digit as u64;
    }
    i64::try_from(n >> 10).ok().map(|micros| micros / 1_000)
}

impl Reading<'_> {
    /// The account itself, also where the repository holds no profile.
    pub(super) fn profile(
        &mut self,
        profile: Option<&Map<String, Value>>,
        handle: Option<&str>,
    ) -> Result<(), ImportError> {
        let empty = Map::new();
        let mut part = Part::new(profile.unwrap_or(&empty));
        let key = uri(self.did, "app.bsky.actor.profile/self");
        let mut facts = Facts::default();
        facts.one(&self.names.r#type, "profile");
        // A handle is in the DID document alone.
        facts.one(&self.names.handle, handle.unwrap_or(self.did));
        facts.one(
            &self.names.url,
            format!("https://bsky.app/profile/{}", self.did),
        );
        if profile.is_some() {
            facts.or_empty(&self.names.name, part.text("displayName"));
            facts.or_empty(&self.names.bio, part.text("description"));
            facts.maybe(&self.names.created, part.time("createdAt").map(Tuple::Time));
        }
        let pictures = [
            ("avatar", self.names.avatar.clone()),
            ("banner", self.names.header.clone()),
        ];
        for (name, attribute) in pictures {
            let Some(blob) = part.object(name) else {
                continue;
            };
            if let Some((_, Some(stored))) = self.blob(&key, &mut part, blob)? {
                facts.one(&attribute, Tuple::Blob(stored.cid));
            }
        }
        self.report(part, &key);
        self.sink
            .record(facts.record("profile", self.did.to_owned(), None, None))
    }

    /// Hands one record of the tree over.
    pub(super) fn record(
        &mut self,
        blocks: &mut Blocks,
        key: &str,
        cid: &Cid,
    ) -> Result<(), ImportError> {
        let uri = uri(self.did, key);
        let (collection, name) = key.split_once('/').unwrap_or((key, ""));
        let kind = match collection {
            "app.bsky.feed.post" => "post",
            "app.bsky.feed.repost" => "boost",
            "app.bsky.feed.like" => "like",
            "app.bsky.graph.follow" => "follow",
            "app.bsky.actor.profile" if name == "self" => return Ok(()),
            _ => {
                let message = format!("records of {} are not imported", shorten(collection));
                self.skip("record", ProblemCode::NotImported, &uri, message);
                return Ok(());
            }
        };
        let Some(block) = blocks.get(cid)? else {
            let message = "the file does not hold this record; it was left out".to_owned();
            self.skip(kind, ProblemCode::MissingFile, &uri, message);
            return Ok(());
        };
        let record = match read(&block) {
            Ok(record) => record,
            Err(why) => {
                let message = format!("{why}; it was left out");
                self.skip(kind, ProblemCode::Malformed, &uri, message);
                return Ok(());
            }
        };
        let mut part = Part::new(&record);
        let created = part.time("createdAt").or_else(|| time_of(name));
        if kind == "post" {
            self.report(part, &uri);
            return self.post(&uri, name, &record, created);
        }
        let subject = match kind {
            "follow" => part.text("subject").filter(|who| is_did(who)),
            _ => part
                .object("subject")
                .and_then(|subject| subject.get("uri")?.as_str())
                .filter(|uri| uri.starts_with("at://")),
        };
        self.report(part, &uri);
        let Some(subject) = subject else {
            let message = "it does not say what it is about; it was left out".to_owned();
            self.skip(kind, ProblemCode::Malformed, &uri, message);
            return Ok(());
        };
        let names = &self.names;
        let (of, of_url) = match kind {
            "boost" => (Some(&names.boost_of), &names.boost_of_url),
            "like" => (Some(&names.like_of), &names.like_of_url),
            _ => (None, &names.follow_of_url),
        };
        let mut facts = social(kind, self.audience, names);
        facts.one(&names.author, self.author);
        facts.maybe(&names.created, created.map(Tuple::Time));
        facts.one(of_url, subject);
        if let Some(of) = of {
            facts.maybe(of, self.known(subject));
        }
        self.sink
            .record(facts.record(kind, uri, created, Some(self.audience)))
    }

    /// The entity of a post, where this repository holds it.
    pub(super) fn known(&self, uri: &str) -> Option<EntityId> {
        let entity = self.sink.entity(uri);
        self.posts.contains(&entity).then_some(entity)
    }

    /// A blob of a record: its CID, and its file where that lies beside the repository.
    pub(super) fn blob(
        &mut self,
        item: &str,
        part: &mut Part<'_>,
        blob: &Map<String, Value>,
    ) -> Result<Option<(Cid, Option<crate::StoredFile>)>, ImportError> {
        // `{"cid": …}` is the form before blobs had a type.
        let name = blob.get("ref").and_then(|link| link.get("$link"));
        let name = name.or(blob.get("cid")).and_then(Value::as_str);
        let Some(cid) = name.and_then(|name| Cid::try_from(name).ok()) else {
            part.complain("a blob has no CID; it was left out");
            return Ok(None);
        };
        let stored = match self.blobs.find(self.source, &cid)? {
            Some(Ok(path)) => self.sink.file(path)?,
            Some(Err(path)) => {
                let message = "its bytes are not those that its name says; it was not read";
                self.sink
                    .problem(Problem::of_file(ProblemCode::Damaged, path, message));
                None
            }
            None => {
                let message = format!("the file of {cid} does not lie beside the repository");
                self.sink.problem(Problem::of_item(
                    ProblemCode::MissingFile,
                    self.path,
                    item,
                    message,
                ));
                None
            }
        };
        Ok(Some((cid, stored)))
    }

    /// Hands a picture or film of a post over.
    pub(super) fn attached(
        &mut self,
        item: &str,
        part: &mut Part<'_>,
        blob: &Map<String, Value>,
        alt: Option<&str>,
        created: Option<i64>,
    ) -> Result<Option<Tuple>, ImportError> {
        let Some((cid, stored)) = self.blob(item, part, blob)? else {
            return Ok(None);
        };
        let said = Said {
            alt,
            mime: blob.get("mimeType").and_then(Value::as_str),
            created,
            ..Said::default()
        };
        let facts = media(&self.names, self.audience, said, stored.as_ref());
        let key = format!("{item}#blob/{cid}");
        let entity = self.sink.entity(&key);
        self.sink.record(facts.record("media", key, None, None))?;
        Ok(Some(Tuple::Ref(entity)))
    }

    pub(super) fn skip(
        &mut self,
        kind: &'static str,
        code: ProblemCode,
        item: &str,
        message: String,
    ) {
        self.sink.skip(
            kind,
            Problem::of_item(code, self.path, shorten(item), message),
        );
    }

    pub(super) fn report(&mut self, part: Part<'_>, item: &str) {
        part.problems(self.path, &shorten(item))
            .for_each(|problem| self.sink.problem(problem));
    }
}
