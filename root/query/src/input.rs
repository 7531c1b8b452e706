//! What a caller passes for `:in`.

use rhizome_tuple::Value;
use serde_json::Value as Json;

use crate::error::QueryError;
use crate::ir;
use crate::json;

/// One argument of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// For `?x`.
    Value(Value),
    /// For `[?x ?y]`.
    Tuple(Vec<Value>),
    /// For `[?x ...]`.
    Collection(Vec<Value>),
    /// For `[[?x ?y]]`.
    Relation(Vec<Vec<Value>>),
}

impl<T: Into<Value>> From<T> for Input {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl Input {
    /// An argument from JSON, read as the query wants it. Text that reads as an entity id is that entity; times are
    /// `{"time": milliseconds or RFC 3339}`.
    pub(crate) fn from_json(
        wanted: &ir::Input,
        index: usize,
        given: &Json,
    ) -> Result<Self, QueryError> {
        let value =
            |j: &Json| json::value(j).ok_or_else(|| mismatch(index, "a value", &json::describe(j)));
        let list = |j: &Json| -> Result<Vec<Value>, QueryError> {
            let items = j
                .as_array()
                .ok_or_else(|| mismatch(index, "an array", &json::describe(j)))?;
            items.iter().map(value).collect()
        };
        Ok(match wanted {
            ir::Input::Scalar(_) | ir::Input::Rules => Self::Value(value(given)?),
            ir::Input::Tuple(_) => Self::Tuple(list(given)?),
            ir::Input::Collection(_) => Self::Collection(list(given)?),
            ir::Input::Relation(_) => {
                let rows = given
                    .as_array()
                    .ok_or_else(|| mismatch(index, "an array of arrays", &json::describe(given)))?;
                Self::Relation(rows.iter().map(list).collect::<Result<_, _>>()?)
            }
        })
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Value(_) | Self::Tuple(_) => 1,
            Self::Collection(all) => all.len(),
            Self::Relation(all) => all.len(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Value(_) => "one value".into(),
            Self::Tuple(t) => format!("a tuple of {}", t.len()),
            Self::Collection(_) => "a collection".into(),
            Self::Relation(_) => "a relation".into(),
        }
    }

    /// The cells row by row, if it fits what the query wants.
    pub(crate) fn cells<'a>(
        &'a self,
        wanted: &ir::Input,
        index: usize,
    ) -> Result<Vec<&'a [Value]>, QueryError> {
        let wrong = |expected: String| mismatch(index, &expected, &self.describe());
        match (wanted, self) {
            (ir::Input::Scalar(_), Self::Value(v)) => Ok(vec![std::slice::from_ref(v)]),
            (ir::Input::Scalar(_), _) => Err(wrong("one value".into())),
            (ir::Input::Tuple(slots), Self::Tuple(t)) if t.len() >= slots.len() => Ok(vec![t]),
            (ir::Input::Tuple(slots), _) => Err(wrong(format!("a tuple of {}", slots.len()))),
            (ir::Input::Collection(_), Self::Collection(all)) => Ok(all.chunks(1).collect()),
            (ir::Input::Collection(_), _) => Err(wrong("a collection".into())),
            (ir::Input::Relation(slots), Self::Relation(all))
                if all.iter().all(|r| r.len() >= slots.len()) =>
            {
                Ok(all.iter().map(Vec::as_slice).collect())
            }
            (ir::Input::Relation(slots), _) => Err(wrong(format!("rows of {}", slots.len()))),
            (ir::Input::Rules, _) => Err(wrong("rules as text".into())),
        }
    }
}

pub(crate) fn mismatch(index: usize, expected: &str, found: &str) -> QueryError {
    QueryError::Input {
        index: index + 1,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
