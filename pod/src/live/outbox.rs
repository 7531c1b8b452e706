//! What waits to be sent to one subscriber.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::Notify;

/// Bytes of changes that may wait for one subscriber.
pub const MAX_WAITING_BYTES: usize = 4 << 20;

/// A row of a live query: the key stays the same as long as the row is in the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its identity.
    pub key: String,
    /// Its cells.
    pub cells: Vec<Json>,
    /// Its place in the result, from 0; `None` if the result has no order.
    pub index: Option<usize>,
}

impl Row {
    /// Roughly its size when sent, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.key.len() + self.cells.iter().map(size).sum::<usize>() + 8
    }
}

/// What a subscriber hears, with the number it gave its subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The whole result: at first, and when changes were lost on the way.
    Reset {
        /// Which subscription.
        id: u64,
        /// Names of the columns.
        columns: Vec<String>,
        /// All rows.
        rows: Vec<Row>,
    },
    /// A change of the result.
    Changed {
        /// Which subscription.
        id: u64,
        /// New rows.
        added: Vec<Row>,
        /// Rows whose cells or place changed.
        changed: Vec<Row>,
        /// Keys of rows that are gone.
        removed: Vec<String>,
    },
    /// States of entities: all of them at first, then those that changed. `null`: it has no tuples.
    Entities {
        /// Which subscription.
        id: u64,
        /// State by id.
        states: Vec<(String, Json)>,
    },
    /// Something about the pod as a whole changed.
    Figures {
        /// Which subscription.
        id: u64,
    },
    /// The query can no longer be answered.
    Failed {
        /// Which subscription.
        id: u64,
        /// Why, as the API says errors.
        error: Json,
    },
}

impl Event {
    fn id(&self) -> u64 {
        match self {
            Self::Reset { id, .. }
            | Self::Changed { id, .. }
            | Self::Entities { id, .. }
            | Self::Figures { id }
            | Self::Failed { id, .. } => *id,
        }
    }

    /// Roughly its size when sent. Whole results count little: they are bounded by the limits of a query, and waiting for one is what
    /// a slow subscriber is meant to do.
    fn weight(&self) -> usize {
        let rows = |rows: &[Row]| rows.iter().map(Row::weight).sum::<usize>();
        64 + match self {
            Self::Reset { .. } | Self::Figures { .. } => 0,
            Self::Changed {
                added,
                changed,
                removed,
                ..
            } => rows(added) + rows(changed) + removed.iter().map(String::len).sum::<usize>(),
            Self::Entities { states, .. } => states
                .iter()
                .map(|(id, state)| id.len() + size(state))
                .sum(),
            Self::Failed { error, .. } => size(error),
        }
    }
}

fn size(json: &Json) -> usize {
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(s) => s.len() + 2,
        Json::Array(a) => a.iter().map(size).sum::<usize>() + a.len(),
        Json::Object(o) => o.iter().map(|(k, v)| k.len() + size(v) + 4).sum(),
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    /// Subscriptions whose changes were dropped; nothing more is queued for them until they are reset.
    stale: BTreeSet<u64>,
    closed: bool,
}

impl Queue {
    fn drop_events_of(&mut self, id: u64) {
        self.events.retain(|event| event.id() != id);
        self.bytes = self.events.iter().map(Event::weight).sum();
    }
}

/// The queue of one session.
#[derive(Clone, Default)]
pub struct Outbox(Arc<(Mutex<Queue>, Notify)>);

/// What to do next for a subscriber.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Send this.
    Event(Event),
    /// Everything is sent; these subscriptions need to be reset.
    Stale(BTreeSet<u64>),
    /// The hub has gone.
    Closed,
}

impl Outbox {
    /// Queues an event, or drops the whole queue if the subscriber is too far behind.
    pub fn push(&self, event: Event) {
        let mut queue = self.0.0.lock();
        let id = event.id();
        match &event {
            Event::Reset { .. } => {
                // what came before it is of no interest any more
                queue.stale.remove(&id);
                queue.drop_events_of(id);
            }
            Event::Failed { .. } => {}
            _ if queue.stale.contains(&id) => return,
            // one notice is as good as many
            Event::Figures { .. } if queue.events.contains(&event) => return,
            _ => {}
        }
        queue.bytes += event.weight();
        queue.events.push_back(event);
        if queue.bytes > MAX_WAITING_BYTES {
            let dropped = std::mem::take(&mut queue.events);
            queue.bytes = 0;
            for event in dropped {
                match event {
                    Event::Failed { .. } => queue.events.push_back(event),
                    event => {
                        queue.stale.insert(event.id());
                    }
                }
            }
        }
        drop(queue);
        self.0.1.notify_one();
    }

