//! Datalog text: Datomic's query language (<https://docs.datomic.com/query/query-data-reference.html>) without its transaction
//! place and Java calls, and with `:order`, `:limit`, `:offset` and `:rules` in the query.

pub mod ast;
mod clause;
mod compile;
mod find;
mod input;
mod literal;
mod query;

pub use compile::compile;
pub(crate) use compile::compile_with;
pub(crate) use literal::constant;
pub use query::{parse, parse_rules};

use crate::edn::Form;
use crate::error::QueryError;
use ast::Variable;

/// `?x`, if it is one.
fn variable(form: &Form) -> Option<Variable> {
    let name = form
        .symbol()
        .filter(|s| s.len() > 1 && s.starts_with('?'))?;
    Some(Variable {
        name: name.to_owned(),
        at: form.at,
    })
}

fn need_variable(form: &Form) -> Result<Variable, QueryError> {
    variable(form).ok_or_else(|| form.expected("a variable such as ?x"))
}
