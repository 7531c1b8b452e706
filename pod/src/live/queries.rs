//! Live queries: their results, and what a change does to them.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering,
};

use rhizome_query::{
    Input, LiveLimits, LiveSet, Prepared, Update, iql,
    live::{Diff, Row as LiveRow, SubscriptionId},
};
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

/// All live queries of a pod: Datalog is kept up to date incrementally, nested JSON is run again when a change may concern it.
pub(super) struct Queries {
    waiting: HashSet<Key>,
    live: LiveSet,
    owners: HashMap<SubscriptionId, Key>,
    results: HashMap<Key, Kept>,
    nested: HashMap<Key, Nested>,
}

/// A query that was compiled, and run once if it is to be run again with every change.
pub(super) enum Started {
    Datalog(Box<Prepared>, Vec<Input>),
    /// With the moment of its result, as the number of its commits.
    Nested(Nested, u32),
}

type Rows = HashMap<String, Vec<Json>>;

/// The result of a Datalog query as its subscriber has it.
struct Kept {
    subscription: SubscriptionId,
    columns: Vec<String>,
    rows: Rows,
}

/// A nested JSON query and its result.
pub(super) struct Nested {
    query: Box<iql::Query>,
    rows: Rows,
}

impl Started {
    /// Compiles a query.
    pub fn new(q: &Json, inputs: &[Json], now: &Snapshot, stop: &Stop) -> Result<Self, PodError> {
        Ok(match prepare(q)? {
            Asked::Datalog(prepared) => {
                let inputs = prepared.inputs(inputs)?;
                Self::Datalog(prepared, inputs)
            }
            Asked::Nested(query) => {
                let rows = nested(&query, now, &|| !stop.load(Ordering::Relaxed))?;
                Self::Nested(Nested { query, rows }, now.commit_count())
            }
        })
    }
}

fn whole(id: u64, columns: &[String], rows: &Rows) -> Event {
    let row = |(key, cells): (&String, &Vec<Json>)| Row {
        key: key.clone(),
        cells: cells.clone(),
    };
    Event::Reset {
        id,
        columns: columns.to_vec(),
        rows: rows.iter().map(row).collect(),
    }
}

fn failed(id: u64, error: &PodError) -> Event {
    Event::Failed {
        id,
        error: error_json(error),
    }
}

fn key_and_cells(row: &LiveRow) -> (String, Vec<Json>) {
    (row.id().0.to_string(), row.cells())
}

impl Nested {
    fn columns() -> Vec<String> {
        ["namespace", "place", "object"].map(str::to_owned).to_vec()
    }

    fn reset(&self, id: u64) -> Event {
        whole(id, &Self::columns(), &self.rows)
    }

    /// The difference to the result as it is now.
    fn renew(&mut self, id: u64, now: &Snapshot) -> Option<Event> {
        let fresh = match nested(&self.query, now, &|| true) {
            Ok(rows) => rows,
            Err(error) => return Some(failed(id, &error)),
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
fn nested(query: &iql::Query, now: &Snapshot, check: &dyn Fn() -> bool) -> Result<Rows, PodError> {
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
    /// None yet, at this moment.
    pub fn new(now: &Snapshot) -> Self {
        let limits = LiveLimits {
            subscription_rows: MAX_ROWS,
            ..LiveLimits::default()
        };
        Self {
            waiting: HashSet::new(),
            live: LiveSet::new(now, limits),
            owners: HashMap::new(),
            results: HashMap::new(),
            nested: HashMap::new(),
        }
    }

    /// A query is being compiled.
    pub fn expect(&mut self, key: Key) {
        self.waiting.insert(key);
    }

    /// It was: the whole result as it is now. None if its subscriber is gone already.
    pub fn begin(
        &mut self,
        key: Key,
        started: Started,
        now: &Snapshot,
    ) -> Result<Option<Event>, PodError> {
        if !self.waiting.remove(&key) {
            return Ok(None);
        }
        match started {
            Started::Datalog(prepared, inputs) => {
                let subscribed = self.live.subscribe(&prepared, &inputs)?;
                let kept = Kept {
                    subscription: subscribed.id,
                    columns: subscribed.columns,
                    rows: subscribed.rows.iter().map(key_and_cells).collect(),
                };
                let event = whole(key.1, &kept.columns, &kept.rows);
                self.owners.insert(kept.subscription, key);
                self.results.insert(key, kept);
                Ok(Some(event))
            }
            Started::Nested(mut nested, at) => {
                if at != now.commit_count()
                    && let Some(failed @ Event::Failed { .. }) = nested.renew(key.1, now)
                {
                    return Ok(Some(failed));
                }
                let event = nested.reset(key.1);
                self.nested.insert(key, nested);
                Ok(Some(event))
            }
        }
    }

    pub fn remove(&mut self, key: Key) {
        self.waiting.remove(&key);
        self.nested.remove(&key);
        if let Some(kept) = self.results.remove(&key) {
            self.owners.remove(&kept.subscription);
            self.live.unsubscribe(kept.subscription);
        }
    }

    /// What a change means for whom.
    pub fn apply(&mut self, change: &Change) -> Vec<(Key, Event)> {
        let mut events = Vec::new();
        for (subscription, update) in self.live.apply(change) {
            let Some(key) = self.owners.get(&subscription).copied() else {
                continue;
            };
            match update {
                Update::Rows(diff) => events.extend(self.follow(key, &diff)),
                Update::Ended(error) => {
                    self.owners.remove(&subscription);
                    self.results.remove(&key);
                    events.push((key, failed(key.1, &error.into())));
                }
            }
        }
        for (key, nested) in &mut self.nested {
            if let Some(event) = nested.renew(key.1, &change.after) {
                events.push((*key, event));
            }
        }
        events
    }

    /// Brings what a subscriber has up to date. A row that changed keeps its key: its new cells replace the old ones.
    fn follow(&mut self, key: Key, diff: &Diff) -> Option<(Key, Event)> {
        let kept = self.results.get_mut(&key)?;
        let removed: Vec<String> = diff.removed.iter().map(|id| id.0.to_string()).collect();
        for row in &removed {
            kept.rows.remove(row);
        }
        let mut added = Vec::with_capacity(diff.added.len() + diff.changed.len());
        for row in diff.added.iter().chain(&diff.changed) {
            let (name, cells) = key_and_cells(row);
            kept.rows.insert(name.clone(), cells.clone());
            added.push(Row { key: name, cells });
        }
        let id = key.1;
        Some((key, Event::Changed { id, added, removed }))
    }

    /// Changes were lost: everything anew.
    pub fn start_over(&mut self, now: &Snapshot) -> Vec<(Key, Event)> {
        let change = Change {
            before: self.live.snapshot().clone(),
            after: now.clone(),
            added: Vec::new(),
            removed: Vec::new(),
            lists: Vec::new(),
            reset: true,
        };
        let mut events: Vec<_> = self
            .apply(&change)
            .into_iter()
            .filter(|(_, event)| matches!(event, Event::Failed { .. }))
            .collect();
        events.extend(
            self.results
                .iter()
                .map(|(key, kept)| (*key, whole(key.1, &kept.columns, &kept.rows))),
        );
        events.extend(
            self.nested
                .iter()
                .map(|(key, nested)| (*key, nested.reset(key.1))),
        );
        events
    }

    /// The whole result of one.
    pub fn whole(&self, key: Key) -> Option<Event> {
        let kept = self
            .results
            .get(&key)
            .map(|k| whole(key.1, &k.columns, &k.rows));
        kept.or_else(|| self.nested.get(&key).map(|nested| nested.reset(key.1)))
    }
}
