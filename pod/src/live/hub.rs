use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use rhizome_replica::{Change, Snapshot};
use rhizome_tuple::EntityId;
use serde_json::Value as Json;

use super::{
    entities::{Watched, states},
    outbox::{Event, Outbox},
    queries::{Form, Queries},
    source::Source,
};
use crate::{PodError, query::Compiled};

/// Subscriptions of one session.
const MAX_SUBSCRIPTIONS: usize = 256;
/// Entities of one subscription.
pub(crate) const MAX_ENTITIES: usize = 1_000;
/// Changes that may wait for the hub; beyond that it computes everything anew.
const MAX_PENDING: usize = 256;
/// So often does a new subscription catch up apart; what changed after that it catches up with while the hub waits.
const CATCH_UPS: usize = 8;
/// At most so often is a session told that figures changed.
const FIGURES_EVERY: Duration = Duration::from_millis(250);

/// A subscription: the session's number and the number it gave.
pub(super) type Key = (u64, u64);

/// Why a subscription was refused.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// One more than a session may have.
    #[error(
        "a connection may have {MAX_SUBSCRIPTIONS} subscriptions: end some, or open another connection"
    )]
    TooMany,
    /// One more entity than a subscription may watch.
    #[error("a subscription may watch {MAX_ENTITIES} entities: split it")]
    TooManyEntities,
    /// The number is in use.
    #[error("there is a subscription {0} already")]
    Taken(u64),
    /// The query was refused.
    #[error(transparent)]
    Pod(#[from] PodError),
}

/// Fans changes out to subscribers.
pub struct Hub {
    shared: Arc<Shared>,
    source: Arc<dyn Source>,
    listener: u64,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    state: Mutex<State>,
    sessions: AtomicU64,
}

#[derive(Default)]
struct Pending {
    changes: VecDeque<Arc<Change>>,
    /// The queue overflowed: whoever keeps results must compute them anew.
    lost: bool,
    figures: bool,
    closed: bool,
}

struct State {
    /// The moment up to which subscribers were told.
    now: Snapshot,
    outboxes: HashMap<u64, Outbox>,
    watched: Watched,
    queries: Queries,
    /// Changes since the moment at which queries are evaluated that will be subscribed to.
    joining: HashMap<Key, Vec<Arc<Change>>>,
    figures: BTreeSet<Key>,
    numbers: HashMap<u64, BTreeSet<u64>>,
}

impl Hub {
    pub(crate) fn start(source: Arc<dyn Source>) -> Result<Self, PodError> {
        let now = source.snapshot();
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            wake: Condvar::new(),
            state: Mutex::new(State {
                now: now.clone(),
                outboxes: HashMap::new(),
                watched: Watched::default(),
                queries: Queries::new(&now),
                joining: HashMap::new(),
                figures: BTreeSet::new(),
                numbers: HashMap::new(),
            }),
            sessions: AtomicU64::new(0),
        });
        let to: Weak<Shared> = Arc::downgrade(&shared);
        let (listener, now) = source.listen(Box::new(move |change| {
            if let Some(shared) = to.upgrade() {
                shared.take(change);
            }
        }));
        {
            let mut state = shared.state.lock();
            state.queries = Queries::new(&now);
            state.now = now;
        }
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("live".into())
            .spawn(move || worker.run())
            .map_err(|error| {
                PodError::file(std::path::Path::new("a thread for live queries"), error)
            })?;
        Ok(Self {
            shared,
            source,
            listener,
            thread: Some(thread),
        })
    }

    /// A new subscriber.
    pub fn session(&self) -> Session {
        self.session_into(Outbox::default())
    }

    /// A new subscriber that shares the outbox of one of another hub. Their numbers are to be different.
    pub(crate) fn session_into(&self, outbox: Outbox) -> Session {
        let number = self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        let mut state = self.shared.state.lock();
        state.outboxes.insert(number, outbox.clone());
        state.numbers.insert(number, BTreeSet::new());
        Session {
            shared: Arc::clone(&self.shared),
            number,
            outbox,
        }
    }

    /// How many subscriptions there are.
    pub(crate) fn subscriptions(&self) -> usize {
        let state = self.shared.state.lock();
        state.numbers.values().map(BTreeSet::len).sum()
    }

    pub(crate) fn figures_changed(&self) {
        self.shared.pending.lock().figures = true;
        self.shared.wake.notify_one();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.source.unlisten(self.listener);
        self.shared.pending.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // a panic there has been reported already; there is nothing to add here
            let _ = thread.join();
        }
        for outbox in self.shared.state.lock().outboxes.values() {
            outbox.close();
        }
    }
}

