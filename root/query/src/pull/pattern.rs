//! What to fetch of an entity.

/// A pull pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// `*`: every attribute; those named in `attributes` as they say.
    pub wildcard: bool,
    /// The named attributes in the order of the result.
    pub attributes: Vec<Attribute>,
}

/// One attribute of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name; `id` stands for the entity's own id.
    pub name: String,
    /// Written with `_` before the name: the entities that refer to this one.
    pub reverse: bool,
    /// The key in the result.
    pub key: String,
    /// At most so many values; `None` is no limit.
    pub limit: Option<usize>,
    /// The value if there is none.
    pub default: Option<Default>,
    /// What to fetch of the entities referred to.
    pub nested: Nested,
}

/// A default value, compared as text so that patterns have an equality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Default(pub serde_json::Value);

/// What to fetch of the entities an attribute refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nested {
    /// Only their ids.
    Id,
    /// This pattern.
    Pattern(Pattern),
    /// The enclosing pattern again, so many levels deep (`None`: to the limit). An entity that is its own ancestor ends as its id.
    Recursion(Option<usize>),
}
