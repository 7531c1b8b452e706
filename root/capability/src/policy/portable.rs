//! The part of the policy language that implementations understand alike.

use ipld_core::ipld::Ipld;

use super::PolicyError;
use super::selector::Selector;
use super::statement::Statement;

const MAX_INTEGER: i128 = (1 << 53) - 1;

pub(crate) fn check(statement: &Statement) -> Result<(), PolicyError> {
    match statement {
        Statement::Equal(of, value) => selector(of).and_then(|()| constant(value)),
        Statement::Order(_, of, value) => selector(of).and_then(|()| integer(value)),
        Statement::Like(of, pattern) => {
            let source = pattern.source().replace("\\*", "");
            if source.contains('\\') {
                return refuse("a backslash in a pattern before anything but a star");
            }
            selector(of)
        }
        Statement::And(statements) | Statement::Or(statements) if statements.is_empty() => {
            refuse("`and` and `or` of nothing")
        }
        Statement::And(statements) | Statement::Or(statements) => {
            statements.iter().try_for_each(check)
        }
        Statement::Unequal(..) => refuse("`!=`"),
        Statement::Not(_) => refuse("`not`"),
        Statement::All(..) | Statement::Any(..) => refuse("`all` and `any`"),
    }
}

fn refuse(what: &'static str) -> Result<(), PolicyError> {
    Err(PolicyError::NotPortable(what))
}

fn selector(selector: &Selector) -> Result<(), PolicyError> {
    if selector.is_plain() {
        Ok(())
    } else {
        refuse("a selector of anything but field names")
    }
}

fn integer(value: &Ipld) -> Result<(), PolicyError> {
    match value {
        Ipld::Integer(n) if (-MAX_INTEGER..=MAX_INTEGER).contains(n) => Ok(()),
        Ipld::Integer(_) => refuse("an integer beyond 53 bits"),
        _ => refuse("a number that is no integer"),
    }
}

fn constant(value: &Ipld) -> Result<(), PolicyError> {
    match value {
        Ipld::Bool(_) | Ipld::String(_) | Ipld::Bytes(_) | Ipld::Link(_) => Ok(()),
        Ipld::Integer(_) | Ipld::Float(_) => integer(value),
        Ipld::List(list) => list.iter().try_for_each(constant),
        Ipld::Map(map) => map.values().try_for_each(constant),
        Ipld::Null => refuse("a comparison with null"),
    }
}