impl Shared {
    /// Called within a write: only queues.
    fn take(&self, change: &Arc<Change>) {
        let mut pending = self.pending.lock();
        if pending.changes.len() >= MAX_PENDING {
            pending.changes.clear();
            pending.lost = true;
        }
        pending.changes.push_back(Arc::clone(change));
        drop(pending);
        self.wake.notify_one();
    }

    fn run(&self) {
        let mut figures_due = false;
        let mut figures_told = Instant::now()
            .checked_sub(FIGURES_EVERY)
            .unwrap_or_else(Instant::now);
        loop {
            let (changes, lost) = {
                let mut pending = self.pending.lock();
                while pending.changes.is_empty() && !pending.figures && !pending.closed {
                    if !figures_due {
                        self.wake.wait(&mut pending);
                    } else if self
                        .wake
                        .wait_until(&mut pending, figures_told + FIGURES_EVERY)
                        .timed_out()
                    {
                        break;
                    }
                }
                if pending.closed {
                    return;
                }
                figures_due |= !pending.changes.is_empty() || pending.figures;
                pending.figures = false;
                (
                    std::mem::take(&mut pending.changes),
                    std::mem::take(&mut pending.lost),
                )
            };
            let mut lost = lost;
            for change in changes {
                let mut state = self.state.lock();
                if change.reset || std::mem::take(&mut lost) {
                    state.start_over(&change);
                } else {
                    state.tell(&change);
                }
            }
            if figures_due && figures_told.elapsed() >= FIGURES_EVERY {
                figures_due = false;
                figures_told = Instant::now();
                self.state.lock().tell_figures();
            }
        }
    }
}

impl State {
    fn push(&self, key: Key, event: Event) {
        if let Some(outbox) = self.outboxes.get(&key.0) {
            outbox.push(event);
        }
    }

    /// Keeps a change for those who are not here yet. `lost`: there were others before it.
    fn remember(&mut self, change: &Arc<Change>, lost: bool) {
        for missed in self.joining.values_mut() {
            if lost || change.reset || missed.len() >= MAX_PENDING {
                missed.clear();
                missed.push(Arc::new(Change {
                    before: change.before.clone(),
                    after: change.after.clone(),
                    added: Vec::new(),
                    removed: Vec::new(),
                    lists: Vec::new(),
                    reset: true,
                }));
            } else {
                missed.push(Arc::clone(change));
            }
        }
    }

    /// One change, to those whom it concerns.
    fn tell(&mut self, change: &Arc<Change>) {
        self.remember(change, false);
        self.now = change.after.clone();
        for (key, entities) in self.watched.touched(change) {
            self.send_states(key, &entities);
        }
        for (key, event) in self.queries.apply(change) {
            self.push(key, event);
        }
    }

    /// Changes were lost: every result as it is now.
    fn start_over(&mut self, change: &Arc<Change>) {
        self.remember(change, true);
        self.now = change.after.clone();
        for key in self.watched.keys().collect::<Vec<_>>() {
            self.send_all_states(key);
        }
        for (key, event) in self.queries.start_over(change) {
            self.push(key, event);
        }
    }

    fn send_all_states(&self, key: Key) {
        self.send_states(key, self.watched.of(key));
    }

    fn send_states(&self, key: Key, entities: &[EntityId]) {
        let id = key.1;
        let event = match states(&self.now, entities) {
            Ok(states) => Event::Entities { id, states },
            Err(error) => Event::Failed {
                id,
                error: crate::http::error_json(&error),
            },
        };
        self.push(key, event);
    }

    fn tell_figures(&self) {
        for key in &self.figures {
            self.push(*key, Event::Figures { id: key.1 });
        }
    }

    fn claim(&mut self, key: Key) -> Result<(), SubscribeError> {
        let numbers = self.numbers.entry(key.0).or_default();
        if numbers.len() >= MAX_SUBSCRIPTIONS {
            return Err(SubscribeError::TooMany);
        }
        if !numbers.insert(key.1) {
            return Err(SubscribeError::Taken(key.1));
        }
        Ok(())
    }

    /// Sends the first result, or gives the number back.
    fn begin(&mut self, key: Key, subscribed: Result<(), PodError>) -> Result<(), SubscribeError> {
        if let Err(error) = subscribed {
            self.end(key);
            return Err(error.into());
        }
        if let Some(event) = self.queries.whole(key) {
            self.push(key, event);
        }
        Ok(())
    }

