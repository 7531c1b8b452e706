//! Live queries: their results, and what a change does to them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use rhizome_query::Rows;
use rhizome_replica::{Change, Snapshot};
use serde_json::Value as Json;

use super::{
    hub::Key,
    outbox::{Event, Row},
};
use crate::{PodError, Stop, http::error_json, query::Compiled};

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
    query: Compiled,
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl Started {
    /// Evaluates a query for the first time.
    pub fn new(q: &Json, inputs: &[Json], now: &Snapshot, stop: &Stop) -> Result<Self, PodError> {
        let query = Compiled::new(q, inputs)?;
        let mut live = Live {
            query,
            columns: Vec::new(),
            rows: Vec::new(),
        };
        live.rows = live.evaluate(now, &|| !stop.load(Ordering::Relaxed))?;
        Ok(Self {
            live,
            at: now.commit_count(),
        })
    }
}

impl Live {
    fn evaluate(&mut self, now: &Snapshot, check: &dyn Fn() -> bool) -> Result<Vec<Row>, PodError> {
        let rows = match &self.query {
            Compiled::Datalog { query, inputs } => {
                let rows = query.run_while(now, inputs, check)?;
                self.columns = rows.columns();
                bounded(rows.len())?;
                datalog_rows(&rows)?
            }
            nested @ Compiled::Iql(_) => {
                self.columns = vec!["namespace".into(), "entity".into()];
                nested_rows(nested.json(now, check)?)
            }
        };
        bounded(rows.len())?;
        Ok(rows)
    }

    /// Whether the places of the rows mean something: then a change is told as a whole result in its new order.
    fn is_ordered(&self) -> bool {
        match &self.query {
            Compiled::Datalog { query, .. } => !query.query().order.is_empty(),
            Compiled::Iql(_) => true,
        }
    }

    fn reset(&self, id: u64) -> Event {
        Event::Reset {
            id,
            columns: self.columns.clone(),
            rows: self.rows.clone(),
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
        if self.is_ordered() {
            let same = fresh == self.rows;
            self.rows = fresh;
            return (!same).then(|| self.reset(id));
        }
        let before: HashSet<&str> = self.rows.iter().map(|row| row.key.as_str()).collect();
        let after: HashSet<&str> = fresh.iter().map(|row| row.key.as_str()).collect();
        let added: Vec<Row> = fresh
            .iter()
            .filter(|row| !before.contains(row.key.as_str()))
            .cloned()
            .collect();
        let removed: Vec<String> = self
            .rows
            .iter()
            .filter(|row| !after.contains(row.key.as_str()))
            .map(|row| row.key.clone())
            .collect();
        self.rows = fresh;
        (!added.is_empty() || !removed.is_empty()).then_some(Event::Changed { id, added, removed })
    }
}

fn bounded(rows: usize) -> Result<(), PodError> {
    if rows <= MAX_ROWS {
        return Ok(());
    }
    Err(PodError::Request(format!(
        "a live result has at most {MAX_ROWS} rows, this one has {rows}: add a :limit"
    )))
}

/// The identity of a row is its cells.
fn datalog_rows(rows: &Rows) -> Result<Vec<Row>, PodError> {
    (0..rows.len())
        .map(|row| {
            let cells = (0..rows.width())
                .map(|column| rows.json(row, column))
                .collect::<Result<Vec<_>, _>>()?;
            let mut hasher = blake3::Hasher::new();
            for cell in &cells {
                let text = cell.to_string();
                hasher
                    .update(&(text.len() as u64).to_be_bytes())
                    .update(text.as_bytes());
            }
            let key = data_encoding::BASE64URL_NOPAD.encode(&hasher.finalize().as_bytes()[..12]);
            Ok(Row { key, cells })
        })
        .collect()
}

/// The identity of an object of a nested result is its namespace and its entity.
fn nested_rows(answer: Json) -> Vec<Row> {
    let Json::Object(namespaces) = answer else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (namespace, objects) in namespaces {
        let Json::Array(objects) = objects else {
            continue;
        };
        for object in objects {
            let id = object.get("id").and_then(Json::as_str).unwrap_or_default();
            out.push(Row {
                key: format!("{namespace} {id}"),
                cells: vec![Json::from(namespace.as_str()), object],
            });
        }
    }
    out
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
        if change.added.is_empty() && change.removed.is_empty() {
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
