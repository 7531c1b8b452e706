//! Queries in either language over the pod as it is now.

use std::sync::atomic::Ordering;

use rhizome_query::{Limits, Prepared, iql};
use serde_json::Value as Json;

use crate::{Pod, PodError, Stop};

/// Rows of a result: what a client can still use, and well below what the engine can hold.
pub(crate) fn limits() -> Limits {
    Limits {
        result_rows: 1_000_000,
        intermediate_rows: 20_000_000,
        ..Limits::default()
    }
}

/// A query in either language.
pub(crate) enum Asked {
    /// Datalog.
    Datalog(Box<Prepared>),
    /// Nested JSON.
    Nested(Box<iql::Query>),
}

impl Pod {
    /// Runs a query: Datalog as text, or a nested JSON query (IQL) as an object or as its text. Datalog gives
    /// `{"columns": […], "rows": [[…]]}`, IQL nested objects. Sets of `stop` are seen every few thousand steps.
    pub fn query(&self, q: &Json, inputs: &[Json], stop: &Stop) -> Result<Json, PodError> {
        let now = self.replica().snapshot();
        let go_on = || !stop.load(Ordering::Relaxed);
        match prepare(q)? {
            Asked::Datalog(prepared) => {
                let inputs = prepared.inputs(inputs)?;
                Ok(prepared.run_while(&now, &inputs, &go_on)?.to_json()?)
            }
            Asked::Nested(_) if !inputs.is_empty() => Err(PodError::Request(
                "a nested JSON query takes no inputs: write the values into it".to_owned(),
            )),
            Asked::Nested(query) => {
                Ok(query.run_while(&now, &iql::Names::default(), &limits(), &go_on)?)
            }
        }
    }
}

/// Compiles a query. Text that starts as a JSON object is IQL: the map form of Datalog (`{:find …}`) never does.
pub(crate) fn prepare(q: &Json) -> Result<Asked, PodError> {
    let nested = |text: &str| {
        let mut rest = text.trim_start().chars();
        rest.next() == Some('{')
            && matches!(rest.as_str().trim_start().chars().next(), Some('"' | '}'))
    };
    Ok(match q {
        Json::String(text) if nested(text) => {
            Asked::Nested(Box::new(iql::Query::parse(text, &limits())?))
        }
        Json::String(text) => Asked::Datalog(Box::new(Prepared::with(text, None, &limits())?)),
        Json::Object(_) => Asked::Nested(Box::new(iql::Query::from_json(q, &limits())?)),
        _ => {
            return Err(PodError::Request(
                "`q` is a text (Datalog or JSON) or an object (IQL)".to_owned(),
            ));
        }
    })
}