    fn end(&mut self, key: Key) {
        self.watched.unwatch(key);
        self.queries.remove(key);
        self.joining.remove(&key);
        self.figures.remove(&key);
        if let Some(numbers) = self.numbers.get_mut(&key.0) {
            numbers.remove(&key.1);
        }
        if let Some(outbox) = self.outboxes.get(&key.0) {
            outbox.forget(key.1);
        }
    }
}

/// One subscriber. Its subscriptions end when it is dropped.
pub struct Session {
    shared: Arc<Shared>,
    number: u64,
    outbox: Outbox,
}

impl Session {
    /// What waits to be sent.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Subscribes to a query. The whole result comes as the first event. Its first evaluation holds up nobody else: it happens apart,
    /// and then catches up with what changed meanwhile.
    pub fn subscribe(&self, id: u64, q: &Json, inputs: &[Json]) -> Result<(), SubscribeError> {
        self.subscribe_in(Form::Plain, id, q, inputs)
    }

    /// As [`Self::subscribe`], with values in this form.
    pub fn subscribe_in(
        &self,
        form: Form,
        id: u64,
        q: &Json,
        inputs: &[Json],
    ) -> Result<(), SubscribeError> {
        let key = (self.number, id);
        let query = Compiled::new(q, inputs)?;
        let mut apart = {
            let mut state = self.shared.state.lock();
            state.claim(key)?;
            if state.queries.holds(&query) {
                let subscribed = state.queries.subscribe(key, &query, form);
                return state.begin(key, subscribed);
            }
            state.joining.insert(key, Vec::new());
            Queries::new(state.queries.now())
        };
        let mut subscribed = apart.subscribe(key, &query, form);
        for round in 0.. {
            let mut state = self.shared.state.lock();
            let Some(missed) = state.joining.get_mut(&key).map(std::mem::take) else {
                // it was ended before it began
                return Ok(());
            };
            if missed.is_empty() || subscribed.is_err() || round == CATCH_UPS {
                state.joining.remove(&key);
                for change in &missed {
                    apart.apply(change);
                }
                if apart.is_empty() && subscribed.is_ok() {
                    // it meant something at first, and no longer: the reason is that of a fresh one
                    subscribed = state.queries.subscribe(key, &query, form);
                } else if subscribed.is_ok() {
                    subscribed = state.queries.adopt(apart);
                }
                return state.begin(key, subscribed);
            }
            drop(state);
            for change in &missed {
                apart.apply(change);
            }
        }
        Ok(())
    }

    /// Subscribes to the states of entities.
    pub fn watch(&self, id: u64, entities: Vec<EntityId>) -> Result<(), SubscribeError> {
        if entities.len() > MAX_ENTITIES {
            return Err(SubscribeError::TooManyEntities);
        }
        let key = (self.number, id);
        let mut state = self.shared.state.lock();
        state.claim(key)?;
        state.watched.watch(key, entities);
        state.send_all_states(key);
        Ok(())
    }

    /// Subscribes to the news that figures of the pod changed.
    pub fn watch_figures(&self, id: u64) -> Result<(), SubscribeError> {
        let key = (self.number, id);
        let mut state = self.shared.state.lock();
        state.claim(key)?;
        state.figures.insert(key);
        state.push(key, Event::Figures { id });
        Ok(())
    }

    /// Whether there is a subscription of this number.
    pub(crate) fn has(&self, id: u64) -> bool {
        let state = self.shared.state.lock();
        let own = state.numbers.get(&self.number);
        own.is_some_and(|own| own.contains(&id))
    }

    /// Ends a subscription; nothing more is heard of it.
    pub fn unsubscribe(&self, id: u64) {
        self.shared.state.lock().end((self.number, id));
    }

    /// Queues whole results for subscriptions that missed changes.
    pub fn reset(&self, stale: &BTreeSet<u64>) {
        let mut state = self.shared.state.lock();
        for id in stale {
            let key = (self.number, *id);
            if let Some(event) = state.queries.whole(key) {
                state.push(key, event);
            } else {
                self.outbox.forget(*id);
                if state.figures.contains(&key) {
                    state.push(key, Event::Figures { id: *id });
                } else {
                    state.send_all_states(key);
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        for id in state.numbers.remove(&self.number).unwrap_or_default() {
            state.end((self.number, id));
        }
        state.outboxes.remove(&self.number);
    }
}
