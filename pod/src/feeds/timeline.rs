//! The newest posts of those who are followed.

use std::collections::HashMap;

use rhizome_replica::{Eid, Snapshot, key};
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

use super::feed::{OF, values_of};
use crate::{Pod, PodError};

/// Posts of one answer.
const MAX_POSTS: usize = 1_000;
/// Comments that are told with a post; they are counted all.
const MAX_COMMENTS: usize = 20;
/// Entities with a date that are looked at, posts or not.
const MAX_LOOKED: usize = 200_000;
const CREATED: &str = "social/created";
const REPLY: &str = "social/reply-to";

/// A post or a comment, by somebody who is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Which.
    pub entity: EntityId,
    /// The DID of the pod that says it.
    pub of: String,
    /// What its author calls himself, if that is known.
    pub name: Option<String>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The text, plain.
    pub text: String,
    /// The line that is shown instead of the text at first, if there is one.
    pub summary: Option<String>,
    /// Its address on the web.
    pub url: Option<String>,
    /// How many comments there are.
    pub replies: u64,
    /// The oldest of them.
    pub comments: Vec<Post>,
}

impl Post {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let comments: Vec<Json> = self.comments.iter().map(Self::to_json).collect();
        json!({
            "entity": self.entity.to_string(),
            "of": self.of,
            "name": self.name,
            "at_ms": self.at_ms,
            "text": self.text,
            "summary": self.summary,
            "url": self.url,
            "replies": self.replies,
            "comments": comments,
        })
    }
}

/// Posts, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Those.
    pub posts: Vec<Post>,
}

impl Timeline {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let posts: Vec<Json> = self.posts.iter().map(Post::to_json).collect();
        json!({ "posts": posts })
    }
}

impl Pod {
    /// The newest posts of those whom this person follows, with the comments of those whom he follows.
    ///
    /// # Errors
    /// Those of reading what is followed; [`PodError::Request`] if it does not fit into memory.
    pub fn timeline(&self, limit: usize) -> Result<Timeline, PodError> {
        let now = self.followed()?.snapshot();
        let reader = Reader::new(&now);
        Ok(Timeline {
            posts: reader.newest(limit.min(MAX_POSTS)),
        })
    }
}

fn text(now: &Snapshot, e: Eid, name: &str) -> Option<String> {
    values_of(now, e, name).find_map(|v| match v {
        Value::Text(text) => Some(text),
        _ => None,
    })
}

fn reference(now: &Snapshot, e: Eid, name: &str) -> Option<Eid> {
    let (lo, hi) = key::eav_ea(e, now.aid(name)?);
    let mut facts = now.eav().range(lo, hi).map(key::un_eav);
    facts.find_map(|fact| fact.v.as_eid())
}

struct Reader<'s> {
    now: &'s Snapshot,
}

impl<'s> Reader<'s> {
    fn new(now: &'s Snapshot) -> Self {
        Self { now }
    }

    fn newest(&self, limit: usize) -> Vec<Post> {
        let Some(created) = self.now.aid(CREATED) else {
            return Vec::new();
        };
        let (lo, hi) = key::ave_a(created);
        let dated = self.now.ave().range(lo, hi).rev().map(key::un_ave);
        let mut out = Vec::new();
        let mut names = HashMap::new();
        let mut last = None;
        for fact in dated.take(MAX_LOOKED) {
            if out.len() == limit {
                break;
            }
            // one with two dates is shown at its newest
            let Some(Value::Time(at_ms)) = self.now.value(fact.v) else {
                continue;
            };
            if last == Some(fact.e) || !self.is_post(fact.e) || self.is_comment(fact.e) {
                continue;
            }
            last = Some(fact.e);
            if let Some(mut post) = self.post(fact.e, at_ms, &mut names) {
                let (replies, comments) = self.comments(fact.e, &mut names);
                (post.replies, post.comments) = (replies, comments);
                out.push(post);
            }
        }
        out
    }

    fn is_post(&self, e: Eid) -> bool {
        let mut kinds = values_of(self.now, e, "social/type");
        kinds.any(|kind| matches!(kind, Value::Text(kind) if kind == "post" || kind == "reply"))
    }

    /// Whether it answers a post that is here.
    fn is_comment(&self, e: Eid) -> bool {
        reference(self.now, e, REPLY).is_some_and(|to| to != e && self.is_post(to))
    }

    fn post(&self, e: Eid, at_ms: i64, names: &mut HashMap<Eid, Option<String>>) -> Option<Post> {
        let now = self.now;
        let author = reference(now, e, "social/author");
        let name = author.and_then(|author| {
            let name = names.entry(author).or_insert_with(|| {
                text(now, author, "social/name").or_else(|| text(now, author, "social/handle"))
            });
            name.clone()
        });
        Some(Post {
            entity: now.entity_id(e)?,
            of: text(now, e, OF)?,
            name,
            at_ms,
            text: text(now, e, "social/text").unwrap_or_default(),
            summary: text(now, e, "social/summary").filter(|s| !s.is_empty()),
            url: text(now, e, "social/url"),
            replies: 0,
            comments: Vec::new(),
        })
    }

    /// How many comments there are, and the oldest of them.
    fn comments(&self, to: Eid, names: &mut HashMap<Eid, Option<String>>) -> (u64, Vec<Post>) {
        let Some(reply) = self.now.aid(REPLY) else {
            return (0, Vec::new());
        };
        let (lo, hi) = key::vae_va(to, reply);
        let count = self.now.vae().count(lo, hi);
        if count == 0 {
            return (0, Vec::new());
        }
        let all = self.now.vae().range(lo, hi).map(key::un_vae);
        let mut dated: Vec<(i64, Eid)> = all
            .take(MAX_POSTS)
            .map(|fact| (self.at(fact.e), fact.e))
            .collect();
        dated.sort_unstable();
        let first = dated.into_iter().take(MAX_COMMENTS);
        let comments = first.filter_map(|(at, e)| self.post(e, at, names));
        (count, comments.collect())
    }

    fn at(&self, e: Eid) -> i64 {
        let mut times = values_of(self.now, e, CREATED);
        let first = times.find_map(|v| match v {
            Value::Time(ms) => Some(ms),
            _ => None,
        });
        first.unwrap_or_default()
    }
}
