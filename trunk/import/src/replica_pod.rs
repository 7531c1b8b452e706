//! A replica on disk as the pod an import writes to.

use rhizome_replica::{Aid, Author, Edit, Replica, Snapshot, key};
use rhizome_tuple::{Attribute, EntityId, Value};
use rustc_hash::FxHashMap;
use std::cell::{Cell, RefCell};

use crate::pod::{Pod, PodError};

/// A replica with the key, the clock and the randomness that an import's commits need.
pub struct ReplicaPod<'a> {
    replica: &'a Replica,
    author: &'a Author,
    now: fn() -> i64,
    random: &'a mut dyn FnMut(&mut [u8]),
    /// Names by their number: a replica gives text, the frame compares attributes.
    names: RefCell<FxHashMap<u32, Attribute>>,
    /// Entities looked at.
    looks: Cell<u32>,
}

/// After how many entities that are looked at the replica is to let go of what it read.
const LET_GO: u32 = 8_192;

impl<'a> ReplicaPod<'a> {
    /// `author` must be a key the replica admits: best one of its own for each importer, so that every tuple shows which
    /// importer wrote it. `now` gives milliseconds since 1970; `random` fills a buffer.
    pub fn new(
        replica: &'a Replica,
        author: &'a Author,
        now: fn() -> i64,
        random: &'a mut dyn FnMut(&mut [u8]),
    ) -> Self {
        Self {
            replica,
            author,
            now,
            random,
            names: RefCell::default(),
            looks: Cell::default(),
        }
    }
}

impl ReplicaPod<'_> {
    fn name(&self, snapshot: &Snapshot, number: Aid) -> Result<Option<Attribute>, PodError> {
        let mut names = self.names.borrow_mut();
        if let Some(name) = names.get(&number.0) {
            return Ok(Some(name.clone()));
        }
        let Some(text) = snapshot.attribute(number) else {
            return Ok(None);
        };
        let name = Attribute::new(text)?;
        names.insert(number.0, name.clone());
        Ok(Some(name))
    }
}

impl Pod for ReplicaPod<'_> {
    fn creator(&self) -> &str {
        self.replica.pod()
    }

    fn held(&self, entity: &EntityId) -> Result<Vec<(Attribute, Vec<Value>)>, PodError> {
        self.looks.set((self.looks.get() + 1) % LET_GO);
        if self.looks.get() == 0 {
            self.replica.let_go();
        }
        let snapshot = self.replica.snapshot();
        let Some(e) = snapshot.eid(entity) else {
            return Ok(Vec::new());
        };
        let (lo, hi) = key::eav_e(e);
        let mut held: Vec<(Attribute, Vec<Value>)> = Vec::new();
        let mut last = None;
        for fact in snapshot.eav().range(lo, hi).map(key::un_eav) {
            let Some(value) = snapshot.value(fact.v) else {
                continue;
            };
            if last == Some(fact.a)
                && let Some((_, values)) = held.last_mut()
            {
                values.push(value);
                continue;
            }
            last = Some(fact.a);
            if let Some(name) = self.name(&snapshot, fact.a)? {
                held.push((name, vec![value]));
            }
        }
        snapshot.fault()?;
        Ok(held)
    }

    fn elements(&self, entity: &EntityId, attribute: &Attribute) -> Result<Vec<Value>, PodError> {
        let snapshot = self.replica.snapshot();
        let (Some(e), Some(a)) = (snapshot.eid(entity), snapshot.aid(attribute.as_str())) else {
            return Ok(Vec::new());
        };
        let elements = if let Some(words) = snapshot.list(e, a) {
            words
                .into_iter()
                .filter_map(|word| snapshot.value(word))
                .collect()
        } else {
            let (lo, hi) = key::eav_ea(e, a);
            let words = snapshot.eav().range(lo, hi).map(|k| key::un_eav(k).v);
            words.filter_map(|word| snapshot.value(word)).collect()
        };
        snapshot.fault()?;
        Ok(elements)
    }

    fn entities_with(&self, attribute: &str, value: &Value) -> Result<Vec<EntityId>, PodError> {
        let snapshot = self.replica.snapshot();
        let (Some(a), Some(word)) = (snapshot.aid(attribute), snapshot.word(value)) else {
            return Ok(Vec::new());
        };
        let (lo, hi) = key::ave_av(a, word);
        let found = snapshot
            .ave()
            .range(lo, hi)
            .filter_map(|k| snapshot.entity_id(key::un_ave(k).e))
            .collect();
        snapshot.fault()?;
        Ok(found)
    }

    fn write(&mut self, edits: Vec<Edit>) -> Result<(), PodError> {
        self.replica
            .import(self.author, edits, (self.now)(), self.random)?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PodError> {
        Ok(self.replica.flush()?)
    }
}
