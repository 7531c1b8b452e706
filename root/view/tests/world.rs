//! A pod on two devices, a view of it, and who comes there.

use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_replica::{
    Author, Authors, Edit, Epochs, Replica, Seal, Snapshot, Standing, Voice, key,
};
use rhizome_share::Predicate;
use rhizome_storage::{Durability, MemoryKv};
use rhizome_tuple::{Attribute, CommitId, EntityId, EpochSecret, Leaf, Value};
use rhizome_view::{Tended, Tending, Why, Writer};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub const POD: &str = "did:key:z6MkTestPod";
pub const VIEW: &str = "did:key:z6MkTestView";
pub const BOB: &str = "did:key:z6MkTestBob";
pub const CAROL: &str = "did:key:z6MkTestCarol";
pub const EVE: &str = "did:key:z6MkTestEve";

/// Who writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    Laptop = 1,
    Phone = 2,
    Bob = 11,
    Carol = 12,
    Eve = 13,
    Rita = 14,
}

pub const GUESTS: [Who; 4] = [Who::Bob, Who::Carol, Who::Eve, Who::Rita];

impl Who {
    pub fn author(self) -> Author {
        Author {
            key: SigningKey::from_seed([self as u8; 32]),
        }
    }

    pub fn key(self) -> PublicKey {
        self.author().key.public()
    }

    pub fn did(self) -> &'static str {
        match self {
            Self::Laptop | Self::Phone => POD,
            Self::Bob => BOB,
            Self::Carol => CAROL,
            Self::Eve | Self::Rita => EVE,
        }
    }
}

pub fn attr(name: &str) -> Attribute {
    Attribute::new(name).unwrap()
}

pub fn predicate() -> Predicate {
    "shared: true".parse().unwrap()
}

pub fn entity(n: u64) -> EntityId {
    EntityId::derive(POD, &n.to_be_bytes())
}

thread_local!(static NONCE: Cell<u64> = const { Cell::new(0) });

pub fn random(out: &mut [u8]) {
    let n = NONCE.with(|n| {
        n.set(n.get() + 1);
        n.get()
    });
    let mut hasher = blake3::Hasher::new_derive_key("test randomness");
    hasher.update(&n.to_be_bytes());
    hasher.finalize_xof().fill(out);
}

pub fn begin_random(seed: u64) {
    NONCE.with(|n| n.set(seed << 20));
}

pub fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    random(&mut nonce);
    nonce
}

pub fn pod() -> Replica {
    let authors: Authors = [Who::Laptop, Who::Phone]
        .map(|who| (who.key(), Standing::active("")))
        .into_iter()
        .collect();
    let epochs = Epochs::new(vec![EpochSecret::new(&[1; 32])]);
    Replica::create(Arc::new(MemoryKv::new()), POD, [3; 32], epochs, authors).unwrap()
}

/// Who may write to the view; those of whom there is a seal are out.
pub fn view_authors(out: &BTreeMap<Who, Seal>) -> Authors {
    let standing = |who: Who| {
        let standing = match out.get(&who) {
            Some(seal) => Standing::sealed("", vec![seal.clone()]),
            None => Standing::active(""),
        };
        standing.with(match who {
            Who::Laptop | Who::Phone => Voice::Full,
            Who::Rita => Voice::Silent,
            _ => Voice::Guest,
        })
    };
    [Who::Laptop, Who::Phone]
        .into_iter()
        .chain(GUESTS)
        .map(|who| (who.key(), standing(who)))
        .collect()
}

pub fn view() -> Replica {
    let epochs = Epochs::new(vec![EpochSecret::new(&[2; 32])]);
    let authors = view_authors(&BTreeMap::new());
    Replica::create(Arc::new(MemoryKv::new()), VIEW, [4; 32], epochs, authors).unwrap()
}

pub fn write(replica: &Replica, who: Who, at: i64, edits: Vec<Edit>) -> Option<CommitId> {
    let written = replica.write(&who.author(), edits, at, nonce(), Durability::Durable);
    written.unwrap().commits.first().copied()
}

/// Writes operations as they are.
pub fn say(replica: &Replica, who: Who, at: i64, leaves: Vec<Leaf>) -> CommitId {
    let all = |_: &Snapshot| Ok::<_, rhizome_replica::ReplicaError>(leaves);
    let written = replica.compose(&who.author(), at, nonce(), Durability::Durable, all);
    written.unwrap().commits[0]
}

/// Gives both what either has.
pub fn exchange(a: &Replica, b: &Replica) {
    give(a, b);
    give(b, a);
}

/// Gives `b` what `a` has, as far as it takes it.
pub fn give(a: &Replica, b: &Replica) {
    for record in a.missing(&BTreeMap::new(), usize::MAX).unwrap() {
        // one by a guest that is out is refused
        drop(b.receive(vec![record]));
    }
}

pub fn tend(
    pod: &Replica,
    view: &Replica,
    who: Who,
    at: i64,
    may: &dyn Fn(Who) -> bool,
    some: Option<&BTreeSet<EntityId>>,
) -> Tended {
    let writer = |key: &PublicKey| {
        let who = GUESTS.into_iter().find(|who| who.key() == *key)?;
        let did = who.did().to_owned();
        Some(may(who).then_some(Writer { did }).ok_or(Why::NotAllowed))
    };
    let tending = Tending {
        says: true,
        pod,
        pod_author: &who.author(),
        view,
        view_did: VIEW,
        view_author: &who.author(),
        predicate: &predicate(),
        writer: &writer,
        now_ms: at,
        random: &random,
    };
    tending.run(some, 0).unwrap()
}

/// (entity, attribute, value) of everything there is.
pub fn tuples(now: &Snapshot) -> BTreeSet<(EntityId, String, String)> {
    now.eav()
        .range(0, u128::MAX)
        .map(key::un_eav)
        .map(|f| {
            (
                now.entity_id(f.e).unwrap(),
                now.attribute(f.a).unwrap().to_owned(),
                format!("{:?}", now.value(f.v).unwrap()),
            )
        })
        .collect()
}

/// What of the pod matches, naively.
pub fn shared(now: &Snapshot) -> BTreeSet<(EntityId, String, String)> {
    let all = tuples(now);
    let yes = format!("{:?}", Value::Boolean(true));
    let matching: BTreeSet<EntityId> = all
        .iter()
        .filter(|(_, a, v)| a == "shared" && *v == yes)
        .map(|t| t.0)
        .collect();
    let hidden: BTreeSet<EntityId> = all
        .iter()
        .filter(|t| t.1.starts_with("peer/"))
        .map(|t| t.0)
        .collect();
    all.into_iter()
        .filter(|t| matching.contains(&t.0) && !hidden.contains(&t.0))
        .filter(|t| !t.1.starts_with("import/"))
        .collect()
}

/// The keys that stand behind the tuples of an entity.
pub fn authors_of(now: &Snapshot, entity: &EntityId) -> BTreeSet<PublicKey> {
    let Some(e) = now.eid(entity) else {
        return BTreeSet::new();
    };
    now.live(e)
        .unwrap()
        .into_iter()
        .map(|said| said.author)
        .collect()
}
