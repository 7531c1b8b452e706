use rhizome_tuple::EntityId;

use crate::Query;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What is looked for.
    pub query: &'a Query,
    /// Only in texts of these attributes; in all that are searched if there are none.
    pub attributes: &'a [String],
    /// Only entities with this value of an attribute `…/type`.
    pub kind: Option<&'a str>,
    /// At most so many hits.
    pub limit: usize,
    /// Whether hits come with the whole text.
    pub texts: bool,
}

impl<'a> Request<'a> {
    /// The first twenty, of whatever attribute and type.
    pub fn new(query: &'a Query) -> Self {
        Self {
            query,
            attributes: &[],
            kind: None,
            limit: 20,
            texts: false,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The best first.
    pub hits: Vec<Hit>,
    /// Whether everything was looked at that could be among them. Not so if very many entities have the words and not the phrase, or while a great
    /// deal is being written.
    pub complete: bool,
    /// How many entities the index does not know yet and were not looked at either.
    pub behind: usize,
}

/// An entity that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which.
    pub entity: EntityId,
    /// The attribute of the text that shows best why.
    pub attribute: String,
    /// How well it fits (BM25); to be compared within one answer only.
    pub score: f32,
    /// When it says it was made, in milliseconds since 1970.
    pub created: Option<i64>,
    /// Some 240 characters of the text.
    pub excerpt: Vec<Part>,
    /// All of the text, if it was asked for.
    pub text: Option<String>,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The text.
    pub text: String,
    /// Whether it is what was looked for.
    pub hit: bool,
}

impl Hit {
    /// The excerpt with `[…]` around what was looked for.
    pub fn marked(&self) -> String {
        let part = |p: &Part| {
            if p.hit {
                format!("[{}]", p.text)
            } else {
                p.text.clone()
            }
        };
        self.excerpt.iter().map(part).collect()
    }
}
