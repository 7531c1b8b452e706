//! What an app sees.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    thread,
};

use parking_lot::{Condvar, Mutex};
use rhizome_ipld::Cid;
use rhizome_replica::{Change, Mirror, Replica, Said, Snapshot, Spoken, key};
use rhizome_share::Predicate;
use rhizome_tuple::{Attribute, EntityId, Value};
use rhizome_view::{holds, is_private, matching, values};
use tokio::sync::watch;

use super::AppGrant;
use crate::{PodError, home::random_bytes, live::Hub};

/// Changes that may wait; beyond, everything is looked at.
const MAX_PENDING: usize = 1024;
/// Entities that are said at once.
const AT_ONCE: usize = 4096;

/// The entities that match what an app was given, in memory, always as the pod says them: queries, live queries, counts and files are answered from this and from nothing else.
pub(crate) struct AppView {
    shared: Arc<Shared>,
    hub: Hub,
    thread: Option<thread::JoinHandle<()>>,
    _listening: Listening,
}

/// Ends a listener.
struct Listening {
    replica: Arc<Replica>,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.replica.unlisten(self.number);
    }
}

struct Shared {
    replica: Arc<Replica>,
    grant: AppGrant,
    mirror: Arc<Mirror>,
    pending: Mutex<Pending>,
    wake: Condvar,
    /// Held by whoever brings the mirror up to date.
    work: Mutex<()>,
    /// Turns true when the app was sent away.
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct Pending {
    changes: Vec<Arc<Change>>,
    lost: bool,
    closed: bool,
}

impl AppView {
    /// Reads all that matches.
    pub fn open(replica: &Arc<Replica>, grant: &AppGrant) -> Result<Self, PodError> {
        let mut salt = [0; 32];
        random_bytes()?(&mut salt);
        let mirror = Arc::new(Mirror::new(salt));
        let shared = Arc::new(Shared {
            replica: Arc::clone(replica),
            grant: grant.clone(),
            mirror: Arc::clone(&mirror),
            pending: Mutex::default(),
            wake: Condvar::new(),
            work: Mutex::default(),
            over: watch::Sender::new(false),
        });
        let to: Weak<Shared> = Arc::downgrade(&shared);
        let (number, _) = replica.listen(move |change| {
            if let Some(shared) = to.upgrade() {
                shared.take(change);
            }
        });
        let listening = Listening {
            replica: Arc::clone(replica),
            number,
        };
        shared.say_all()?;
        let hub = Hub::start(mirror)?;
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("app".into())
            .spawn(move || worker.run())
            .map_err(|error| PodError::file(std::path::Path::new("a thread for an app"), error))?;
        Ok(Self {
            shared,
            hub,
            thread: Some(thread),
            _listening: listening,
        })
    }

    /// This moment: nothing that was committed before is missing, and nothing is there that no longer matches.
    pub fn now(&self) -> Result<Snapshot, PodError> {
        self.shared.catch_up()?;
        Ok(self.shared.mirror.snapshot())
    }

    /// Live queries and live entities.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Turns true when the app was sent away.
    pub fn over(&self) -> watch::Receiver<bool> {
        self.shared.over.subscribe()
    }

    /// Ends all that goes on.
    pub fn send_away(&self) {
        self.shared.over.send_replace(true);
    }
}

impl Drop for AppView {
    fn drop(&mut self) {
        self.shared.pending.lock().closed = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // a panic there has been reported already
            let _ = thread.join();
        }
    }
}

/// Whether a file is named by a tuple.
pub(super) fn names_blob(now: &Snapshot, cid: &Cid) -> bool {
    let Some(word) = now.word(&Value::Blob(*cid)) else {
        return false;
    };
    now.attributes().any(|(a, _)| {
        let (lo, hi) = key::ave_av(a, word);
        now.ave().count(lo, hi) > 0
    })
}

