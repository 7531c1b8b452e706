//! Live queries: their results, and what a change does to them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use rhizome_query::{Input, iql};
use rhizome_replica::{Change, Snapshot};
use serde_json::Value as Json;

use super::{
    hub::Key,
    outbox::{Event, Row},
};
use crate::{
    PodError, Stop,
    http::error_json,
    query::{Asked, limits, prepare},
};

/// Rows of a live result.
const MAX_ROWS: usize = 200_000;

/// All live queries of a pod.
#[derive(Default)]
pub(super) struct Queries {
    waiting: HashSet<Key>,
    running: HashMap<Key, Live>,
}

/// A query that was evaluated once.
pub(super) struct Started {
    live: Live,
    /// The moment of that evaluation, as the number of its commits.
    at: u32,
}

struct Live {
    query: Asked,
    inputs: Vec<Input>,
    columns: Vec<String>,
    rows: HashMap<String, Vec<Json>>,
}

impl Started {
    /// Evaluates a query for the first time.
    pub fn new(q: &Json, inputs: &[Json], now: &Snapshot, stop: &Stop) -> Result<Self, PodError> {
        let query = prepare(q)?;
        let inputs = match &query {
            Asked::Datalog(prepared) => prepared.inputs(inputs)?,
            Asked::Nested(_) => Vec::new(),
        };
        let mut live = Live {
            query,
            inputs,
            columns: Vec::new(),
            rows: HashMap::new(),
        };
        live.rows = live.evaluate(now, &|| !stop.load(Ordering::Relaxed))?;
        Ok(Self {
            live,
            at: now.commit_count(),
        })
    }
}

impl Live {
    fn evaluate(
        &mut self,
        now: &Snapshot,
        check: &dyn Fn() -> bool,
    ) -> Result<HashMap<String, Vec<Json>>, PodError> {
        let rows = match &self.query {
            Asked::Datalog(prepared) => prepared.run_while(now, &self.inputs, check)?,
            Asked::Nested(query) => {
                let rows = nested(query, now, check)?;
                self.columns = ["namespace", "place", "object"].map(str::to_owned).to_vec();
                return Ok(rows);
            }
        };
        if rows.len() > MAX_ROWS {
            return Err(PodError::Request(format!(
                "a live result has at most {MAX_ROWS} rows, this one has {}: add a :limit",
                rows.len()
            )));
        }
        self.columns = rows.columns();
        let mut out = HashMap::with_capacity(rows.len());
        for row in 0..rows.len() {
            let cells = (0..rows.width())
                .map(|column| rows.json(row, column))
                .collect::<Result<Vec<_>, _>>()?;
            out.insert(key_of(&cells), cells);
        }
        Ok(out)
    }

    fn reset(&self, id: u64) -> Event {
        let rows = self
            .rows
            .iter()
            .map(|(key, cells)| Row {
                key: key.clone(),
                cells: cells.clone(),
            })
            .collect();
        Event::Reset {
            id,
            columns: self.columns.clone(),
            rows,
        }
    }

    /// The difference to the result as it is now.
    fn renew(&mut self, id: u64, now: &Snapshot) -> Option<Event> {
        let fresh = match self.evaluate(now, &|| true) {
            Ok(rows) => rows,
            Err(error) => {
                return Some(Event::Failed {
                    id,
                    error: error_json(&error),
                });
            }
        };
        let added: Vec<Row> = fresh
            .iter()
            .filter(|(key, _)| !self.rows.contains_key(*key))
            .map(|(key, cells)| Row {
                key: key.clone(),
                cells: cells.clone(),
            })
            .collect();
        let removed: Vec<String> = self
            .rows
            .keys()
            .filter(|key| !fresh.contains_key(*key))
            .cloned()
            .collect();
        self.rows = fresh;
        (!added.is_empty() || !removed.is_empty()).then_some(Event::Changed { id, added, removed })
    }
}

/// A nested result as rows of namespace, place in it, and object.
fn nested(
    query: &iql::Query,
    now: &Snapshot,
    check: &dyn Fn() -> bool,
) -> Result<HashMap<String, Vec<Json>>, PodError> {
    let result = query.run_while(now, &iql::Names::default(), &limits(), check)?;
    let mut out = HashMap::new();
    for (namespace, objects) in result.as_object().into_iter().flatten() {
        for (place, object) in objects.as_array().into_iter().flatten().enumerate() {
            let cells = vec![
                Json::String(namespace.clone()),
                Json::from(place),
                object.clone(),
            ];
            out.insert(key_of(&cells), cells);
        }
    }
    Ok(out)
}

/// The identity of a row is its cells.
fn key_of(cells: &[Json]) -> String {
    let mut hasher = blake3::Hasher::new();
    for cell in cells {
        let text = cell.to_string();
        hasher
            .update(&(text.len() as u64).to_be_bytes())
            .update(text.as_bytes());
    }
    data_encoding::BASE64URL_NOPAD.encode(&hasher.finalize().as_bytes()[..12])
}

impl Queries {
    /// A query is being evaluated for the first time.
    pub fn expect(&mut self, key: Key) {
        self.waiting.insert(key);
    }

    /// It was: the whole result as it is now.
    pub fn begin(&mut self, key: Key, started: Started, now: &Snapshot) -> Option<Event> {
        if !self.waiting.remove(&key) {
            return None;
        }
        let Started { mut live, at } = started;
        if at != now.commit_count()
            && let Some(failed @ Event::Failed { .. }) = live.renew(key.1, now)
        {
            return Some(failed);
        }
        let event = live.reset(key.1);
        self.running.insert(key, live);
        Some(event)
    }

    pub fn remove(&mut self, key: Key) {
        self.waiting.remove(&key);
        self.running.remove(&key);
    }

    /// What a change means for whom.
    pub fn apply(&mut self, change: &Arc<Change>) -> Vec<(Key, Event)> {
        let touched: BTreeSet<_> = change
            .added
            .iter()
            .chain(&change.removed)
            .map(|f| f.a)
            .collect();
        if touched.is_empty() {
            return Vec::new();
        }
        self.running
            .iter_mut()
            .filter_map(|(key, live)| Some((*key, live.renew(key.1, &change.after)?)))
            .collect()
    }

    /// Everything anew.
    pub fn start_over(&mut self, now: &Snapshot) -> Vec<(Key, Event)> {
        self.running
            .iter_mut()
            .map(|(key, live)| match live.renew(key.1, now) {
                Some(failed @ Event::Failed { .. }) => (*key, failed),
                _ => (*key, live.reset(key.1)),
            })
            .collect()
    }

    /// The whole result of one.
    pub fn whole(&self, key: Key) -> Option<Event> {
        self.running.get(&key).map(|live| live.reset(key.1))
    }
}
