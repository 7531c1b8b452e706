//! What attributes hold: before something was adopted, and after.

use std::collections::{BTreeMap, BTreeSet};

use rhizome_replica::{Edit, Snapshot};
use rhizome_schema::{Merge, Schemas};
use rhizome_tuple::{Attribute, EntityId, MAX_VALUE_LEN, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    PodError,
    json::{from_json, to_json},
    sharing::records as r,
};

/// An entity and an attribute.
pub(crate) type Place = (EntityId, Attribute);

pub(crate) fn place(edit: &Edit) -> Option<Place> {
    Some((*edit.entity(), edit.attribute()?.clone()))
}

/// The values of an attribute, in their order if it is a list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub list: bool,
    pub values: Vec<Json>,
}

impl PartialEq for Shape {
    /// In which order the values of a set come is another matter in each replica.
    fn eq(&self, other: &Self) -> bool {
        let sorted = |values: &[Json]| {
            let mut texts: Vec<String> = values.iter().map(Json::to_string).collect();
            texts.sort_unstable();
            texts
        };
        self.list == other.list
            && (self.values == other.values
                || !self.list
                    && self.values.len() == other.values.len()
                    && sorted(&self.values) == sorted(&other.values))
    }
}

impl Shape {
    pub fn of(now: &Snapshot, (entity, attribute): &Place) -> Self {
        let place = now.eid(entity).zip(now.aid(attribute.as_str()));
        let order = place.and_then(|(e, a)| now.list(e, a));
        let list = order.is_some();
        let values: Vec<Json> = match order {
            Some(words) => words
                .into_iter()
                .filter_map(|w| now.value(w))
                .map(|v| to_json(&v))
                .collect(),
            None => r::all(now, entity, attribute.as_str())
                .iter()
                .map(to_json)
                .collect(),
        };
        Self { list, values }
    }

    fn values(&self) -> Result<Vec<Value>, PodError> {
        Ok(self
            .values
            .iter()
            .map(from_json)
            .collect::<Result<_, _>>()?)
    }
}

pub(crate) fn shapes(now: &Snapshot, places: &BTreeSet<Place>) -> Vec<Shape> {
    places.iter().map(|place| Shape::of(now, place)).collect()
}

/// What there was before an adoption, and after it.
#[derive(Debug, Serialize, Deserialize)]
struct Changed {
    entity: String,
    attribute: String,
    before: Shape,
    after: Shape,
}

impl Changed {
    /// Makes it what it was.
    fn restore(&self, (entity, attribute): &Place) -> Result<Vec<Edit>, PodError> {
        let (entity, a) = (*entity, || attribute.clone());
        let (before, after) = (self.before.values()?, self.after.values()?);
        let merge = Schemas::built_in().merge(attribute.as_str());
        Ok(match (before.as_slice(), after.as_slice()) {
            ([], _) => vec![Edit::Retract(entity, a(), None)],
            _ if self.before.list => vec![Edit::SetList(entity, a(), before)],
            // others may have counted meanwhile
            ([Value::Integer(x)], [Value::Integer(y)]) if merge == Merge::Counter => {
                vec![Edit::Add(entity, a(), x.saturating_sub(*y))]
            }
            ([one], _) if merge == Merge::Register => {
                vec![Edit::Assert(entity, a(), one.clone())]
            }
            _ => {
                let lost = before.iter().filter(|v| !after.contains(v));
                let new = after.iter().filter(|v| !before.contains(v));
                let lost = lost.map(|v| Edit::Insert(entity, a(), v.clone()));
                let new = new.map(|v| Edit::Retract(entity, a(), Some(v.clone())));
                new.chain(lost).collect()
            }
        })
    }
}

/// Longest note of what changed, where it can be in several.
const PART: usize = 256 << 10;