    /// Forgets what waits for a subscription that has ended.
    pub fn forget(&self, id: u64) {
        let mut queue = self.0.0.lock();
        queue.drop_events_of(id);
        queue.stale.remove(&id);
    }

    /// Says that nothing more will come.
    pub fn close(&self) {
        self.0.0.lock().closed = true;
        self.0.1.notify_one();
    }

    /// Waits for something to do.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.0.1.notified().await;
        }
    }

    /// What there is to do now.
    pub fn try_next(&self) -> Option<Next> {
        let mut queue = self.0.0.lock();
        if let Some(event) = queue.events.pop_front() {
            queue.bytes = queue.bytes.saturating_sub(event.weight());
            return Some(Next::Event(event));
        }
        if queue.closed {
            return Some(Next::Closed);
        }
        // The marks stay until the resets are queued, so that no change slips in before its reset.
        (!queue.stale.is_empty()).then(|| Next::Stale(queue.stale.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(id: u64, bytes: usize) -> Event {
        Event::Changed {
            id,
            added: vec![Row {
                key: "k".into(),
                cells: vec![Json::from("x".repeat(bytes))],
                index: None,
            }],
            changed: Vec::new(),
            removed: Vec::new(),
        }
    }

    fn reset(id: u64) -> Event {
        Event::Reset {
            id,
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    #[test]
    fn passes_events_on_in_order() {
        let outbox = Outbox::default();
        outbox.push(changed(1, 1));
        outbox.push(changed(2, 1));
        assert_eq!(outbox.try_next(), Some(Next::Event(changed(1, 1))));
        assert_eq!(outbox.try_next(), Some(Next::Event(changed(2, 1))));
        assert_eq!(outbox.try_next(), None);
    }

    #[test]
    fn a_slow_subscriber_gets_resets_and_no_change_before_its_reset() {
        let outbox = Outbox::default();
        for _ in 0..10 {
            outbox.push(changed(1, MAX_WAITING_BYTES / 4));
        }
        outbox.push(changed(2, 1));
        // The queue never held more than its bound, and subscription 2 was not behind.
        assert_eq!(outbox.try_next(), Some(Next::Event(changed(2, 1))));
        assert_eq!(outbox.try_next(), Some(Next::Stale([1].into())));
        outbox.push(changed(1, 1));
        assert_eq!(outbox.try_next(), Some(Next::Stale([1].into())));
        outbox.push(reset(1));
        outbox.push(changed(1, 1));
        assert_eq!(outbox.try_next(), Some(Next::Event(reset(1))));
        assert_eq!(outbox.try_next(), Some(Next::Event(changed(1, 1))));
        assert_eq!(outbox.try_next(), None);
    }

    #[test]
    fn an_ended_subscription_leaves_nothing_behind() {
        let outbox = Outbox::default();
        outbox.push(changed(1, 100));
        outbox.push(changed(2, 100));
        outbox.forget(1);
        assert_eq!(outbox.try_next(), Some(Next::Event(changed(2, 100))));
        outbox.close();
        assert_eq!(outbox.try_next(), Some(Next::Closed));
    }

    #[test]
    fn whole_results_do_not_pile_up() {
        let outbox = Outbox::default();
        outbox.push(changed(1, 100));
        outbox.push(reset(1));
        outbox.push(changed(2, 100));
        outbox.push(reset(1));
        assert_eq!(outbox.try_next(), Some(Next::Event(changed(2, 100))));
        assert_eq!(outbox.try_next(), Some(Next::Event(reset(1))));
        assert_eq!(outbox.try_next(), None);
    }

    #[test]
    fn figures_are_told_once() {
        let outbox = Outbox::default();
        outbox.push(Event::Figures { id: 3 });
        outbox.push(Event::Figures { id: 3 });
        assert_eq!(
            outbox.try_next(),
            Some(Next::Event(Event::Figures { id: 3 }))
        );
        assert_eq!(outbox.try_next(), None);
    }
}
