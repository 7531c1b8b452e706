//! Numbers for strings, entities and attributes.

use super::Changes;
use crate::{
    Aid, Eid, ReplicaError, Word,
    state::{Distinct, State},
    tag,
};
use rhizome_tuple::{EntityId, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Interns strings, entities and attributes for one batch and collects what the indexes get.
pub(super) struct Intern<'s> {
    pub(super) state: &'s mut State,
    pub(super) base_entities: u32,
    pub(super) fresh_texts: FxHashMap<u64, u32>,
    /// Further texts of this batch whose hash is in `fresh_texts` already.
    pub(super) clashing_texts: Vec<(u64, u32)>,
    pub(super) fresh_entities: FxHashMap<u64, u32>,
    pub(super) seen_entities: FxHashMap<EntityId, Eid>,
    pub(super) text_ids: Changes,
    pub(super) entity_ids: Changes,
}

impl<'s> Intern<'s> {
    pub(super) fn new(state: &'s mut State) -> Self {
        let base_entities = state.entities.len();
        Self {
            state,
            base_entities,
            fresh_texts: FxHashMap::default(),
            clashing_texts: Vec::new(),
            fresh_entities: FxHashMap::default(),
            seen_entities: FxHashMap::default(),
            text_ids: Vec::new(),
            entity_ids: Vec::new(),
        }
    }

    pub(super) fn entity(&mut self, id: &EntityId) -> Result<Eid, ReplicaError> {
        if let Some(e) = self.seen_entities.get(id) {
            return Ok(*e);
        }
        let hash = self.state.hash(tag::REF, id.as_bytes());
        let known = match self.fresh_entities.get(&hash) {
            Some(n) if self.state.entities.with(*n, |b| b == id.as_bytes()) == Some(true) => {
                Some(Eid(*n))
            }
            _ => self.state.eid_hashed(hash, id),
        };
        let e = if let Some(e) = known {
            e
        } else {
            let n = self.state.entities.push(id.as_bytes())?;
            self.fresh_entities.insert(hash, n);
            self.entity_ids
                .push(((hash as u128) << 64 | n as u128, Some(0)));
            Eid(n)
        };
        self.seen_entities.insert(*id, e);
        Ok(e)
    }

    pub(super) fn text(&mut self, tag: u8, bytes: &[u8]) -> Result<Word, ReplicaError> {
        let hash = self.state.hash(tag, bytes);
        let texts = &self.state.texts;
        let same = |n: &u32| texts.with(*n, |b| b == bytes) == Some(true);
        let first = self.fresh_texts.get(&hash);
        let others = self.clashing_texts.iter().filter(|c| c.0 == hash);
        let fresh = first
            .into_iter()
            .chain(others.map(|c| &c.1))
            .copied()
            .find(same);
        let number = if let Some(n) = fresh.or_else(|| self.state.text_number(hash, bytes)) {
            n
        } else {
            let n = self.state.texts.push(bytes)?;
            if *self.fresh_texts.entry(hash).or_insert(n) != n {
                self.clashing_texts.push((hash, n));
            }
            self.text_ids
                .push(((hash as u128) << 64 | n as u128, Some(0)));
            n
        };
        Ok(Word::interned(tag, bytes, number))
    }

    pub(super) fn word(&mut self, v: &Value) -> Result<Word, ReplicaError> {
        Ok(match v {
            Value::Boolean(b) => Word::boolean(*b),
            Value::Integer(i) => Word::integer(*i),
            Value::Float(x) => Word::float(*x),
            Value::Time(ms) => Word::time(*ms),
            Value::Text(s) => self.text(tag::TEXT, s.as_bytes())?,
            Value::Bytes(b) => self.text(tag::BYTES, b)?,
            Value::Blob(c) => self.text(tag::BLOB, &c.to_bytes())?,
            Value::Ref(e) => Word::reference(self.entity(e)?),
        })
    }

    pub(super) fn attribute(&mut self, name: &str) -> Result<Aid, ReplicaError> {
        if let Some(a) = self.state.aid(name) {
            return Ok(a);
        }
        let n = self.state.names.list.len() as u32;
        if n >= 1 << 24 {
            return Err(ReplicaError::Full("it has 16 million attributes"));
        }
        let names = Arc::make_mut(&mut self.state.names);
        let name: Arc<str> = name.into();
        names.list.push(name.clone());
        names.numbers.insert(name, n);
        Arc::make_mut(&mut self.state.distinct).push(Distinct::default());
        Ok(Aid(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{apply::settle, store::BlockStore};

    #[test]
    fn strings_whose_hashes_clash_have_one_number_each() {
        let mut state = State::new(Arc::new(BlockStore::default()), [0; 32]);
        // found by trying numbers
        let [a, b] = ["517817", "1270538"].map(str::as_bytes);
        assert_eq!(state.hash(tag::TEXT, a), state.hash(tag::TEXT, b));
        let mut words = Vec::new();
        for _ in 0..2 {
            let mut intern = Intern::new(&mut state);
            for text in [a, b, a, b, a] {
                words.push(intern.text(tag::TEXT, text).unwrap());
            }
            let mut ids = std::mem::take(&mut intern.text_ids);
            settle(&mut ids);
            state.text_ids.apply(&ids);
        }
        assert_ne!(words[0], words[1]);
        assert!(
            words
                .chunks(5)
                .all(|w| w == [words[0], words[1], words[0], words[1], words[0]])
        );
        assert_eq!(state.texts.len(), 2);
        for (text, word) in [(a, words[0]), (b, words[1])] {
            let number = state.text_number(state.hash(tag::TEXT, text), text);
            assert_eq!(number, word.number());
        }
    }
}
