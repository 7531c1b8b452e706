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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{App, Opening, Pod, PodHome, apps::Scope, json::parse_changes};
    use rhizome_replica::AttributeStats;
    use serde_json::{Value as Json, json};
    use std::{collections::BTreeMap, path::Path};

    /// A pod with ten photos in two albums, and so many secrets that share attributes, values and references with them.
    fn pod(home: &Path, secrets: usize) -> Pod {
        let pod = PodHome::at(home).init(&Opening::by("test")).unwrap();
        let set = |e: &str, a: &str, v: Json| json!({ "assert": { "entity": e, "attribute": a, "value": v } });
        let mut all = Vec::new();
        for i in 0..10 {
            let e = format!("_:photo{i}");
            let album = if i < 7 { "a" } else { "b" };
            all.push(set(&e, "is-photo", true.into()));
            all.push(set(&e, "photo-album", album.into()));
            all.push(set(&e, "photo/title", format!("title {i}").into()));
            all.push(set(&e, "photo/by", json!({ "ref": "_:somebody" })));
        }
        for i in 0..secrets {
            let e = format!("_:secret{i}");
            all.push(set(&e, "is-photo", false.into()));
            all.push(set(&e, "photo/title", format!("title {}", i % 20).into()));
            all.push(set(&e, &format!("secret/{i}"), format!("word {i}").into()));
            all.push(set(&e, "photo/by", json!({ "ref": "_:somebody" })));
        }
        all.push(set("_:somebody", "name", "Ada".into()));
        let changes = parse_changes(&Json::Array(all)).unwrap();
        pod.transact(App::CommandLine, &changes).unwrap();
        pod
    }

    fn grant(predicate: &str) -> AppGrant {
        AppGrant {
            id: "a grant".into(),
            client: "did:key:z".into(),
            name: "an app".into(),
            origin: None,
            scopes: vec![Scope::parse(predicate, "read").unwrap()],
            given_ms: 0,
            until_ms: None,
            revoked_ms: None,
            entity: EntityId::derive("did:key:z", b"grant"),
        }
    }

    /// All that an answer can depend on: names, counts, and how much there is to look through.
    fn shape(now: &Snapshot) -> (u64, u32, BTreeMap<String, AttributeStats>, [u64; 4]) {
        let stats = now
            .attributes()
            .map(|(a, name)| (name.to_owned(), now.attribute_stats(a)));
        let sizes = [
            now.eav().len(),
            now.aev().len(),
            now.ave().len(),
            now.vae().len(),
        ];
        (now.len(), now.entity_count(), stats.collect(), sizes)
    }

    #[test]
    fn what_an_app_is_answered_from_is_the_same_whatever_else_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let shapes = [0, 1, 300].map(|secrets| {
            let pod = pod(&dir.path().join(secrets.to_string()), secrets);
            let view =
                AppView::open(pod.replica(), &grant("is-photo: true && photo-album: a")).unwrap();
            // and after something private and something shared has happened
            let mut all = vec![shape(&view.now().unwrap())];
            let mut say = |entity: &str, more: &[(&str, Json)]| {
                let changes = more.iter().map(
                    |(a, v)| json!({ "assert": { "entity": entity, "attribute": a, "value": v } }),
                );
                let changes = parse_changes(&changes.collect()).unwrap();
                pod.transact(App::CommandLine, &changes).unwrap();
                all.push(shape(&view.now().unwrap()));
            };
            say(
                "_:x",
                &[("diary/of", "today".into()), ("is-photo", false.into())],
            );
            say(
                "_:y",
                &[
                    ("is-photo", true.into()),
                    ("photo-album", "a".into()),
                    ("new/attribute", 5.into()),
                ],
            );
            all
        });
        assert_eq!(shapes[0], shapes[1]);
        assert_eq!(shapes[0], shapes[2]);
        let [before, private, shared] = &shapes[0][..] else {
            panic!()
        };
        // seven photos, and the one that they refer to
        assert_eq!((before.0, before.1), (28, 8));
        assert_eq!(before, private);
        assert!(shared.0 == 31 && shared.2.contains_key("new/attribute"));
    }

    #[test]
    fn what_does_not_reach_the_queue_is_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let pod = pod(dir.path(), 5);
        let view = AppView::open(pod.replica(), &grant("photo-album: b")).unwrap();
        assert_eq!(view.now().unwrap().entities().count(), 3);
        let q = |title: &str| json!([{ "assert": { "entity": "_:e", "attribute": "photo-album", "value": "b" } }, { "assert": { "entity": "_:e", "attribute": "photo/title", "value": title } }]);
        {
            // as long as nobody takes from the queue
            let _work = view.shared.work.lock();
            for n in 0..MAX_PENDING + 10 {
                let changes = parse_changes(&q(&n.to_string())).unwrap();
                pod.transact(App::CommandLine, &changes).unwrap();
            }
            assert!(view.shared.pending.lock().lost);
        }
        assert_eq!(view.now().unwrap().entities().count(), 3 + MAX_PENDING + 10);
        // whoever asks does not depend on the thread that follows for those who listen
        view.shared.pending.lock().closed = true;
        let changes = parse_changes(&q("one more")).unwrap();
        pod.transact(App::CommandLine, &changes).unwrap();
        assert_eq!(view.now().unwrap().entities().count(), 3 + MAX_PENDING + 11);
    }
}