/// What an app is told of an entity: its values, if it matches one of these.
fn said(now: &Snapshot, predicates: &[&Predicate], entity: EntityId) -> Said {
    let mut out = Said {
        entity,
        values: Vec::new(),
    };
    let Some(e) = now.eid(&entity) else {
        return out;
    };
    let all = values(now, e);
    if !predicates.iter().any(|predicate| holds(predicate, &all)) {
        return out;
    }
    let mut last: Option<(Attribute, Vec<Value>)> = None;
    let mut take = |attribute: Attribute, values: Vec<Value>| {
        if is_private(attribute.as_str()) {
            return;
        }
        let order = now.aid(attribute.as_str()).and_then(|a| now.list(e, a));
        let spoken = match order {
            Some(words) => Spoken::List(words.into_iter().filter_map(|w| now.value(w)).collect()),
            None => Spoken::Values(values),
        };
        out.values.push((attribute, spoken));
    };
    // they come attribute by attribute
    for (attribute, value) in all {
        match &mut last {
            Some((same, values)) if *same == attribute => values.push(value),
            _ => {
                if let Some((attribute, values)) = last.replace((attribute, vec![value])) {
                    take(attribute, values);
                }
            }
        }
    }
    if let Some((attribute, values)) = last {
        take(attribute, values);
    }
    out
}

/// Entities of which something was said.
fn touched(change: &Change) -> BTreeSet<EntityId> {
    let facts = change.added.iter().chain(&change.removed).map(|f| f.e);
    let all: BTreeSet<_> = facts.chain(change.lists.iter().map(|l| l.0)).collect();
    all.into_iter()
        .filter_map(|e| change.after.entity_id(e))
        .collect()
}

impl Shared {
    /// Called within a write: only queues.
    fn take(&self, change: &Arc<Change>) {
        let mut pending = self.pending.lock();
        if pending.changes.len() >= MAX_PENDING || change.reset {
            pending.changes.clear();
            pending.lost = true;
        } else if !pending.lost {
            pending.changes.push(Arc::clone(change));
        }
        drop(pending);
        self.wake.notify_one();
    }

    fn run(&self) {
        loop {
            {
                let mut pending = self.pending.lock();
                while pending.changes.is_empty() && !pending.lost && !pending.closed {
                    self.wake.wait(&mut pending);
                }
                if pending.closed {
                    return;
                }
            }
            if let Err(error) = self.catch_up() {
                tracing::warn!(%error, app = %self.grant.name, "what an app sees is not up to date");
                // it says nothing that is not so any more, and is read anew with the next question
                self.pending.lock().lost = true;
                self.send_away();
                return;
            }
        }
    }

    fn send_away(&self) {
        self.over.send_replace(true);
    }

    fn predicates(&self) -> Vec<&Predicate> {
        self.grant.scopes.iter().map(|s| &s.predicate).collect()
    }

    /// Brings the mirror up to all that was committed before.
    fn catch_up(&self) -> Result<(), PodError> {
        let _alone = self.work.lock();
        let (changes, lost) = {
            let mut pending = self.pending.lock();
            (
                std::mem::take(&mut pending.changes),
                std::mem::take(&mut pending.lost),
            )
        };
        if lost {
            return self.all();
        }
        if changes.is_empty() {
            return Ok(());
        }
        let all: BTreeSet<EntityId> = changes.iter().flat_map(|change| touched(change)).collect();
        // as it is by now: what was said since then comes again, and says the same
        let now = self.replica.snapshot();
        if all.contains(&self.grant.entity) {
            self.look_at_grant(&now);
        }
        self.say(&now, all)
    }

    fn look_at_grant(&self, now: &Snapshot) {
        let grant = AppGrant::read(now, self.grant.entity);
        if !grant.is_some_and(|grant| grant.is_good()) {
            self.send_away();
        }
    }

    fn say_all(&self) -> Result<(), PodError> {
        let _alone = self.work.lock();
        self.all()
    }

    fn all(&self) -> Result<(), PodError> {
        let now = self.replica.snapshot();
        self.look_at_grant(&now);
        let there = self.mirror.snapshot();
        let mut all: BTreeSet<EntityId> = there
            .eav()
            .range(0, u128::MAX)
            .map(|k| key::un_eav(k).e)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter_map(|e| there.entity_id(e))
            .collect();
        for predicate in self.predicates() {
            all.extend(matching(&now, predicate)?);
        }
        self.say(&now, all)
    }

    fn say(&self, now: &Snapshot, entities: BTreeSet<EntityId>) -> Result<(), PodError> {
        let predicates = self.predicates();
        let mut entities = entities.into_iter().peekable();
        while entities.peek().is_some() {
            let part = entities.by_ref().take(AT_ONCE);
            let part: Vec<Said> = part.map(|id| said(now, &predicates, id)).collect();
            now.fault()?;
            self.mirror.say(&part)?;
        }
        Ok(())
    }
}
