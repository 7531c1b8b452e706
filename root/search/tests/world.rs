//! A replica whose writes an index follows, as a node would have it.

use std::{cell::Cell, collections::BTreeMap, sync::Arc};

use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_replica::{Author, Change, Edit, Epochs, Replica, Snapshot};
use rhizome_search::{Found, Index, Query, Request, is_prose};
use rhizome_storage::{Durability, Kv, MemoryKv};
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value};

const POD: &str = "did:key:z6MkTestPod";

pub struct World {
    pub kv: Arc<dyn Kv>,
    pub replica: Replica,
    clock: Cell<i64>,
}

fn author() -> Author {
    Author {
        key: SigningKey::from_seed([1; 32]),
    }
}

fn authors() -> BTreeMap<PublicKey, String> {
    [(author().key.public(), "app".to_owned())].into()
}

fn epochs() -> Epochs {
    Epochs::new(vec![EpochSecret::new(&[9; 32])])
}

pub fn entity(n: u64) -> EntityId {
    EntityId::derive(POD, &n.to_be_bytes())
}

pub fn attribute(name: &str) -> Attribute {
    Attribute::new(name).unwrap()
}

pub fn say(n: u64, name: &str, text: &str) -> Edit {
    Edit::Assert(entity(n), attribute(name), Value::from(text))
}

pub fn index() -> Arc<Index> {
    Arc::new(Index::in_memory(is_prose).unwrap())
}

impl World {
    pub fn new() -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let replica = Replica::create(Arc::clone(&kv), POD, [3; 32], epochs(), authors()).unwrap();
        Self {
            kv,
            replica,
            clock: Cell::new(1_000),
        }
    }

    /// The same pod, as another process would find it.
    pub fn again(&self) -> Self {
        let replica = Replica::open(Arc::clone(&self.kv), epochs(), authors()).unwrap();
        Self {
            kv: Arc::clone(&self.kv),
            replica,
            clock: self.clock.clone(),
        }
    }

    pub fn write(&self, edits: Vec<Edit>) {
        let at = self.clock.get() + 10;
        self.clock.set(at);
        let nonce = (at as u128).to_be_bytes();
        self.replica
            .write(&author(), edits, at, nonce, Durability::Durable)
            .unwrap();
    }

    pub fn now(&self) -> Snapshot {
        self.replica.snapshot()
    }

    /// From now on the index hears of every write.
    pub fn tell(&self, index: &Arc<Index>) {
        let index = Arc::downgrade(index);
        self.replica.listen(move |change: &Arc<Change>| {
            if let Some(index) = index.upgrade() {
                follow(&index, change);
            }
        });
    }

    pub fn catch_up(&self, index: &Index) -> rhizome_search::Caught {
        index.catch_up(&|| self.now(), &|| true).unwrap()
    }

    pub fn write_index(&self, index: &Index) -> bool {
        index.write(&|| self.now()).unwrap()
    }

    pub fn search(&self, index: &Index, text: &str) -> Vec<String> {
        marked(&self.found(index, text))
    }

    pub fn found(&self, index: &Index, text: &str) -> Found {
        let query = Query::parse(text).unwrap();
        index
            .search(&Request::new(&query), &self.now(), &|| true)
            .unwrap()
    }
}

fn follow(index: &Index, change: &Change) {
    if change.reset {
        index.reset();
    } else {
        let facts = change.added.iter().chain(&change.removed);
        index.touch(facts.map(|f| f.e), change.after.commit_count());
    }
}

pub fn marked(found: &Found) -> Vec<String> {
    found.hits.iter().map(rhizome_search::Hit::marked).collect()
}
