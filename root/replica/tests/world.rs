//! Replicas and authors for tests.

use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_replica::{Author, Authors, Edit, Epochs, Replica, Snapshot, Standing, Voice, Written};
use rhizome_storage::{Durability, Kv, MemoryKv};
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value};
use std::{cell::Cell, collections::BTreeMap, sync::Arc};

pub const POD: &str = "did:key:z6MkTestPod";

pub fn author(n: u8) -> Author {
    Author {
        key: SigningKey::from_seed([n; 32]),
    }
}

/// The author who is a guest.
pub const GUEST: u8 = 21;
/// The one who only leaves notes.
pub const SILENT: u8 = 22;

pub fn authors() -> Authors {
    let standing = |n| match Standing::active(format!("app-{n}")) {
        standing if n == GUEST => standing.with(Voice::Guest),
        standing if n == SILENT => standing.with(Voice::Silent),
        standing => standing,
    };
    (1..=8)
        .chain([GUEST, SILENT])
        .map(|n| (author(n).key.public(), standing(n)))
        .collect()
}

pub fn voice(key: &PublicKey) -> Voice {
    authors().get(key).map(|s| s.voice).unwrap_or_default()
}

pub fn epoch() -> EpochSecret {
    EpochSecret::new(&[9; 32])
}

pub fn epochs() -> Epochs {
    Epochs::new(vec![epoch()])
}

pub fn entity(n: u64) -> EntityId {
    EntityId::derive(POD, &n.to_be_bytes())
}

pub fn attr(name: &str) -> Attribute {
    Attribute::new(name).unwrap()
}

pub fn open(kv: &Arc<dyn Kv>) -> Replica {
    Replica::open(kv.clone(), epochs(), authors()).unwrap()
}

pub fn fresh() -> (Arc<dyn Kv>, Replica) {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let replica = Replica::create(kv.clone(), POD, [3; 32], epochs(), authors()).unwrap();
    (kv, replica)
}

thread_local!(static NONCE: Cell<u64> = const { Cell::new(0) });

pub fn nonce() -> [u8; 16] {
    NONCE.with(|n| {
        n.set(n.get() + 1);
        (n.get() as u128).to_be_bytes()
    })
}

pub fn write(replica: &Replica, who: u8, at: i64, edits: Vec<Edit>) -> Written {
    replica
        .write(&author(who), edits, at, nonce(), Durability::Durable)
        .unwrap()
}

/// All values of (entity, attribute).
pub fn values(s: &Snapshot, e: EntityId, a: &str) -> Vec<Value> {
    let (Some(e), Some(a)) = (s.eid(&e), s.aid(a)) else {
        return Vec::new();
    };
    let (lo, hi) = rhizome_replica::key::eav_ea(e, a);
    s.eav()
        .range(lo, hi)
        .map(|k| s.value(rhizome_replica::key::un_eav(k).v).unwrap())
        .collect()
}

/// Every record of a replica.
pub fn records(r: &Replica) -> Vec<rhizome_replica::Record> {
    r.missing(&BTreeMap::new(), usize::MAX).unwrap()
}
