//! Live queries: who asked what, and what a change says to whom. The query crate's [`LiveSet`] keeps the results, of both languages,
//! where a commit costs what it changes.

use std::collections::{HashMap, HashSet};

use rhizome_query::{
    LiveLimits, LiveSet, Update,
    iql::Names,
    live::{self, Diff, NestedUpdate, Object, ObjectsDiff, SubscriptionId},
};
use rhizome_replica::{Change, Snapshot};
use rhizome_tuple::EntityId;

use super::{
    hub::Key,
    outbox::{Event, Row},
};
use crate::{
    PodError,
    http::error_json,
    query::{Compiled, limits},
};

/// What somebody subscribed to.
#[derive(Clone, Copy)]
enum Subscription {
    Rows(SubscriptionId),
    Objects(SubscriptionId),
}

impl Subscription {
    fn id(self) -> SubscriptionId {
        match self {
            Self::Rows(id) | Self::Objects(id) => id,
        }
    }

    fn with(self, id: SubscriptionId) -> Self {
        match self {
            Self::Rows(_) => Self::Rows(id),
            Self::Objects(_) => Self::Objects(id),
        }
    }
}

/// How values are shown in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the answers of queries have them.
    Plain,
    /// With their types, as the API takes values in.
    Stored,
}

/// Rows of a live result.
const MAX_ROWS: usize = 200_000;

/// All live queries of a pod, at one moment.
pub(super) struct Queries {
    live: LiveSet,
    by_subscription: HashMap<SubscriptionId, Key>,
    by_key: HashMap<Key, Subscription>,
    /// Those whose cells are to show the types of values.
    typed: HashSet<Key>,
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
            typed: HashSet::new(),
        }
    }

    /// The moment that all results are of.
    pub fn now(&self) -> &Snapshot {
        self.live.snapshot()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether the result of a query is kept already, for somebody else.
    pub fn holds(&self, query: &Compiled) -> bool {
        match query {
            Compiled::Datalog { query, inputs } => self.live.holds(query, inputs),
            Compiled::Iql(query) => self.live.holds_nested(query, &Names::default(), &limits()),
        }
    }

    /// Runs a query and keeps its result.
    pub fn subscribe(&mut self, key: Key, query: &Compiled, form: Form) -> Result<(), PodError> {
        let subscription = match query {
            Compiled::Datalog { query, inputs } => {
                Subscription::Rows(self.live.subscribe(query, inputs)?.id)
            }
            Compiled::Iql(query) => {
                let names = Names::default();
                let subscribed = self.live.subscribe_nested(query, &names, &limits())?;
                Subscription::Objects(subscribed.id)
            }
        };
        self.keep(key, subscription);
        if form == Form::Stored {
            self.typed.insert(key);
        }
        Ok(())
    }

    fn form(&self, key: Key) -> Form {
        if self.typed.contains(&key) {
            Form::Stored
        } else {
            Form::Plain
        }
    }

    fn keep(&mut self, key: Key, subscription: Subscription) {
        self.by_subscription.insert(subscription.id(), key);
        self.by_key.insert(key, subscription);
    }

    /// Takes over the results of others at the same moment.
    pub fn adopt(&mut self, other: Self) -> Result<(), PodError> {
        let numbers = self.live.adopt(other.live)?;
        for (key, subscription) in other.by_key {
            if let Some(id) = numbers.get(&subscription.id()) {
                self.keep(key, subscription.with(*id));
            }
        }
        self.typed.extend(other.typed);
        Ok(())
    }

    /// Ends one.
    pub fn remove(&mut self, key: Key) {
        self.typed.remove(&key);
        if let Some(subscription) = self.by_key.remove(&key) {
            self.live.unsubscribe(subscription.id());
            self.by_subscription.remove(&subscription.id());
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
            events.push(match update {
                Update::Rows(diff) => (*key, rows_changed(*key, diff, self.form(*key))),
                Update::Ended(error) => {
                    ended.push(*key);
                    (*key, failed(*key, &error.into()))
                }
            });
        }
        for (subscription, update) in self.live.nested_updates() {
            let Some(key) = self.by_subscription.get(&subscription) else {
                continue;
            };
            events.push(match update {
                NestedUpdate::Objects(diff) => (*key, objects_changed(*key, &diff)),
                NestedUpdate::Ended(error) => {
                    ended.push(*key);
                    (*key, failed(*key, &error.into()))
                }
            });
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

    /// The whole result of one; `None` if there is none of this key.
    pub fn whole(&mut self, key: Key) -> Option<Event> {
        let (columns, rows) = match *self.by_key.get(&key)? {
            Subscription::Rows(id) => {
                let result = self.live.result(id)?;
                let form = self.form(key);
                let rows = result.rows.iter().map(|r| row(r, form)).collect();
                (result.columns, rows)
            }
            Subscription::Objects(id) => {
                let result = self.live.nested_result(id)?;
                let columns = vec!["namespace".into(), "entity".into()];
                (columns, result.objects.iter().map(object).collect())
            }
        };
        Some(Event::Reset {
            id: key.1,
            columns,
            rows,
        })
    }
}

fn rows_changed(key: Key, diff: Diff, form: Form) -> Event {
    Event::Changed {
        id: key.1,
        added: diff.added.iter().map(|r| row(r, form)).collect(),
        changed: diff.changed.iter().map(|r| row(r, form)).collect(),
        removed: diff
            .removed
            .into_iter()
            .map(|id| id.0.to_string())
            .collect(),
    }
}

fn objects_changed(key: Key, diff: &ObjectsDiff) -> Event {
    let removed = diff.removed.iter();
    Event::Changed {
        id: key.1,
        added: diff.added.iter().map(object).collect(),
        changed: diff.changed.iter().map(object).collect(),
        removed: removed.map(|(n, e)| object_key(n, *e)).collect(),
    }
}

fn failed(key: Key, error: &PodError) -> Event {
    Event::Failed {
        id: key.1,
        error: error_json(error),
    }
}

fn row(row: &live::Row, form: Form) -> Row {
    Row {
        key: row.id().0.to_string(),
        cells: match form {
            Form::Plain => row.cells(),
            Form::Stored => row.stored_cells(),
        },
        index: row.index(),
    }
}

fn object(object: &Object) -> Row {
    Row {
        key: object_key(object.namespace(), object.entity()),
        cells: vec![object.namespace().into(), object.object().clone()],
        index: Some(object.index()),
    }
}

/// The identity of an object of a nested result is its namespace and its entity.
fn object_key(namespace: &str, entity: EntityId) -> String {
    format!("{namespace} {entity}")
}