/// As [`changed`], in several notes, each of which a tuple can hold.
pub(crate) fn changed_in_parts(
    now: &Snapshot,
    places: &BTreeSet<Place>,
    before: &[Shape],
) -> Result<Vec<String>, PodError> {
    let (mut parts, mut last, mut len) = (Vec::new(), Vec::new(), 0);
    for record in records(now, places, before) {
        let text = serde_json::to_string(&record).map_err(|e| PodError::Request(e.to_string()))?;
        if text.len() + 2 > MAX_VALUE_LEN {
            return Err(PodError::Request(format!(
                "{} of {} is too long, before and after, to be made undone: write it in the pod itself",
                record.attribute, record.entity
            )));
        }
        if len + text.len() > PART && !last.is_empty() {
            parts.push(format!("[{}]", std::mem::take(&mut last).join(",")));
            len = 0;
        }
        len += text.len() + 1;
        last.push(text);
    }
    if !last.is_empty() {
        parts.push(format!("[{}]", last.join(",")));
    }
    Ok(parts)
}

/// What has changed of these places since, to be noted for [`undo`].
pub(crate) fn changed(
    now: &Snapshot,
    places: &BTreeSet<Place>,
    before: &[Shape],
) -> Result<String, PodError> {
    let records: Vec<Changed> = records(now, places, before).collect();
    serde_json::to_string(&records).map_err(|e| PodError::Request(e.to_string()))
}

fn records(
    now: &Snapshot,
    places: &BTreeSet<Place>,
    before: &[Shape],
) -> impl Iterator<Item = Changed> {
    let all = places.iter().zip(before.iter().zip(shapes(now, places)));
    let changed = all.filter(|(_, (before, after))| *before != after);
    changed.map(|((entity, attribute), (before, after))| Changed {
        entity: entity.to_string(),
        attribute: attribute.as_str().to_owned(),
        before: before.clone(),
        after,
    })
}

/// Edits, and what stays: an entity and an attribute.
pub(crate) type Undo = (Vec<Edit>, Vec<(EntityId, String)>);

/// Edits that make what still is as it was adopted what it was before, and what was changed since: that stays.
pub(crate) fn undo(now: &Snapshot, noted: &BTreeSet<String>) -> Result<Undo, PodError> {
    let damaged = || PodError::Request("what was there before cannot be read any more".into());
    let mut all: Vec<Changed> = Vec::new();
    for text in noted {
        all.extend(serde_json::from_str::<Vec<Changed>>(text).map_err(|_| damaged())?);
    }
    restore(now, all)
}

/// As [`undo`], of what became different in these places between two moments.
pub(crate) fn undo_between(
    now: &Snapshot,
    places: &BTreeSet<Place>,
    (before, after): (&Snapshot, &Snapshot),
) -> Result<Undo, PodError> {
    let before = shapes(before, places);
    restore(now, records(after, places, &before).collect())
}

fn restore(now: &Snapshot, changed: Vec<Changed>) -> Result<Undo, PodError> {
    let damaged = || PodError::Request("what was there before cannot be read any more".into());
    let mut by_place: BTreeMap<Place, Vec<Changed>> = BTreeMap::new();
    for record in changed {
        let entity = record.entity.parse().map_err(|_| damaged())?;
        let place = (entity, r::attribute(&record.attribute)?);
        by_place.entry(place).or_default().push(record);
    }
    let (mut edits, mut kept) = (Vec::new(), Vec::new());
    for (place, mut records) in by_place {
        let here = Shape::of(now, &place);
        let (mut before, mut still) = (here.clone(), false);
        // it may have been adopted more than once, each time over the one before
        while let Some(last) = records.iter().position(|record| record.after == before) {
            before = records.swap_remove(last).before;
            still = true;
        }
        if !still {
            kept.push((place.0, place.1.as_str().to_owned()));
            continue;
        }
        let back = Changed {
            entity: place.0.to_string(),
            attribute: place.1.as_str().to_owned(),
            before,
            after: here,
        };
        edits.extend(back.restore(&place)?);
    }
    Ok((edits, kept))
}
