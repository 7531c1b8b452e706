//! A pod of maps.

use std::collections::BTreeMap;

use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};

use crate::pod::{Pod, PodError};

/// A pod in memory: no signatures, no history, merge types as the edits say. For previews, and for tests to compare with.
#[derive(Clone, Debug, Default)]
pub struct MemoryPod {
    creator: String,
    entities: BTreeMap<EntityId, BTreeMap<Attribute, Vec<Value>>>,
    /// Writes so far.
    writes: usize,
}

impl MemoryPod {
    /// An empty pod of `creator`, a DID.
    pub fn new(creator: &str) -> Self {
        Self {
            creator: creator.to_owned(),
            ..Self::default()
        }
    }

    /// Every entity with what it holds.
    pub fn entities(&self) -> &BTreeMap<EntityId, BTreeMap<Attribute, Vec<Value>>> {
        &self.entities
    }

    /// The values of an attribute of an entity.
    pub fn values(&self, entity: &EntityId, attribute: &str) -> &[Value] {
        let held = self.entities.get(entity).into_iter().flatten();
        held.filter(|(name, _)| name.as_str() == attribute)
            .map(|(_, values)| values.as_slice())
            .next()
            .unwrap_or_default()
    }

    /// How often it was written to.
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// Applies one edit.
    pub fn apply(&mut self, edit: Edit) {
        let held = self.entities.entry(*edit.entity()).or_default();
        match edit {
            Edit::Assert(_, attribute, value) => {
                held.insert(attribute, vec![value]);
            }
            Edit::Insert(_, attribute, value) => {
                let members = held.entry(attribute).or_default();
                if !members.contains(&value) {
                    members.push(value);
                }
            }
            Edit::Add(_, attribute, n) => {
                let sum = held
                    .entry(attribute)
                    .or_insert_with(|| vec![Value::Integer(0)]);
                if let Some(Value::Integer(sum)) = sum.first_mut() {
                    *sum = sum.saturating_add(n);
                }
            }
            Edit::List(_, attribute, value, before) => {
                let elements = held.entry(attribute).or_default();
                let at = before.unwrap_or(elements.len()).min(elements.len());
                elements.insert(at, value);
            }
            Edit::SetList(_, attribute, values) => {
                held.insert(attribute, values);
            }
            Edit::Retract(_, attribute, value) => {
                let rest = held.entry(attribute).or_default();
                rest.retain(|held| value.as_ref().is_some_and(|value| value != held));
            }
            Edit::Erase(_) => held.clear(),
            Edit::Create(..) => {}
        }
        held.retain(|_, values| !values.is_empty());
    }
}

impl Pod for MemoryPod {
    fn creator(&self) -> &str {
        &self.creator
    }

    fn held(&self, entity: &EntityId) -> Result<Vec<(Attribute, Vec<Value>)>, PodError> {
        let held = self.entities.get(entity).into_iter().flatten();
        Ok(held
            .map(|(attribute, values)| (attribute.clone(), values.clone()))
            .collect())
    }

    fn elements(&self, entity: &EntityId, attribute: &Attribute) -> Result<Vec<Value>, PodError> {
        Ok(self.values(entity, attribute.as_str()).to_vec())
    }

    fn entities_with(&self, attribute: &str, value: &Value) -> Result<Vec<EntityId>, PodError> {
        let with = self
            .entities
            .keys()
            .filter(|entity| self.values(entity, attribute).contains(value));
        Ok(with.copied().collect())
    }

    fn write(&mut self, edits: Vec<Edit>) -> Result<(), PodError> {
        self.writes += 1;
        for edit in edits {
            self.apply(edit);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PodError> {
        Ok(())
    }
}
