//! Everything a replica knows, as copy-on-write structures: cloning it costs some pointers.

use crate::{
    Aid, Eid, Fact, Tree, Voice, Word, block::Layout, key, store::BlockStore, table::Table, tag,
};
use rhizome_ipld::{Cid, PublicKey};
use rhizome_tuple::{CommitId, EntityId, Hlc, OpId, Value};
use rustc_hash::FxHashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The place of an operation in this replica: quoted 1 bit | kind 3 bits | commit number 28 | leaf 16 | operation 16. That of a quoted one is
/// its place in the leaf that quotes it, where all that is said is counted one by one ([`rhizome_tuple::flat`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Place(pub u64);

impl Place {
    pub const MAX_COMMITS: u32 = 1 << 28;
    pub fn new(kind: Kind, commit: u32, leaf: u32, op: u32) -> Self {
        Self((kind as u64) << 60 | (commit as u64) << 32 | (leaf as u64) << 16 | op as u64)
    }
    /// The same as that of a quoted operation.
    pub fn quoted(self) -> Self {
        Self(self.0 | 1 << 63)
    }
    pub fn is_quoted(self) -> bool {
        self.0 >> 63 == 1
    }
    pub fn kind(self) -> u8 {
        (self.0 >> 60) as u8 & 7
    }
    pub fn commit(self) -> u32 {
        (self.0 >> 32) as u32 & (Self::MAX_COMMITS - 1)
    }
    pub fn leaf(self) -> u32 {
        (self.0 >> 16) as u32 & 0xFFFF
    }
    pub fn op(self) -> u32 {
        self.0 as u32 & 0xFFFF
    }
}

/// Kinds of operation that make facts or take them back; the numbers are those of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Assert = 0,
    Retract = 1,
    Add = 2,
    List = 4,
    Insert = 5,
}

/// What is kept of each commit beside the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub id: CommitId,
    pub hlc: Hlc,
    pub device: u32,
    pub seq: u64,
    pub leaves: u32,
}

impl Meta {
    pub fn to_bytes(self) -> [u8; 56] {
        let mut out = [0; 56];
        out[..32].copy_from_slice(&self.id.0);
        out[32..40].copy_from_slice(&self.hlc.0.to_be_bytes());
        out[40..44].copy_from_slice(&self.device.to_be_bytes());
        out[44..52].copy_from_slice(&self.seq.to_be_bytes());
        out[52..].copy_from_slice(&self.leaves.to_be_bytes());
        out
    }
    pub fn from_bytes(b: &[u8]) -> Option<Self> {
        let (id, b) = b.split_first_chunk::<32>()?;
        let (hlc, b) = b.split_first_chunk::<8>()?;
        let (device, b) = b.split_first_chunk::<4>()?;
        let (seq, b) = b.split_first_chunk::<8>()?;
        Some(Self {
            id: CommitId(*id),
            hlc: Hlc(u64::from_be_bytes(*hlc)),
            device: u32::from_be_bytes(*device),
            seq: u64::from_be_bytes(*seq),
            leaves: u32::from_be_bytes(b.try_into().ok()?),
        })
    }
}

/// The newest commit of an author's chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChainHead {
    pub seq: u64,
    pub commit: u32,
}

/// Distinct entities and distinct values of an attribute.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Distinct {
    pub entities: u64,
    pub values: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Names {
    pub list: Vec<Arc<str>>,
    pub numbers: FxHashMap<Arc<str>, u32>,
}

/// The state of a replica after some set of commits.
#[derive(Clone)]
pub(crate) struct State {
    pub store: Arc<BlockStore>,
    /// Keys the hash indexes, so that nobody can choose colliding strings.
    pub salt: [u8; 32],
    pub eav: Tree,
    pub aev: Tree,
    pub ave: Tree,
    pub vae: Tree,
    /// (entity, attribute) whose facts do not show all of its live operations: conflicts, duplicates, operations that wait
    pub knots: Tree,
    /// (entity, commit, leaf): every leaf about an entity
    pub history: Tree,
    /// hashes of (entity, commit, leaf) that were erased, and of (commit, leaf)
    pub erased: Tree,
    pub texts: Table,
    pub text_ids: Tree,
    pub entities: Table,
    pub entity_ids: Tree,
    pub commits: Table,
    pub commit_ids: Tree,
    /// (device, seq) with the commit's number as payload
    pub chains: Tree,
    /// pairs of commits with one (device, seq)
    pub forks: Tree,
    /// hashes of (entity, commit, leaf) that were withdrawn
    pub withdrawn: Tree,
    pub names: Arc<Names>,
    pub distinct: Arc<Vec<Distinct>>,
    pub devices: Arc<Vec<PublicKey>>,
    pub heads: Arc<BTreeMap<u32, ChainHead>>,
    pub clock: Hlc,
    /// Commits without effect: see [`crate::authority`].
    pub void: Arc<BTreeSet<u32>>,
    /// of those, the ones that are not passed on
    pub beyond: Arc<BTreeSet<u32>>,
    /// Keys not all of whose operations have effect.
    pub voices: Arc<BTreeMap<PublicKey, Voice>>,
}

