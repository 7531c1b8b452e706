//! Text to the intermediate form in one step.

use super::{parse, parse_rules};
use crate::error::QueryError;
use crate::ir;
use crate::limits::Limits;
use crate::text::{self, TextSearch};

/// Parses, resolves and checks a query. `rules` is the text passed for `%`, if any.
pub fn compile(text: &str, rules: Option<&str>, limits: &Limits) -> Result<ir::Query, QueryError> {
    compile_with(text, rules, limits, None)
}

/// As [`compile`]; `search` answers each `fulltext`.
pub(crate) fn compile_with(
    text: &str,
    rules: Option<&str>,
    limits: &Limits,
    search: Option<&dyn TextSearch>,
) -> Result<ir::Query, QueryError> {
    let mut query = parse(text, limits)?;
    if let Some(rules) = rules {
        query.rules.extend(parse_rules(rules, limits)?);
    }
    if let Some(search) = search {
        text::resolve(&mut query, search)?;
    }
    ir::lower(&query, limits)
}
