//! Bounds on what a query may ask for. Every bound has a name that the error repeats.

use crate::error::{Position, QueryError};

/// Bounds on the text and on the work of one query. Callers lower them for strangers' queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of query text.
    pub text_bytes: usize,
    /// Depth of brackets in the text.
    pub nesting: usize,
    /// Clauses in the whole query, rules included, after rules are expanded.
    pub clauses: usize,
    /// Rule branches.
    pub rules: usize,
    /// Distinct variables in one scope.
    pub variables: usize,
    /// Rows, groups and recursive answers held in memory at once.
    pub intermediate_rows: usize,
    /// Rows in the result (after `:offset` and `:limit`).
    pub result_rows: usize,
    /// Levels of nesting in a pull or a nested JSON query, recursion included.
    pub pull_depth: usize,
    /// Entities visited by one pull or nested JSON query.
    pub pull_entities: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 256 * 1024,
            nesting: 48,
            clauses: 512,
            rules: 256,
            variables: 256,
            intermediate_rows: 20_000_000,
            result_rows: 10_000_000,
            pull_depth: 32,
            pull_entities: 1_000_000,
        }
    }
}

impl Limits {
    pub(crate) fn exceeded(
        limit: &'static str,
        maximum: usize,
        at: Option<Position>,
    ) -> QueryError {
        QueryError::Limit {
            limit,
            maximum: maximum as u64,
            at,
        }
    }
}
