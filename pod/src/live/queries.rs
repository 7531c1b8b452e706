//! Live queries: who asked what, and what a change says to whom.
//!
//! Datalog goes to the query crate's [`LiveSet`], where a commit costs what it changes. A nested query (IQL) is run anew after each
//! commit and compared: its results are a page that somebody looks at.

use std::collections::HashMap;

use rhizome_query::{
    LiveLimits, LiveSet, Update,
    live::{self, Diff, SubscriptionId},
};
use rhizome_replica::{Change, Snapshot};
use serde_json::Value as Json;

use super::{
    hub::Key,
    outbox::{Event, Row},
};
use crate::{PodError, http::error_json, query::Compiled};

/// Rows of a live result.
const MAX_ROWS: usize = 200_000;

/// All live queries of a pod, at one moment.
pub(super) struct Queries {
    live: LiveSet,
    by_subscription: HashMap<SubscriptionId, Key>,
    by_key: HashMap<Key, Asked>,
}

/// What somebody subscribed to.
struct Asked {
    query: Compiled,
    kept: Kept,
}

/// How its result is kept.
enum Kept {
    Set(SubscriptionId),
    Here(Vec<Row>),
}

impl Queries {
    /// None yet; the first change is the one after `now`.
    pub fn new(now: &Snapshot) -> Self {
        let limits = LiveLimits {
            subscription_rows: MAX_ROWS,
            ..LiveLimits::default()
        };
        Self {
            live: LiveSet::new(now, limits),
            by_subscription: HashMap::new(),
            by_key: HashMap::new(),
        }
    }

    /// Runs a query and keeps its result: the whole of it.
    pub fn subscribe(&mut self, key: Key, query: Compiled) -> Result<Event, PodError> {
        let (event, kept) = self.run(key, &query)?;
        self.by_key.insert(key, Asked { query, kept });
        Ok(event)
    }

    fn run(&mut self, key: Key, query: &Compiled) -> Result<(Event, Kept), PodError> {
        match query {
            Compiled::Datalog { query, inputs } => {
                let subscribed = self.live.subscribe(query, inputs)?;
                self.by_subscription.insert(subscribed.id, key);
                let rows = subscribed.rows.iter().map(row).collect();
                let event = reset(key, subscribed.columns, rows);
                Ok((event, Kept::Set(subscribed.id)))
            }
            nested @ Compiled::Iql(_) => {
                let rows = nested_rows(nested.json(self.live.snapshot(), &|| true)?)?;
                let event = reset(key, nested_columns(), rows.clone());
                Ok((event, Kept::Here(rows)))
            }
        }
    }

    /// Ends one.
    pub fn remove(&mut self, key: Key) {
        if let Some(asked) = self.by_key.remove(&key) {
            self.forget(&asked.kept);
        }
    }

    fn forget(&mut self, kept: &Kept) {
        if let Kept::Set(id) = kept {
            self.live.unsubscribe(*id);
            self.by_subscription.remove(id);
        }
    }

    /// Brings every result to the moment after a change, and says what that means for whom.
    pub fn apply(&mut self, change: &Change) -> Vec<(Key, Event)> {
        let mut events = Vec::new();
        let mut ended = Vec::new();
        for (subscription, update) in self.live.apply(change) {
            let Some(key) = self.by_subscription.get(&subscription) else {
                continue;
            };
            let event = match update {
                Update::Rows(diff) => changed(*key, diff),
                Update::Ended(error) => {
                    ended.push(*key);
                    failed(*key, &error.into())
                }
            };
            events.push((*key, event));
        }
        for (key, asked) in &mut self.by_key {
            let (Kept::Here(rows), false) = (&mut asked.kept, change.is_empty()) else {
                continue;
            };
            match asked
                .query
                .json(self.live.snapshot(), &|| true)
                .and_then(nested_rows)
            {
                Ok(fresh) if fresh == *rows => {}
                Ok(fresh) => {
                    rows.clone_from(&fresh);
                    events.push((*key, reset(*key, nested_columns(), fresh)));
                }
                Err(error) => {
                    ended.push(*key);
                    events.push((*key, failed(*key, &error)));
                }
            }
        }
        for key in ended {
            self.remove(key);
        }
        events
    }

    /// Changes were lost: everything anew, at the moment after the last of them.
    pub fn start_over(&mut self, change: &Change) -> Vec<(Key, Event)> {
        let reset = Change {
            before: self.live.snapshot().clone(),
            after: change.after.clone(),
            added: Vec::new(),
            removed: Vec::new(),
            lists: Vec::new(),
            reset: true,
        };
        self.apply(&reset)
    }

    /// The whole result of one, for a subscriber that missed changes; `None` if there is none of this key.
    pub fn whole(&mut self, key: Key) -> Option<Event> {
        let Asked { query, kept } = self.by_key.remove(&key)?;
        // the old one ends after the new one has begun, so that they share what is computed
        let fresh = self.run(key, &query);
        self.forget(&kept);
        match fresh {
            Ok((event, kept)) => {
                self.by_key.insert(key, Asked { query, kept });
                Some(event)
            }
            Err(error) => Some(failed(key, &error)),
        }
    }
}

fn reset(key: Key, columns: Vec<String>, rows: Vec<Row>) -> Event {
    Event::Reset {
        id: key.1,
        columns,
        rows,
    }
}

fn changed(key: Key, diff: Diff) -> Event {
    Event::Changed {
        id: key.1,
        added: diff.added.iter().map(row).collect(),
        changed: diff.changed.iter().map(row).collect(),
        removed: diff
            .removed
            .into_iter()
            .map(|id| id.0.to_string())
            .collect(),
    }
}

fn failed(key: Key, error: &PodError) -> Event {
    Event::Failed {
        id: key.1,
        error: error_json(error),
    }
}

fn row(row: &live::Row) -> Row {
    Row {
        key: row.id().0.to_string(),
        cells: row.cells(),
        index: row.index(),
    }
}

fn nested_columns() -> Vec<String> {
    vec!["namespace".into(), "entity".into()]
}

/// The identity of an object of a nested result is its namespace and its entity.
fn nested_rows(answer: Json) -> Result<Vec<Row>, PodError> {
    let Json::Object(namespaces) = answer else {
        return Ok(Vec::new());
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
                index: None,
            });
        }
    }
    if out.len() <= MAX_ROWS {
        return Ok(out);
    }
    Err(PodError::Request(format!(
        "a live result has at most {MAX_ROWS} rows, this one has {}: add a limit",
        out.len()
    )))
}
