//! What a draft is a branch of.

use std::collections::BTreeSet;

use rhizome_identity::Did;
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_tuple::EntityId;

use crate::{
    Pod, PodError, Whose,
    shape::{Place, Shape},
    sharing::united,
};

/// A moment of a pod; of what somebody shares: of each view of his.
pub(super) struct Base(Vec<Snapshot>);

fn has(now: &Snapshot, entity: &EntityId) -> bool {
    let Some(e) = now.eid(entity) else {
        return false;
    };
    let (lo, hi) = key::eav_e(e);
    now.eav().range(lo, hi).next().is_some()
}

impl Base {
    /// With these edits: in each view those of what is there, and in the first one those of what is in none.
    pub fn with(&self, edits: Vec<Edit>) -> Result<Self, PodError> {
        if let [one] = &self.0[..] {
            return Ok(Self(vec![one.with_edits(edits)?]));
        }
        let known = |entity: &EntityId| self.0.iter().any(|now| has(now, entity));
        let of: BTreeSet<EntityId> = edits.iter().map(|edit| *edit.entity()).collect();
        let new: BTreeSet<EntityId> = of.into_iter().filter(|e| !known(e)).collect();
        let mut out = Vec::new();
        for (n, now) in self.0.iter().enumerate() {
            let here = |e: &EntityId| has(now, e) || n == 0 && new.contains(e);
            let some = edits.iter().filter(|edit| here(edit.entity()));
            out.push(now.with_edits(some.cloned().collect())?);
        }
        Ok(Self(out))
    }

    /// What some attributes hold.
    pub fn shapes(&self, places: &BTreeSet<Place>) -> Vec<(Place, Shape)> {
        let of = |place: &Place| {
            let mut all = self.0.iter();
            let here = all.find(|now| has(now, &place.0));
            here.map(|now| Shape::of(now, place)).unwrap_or_default()
        };
        places.iter().map(|p| (p.clone(), of(p))).collect()
    }

    /// As one.
    pub fn one(mut self) -> Result<Snapshot, PodError> {
        match self.0.len() {
            1 => Ok(self.0.remove(0)),
            _ => united(&self.0),
        }
    }
}

impl Pod {
    /// This moment of what a draft is a branch of.
    pub(super) fn base(&self, of: Option<&Did>) -> Result<Base, PodError> {
        Ok(Base(match of {
            None => vec![self.replica().snapshot()],
            Some(of) => self.shared_parts(Whose::Of(*of))?,
        }))
    }
}