impl State {
    pub fn new(store: Arc<BlockStore>, salt: [u8; 32]) -> Self {
        let tree = |layout, payloads| Tree::new(layout, payloads, store.clone());
        Self {
            salt,
            eav: tree(Layout::Eav, true),
            aev: tree(Layout::Aev, false),
            ave: tree(Layout::Ave, false),
            vae: tree(Layout::Halves, false),
            knots: tree(Layout::Halves, false),
            history: tree(Layout::Halves, false),
            erased: tree(Layout::Halves, false),
            texts: Table::new(store.clone()),
            text_ids: tree(Layout::Halves, false),
            entities: Table::new(store.clone()),
            entity_ids: tree(Layout::Halves, false),
            commits: Table::new(store.clone()),
            commit_ids: tree(Layout::Halves, false),
            chains: tree(Layout::Halves, true),
            forks: tree(Layout::Halves, false),
            withdrawn: tree(Layout::Halves, false),
            names: Arc::default(),
            distinct: Arc::default(),
            devices: Arc::default(),
            heads: Arc::default(),
            clock: Hlc::default(),
            void: Arc::default(),
            beyond: Arc::default(),
            voices: Arc::default(),
            store,
        }
    }

    /// The trees; the place of each is its number in the store.
    pub fn trees(&self) -> [&Tree; 13] {
        [
            &self.eav,
            &self.aev,
            &self.ave,
            &self.vae,
            &self.knots,
            &self.history,
            &self.erased,
            &self.text_ids,
            &self.entity_ids,
            &self.commit_ids,
            &self.chains,
            &self.forks,
            &self.withdrawn,
        ]
    }

    /// As [`Self::trees`].
    pub fn trees_mut(&mut self) -> [&mut Tree; 13] {
        [
            &mut self.eav,
            &mut self.aev,
            &mut self.ave,
            &mut self.vae,
            &mut self.knots,
            &mut self.history,
            &mut self.erased,
            &mut self.text_ids,
            &mut self.entity_ids,
            &mut self.commit_ids,
            &mut self.chains,
            &mut self.forks,
            &mut self.withdrawn,
        ]
    }

    /// Bytes of blocks in memory.
    pub fn resident(&self) -> usize {
        let trees = self.trees().into_iter().map(Tree::resident);
        let tables = [&self.texts, &self.entities, &self.commits].map(Table::resident);
        trees.chain(tables).sum()
    }

    /// Loads every block of the indexes and tables.
    pub fn load(&self) {
        self.trees().into_iter().for_each(Tree::load);
        let tables = [&self.texts, &self.entities, &self.commits];
        tables.into_iter().for_each(Table::load);
    }

    /// Lets the structures of a state that was made in memory load from a store once they are saved there.
    pub fn rebase(&mut self, store: Arc<BlockStore>) {
        for tree in self.trees_mut() {
            tree.rebase(store.clone());
        }
        for table in [&mut self.texts, &mut self.entities, &mut self.commits] {
            table.rebase(store.clone());
        }
        self.store = store;
    }

