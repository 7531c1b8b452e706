//! Queries in either language over the pod as it is now.

use std::sync::atomic::Ordering;

use rhizome_query::{
    FoundText, Input, Limits, MAX_TEXTS, Prepared, QueryError, TextSearch,
    iql::{self, Names},
};
use rhizome_replica::Snapshot;
use rhizome_search::{Found, Request, scan};
use serde_json::Value as Json;

use crate::{Pod, PodError, Stop, search::is_searched};

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
        let now = self.replica().snapshot();
        let find = |request: &Request<'_>| self.found_in(request, &now, stop);
        query_with(&now, q, inputs, stop, &Texts { find: &find })
    }
}

/// As [`Pod::query`], of another moment or another pod.
pub(crate) fn query_in(
    now: &Snapshot,
    q: &Json,
    inputs: &[Json],
    stop: &Stop,
) -> Result<Json, PodError> {
    let check = || !stop.load(Ordering::Relaxed);
    let find = |request: &Request<'_>| Ok(scan(request, now, &is_searched, &check)?);
    query_with(now, q, inputs, stop, &Texts { find: &find })
}

fn query_with(
    now: &Snapshot,
    q: &Json,
    inputs: &[Json],
    stop: &Stop,
    texts: &Texts<'_>,
) -> Result<Json, PodError> {
    let check = || !stop.load(Ordering::Relaxed);
    match Compiled::searching(q, inputs, texts)? {
        Compiled::Datalog { query, inputs } => {
            Ok(query.run_while(now, &inputs, &check)?.to_json()?)
        }
        Compiled::Iql(query) => {
            Ok(query.run_searching(now, &Names::default(), &limits(), &check, texts)?)
        }
    }
}

/// Answers what a query looks for in texts.
struct Texts<'a> {
    find: &'a dyn Fn(&Request<'_>) -> Result<Found, PodError>,
}

impl TextSearch for Texts<'_> {
    fn texts(&self, attribute: Option<&str>, words: &str) -> Result<Vec<FoundText>, String> {
        let query = rhizome_search::Query::parse(words).map_err(|e| e.to_string())?;
        let attributes: Vec<String> = attribute.into_iter().map(str::to_owned).collect();
        let request = Request {
            attributes: &attributes,
            limit: MAX_TEXTS + 1,
            texts: true,
            ..Request::new(&query)
        };
        let found = (self.find)(&request).map_err(|e| e.to_string())?;
        if !found.complete && found.hits.len() <= MAX_TEXTS {
            return Err("too many texts have these words: look for something rarer".into());
        }
        let text = |hit: rhizome_search::Hit| {
            Some(FoundText {
                entity: hit.entity,
                text: hit.text?,
                score: f64::from(hit.score),
            })
        };
        Ok(found.hits.into_iter().filter_map(text).collect())
    }
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
    /// A query that is to be live.
    pub fn new(q: &Json, inputs: &[Json]) -> Result<Self, PodError> {
        Self::prepared(q, inputs, |text| Prepared::with(text, None, &limits()))
    }

    /// A query that is run once.
    fn searching(q: &Json, inputs: &[Json], texts: &Texts<'_>) -> Result<Self, PodError> {
        Self::prepared(q, inputs, |text| {
            Prepared::searching(text, &limits(), texts)
        })
    }

    fn prepared(
        q: &Json,
        inputs: &[Json],
        prepare: impl Fn(&str) -> Result<Prepared, QueryError>,
    ) -> Result<Self, PodError> {
        match q {
            Json::String(text) if !is_iql(text) => {
                let query = Box::new(prepare(text)?);
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
