//! A pod with live nested queries on it, and subscribers that follow the diffs and believe nothing else.

use super::world::Pod;
use rhizome_query::iql::{Names, Query};
use rhizome_query::live::{
    NestedUpdate, Object, ObjectsDiff, Strategy, SubscribedObjects, SubscriptionId,
};
use rhizome_query::{Limits, LiveLimits, LiveSet, QueryError};
use rhizome_replica::{Edit, Snapshot};
use rhizome_tuple::EntityId;
use serde_json::{Value as Json, json};

/// What a subscriber knows.
pub struct Reader {
    pub id: SubscriptionId,
    pub text: Json,
    pub incremental: bool,
    query: Query,
    /// Namespace, entity and object, in order.
    pub objects: Vec<(String, EntityId, Json)>,
}

fn known(o: &Object) -> (String, EntityId, Json) {
    (o.namespace().to_owned(), o.entity(), o.object().clone())
}

impl Reader {
    fn new(text: &Json, query: Query, subscribed: SubscribedObjects) -> Self {
        let at = subscribed.objects.iter().map(Object::index);
        assert!(at.eq(0..subscribed.objects.len()), "{text}");
        Self {
            id: subscribed.id,
            text: text.clone(),
            incremental: subscribed.strategy == Strategy::Incremental,
            query,
            objects: subscribed.objects.iter().map(known).collect(),
        }
    }

    /// Starts with a whole result.
    fn begin(&mut self, subscribed: SubscribedObjects) {
        self.id = subscribed.id;
        self.objects = subscribed.objects.iter().map(known).collect();
    }

    fn take(&mut self, namespace: &str, entity: EntityId) {
        let mut all = self.objects.iter();
        let at = all.position(|o| o.0 == namespace && o.1 == entity);
        let at = at.unwrap_or_else(|| panic!("{namespace} {entity} is unknown\n{}", self.text));
        self.objects.remove(at);
    }

    fn update(&mut self, diff: &ObjectsDiff) {
        assert!(!diff.is_empty(), "an empty update\n{}", self.text);
        for (namespace, entity) in &diff.removed {
            let mut added = diff.added.iter();
            let back = added.any(|o| o.namespace() == &**namespace && o.entity() == *entity);
            assert!(!back, "{entity} goes and comes\n{}", self.text);
            self.take(namespace, *entity);
        }
        for o in &diff.changed {
            self.take(o.namespace(), o.entity());
        }
        let mut back: Vec<&Object> = diff.added.iter().chain(&diff.changed).collect();
        back.sort_by_key(|o| o.index());
        for o in back {
            let (namespace, entity, _) = known(o);
            let mut all = self.objects.iter();
            assert!(
                all.all(|o| o.0 != namespace || o.1 != entity),
                "{entity} twice\n{}",
                self.text
            );
            self.objects.insert(o.index(), known(o));
        }
    }

    /// Compares with a fresh run; an error of it is given back.
    fn check(&self, now: &Snapshot) -> Result<(), QueryError> {
        let fresh = fresh(&self.query, now)?;
        let objects = self.objects.iter();
        let shown: Vec<Json> = objects.map(|(n, _, o)| json!([n, o])).collect();
        assert_eq!(shown, fresh, "{}", self.text);
        Ok(())
    }
}

/// The answer as pairs of namespace and object.
fn fresh(query: &Query, now: &Snapshot) -> Result<Vec<Json>, QueryError> {
    let answer = query.run(now, &Names::default(), &Limits::default())?;
    let all = answer.as_object().expect("an object").iter();
    Ok(all
        .flat_map(|(namespace, objects)| {
            let objects = objects.as_array().expect("an array").iter();
            objects.map(move |o| json!([namespace, o]))
        })
        .collect())
}

/// What an update amounts to.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
}

/// A pod, live nested queries on it, and their readers.
pub struct Scenery {
    pub pod: Pod,
    pub live: LiveSet,
    pub readers: Vec<Reader>,
    /// Readers whose queries are still evaluated in a set of their own.
    apart: Vec<(LiveSet, Reader)>,
    /// Everything the last commit told, in sum.
    pub told: Told,
    /// Queries that a commit made meaningless.
    pub ended: usize,
}

