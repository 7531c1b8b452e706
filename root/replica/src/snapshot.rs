use crate::{
    Aid, Authors, Eid, ReplicaError, Tree, Word,
    apply::{Incoming, apply},
    key,
    log::{Epochs, Log},
    mirror::Orders,
    state::State,
    store::BlockStore,
    tag,
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::{EntityId, Hlc, Value};
use std::{collections::BTreeMap, sync::Arc};

/// One moment of a pod: immutable, cheap to clone, readable from any thread while the pod goes on.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub state: State,
    pub log: Log,
    pub authors: Arc<Authors>,
    /// The lists, where there is no log that says them.
    pub orders: Option<Orders>,
}

/// How much there is of an attribute.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct AttributeStats {
    /// Tuples.
    pub tuples: u64,
    /// Distinct entities.
    pub entities: u64,
    /// Distinct values.
    pub values: u64,
}

impl Snapshot {
    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    /// The number of an entity; `None` if this pod never heard of it.
    pub fn eid(&self, id: &EntityId) -> Option<Eid> {
        self.state().eid(id)
    }

    /// The entity of a number.
    pub fn entity_id(&self, e: Eid) -> Option<EntityId> {
        self.state().entity_id(e)
    }

    /// How many entities were ever named, as subject or by reference.
    pub fn entity_count(&self) -> u32 {
        self.state().entities.len()
    }

    /// The number of an attribute; `None` if no operation ever used it.
    pub fn aid(&self, name: &str) -> Option<Aid> {
        self.state().aid(name)
    }

    /// The name of an attribute.
    pub fn attribute(&self, a: Aid) -> Option<&str> {
        self.state().names.list.get(a.0 as usize).map(|s| &**s)
    }

    /// All attributes ever used, by number. Some may have no current tuple.
    pub fn attributes(&self) -> impl Iterator<Item = (Aid, &str)> {
        self.state()
            .names
            .list
            .iter()
            .enumerate()
            .map(|(i, s)| (Aid(i as u32), &**s))
    }

    /// Counts for a planner.
    pub fn attribute_stats(&self, a: Aid) -> AttributeStats {
        let d = self
            .state()
            .distinct
            .get(a.0 as usize)
            .copied()
            .unwrap_or_default();
        let (lo, hi) = key::aev_a(a);
        AttributeStats {
            tuples: self.aev().count(lo, hi),
            entities: d.entities,
            values: d.values,
        }
    }

    /// The word of a value; `None` if it is text, bytes, a blob or an entity that this pod never saw, so that nothing can match it.
    pub fn word(&self, v: &Value) -> Option<Word> {
        self.state().word(v)
    }

    /// The value of a word; `None` if it is not one of this replica or the store failed (see [`Self::fault`]).
    pub fn value(&self, w: Word) -> Option<Value> {
        self.state().value(w)
    }

    /// The text behind a word, without copying it; `None` if it is not text.
    pub fn text_with<R>(&self, w: Word, f: impl FnOnce(&str) -> R) -> Option<R> {
        if w.tag != tag::TEXT {
            return None;
        }
        self.state()
            .texts
            .with(w.bits as u32, |b| std::str::from_utf8(b).ok().map(f))
            .flatten()
    }

    /// The bytes behind a word of text, bytes or a blob (its CID), without copying them.
    pub fn bytes_with<R>(&self, w: Word, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.state().texts.with(w.number()?, f)
    }

    /// Tuples by entity, attribute, value.
    pub fn eav(&self) -> &Tree {
        &self.state().eav
    }
    /// Tuples by attribute, entity, value.
    pub fn aev(&self) -> &Tree {
        &self.state().aev
    }
    /// Tuples by attribute, value, entity.
    pub fn ave(&self) -> &Tree {
        &self.state().ave
    }
    /// References by target, attribute, entity.
    pub fn vae(&self) -> &Tree {
        &self.state().vae
    }

    /// How many current tuples.
    pub fn len(&self) -> u64 {
        self.eav().len()
    }

    /// Whether there is no current tuple.
    pub fn is_empty(&self) -> bool {
        self.eav().is_empty()
    }

