//! What a draft says, beside what its base says.

use std::collections::{BTreeMap, BTreeSet};

use rhizome_identity::Did;
use rhizome_replica::Edit;
use rhizome_tuple::EntityId;
use serde_json::{Value as Json, json};

use super::{open_edits, places};
use crate::{Pod, PodError, shape::Shape};

/// What a draft would change.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The name of the draft.
    pub name: String,
    /// Of whose pod; nothing: of one's own.
    pub of: Option<Did>,
    /// `open`, `adopted` or `dropped`.
    pub state: &'static str,
    /// What it says otherwise, in the order in which it came to that.
    pub entities: Vec<DiffEntity>,
}

/// What a draft says of an entity.
#[derive(Debug, Clone)]
pub struct DiffEntity {
    /// Which.
    pub entity: EntityId,
    /// Whether the draft makes it.
    pub new: bool,
    /// What is different.
    pub places: Vec<DiffPlace>,
}

/// What a draft says of one attribute.
#[derive(Debug, Clone)]
pub struct DiffPlace {
    /// Which.
    pub attribute: String,
    /// What the base says now.
    pub base: Vec<Json>,
    /// What the draft says.
    pub draft: Vec<Json>,
    /// What the base said when the draft said it.
    pub then: Vec<Json>,
    /// Whether the base says something else than then.
    pub changed: bool,
    /// Whether the order counts.
    pub list: bool,
}

impl Diff {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let place = |p: &DiffPlace| {
            json!({
                "attribute": p.attribute,
                "base": p.base,
                "draft": p.draft,
                "then": p.then,
                "changed": p.changed,
                "list": p.list,
            })
        };
        let entity = |e: &DiffEntity| {
            let places: Vec<Json> = e.places.iter().map(place).collect();
            json!({ "entity": e.entity.to_string(), "new": e.new, "attributes": places })
        };
        json!({
            "name": self.name,
            "of": self.of.map(|of| of.to_string()),
            "state": self.state,
            "entities": self.entities.iter().map(entity).collect::<Vec<_>>(),
        })
    }
}

impl Pod {
    /// What a draft would change, and where its base has changed since: what was adopted is no part of it, nor is what the base says by now too.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such draft, or its base is not here.
    pub fn draft_diff(&self, name: &str) -> Result<Diff, PodError> {
        let (record, parts) = self.draft_record(name)?;
        let edits = open_edits(self.did(), &parts)?;
        let mut order: Vec<EntityId> = Vec::new();
        let mut seen: BTreeSet<EntityId> = BTreeSet::new();
        let said = edits.iter().filter(|edit| edit.attribute().is_some());
        for entity in said.map(Edit::entity) {
            if seen.insert(*entity) {
                order.push(*entity);
            }
        }
        let new: BTreeSet<EntityId> = parts.iter().flat_map(|p| p.makes().copied()).collect();
        let base = self.base(record.of.as_ref())?;
        let places = places(&edits);
        let now = base.shapes(&places);
        let with = base.with(edits)?.shapes(&places);
        let mut by_entity: BTreeMap<EntityId, Vec<DiffPlace>> = BTreeMap::new();
        for ((place, base), (_, draft)) in now.into_iter().zip(with) {
            if base == draft {
                continue;
            }
            // when it was said last
            let mut said = parts.iter().rev();
            let then = said.find_map(|part| {
                let open = !part.done.contains(&place.0);
                part.before.get(&place).filter(|_| open)
            });
            let then: Shape = then.cloned().unwrap_or_default();
            by_entity.entry(place.0).or_default().push(DiffPlace {
                attribute: place.1.as_str().to_owned(),
                changed: then != base,
                list: base.list || draft.list,
                base: base.values,
                draft: draft.values,
                then: then.values,
            });
        }
        let entity = |entity: EntityId| {
            let places = by_entity.remove(&entity)?;
            let new = new.contains(&entity);
            Some(DiffEntity {
                entity,
                new,
                places,
            })
        };
        Ok(Diff {
            name: record.name,
            of: record.of,
            state: record.state.text(),
            entities: order.into_iter().filter_map(entity).collect(),
        })
    }
}
