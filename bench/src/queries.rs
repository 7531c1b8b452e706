//! The fourteen queries: what they ask, and the shape of a row that every engine must give.

use crate::error::{Error, Result};
use crate::live::Latency;
use crate::params::Param;
use crate::tuples::Tuples;

/// A query of the suite. Each engine has its own text for it in its own language; the columns are the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// Everything about one entity: (attribute, value).
    Entity,
    /// Entities with a name: (entity).
    Value,
    /// Photos of an album: (photo).
    Album,
    /// What people of a name wrote: (post or comment).
    PostsByName,
    /// What those wrote whom people of a name follow: (person, followed, post or comment).
    FoafPosts,
    /// What those wrote whom a person follows: (post or comment, time).
    Feed,
    /// Comments on a person's posts whose author has a name: (comment).
    ReplyChain,
    /// Circles of three through a person: (second, third).
    Triangle,
    /// The latest 20 posts of those whom a person follows, latest first: (post, time).
    FeedTop20,
    /// Posts with a tag by authors of a city: (post).
    TagCity,
    /// Everything under a folder, at any depth: (folder or photo).
    Descendants,
    /// Everybody who can be reached by following, at any distance: (person).
    Reach,
    /// How often each tag is used: (tag, count).
    TagCounts,
    /// The latest 20 posts, latest first: (post, time).
    Latest20,
}

impl Query {
    pub const ALL: [Self; 14] = [
        Self::Entity,
        Self::Value,
        Self::Album,
        Self::PostsByName,
        Self::FoafPosts,
        Self::Feed,
        Self::ReplyChain,
        Self::Triangle,
        Self::FeedTop20,
        Self::TagCity,
        Self::Descendants,
        Self::Reach,
        Self::TagCounts,
        Self::Latest20,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::Value => "value",
            Self::Album => "album",
            Self::PostsByName => "posts_by_name",
            Self::FoafPosts => "foaf_posts",
            Self::Feed => "feed",
            Self::ReplyChain => "reply_chain",
            Self::Triangle => "triangle",
            Self::FeedTop20 => "feed_top20",
            Self::TagCity => "tag_city",
            Self::Descendants => "descendants",
            Self::Reach => "reach",
            Self::TagCounts => "tag_counts",
            Self::Latest20 => "latest20",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|query| query.name() == name)
    }

    /// Whether the order of the rows is part of the answer: latest first, and among equal times the larger entity first.
    pub fn ordered(self) -> bool {
        matches!(self, Self::FeedTop20 | Self::Latest20)
    }
}

/// One cell of a row, as the engine hands it out; [`crate::sheet::Sheet`] keeps it.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    Text(&'a str),
    Number(i64),
    /// An entity or an attribute as SPARQL names it, `urn:e:17` or `urn:a:name`.
    Iri(&'a str),
    /// An entity as this engine names it.
    Entity([u8; 24]),
}

/// An engine that holds the data.
pub trait Store {
    /// Runs a query to its end and hands out every row.
    ///
    /// # Errors
    /// Those of the engine.
    fn run(&mut self, query: Query, param: &Param, row: &mut dyn FnMut(&[Cell<'_>])) -> Result<()>;

    /// The number by which the data names one of this engine's own entities, if it does not call them by that number itself.
    fn number(&self, _entity: [u8; 24]) -> Option<u32> {
        None
    }

    /// Opens live queries, commits, and measures how long a subscriber waits.
    ///
    /// # Errors
    /// Those of the engine; also when it has no live queries.
    fn live(&mut self, _: &Tuples, _subscribers: usize, _commits: usize) -> Result<Latency> {
        Err(Error::engine("this engine")(&"has no live queries"))
    }
}
