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
            out.insert("id".into(), self.id(e));
            self.all(e, pattern, &mut out);
        }
        for attribute in &pattern.attributes {
            self.attribute(pattern, attribute, e, depth, &mut out)?;
        }
        self.path.pop();
        Ok(out)
    }

    fn id(&self, e: Eid) -> Json {
        self.snapshot
            .entity_id(e)
            .map_or(Json::Null, |id| Json::from(id.to_string()))
    }

    fn cell(&self, w: Word) -> Json {
        self.snapshot
            .value(w)
            .map_or(Json::Null, |v| json::cell(&v))
    }

    /// The values of an attribute: those of an ordered list in its order, with repetitions.
    fn values(&self, e: Eid, a: Aid, limit: Option<usize>) -> Vec<Word> {
        let limit = limit.unwrap_or(usize::MAX);
        if let Some(mut list) = self.snapshot.list(e, a) {
            list.truncate(limit);
            return list;
        }
        let (lo, hi) = key::eav_ea(e, a);
        self.snapshot
            .eav()
            .range(lo, hi)
            .take(limit)
            .map(|k| key::un_eav(k).v)
            .collect()
    }

    fn all(&self, e: Eid, pattern: &Pattern, out: &mut Map<String, Json>) {
        let (lo, hi) = key::eav_e(e);
        let mut before = None;
        for k in self.snapshot.eav().range(lo, hi) {
            let a = key::un_eav(k).a;
            if before.replace(a) == Some(a) {
                continue;
            }
            let Some(name) = self.snapshot.attribute(a) else {
                continue;
            };
            if pattern
                .attributes
                .iter()
                .any(|p| !p.reverse && p.name == name)
            {
                continue;
            }
            let values = self
                .values(e, a, None)
                .into_iter()
                .map(|w| self.cell(w))
                .collect();
            out.insert(name.to_owned(), one_or_many(values));
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
            out.insert(attribute.key.clone(), self.id(e));
            return Ok(());
        }
        if attribute.reverse {
            (self.note)(Read::Referrers(e));
        }
        let found: Vec<Word> = match self.snapshot.aid(&attribute.name) {
            None => Vec::new(),
            Some(a) if attribute.reverse => {
                let (lo, hi) = key::vae_va(e, a);
                let limit = attribute.limit.unwrap_or(usize::MAX);
                self.snapshot
                    .vae()
                    .range(lo, hi)
                    .take(limit)
                    .map(|k| Word::reference(key::un_vae(k).e))
                    .collect()
            }
            Some(a) => self.values(e, a, attribute.limit),
        };
        let mut values = Vec::with_capacity(found.len());
        for w in found {
            values.push(match w.as_eid().filter(|_| w.tag == tag::REF) {
                Some(target) => self.target(pattern, attribute, target, depth)?,
                None => self.cell(w),
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
            Nested::Id => Ok(self.id(e)),
            Nested::Pattern(inner) => self.entity(inner, e, None).map(Json::Object),
            Nested::Recursion(limit) => {
                let left = match (depth, limit) {
                    (Some(left), _) => left,
                    (None, Some(limit)) => *limit,
                    (None, None) => self.limits.pull_depth,
                };
                if left == 0 || self.path.contains(&e) || self.path.len() >= self.limits.pull_depth
                {
                    return Ok(self.id(e));
                }
                self.entity(pattern, e, Some(left - 1)).map(Json::Object)
            }
        }
    }
}

fn one_or_many(mut values: Vec<Json>) -> Json {
    if values.len() == 1 {
        values.remove(0)
    } else {
        Json::Array(values)
    }
}
