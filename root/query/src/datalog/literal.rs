//! Constants.

use rhizome_tuple::Value;

use crate::edn::{Form, Kind};
use crate::error::QueryError;
use crate::instant;

/// A constant as a value. Keywords are text without the colon; `#inst "2026-11-20T10:00:00Z"` is a time.
pub fn constant(form: &Form) -> Result<Value, QueryError> {
    Ok(match &form.kind {
        Kind::Boolean(b) => Value::Boolean(*b),
        Kind::Integer(i) => Value::Integer(*i),
        Kind::Float(x) => Value::Float(x + 0.0), // -0.0 + 0.0 is 0.0, the stored form of zero
        Kind::Text(s) | Kind::Keyword(s) => Value::Text(s.clone()),
        Kind::Tagged(tag, inner) if tag == "inst" => match &inner.kind {
            Kind::Text(s) => Value::Time(
                instant::parse(s)
                    .ok_or_else(|| inner.expected("a time such as \"2026-11-20T10:00:00Z\""))?,
            ),
            Kind::Integer(ms) => Value::Time(*ms),
            _ => return Err(inner.expected("a time as text, or as milliseconds since 1970")),
        },
        Kind::Nil => {
            return Err(
                form.expected("a value; nothing is stored as nil, ask with (not [?e :attribute])")
            );
        }
        Kind::Tagged(..) => return Err(form.expected("a constant; the only tag is #inst")),
        _ => return Err(form.expected("a constant: text, keyword, number, true, false or #inst")),
    })
}
