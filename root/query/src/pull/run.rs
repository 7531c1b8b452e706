//! Running a pull pattern on an entity.

use rhizome_replica::{Aid, Eid, Snapshot, Word, key, tag};
use serde_json::{Map, Value as Json};

use super::pattern::{Attribute, Nested, Pattern};
use crate::error::QueryError;
use crate::json;
use crate::limits::Limits;

/// What the pattern fetches of an entity, as an object. Attributes with one value hold it, those with several an array; an attribute
/// without values is left out.
pub fn pull(
    snapshot: &Snapshot,
    pattern: &Pattern,
    entity: Eid,
    limits: &Limits,
) -> Result<Json, QueryError> {
    pull_noting(snapshot, pattern, entity, limits, &mut |_| ())
}

/// What a pull looked at: its result can only change if something of this does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// The values of an entity.
    Entity(Eid),
    /// What refers to an entity.
    Referrers(Eid),
}

/// As [`pull`], and tells `note` everything it looks at.
pub fn pull_noting(
    snapshot: &Snapshot,
    pattern: &Pattern,
    entity: Eid,
    limits: &Limits,
    note: &mut dyn FnMut(Read),
) -> Result<Json, QueryError> {
    let mut puller = Puller {
        snapshot,
        limits,
        note,
        visited: 0,
        path: Vec::new(),
    };
    Ok(Json::Object(puller.entity(pattern, entity, None)?))
}

struct Puller<'a> {
    snapshot: &'a Snapshot,
    note: &'a mut dyn FnMut(Read),
    limits: &'a Limits,
    visited: usize,
    /// The entities being fetched, outermost first: a cycle ends at an entity that is its own ancestor.
    path: Vec<Eid>,
}

/// The id of an entity, or null.
pub fn id(snapshot: &Snapshot, e: Eid) -> Json {
    let id = snapshot.entity_id(e);
    id.map_or(Json::Null, |id| Json::from(id.to_string()))
}

/// A value, or null.
pub fn cell(snapshot: &Snapshot, w: Word) -> Json {
    snapshot.value(w).map_or(Json::Null, |v| json::cell(&v))
}

/// The first `limit` values of an attribute: those of an ordered list in its order, with repetitions.
pub fn values(snapshot: &Snapshot, e: Eid, a: Aid, limit: usize) -> Vec<Word> {
    if let Some(mut list) = snapshot.list(e, a) {
        list.truncate(limit);
        return list;
    }
    let (lo, hi) = key::eav_ea(e, a);
    let found = snapshot.eav().range(lo, hi).take(limit);
    found.map(|k| key::un_eav(k).v).collect()
}

/// The attributes of an entity that have values, each once.
pub fn attributes(snapshot: &Snapshot, e: Eid) -> impl Iterator<Item = (Aid, &str)> {
    let (lo, hi) = key::eav_e(e);
    let mut before = None;
    let each = snapshot.eav().range(lo, hi).map(|k| key::un_eav(k).a);
    each.filter(move |a| before.replace(*a) != Some(*a))
        .filter_map(|a| Some((a, snapshot.attribute(a)?)))
}

/// The only value there is, or an array of all.
pub fn one_or_many(mut values: Vec<Json>) -> Json {
    if values.len() == 1 {
        values.remove(0)
    } else {
        Json::Array(values)
    }
}

impl Puller<'_> {
    /// `depth`: how often a recursive attribute may still recurse.
    fn entity(
        &mut self,
        pattern: &Pattern,
        e: Eid,
        depth: Option<usize>,
    ) -> Result<Map<String, Json>, QueryError> {
        self.visited += 1;
        if self.visited > self.limits.pull_entities {
            return Err(Limits::exceeded(
                "pull_entities",
                self.limits.pull_entities,
                None,
            ));
        }
        if self.path.len() >= self.limits.pull_depth {
            return Err(Limits::exceeded("pull_depth", self.limits.pull_depth, None));
        }
        self.path.push(e);
        (self.note)(Read::Entity(e));
        let mut out = Map::new();
        if pattern.wildcard {
            out.insert("id".into(), id(self.snapshot, e));
            self.all(e, pattern, &mut out);
        }
        for attribute in &pattern.attributes {
            self.attribute(pattern, attribute, e, depth, &mut out)?;
        }
        self.path.pop();
        Ok(out)
    }

    fn all(&self, e: Eid, pattern: &Pattern, out: &mut Map<String, Json>) {
        for (a, name) in attributes(self.snapshot, e) {
            if pattern
                .attributes
                .iter()
                .any(|p| !p.reverse && p.name == name)
            {
                continue;
            }
            let found = values(self.snapshot, e, a, usize::MAX).into_iter();
            let cells = found.map(|w| cell(self.snapshot, w)).collect();
            out.insert(name.to_owned(), one_or_many(cells));
        }
    }

    fn attribute(
        &mut self,
        pattern: &Pattern,
        attribute: &Attribute,
        e: Eid,
        depth: Option<usize>,
        out: &mut Map<String, Json>,
    ) -> Result<(), QueryError> {
        if attribute.name == "id" && !attribute.reverse {
            out.insert(attribute.key.clone(), id(self.snapshot, e));
            return Ok(());
        }
        if attribute.reverse {
            (self.note)(Read::Referrers(e));
        }
        let limit = attribute.limit.unwrap_or(usize::MAX);
        let found: Vec<Word> = match self.snapshot.aid(&attribute.name) {
            None => Vec::new(),
            Some(a) if attribute.reverse => {
                let (lo, hi) = key::vae_va(e, a);
                self.snapshot
                    .vae()
                    .range(lo, hi)
                    .take(limit)
                    .map(|k| Word::reference(key::un_vae(k).e))
                    .collect()
            }
            Some(a) => values(self.snapshot, e, a, limit),
        };
        let mut values = Vec::with_capacity(found.len());
        for w in found {
            values.push(match w.as_eid().filter(|_| w.tag == tag::REF) {
                Some(target) => self.target(pattern, attribute, target, depth)?,
                None => cell(self.snapshot, w),
            });
        }
        if values.is_empty() {
            if let Some(default) = &attribute.default {
                out.insert(attribute.key.clone(), default.0.clone());
            }
            return Ok(());
        }
        // what refers here is many by nature
        let value = if attribute.reverse {
            Json::Array(values)
        } else {
            one_or_many(values)
        };
        out.insert(attribute.key.clone(), value);
        Ok(())
    }

    fn target(
        &mut self,
        pattern: &Pattern,
        attribute: &Attribute,
        e: Eid,
        depth: Option<usize>,
    ) -> Result<Json, QueryError> {
        match &attribute.nested {
            Nested::Id => Ok(id(self.snapshot, e)),
            Nested::Pattern(inner) => self.entity(inner, e, None).map(Json::Object),
            Nested::Recursion(limit) => {
                let left = match (depth, limit) {
                    (Some(left), _) => left,
                    (None, Some(limit)) => *limit,
                    (None, None) => self.limits.pull_depth,
                };
                if left == 0 || self.path.contains(&e) || self.path.len() >= self.limits.pull_depth
                {
                    return Ok(id(self.snapshot, e));
                }
                self.entity(pattern, e, Some(left - 1)).map(Json::Object)
            }
        }
    }
}
