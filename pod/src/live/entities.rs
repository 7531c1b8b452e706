//! Who watches which entities.

use std::collections::{HashMap, HashSet};

use rhizome_replica::{Change, Snapshot};
use rhizome_tuple::EntityId;
use serde_json::Value as Json;

use super::hub::Key;
use crate::{PodError, entity};

/// Watchers by entity.
#[derive(Default)]
pub(super) struct Watched {
    by_entity: HashMap<EntityId, Vec<Key>>,
    by_key: HashMap<Key, Vec<EntityId>>,
}

impl Watched {
    pub fn watch(&mut self, key: Key, entities: Vec<EntityId>) {
        for id in &entities {
            self.by_entity.entry(*id).or_default().push(key);
        }
        self.by_key.insert(key, entities);
    }

    pub fn unwatch(&mut self, key: Key) {
        for id in self.by_key.remove(&key).unwrap_or_default() {
            if let Some(keys) = self.by_entity.get_mut(&id) {
                keys.retain(|k| *k != key);
                if keys.is_empty() {
                    self.by_entity.remove(&id);
                }
            }
        }
    }

    /// The subscriptions that see a change, with their entities that it is about.
    pub fn touched(&self, change: &Change) -> HashMap<Key, Vec<EntityId>> {
        let mut out: HashMap<Key, Vec<EntityId>> = HashMap::new();
        if self.by_entity.is_empty() {
            return out;
        }
        let mut seen = HashSet::new();
        let facts = change.added.iter().chain(&change.removed).map(|f| f.e);
        for e in facts.chain(change.lists.iter().map(|(e, _)| *e)) {
            if !seen.insert(e) {
                continue;
            }
            let Some(id) = change.after.entity_id(e) else {
                continue;
            };
            for key in self.by_entity.get(&id).into_iter().flatten() {
                out.entry(*key).or_default().push(id);
            }
        }
        out
    }

    /// What a subscription watches.
    pub fn of(&self, key: Key) -> &[EntityId] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.by_key.keys().copied()
    }
}

/// The states of entities as they are sent.
pub(super) fn states(
    now: &Snapshot,
    entities: &[EntityId],
) -> Result<Vec<(String, Json)>, PodError> {
    entities
        .iter()
        .map(|id| {
            Ok((
                id.to_string(),
                entity::state(now, id)?.unwrap_or(Json::Null),
            ))
        })
        .collect()
}
