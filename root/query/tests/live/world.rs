//! A pod with live queries on it.

use super::follow::Follower;
use crate::generate::data::entity;
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_query::{Input, Limits, LiveLimits, LiveSet, Prepared};
use rhizome_replica::{Author, Change, Edit, Epochs, Record, Replica};
use rhizome_storage::{Durability, MemoryKv};
use rhizome_tuple::{Attribute, EpochSecret, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const POD: &str = "did:key:z6MkTestPod";

fn author(n: u8) -> Author {
    Author {
        key: SigningKey::from_seed([n; 32]),
    }
}

/// A replica in memory that hands out its changes.
pub struct Pod {
    pub replica: Replica,
    changes: Arc<Mutex<Vec<Arc<Change>>>>,
    clock: i64,
    nonce: u128,
}

impl Pod {
    pub fn new(salt: u8) -> Self {
        let authors: BTreeMap<PublicKey, String> = (1..=4)
            .map(|n| (author(n).key.public(), format!("app-{n}")))
            .collect();
        let epochs = Epochs::new(vec![EpochSecret::new(&[9; 32])]);
        let kv = Arc::new(MemoryKv::new());
        let replica = Replica::create(kv, POD, [salt; 32], epochs, authors).expect("a new replica");
        let changes: Arc<Mutex<Vec<Arc<Change>>>> = Arc::default();
        let heard = changes.clone();
        replica.listen(move |c| heard.lock().expect("one thread").push(c.clone()));
        Self {
            replica,
            changes,
            clock: 1000,
            nonce: u128::from(salt) << 64,
        }
    }

    /// Commits edits of an author.
    pub fn write(&mut self, who: u8, edits: Vec<Edit>) {
        self.clock += 10;
        self.nonce += 1;
        let nonce = self.nonce.to_be_bytes();
        self.replica
            .write(&author(who), edits, self.clock, nonce, Durability::Relaxed)
            .expect("the write is taken");
    }

    /// What happened since the last call.
    pub fn changes(&self) -> Vec<Arc<Change>> {
        std::mem::take(&mut *self.changes.lock().expect("one thread"))
    }

    /// Every commit.
    pub fn records(&self) -> Vec<Record> {
        self.replica
            .missing(&BTreeMap::new(), usize::MAX)
            .expect("the log can be read")
    }
}

pub fn attribute(name: &str) -> Attribute {
    Attribute::new(name).expect("a name")
}

/// The first value of an attribute of entity `e` becomes `v`.
pub fn assert(e: usize, a: &str, v: impl Into<Value>) -> Edit {
    Edit::Assert(entity(e), attribute(a), v.into())
}

pub fn insert(e: usize, a: &str, v: impl Into<Value>) -> Edit {
    Edit::Insert(entity(e), attribute(a), v.into())
}

pub fn retract(e: usize, a: &str) -> Edit {
    Edit::Retract(entity(e), attribute(a), None)
}

pub fn remove(e: usize, a: &str, v: impl Into<Value>) -> Edit {
    Edit::Retract(entity(e), attribute(a), Some(v.into()))
}

pub fn to(e: usize) -> Value {
    Value::Ref(entity(e))
}

/// A pod, live queries on it, and what their subscribers know.
pub struct World {
    pub pod: Pod,
    pub live: LiveSet,
    pub followers: Vec<Follower>,
    /// Subscribers whose queries are still evaluated in a set of their own.
    apart: Vec<(LiveSet, Follower)>,
}

impl World {
    pub fn new() -> Self {
        let pod = Pod::new(1);
        let live = LiveSet::new(&pod.replica.snapshot(), LiveLimits::default());
        Self {
            pod,
            live,
            followers: Vec::new(),
            apart: Vec::new(),
        }
    }

    /// Subscribes; the number of the follower.
    pub fn subscribe(&mut self, text: &str, rules: Option<&str>, inputs: &[Input]) -> usize {
        let query = Prepared::with(text, rules, &Limits::default())
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        let subscribed = self
            .live
            .subscribe(&query, inputs)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        self.followers
            .push(Follower::new(text, query, inputs, subscribed));
        self.followers.len() - 1
    }

    pub fn unsubscribe(&mut self, follower: usize) {
        let gone = self.followers.swap_remove(follower);
        assert!(self.live.unsubscribe(gone.id));
        assert!(!self.live.unsubscribe(gone.id));
    }

    /// The last follower subscribes again, in a set of its own that is adopted after the next commit.
    pub fn set_apart(&mut self) {
        let mut follower = self.followers.pop().expect("a follower");
        assert!(self.live.unsubscribe(follower.id));
        let mut apart = LiveSet::new(self.live.snapshot(), LiveLimits::default());
        follower.subscribe(&mut apart);
        self.apart.push((apart, follower));
    }

    /// Takes in what happened and compares everything with a fresh run. Returns how many updates there were.
    pub fn check(&mut self) -> usize {
        let mut count = 0;
        for change in self.pod.changes() {
            for (apart, _) in &mut self.apart {
                apart.apply(&change);
            }
            for (id, update) in self.live.apply(&change) {
                count += 1;
                let follower = self.followers.iter_mut().find(|f| f.id == id);
                follower.expect("a subscriber").update(&update);
            }
        }
        for (apart, mut follower) in std::mem::take(&mut self.apart) {
            let numbers = self.live.adopt(apart).expect("a set at the same moment");
            let result = self.live.result(numbers[&follower.id]);
            follower.begin(result.expect("a result"));
            self.followers.push(follower);
        }
        let now = self.pod.replica.snapshot();
        self.followers.iter_mut().for_each(|f| f.check(&now));
        count
    }

    /// Commits edits and checks.
    pub fn write(&mut self, edits: Vec<Edit>) -> usize {
        self.pod.write(1, edits);
        self.check()
    }
}