    /// The greatest clock of any commit that is here; zero if there is none.
    pub fn clock(&self) -> Hlc {
        self.state().clock
    }

    /// How many commits made this state.
    pub fn commit_count(&self) -> u32 {
        self.state().commits.len()
    }

    /// Loads every index block that is not in memory yet, some 10 µs for each thousand keys: reads of this snapshot wait for none then.
    ///
    /// # Errors
    /// As [`Self::fault`].
    pub fn load(&self) -> Result<(), ReplicaError> {
        self.state().load();
        self.fault()
    }

    /// A storage error met while something was read through this snapshot, or through any other one of the same replica.
    pub fn fault(&self) -> Result<(), ReplicaError> {
        self.state().store.fault()
    }

    /// The current tuples in a form that depends on nothing but them: sorted lines of entity, attribute and value, each as canonical
    /// DAG-CBOR. Two replicas with the same commits give the same bytes.
    pub fn canonical(&self) -> Result<Vec<Vec<u8>>, ReplicaError> {
        const LOST: ReplicaError =
            ReplicaError::Corrupt("an index names something the dictionary does not have");
        let mut lines = Vec::with_capacity(self.len() as usize);
        for k in self.eav().range(0, u128::MAX) {
            let f = key::un_eav(k);
            let entity = self.entity_id(f.e).ok_or(LOST)?;
            let attribute = self.attribute(f.a).ok_or(LOST)?;
            let value = self.value(f.v).ok_or(LOST)?;
            lines.push(
                rhizome_ipld::codec::encode(&(entity, attribute, value))
                    .map_err(rhizome_tuple::TupleError::from)?,
            );
        }
        lines.sort_unstable();
        self.fault()?;
        Ok(lines)
    }

    /// A hash of [`Self::canonical`]: equal on replicas with equal state.
    pub fn digest(&self) -> Result<[u8; 32], ReplicaError> {
        let mut hasher = blake3::Hasher::new();
        for line in self.canonical()? {
            hasher
                .update(&(line.len() as u64).to_be_bytes())
                .update(&line);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// A snapshot in memory that holds just these tuples, without commits or history: for queries over data that is in no pod.
    pub fn from_facts<'a>(
        facts: impl IntoIterator<Item = (EntityId, &'a str, Value)>,
    ) -> Result<Self, ReplicaError> {
        use rhizome_tuple::{Attribute, Commit, CommitId, Hlc, Op};
        let mut leaves: BTreeMap<EntityId, Vec<Op>> = BTreeMap::new();
        for (entity, name, value) in facts {
            let op = Op::Insert {
                attribute: Attribute::new(name)?,
                value,
            };
            let ops = leaves.entry(entity).or_default();
            if !ops.contains(&op) {
                ops.push(op);
            }
        }
        let mut state = State::new(Arc::new(BlockStore::default()), [0; 32]);
        let log = Log::new(None, Arc::new(Epochs::new(Vec::new())));
        let batch: Vec<_> = leaves
            .into_iter()
            .collect::<Vec<_>>()
            .chunks(rhizome_tuple::MAX_LEAVES)
            .enumerate()
            .map(|(i, chunk)| Incoming {
                id: CommitId(*blake3::hash(&i.to_be_bytes()).as_bytes()),
                header: Commit {
                    v: 1,
                    pod: String::new(),
                    device: PublicKey::Ed25519([0; 32]),
                    seq: i as u64,
                    prev: None,
                    frontier: Vec::new(),
                    hlc: Hlc::default(),
                    cap: None,
                    nonce: [0; 16],
                    root: [0; 32],
                    leaves: chunk.len() as u32,
                },
                record: Arc::new(crate::Record {
                    envelope: Vec::new(),
                    leaves: Vec::new(),
                }),
                leaves: chunk.iter().cloned().map(Some).collect(),
            })
            .collect();
        apply(&mut state, &log, &batch)?;
        Ok(Self(Arc::new(Inner {
            state,
            log,
            authors: Arc::default(),
            orders: None,
        })))
    }
}
