//! Queries in either language over the pod as it is now.

use std::sync::atomic::Ordering;

use rhizome_query::{Limits, Prepared};
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

impl Pod {
    /// Runs a query: Datalog as text, or a nested JSON query (IQL) as an object or as its text. Datalog gives
    /// `{"columns": […], "rows": [[…]]}`. Sets of `stop` are seen every few thousand steps.
    pub fn query(&self, q: &Json, inputs: &[Json], stop: &Stop) -> Result<Json, PodError> {
        let prepared = prepare(q)?;
        let inputs = prepared.inputs(inputs)?;
        let rows = prepared.run_while(&self.replica().snapshot(), &inputs, &|| {
            !stop.load(Ordering::Relaxed)
        })?;
        Ok(rows.to_json()?)
    }
}

/// Compiles a query.
pub(crate) fn prepare(q: &Json) -> Result<Prepared, PodError> {
    match q {
        Json::String(text) => Ok(Prepared::with(text, None, &limits())?),
        _ => Err(PodError::Request(
            "`q` is a text (Datalog or JSON) or an object (IQL)".to_owned(),
        )),
    }
}