    pub fn hash(&self, domain: u8, bytes: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.salt);
        hasher.update(&[domain]).update(bytes);
        let mut out = [0; 8];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        // 40 bits keep the hash indexes small; whoever looks something up compares it with what it finds
        u64::from_be_bytes(out) >> 24
    }

    /// The number under which `matches` holds among those with this hash.
    pub fn find(ids: &Tree, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        let lo = (hash as u128) << 64;
        ids.range(lo, lo | u64::MAX as u128)
            .map(|k| k as u32)
            .find(|n| matches(*n))
    }

    pub fn eid(&self, id: &EntityId) -> Option<Eid> {
        self.eid_hashed(self.hash(tag::REF, id.as_bytes()), id)
    }

    pub fn eid_hashed(&self, hash: u64, id: &EntityId) -> Option<Eid> {
        Self::find(&self.entity_ids, hash, |n| {
            self.entities.with(n, |b| b == id.as_bytes()) == Some(true)
        })
        .map(Eid)
    }

    pub fn entity_id(&self, e: Eid) -> Option<EntityId> {
        self.entities
            .with(e.0, |b| b.try_into().ok().map(EntityId::from_bytes))
            .flatten()
    }

    pub fn aid(&self, name: &str) -> Option<Aid> {
        self.names.numbers.get(name).map(|n| Aid(*n))
    }

    pub fn text_number(&self, hash: u64, bytes: &[u8]) -> Option<u32> {
        Self::find(&self.text_ids, hash, |n| {
            self.texts.with(n, |b| b == bytes) == Some(true)
        })
    }

    pub fn word(&self, v: &Value) -> Option<Word> {
        let interned = |tag: u8, bytes: &[u8]| {
            self.text_number(self.hash(tag, bytes), bytes)
                .map(|n| Word::interned(tag, bytes, n))
        };
        match v {
            Value::Boolean(b) => Some(Word::boolean(*b)),
            Value::Integer(i) => Some(Word::integer(*i)),
            Value::Float(x) => Some(Word::float(*x)),
            Value::Time(ms) => Some(Word::time(*ms)),
            Value::Text(s) => interned(tag::TEXT, s.as_bytes()),
            Value::Bytes(b) => interned(tag::BYTES, b),
            Value::Blob(c) => interned(tag::BLOB, &c.to_bytes()),
            Value::Ref(e) => self.eid(e).map(Word::reference),
        }
    }

    pub fn value(&self, w: Word) -> Option<Value> {
        let number = w.bits as u32;
        match w.tag {
            tag::BOOLEAN => Some(Value::Boolean(w.bits != 0)),
            tag::INTEGER => Some(Value::Integer(w.as_i64())),
            tag::FLOAT => Some(Value::Float(w.as_f64())),
            tag::TIME => Some(Value::Time(w.as_i64())),
            tag::TEXT => self
                .texts
                .with(number, |b| {
                    String::from_utf8(b.to_vec()).ok().map(Value::Text)
                })
                .flatten(),
            tag::BYTES => self.texts.with(number, |b| Value::Bytes(b.to_vec())),
            tag::BLOB => self
                .texts
                .with(number, |b| Cid::try_from(b).ok().map(Value::Blob))
                .flatten(),
            tag::REF => self.entity_id(Eid(number)).map(Value::Ref),
            _ => None,
        }
    }

    pub fn meta(&self, commit: u32) -> Option<Meta> {
        self.commits.with(commit, Meta::from_bytes).flatten()
    }

    pub fn commit_number(&self, id: &CommitId) -> Option<u32> {
        Self::find(&self.commit_ids, self.hash(0, &id.0), |n| {
            self.meta(n).is_some_and(|m| m.id == *id)
        })
    }

    /// The name of an operation that is not quoted.
    pub fn op_id(&self, place: Place) -> Option<OpId> {
        Some(OpId(
            self.meta(place.commit())?.id,
            place.leaf(),
            place.op(),
        ))
    }

    /// A leaf that somebody erased or withdrew, if it is about this entity: in [`Self::erased`] or [`Self::withdrawn`].
    pub fn leaf_key(entity: &EntityId, commit: &CommitId, leaf: u32) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(entity.as_bytes())
            .update(&commit.0)
            .update(&leaf.to_be_bytes());
        let mut out = [0; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_be_bytes(out)
    }

    /// Whether the leaf of a commit on this entity was withdrawn.
    pub fn is_withdrawn(&self, entity: &EntityId, commit: &CommitId, leaf: u32) -> bool {
        let key = || Self::leaf_key(entity, commit, leaf);
        !self.withdrawn.is_empty() && self.withdrawn.contains(key())
    }

    /// Which operations of a key have effect.
    pub fn voice_of(&self, key: &PublicKey) -> Voice {
        self.voices.get(key).copied().unwrap_or_default()
    }

    /// Which operations of a commit have effect.
    pub fn voice(&self, meta: &Meta) -> Voice {
        let key = self.devices.get(meta.device as usize);
        key.map(|key| self.voice_of(key)).unwrap_or_default()
    }

    /// Whether a leaf erases, and so cannot be erased.
    pub fn erases(&self, meta: &Meta, ops: &[rhizome_tuple::Op]) -> bool {
        let erase = |op: &rhizome_tuple::Op| matches!(op, rhizome_tuple::Op::Erase { .. });
        ops.iter().any(erase) && self.voice(meta) == Voice::Full
    }

    /// A leaf that somebody erased, whatever it is about: in [`Self::erased`] as well. Says of a leaf without bytes whether anybody else
    /// may have them.
    pub fn named_key(commit: &CommitId, leaf: u32) -> u128 {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome replica erased leaf v1");
        hasher.update(&commit.0).update(&leaf.to_be_bytes());
        let mut out = [0; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_be_bytes(out)
    }

    pub fn knot_key(e: Eid, a: Aid) -> u128 {
        (e.0 as u128) << 64 | a.0 as u128
    }

    pub fn history_key(e: Eid, commit: u32, leaf: u32) -> u128 {
        ((e.0 as u128) << 32 | commit as u128) << 64 | leaf as u128
    }

    /// (commit, leaf) of every leaf about an entity, in order of arrival.
    pub fn leaves_of(&self, e: Eid) -> impl Iterator<Item = (u32, u32)> + '_ {
        let (lo, hi) = (
            Self::history_key(e, 0, 0),
            Self::history_key(e, u32::MAX, u32::MAX) | u64::MAX as u128,
        );
        self.history
            .range(lo, hi)
            .map(|k| ((k >> 64) as u32, k as u32))
    }

    /// Current tuples of an entity.
    pub fn facts_of(&self, e: Eid) -> impl Iterator<Item = Fact> + '_ {
        let (lo, hi) = key::eav_e(e);
        self.eav.range(lo, hi).map(key::un_eav)
    }

    /// Current values of (entity, attribute) with the place of the operation behind each.
    pub fn facts(&self, e: Eid, a: Aid) -> Vec<(Word, Place)> {
        let (lo, hi) = key::eav_ea(e, a);
        let mut out = Vec::new();
        self.eav.entries(lo, hi, |k, p| {
            out.push((key::un_eav(k).v, Place(p)));
            true
        });
        out
    }
}