impl Scenery {
    pub fn new() -> Self {
        let pod = Pod::new(1);
        let live = LiveSet::new(&pod.replica.snapshot(), LiveLimits::default());
        Self {
            pod,
            live,
            readers: Vec::new(),
            apart: Vec::new(),
            told: Told::default(),
            ended: 0,
        }
    }

    /// Subscribes; the number of the reader.
    pub fn subscribe(&mut self, text: &Json) -> Result<usize, QueryError> {
        let query = Query::from_json(text, &Limits::default())?;
        let asked = self.live.len();
        let subscribed = self
            .live
            .subscribe_nested(&query, &Names::default(), &Limits::default());
        let now = self.pod.replica.snapshot();
        let subscribed = match (subscribed, fresh(&query, &now)) {
            (Ok(subscribed), Ok(_)) => subscribed,
            (Err(live), Err(once)) => {
                assert_eq!(live.to_string(), once.to_string(), "{text}");
                assert_eq!(self.live.len(), asked);
                return Err(live);
            }
            (live, once) => panic!("{live:?}\n{once:?}\n{text}"),
        };
        let reader = Reader::new(text, query, subscribed);
        reader.check(&now)?;
        self.readers.push(reader);
        Ok(self.readers.len() - 1)
    }

    pub fn unsubscribe(&mut self, reader: usize) {
        let gone = self.readers.swap_remove(reader);
        assert!(self.live.unsubscribe(gone.id));
        assert!(!self.live.unsubscribe(gone.id));
    }

    /// The last reader subscribes again, in a set of its own that is adopted after the next commit.
    pub fn set_apart(&mut self) {
        let mut reader = self.readers.pop().expect("a reader");
        assert!(self.live.unsubscribe(reader.id));
        let mut apart = LiveSet::new(self.live.snapshot(), LiveLimits::default());
        let limits = Limits::default();
        let subscribed = apart.subscribe_nested(&reader.query, &Names::default(), &limits);
        reader.begin(subscribed.expect("as before"));
        self.apart.push((apart, reader));
    }

    /// Takes in what happened and compares everything with a fresh run. Returns how many updates there were.
    pub fn check(&mut self) -> usize {
        let mut count = 0;
        self.told = Told::default();
        let mut ended: Vec<(SubscriptionId, QueryError)> = Vec::new();
        for change in self.pod.changes() {
            for (apart, reader) in &mut self.apart {
                assert!(apart.apply(&change).is_empty());
                for (id, _) in apart.nested_updates() {
                    assert_eq!(id, reader.id);
                }
            }
            assert!(self.live.apply(&change).is_empty());
            for (id, update) in self.live.nested_updates() {
                count += 1;
                match update {
                    NestedUpdate::Ended(e) => ended.push((id, e)),
                    NestedUpdate::Objects(diff) => {
                        self.told.added += diff.added.len();
                        self.told.changed += diff.changed.len();
                        self.told.removed += diff.removed.len();
                        let reader = self.readers.iter_mut().find(|f| f.id == id);
                        reader.expect("a subscriber").update(&diff);
                    }
                }
            }
        }
        for (apart, mut reader) in std::mem::take(&mut self.apart) {
            if apart.is_empty() {
                // it has ended
                assert!(reader.check(apart.snapshot()).is_err(), "{}", reader.text);
                continue;
            }
            let numbers = self.live.adopt(apart).expect("a set at the same moment");
            let result = self.live.nested_result(numbers[&reader.id]);
            reader.begin(result.expect("a result"));
            self.readers.push(reader);
        }
        let now = self.pod.replica.snapshot();
        let readers = std::mem::take(&mut self.readers);
        for reader in readers {
            let why = ended.iter().find(|(id, _)| *id == reader.id);
            match (reader.check(&now), why) {
                (Ok(()), None) => self.readers.push(reader),
                (Err(e), Some((_, why))) if e.to_string() == why.to_string() => self.ended += 1,
                (result, why) => panic!("{result:?}\n{why:?}\n{}", reader.text),
            }
        }
        assert_eq!(self.live.len(), self.readers.len());
        count
    }

    /// Commits edits and checks.
    pub fn write(&mut self, edits: Vec<Edit>) -> usize {
        self.pod.write(1, edits);
        self.check()
    }

    /// The entities that a reader sees, in order.
    pub fn seen(&self, reader: usize) -> Vec<EntityId> {
        self.readers[reader].objects.iter().map(|o| o.1).collect()
    }
}
