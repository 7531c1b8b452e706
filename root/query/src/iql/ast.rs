//! A nested query as written.

use rhizome_tuple::{EntityId, Value};

use crate::ir::Compare;

/// A whole query: its top-level namespaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// In the order of the text.
    pub nodes: Vec<Node>,
}

/// A namespace or a link with what is wanted of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The key as written: a namespace at the top, else a field, with a leading underscore for backwards.
    pub key: String,
    /// `where`
    pub condition: Vec<Condition>,
    /// `order`
    pub order: Vec<Order>,
    /// `limit` or `first`
    pub limit: Option<usize>,
    /// `offset`
    pub offset: usize,
    /// `after`: the id of the last object of the page before.
    pub after: Option<EntityId>,
    /// `fields`: all if absent.
    pub fields: Option<Vec<String>>,
    /// What to follow.
    pub links: Vec<Node>,
}

/// One key of `order`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub field: String,
    /// Largest first.
    pub descending: bool,
}

/// What an entity must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `and`
    All(Vec<Condition>),
    /// `or`
    Any(Vec<Condition>),
    /// `not`
    Not(Vec<Condition>),
    /// A field, reached over references, has a value that passes all tests.
    Field {
        /// The dotted path.
        path: Vec<String>,
        /// What the value must pass.
        tests: Vec<Test>,
    },
}

/// A test of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is one of these. A JSON number means the integer, the float and the time; text that is an entity's id means the entity too.
    Among(Vec<Value>),
    /// It compares so.
    Compare(Compare, Value),
    /// It has these words.
    Search(String),
    /// There is a value at all.
    Present,
    /// There is no value that passes these.
    None(Vec<Test>),
}
