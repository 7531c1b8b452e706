//! Queries in either language over the pod as it is now.

use std::sync::atomic::Ordering;

use rhizome_query::{
    Input, Limits, Prepared,
    iql::{self, Names},
};
use rhizome_replica::Snapshot;
use serde_json::Value as Json;

use crate::{Pod, PodError, Stop};

/// Rows of a result: what a client can still use, and well below what the engine can hold.
pub(crate) fn limits() -> Limits {
    Limits {
        result_rows: 1_000_000,
        ..Limits::default()
    }
}

impl Pod {
    /// Runs a query: Datalog as text, or a nested JSON query (IQL) as an object or as its text. Datalog gives
    /// `{"columns": […], "rows": [[…]]}`, IQL an object with an array of objects for each namespace asked for. `stop` is looked at every
    /// few thousand steps.
    pub fn query(&self, q: &Json, inputs: &[Json], stop: &Stop) -> Result<Json, PodError> {
        query_in(&self.replica().snapshot(), q, inputs, stop)
    }
}

/// As [`Pod::query`], of another moment or another pod.
pub(crate) fn query_in(
    now: &Snapshot,
    q: &Json,
    inputs: &[Json],
    stop: &Stop,
) -> Result<Json, PodError> {
    Compiled::new(q, inputs)?.json(now, &|| !stop.load(Ordering::Relaxed))
}

/// A query that was read, with its inputs.
pub(crate) enum Compiled {
    Datalog {
        query: Box<Prepared>,
        inputs: Vec<Input>,
    },
    Iql(iql::Query),
}

impl Compiled {
    pub fn new(q: &Json, inputs: &[Json]) -> Result<Self, PodError> {
        match q {
            Json::String(text) if !is_iql(text) => {
                let query = Box::new(Prepared::with(text, None, &limits())?);
                let inputs = query.inputs(inputs)?;
                Ok(Self::Datalog { query, inputs })
            }
            _ if !inputs.is_empty() => Err(PodError::Request(
                "a nested query takes no inputs: write the values into it".into(),
            )),
            Json::String(text) => Ok(Self::Iql(iql::Query::parse(text, &limits())?)),
            Json::Object(_) => Ok(Self::Iql(iql::Query::from_json(q, &limits())?)),
            _ => Err(PodError::Request(
                "`q` is a text (Datalog or JSON) or an object (IQL)".into(),
            )),
        }
    }

    /// The whole answer.
    pub fn json(&self, now: &Snapshot, check: &dyn Fn() -> bool) -> Result<Json, PodError> {
        match self {
            Self::Datalog { query, inputs } => {
                Ok(query.run_while(now, inputs, check)?.to_json()?)
            }
            Self::Iql(query) => Ok(query.run_while(now, &Names::default(), &limits(), check)?),
        }
    }
}

/// JSON begins with an object that is empty or whose first member is a text; Datalog's map form begins with a keyword.
pub(crate) fn is_iql(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|rest| rest.starts_with(['"', '}']))
}

#[cfg(test)]
mod tests {
    use super::is_iql;

    #[test]
    fn the_languages_are_told_apart() {
        for iql in ["{}", " {\n \"post\": {}}", "{\"\": 1"] {
            assert!(is_iql(iql), "{iql}");
        }
        for datalog in ["[:find ?e]", "{:find [?e]}", "", "{", "{ ; \"x\"\n :find"] {
            assert!(!is_iql(datalog), "{datalog}");
        }
    }
}
