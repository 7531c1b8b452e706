//! Everything that can be wrong with a query, with the place in its text.

use std::fmt;

/// A place in a query's text; both numbers start at 1, columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a query was refused or stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text does not follow the grammar.
    #[error("{at}: expected {expected}, found {found}")]
    Syntax {
        /// Where.
        at: Position,
        /// What would have been right there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A variable is used but no clause gives it a value.
    #[error("{at}: {variable} is never bound: {hint}")]
    Unbound {
        /// Where it is used.
        at: Position,
        /// The variable with its question mark.
        variable: String,
        /// What would bind it.
        hint: &'static str,
    },
    /// A `not` shares no variable with the clauses around it, so it denies something about the whole pod.
    #[error(
        "{at}: this `{clause}` shares no bound variable with the clauses around it; name one that another clause binds"
    )]
    UnsafeNegation {
        /// Where the clause starts.
        at: Position,
        /// `not` or `not-join`.
        clause: &'static str,
    },
    /// A rule depends on its own negation, so it has no unique meaning.
    #[error(
        "{at}: rule `{rule}` depends on its own negation; a rule may only negate rules that do not call it back"
    )]
    NotStratified {
        /// Where the negation is.
        at: Position,
        /// The rule.
        rule: String,
    },
    /// A rule, function, predicate or aggregate with this name does not exist.
    #[error("{at}: unknown {kind} `{name}`; known: {known}")]
    Unknown {
        /// Where it is named.
        at: Position,
        /// What kind of name was expected.
        kind: &'static str,
        /// The name as written.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// Too few or too many arguments.
    #[error("{at}: `{name}` takes {expected} arguments, found {found}")]
    Arity {
        /// Where the call is.
        at: Position,
        /// Rule, function or aggregate.
        name: String,
        /// What it takes, in words.
        expected: String,
        /// What was given.
        found: usize,
    },
    /// The same rule, variable or key is given twice where it may appear once.
    #[error("{at}: {what} is given twice")]
    Duplicate {
        /// Where the second one is.
        at: Position,
        /// The name.
        what: String,
    },
    /// The branches of an `or` bind different variables.
    #[error(
        "{at}: every branch of `or` must use the same variables, {variable} is missing here; use `or-join` to name the shared ones"
    )]
    UnevenBranches {
        /// Where the branch starts.
        at: Position,
        /// The variable that another branch uses.
        variable: String,
    },
    /// The inputs given do not fit the `:in` clause.
    #[error("input {index}: expected {expected}, found {found}")]
    Input {
        /// Which input, from 1, without the database.
        index: usize,
        /// What `:in` asks for.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A nested JSON query has a wrong shape.
    #[error("{path}: expected {expected}, found {found}")]
    Shape {
        /// Path of keys from the top, such as `post.$.where.created`.
        path: String,
        /// What would have been right there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A named limit of [`crate::Limits`] was reached.
    #[error("the query exceeds {limit} = {maximum}{}", .at.map(|p| format!(" at {p}")).unwrap_or_default())]
    Limit {
        /// The field of [`crate::Limits`].
        limit: &'static str,
        /// Its value.
        maximum: u64,
        /// Where, if it is a matter of the text.
        at: Option<Position>,
    },
    /// Words could not be looked for.
    #[error("{}{place}: {why}", .at.map(|p| format!("{p}: ")).unwrap_or_default())]
    Search {
        /// Where, in a text.
        at: Option<Position>,
        /// Where, in words: a path of keys, or the name of the function.
        place: String,
        /// Why, and what to do.
        why: String,
    },
    /// A sum does not fit a 64-bit integer.
    #[error("the sum of {variable} does not fit a 64-bit integer")]
    Overflow {
        /// The summed variable.
        variable: String,
    },
    /// The caller's check asked to stop.
    #[error("the query was cancelled")]
    Cancelled,
    /// The pod could not be read.
    #[error("the pod could not be read: {0}")]
    Storage(String),
}

impl QueryError {
    /// A name that stays the same between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::Unbound { .. } => "unbound",
            Self::UnsafeNegation { .. } => "unsafe-negation",
            Self::NotStratified { .. } => "not-stratified",
            Self::Unknown { .. } => "unknown-name",
            Self::Arity { .. } => "arity",
            Self::Duplicate { .. } => "duplicate",
            Self::UnevenBranches { .. } => "uneven-branches",
            Self::Input { .. } => "input",
            Self::Shape { .. } => "shape",
            Self::Limit { .. } => "limit",
            Self::Search { .. } => "search",
            Self::Overflow { .. } => "overflow",
            Self::Cancelled => "cancelled",
            Self::Storage(_) => "storage",
        }
    }

    /// The place in the text, for errors that have one.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { at, .. }
            | Self::Unbound { at, .. }
            | Self::UnsafeNegation { at, .. }
            | Self::NotStratified { at, .. }
            | Self::Unknown { at, .. }
            | Self::Arity { at, .. }
            | Self::Duplicate { at, .. }
            | Self::UnevenBranches { at, .. } => Some(*at),
            Self::Limit { at, .. } | Self::Search { at, .. } => *at,
            _ => None,
        }
    }
}
