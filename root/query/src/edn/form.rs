//! A piece of EDN with its place in the text.

use std::fmt;

use crate::error::{Position, QueryError};

/// One form and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// What it is.
    pub kind: Kind,
    /// Its first character.
    pub at: Position,
}

/// The kinds of form that queries use. Sets, characters, ratios and big numbers are refused by the reader.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `nil`
    Nil,
    /// `true`, `false`
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A finite float.
    Float(f64),
    /// A string.
    Text(String),
    /// A symbol: variables, function names, `$`, `_`, `...`.
    Symbol(String),
    /// A keyword without its colon.
    Keyword(String),
    /// `( … )`
    List(Vec<Form>),
    /// `[ … ]`
    Vector(Vec<Form>),
    /// `{ … }`, pairs in the order of the text.
    Map(Vec<(Form, Form)>),
    /// `#tag form`
    Tagged(String, Box<Form>),
}

impl Form {
    /// The error "expected …, found this".
    pub fn expected(&self, expected: impl Into<String>) -> QueryError {
        QueryError::Syntax {
            at: self.at,
            expected: expected.into(),
            found: self.to_string(),
        }
    }

    /// The symbol's name, if this is one.
    pub fn symbol(&self) -> Option<&str> {
        match &self.kind {
            Kind::Symbol(s) => Some(s),
            _ => None,
        }
    }

    /// The items of a vector.
    pub fn vector(&self) -> Option<&[Form]> {
        match &self.kind {
            Kind::Vector(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn list(&self) -> Option<&[Form]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a list or a vector.
    pub fn sequence(&self) -> Option<&[Form]> {
        self.vector().or_else(|| self.list())
    }
}

/// A short rendering for error messages: long texts and collections are cut.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |items: &[Form]| items.first().and_then(Form::symbol).map(str::to_owned);
        match &self.kind {
            Kind::Nil => f.write_str("nil"),
            Kind::Boolean(b) => write!(f, "{b}"),
            Kind::Integer(i) => write!(f, "{i}"),
            Kind::Float(x) => write!(f, "{x:?}"),
            Kind::Text(s) if s.chars().count() > 40 => {
                write!(f, "{:?}…", s.chars().take(40).collect::<String>())
            }
            Kind::Text(s) => write!(f, "{s:?}"),
            Kind::Symbol(s) => write!(f, "`{s}`"),
            Kind::Keyword(s) => write!(f, "`:{s}`"),
            Kind::List(items) if items.is_empty() => f.write_str("an empty list"),
            Kind::List(items) => match first(items) {
                Some(name) => write!(f, "the list `({name} …)`"),
                None => f.write_str("a list"),
            },
            Kind::Vector(items) if items.is_empty() => f.write_str("an empty vector"),
            Kind::Vector(items) => match first(items) {
                Some(name) => write!(f, "the vector `[{name} …]`"),
                None => f.write_str("a vector"),
            },
            Kind::Map(_) => f.write_str("a map"),
            Kind::Tagged(tag, _) => write!(f, "`#{tag} …`"),
        }
    }
}
