//! Policies: what the arguments of an invocation must satisfy.
//!
//! A policy is read once into a tree whose selectors, patterns and numbers are ready; evaluating it takes nothing apart again, copies
//! nothing and takes a bounded number of steps. Semantics where the specification leaves room: `docs/spec/capability.md`.

mod number;
mod pattern;
mod portable;
mod selector;
mod statement;

use ipld_core::ipld::Ipld;

use pattern::Pattern;
pub use selector::Selector;
use statement::{Order, Statement, Steps};

/// Deepest nesting of statements.
pub const MAX_DEPTH: usize = 32;
/// Most statements in one policy, counted with those inside others.
pub const MAX_STATEMENTS: usize = 1024;
/// Most steps of one evaluation: about one for each statement on each element it meets. Whoever needs more is refused.
pub const MAX_STEPS: u32 = 1 << 18;

/// Why a policy is none, or is not to be minted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not JSON, or JSON that is no list.
    #[error("not a list in JSON: {0}")]
    Json(String),
    /// A statement that is no list of an operator and its arguments.
    #[error("a statement is a list of an operator and its arguments")]
    Statement,
    /// An operator that does not exist.
    #[error("there is no operator {0:?}")]
    Operator(String),
    /// Arguments that do not go with the operator.
    #[error("operator {0:?} does not take these arguments")]
    Arguments(String),
    /// A selector that cannot be read.
    #[error("selector {0:?} cannot be read")]
    Selector(String),
    /// More than [`MAX_DEPTH`] statements within each other, or more than [`MAX_STATEMENTS`].
    #[error("more than {MAX_STATEMENTS} statements, or nested deeper than {MAX_DEPTH}")]
    TooLarge,
    /// A statement that implementations do not all understand alike. It is evaluated if others send it, but not minted.
    #[error("not minted, because implementations differ: {0}")]
    NotPortable(&'static str),
}

/// A policy: statements that must all be true of an invocation's arguments. An empty one is true of everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy(Vec<Statement>);

impl Policy {
    /// The policy that is true of everything.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the statements of a token's `pol` field.
    ///
    /// # Errors
    /// [`PolicyError`], except for [`PolicyError::Json`] and [`PolicyError::NotPortable`].
    pub fn from_ipld(statements: &[Ipld]) -> Result<Self, PolicyError> {
        let mut left = MAX_STATEMENTS;
        statement::list(statements, 0, &mut left).map(Self)
    }

    /// Reads a policy from JSON, as in `[["<=", ".quota", 1000], ["like", ".name", "a*"]]`. JSON has no bytes and no links.
    ///
    /// # Errors
    /// [`PolicyError`], except for [`PolicyError::NotPortable`].
    pub fn from_json(json: &str) -> Result<Self, PolicyError> {
        let statements: Vec<Ipld> =
            serde_json::from_str(json).map_err(|error| PolicyError::Json(error.to_string()))?;
        Self::from_ipld(&statements)
    }

    /// The statements as they stand in a token.
    pub fn to_ipld(&self) -> Vec<Ipld> {
        self.0.iter().map(Statement::to_ipld).collect()
    }

    /// Whether there are no statements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the policy is true of `data`. One that takes more than [`MAX_STEPS`] is not, whatever is in it.
    pub fn matches(&self, data: &Ipld) -> bool {
        let mut steps = Steps::new(MAX_STEPS);
        for statement in &self.0 {
            if statement.holds(data, &mut steps) != Ok(true) {
                return false;
            }
        }
        true
    }

    /// Whether all implementations understand this policy alike, which is asked before it is minted: selectors of field names only;
    /// `==` with text, bytes, booleans, links, 53 bit integers, and lists and maps of them; `like`; comparisons with 53 bit integers;
    /// `and` and `or` of at least one statement.
    ///
    /// # Errors
    /// [`PolicyError::NotPortable`] with what is not.
    pub fn check_portable(&self) -> Result<(), PolicyError> {
        self.0.iter().try_for_each(portable::check)
    }

    fn with(mut self, statement: Statement) -> Self {
        self.0.push(statement);
        self
    }

    /// And: what `selector` finds equals `value`.
    ///
    /// # Errors
    /// [`PolicyError::Selector`].
    pub fn equal(self, selector: &str, value: impl Into<Ipld>) -> Result<Self, PolicyError> {
        let selector = selector.parse()?;
        Ok(self.with(Statement::Equal(selector, value.into())))
    }

    /// And: what `selector` finds is a number, at most `most`.
    ///
    /// # Errors
    /// [`PolicyError::Selector`].
    pub fn at_most(self, selector: &str, most: i64) -> Result<Self, PolicyError> {
        let selector = selector.parse()?;
        Ok(self.with(Statement::Order(Order::AtMost, selector, most.into())))
    }

    /// And: what `selector` finds is a number, at least `least`.
    ///
    /// # Errors
    /// [`PolicyError::Selector`].
    pub fn at_least(self, selector: &str, least: i64) -> Result<Self, PolicyError> {
        let selector = selector.parse()?;
        Ok(self.with(Statement::Order(Order::AtLeast, selector, least.into())))
    }

    /// And: what `selector` finds is text of this pattern, where `*` is any text and `\*` a star.
    ///
    /// # Errors
    /// [`PolicyError::Selector`].
    pub fn like(self, selector: &str, pattern: &str) -> Result<Self, PolicyError> {
        let selector = selector.parse()?;
        Ok(self.with(Statement::Like(selector, Pattern::new(pattern))))
    }

    /// And: at least one of these policies is true. An empty list is refused when the token is minted.
    #[must_use]
    pub fn either(self, policies: impl IntoIterator<Item = Self>) -> Self {
        let branches = policies
            .into_iter()
            .map(|policy| match <[_; 1]>::try_from(policy.0) {
                Ok([statement]) => statement,
                Err(statements) => Statement::And(statements),
            });
        let or = Statement::Or(branches.collect());
        self.with(or)
    }
}
