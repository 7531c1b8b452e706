//! From what an app wants to what a commit says: edits become operations that supersede exactly what is there now.

use crate::{ReplicaError, Snapshot, plan::Plan};
use rhizome_tuple::{Attribute, EntityId, Leaf, Value};
use rustc_hash::FxHashMap;

/// One wish of an app.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// Gives a register a value, in place of all values it has.
    Assert(EntityId, Attribute, Value),
    /// Puts a member into a set.
    Insert(EntityId, Attribute, Value),
    /// Adds to a counter.
    Add(EntityId, Attribute, i64),
    /// Puts an element into a list, before the element that is at this index now (none: at the end).
    List(EntityId, Attribute, Value, Option<usize>),
    /// Makes the list hold exactly these elements in this order.
    SetList(EntityId, Attribute, Vec<Value>),
    /// Takes back one value of an attribute, or all of them.
    Retract(EntityId, Attribute, Option<Value>),
    /// Forgets an entity: the bytes of all its leaves go, here and on every replica that obeys. Nothing else may be said about the
    /// entity after it in the same transaction.
    Erase(EntityId),
    /// Shows by its nonce that the author made the entity.
    Create(EntityId, Vec<u8>),
}

impl Edit {
    /// The leaves that edits come to where this is what is there, in ascending order of entity: for [`crate::Replica::compose`].
    ///
    /// # Errors
    /// [`ReplicaError::Edit`] for edits that make no sense together; those of reading.
    pub fn leaves(now: &Snapshot, edits: Vec<Self>) -> Result<Vec<Leaf>, ReplicaError> {
        leaves(now, edits)
    }

    /// The attribute it is about; none if the entity is created or erased.
    pub fn attribute(&self) -> Option<&Attribute> {
        match self {
            Self::Assert(_, a, _)
            | Self::Insert(_, a, _)
            | Self::Add(_, a, _)
            | Self::List(_, a, _, _)
            | Self::SetList(_, a, _)
            | Self::Retract(_, a, _) => Some(a),
            Self::Erase(_) | Self::Create(..) => None,
        }
    }

    /// The entity it is about.
    pub fn entity(&self) -> &EntityId {
        match self {
            Self::Assert(e, ..)
            | Self::Insert(e, ..)
            | Self::Add(e, ..)
            | Self::List(e, ..)
            | Self::SetList(e, ..)
            | Self::Retract(e, ..)
            | Self::Erase(e)
            | Self::Create(e, _) => e,
        }
    }
}

/// The leaves that edits come to, in ascending order of entity. Edits that change nothing leave no trace.
pub(crate) fn leaves(snapshot: &Snapshot, edits: Vec<Edit>) -> Result<Vec<Leaf>, ReplicaError> {
    let mut groups: Vec<(EntityId, Vec<Edit>)> = Vec::new();
    let mut places: FxHashMap<EntityId, usize> = FxHashMap::default();
    for edit in edits {
        let entity = *edit.entity();
        // imports come entity by entity
        let place = match groups.last() {
            Some((last, _)) if *last == entity => groups.len() - 1,
            _ => *places.entry(entity).or_insert(groups.len()),
        };
        match groups.get_mut(place) {
            Some((_, group)) => group.push(edit),
            None => groups.push((entity, vec![edit])),
        }
    }
    let mut out = Vec::with_capacity(groups.len());
    for (entity, group) in groups {
        let mut plan = Plan::new(snapshot, entity);
        for edit in group {
            plan.edit(edit)?;
        }
        let ops = plan.finish();
        if !ops.is_empty() {
            out.push(Leaf { entity, ops });
        }
    }
    out.sort_by_key(|l| l.entity);
    Ok(out)
}
