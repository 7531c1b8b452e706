//! Live nested queries: each namespace asked for is a result of its own, put together here.
//!
//! What short names mean depends on the attributes of the pod and on the types that entities say they have. Where a commit changes
//! that, a namespace whose meaning became another one starts afresh, and its subscribers get the difference.

use super::diff::{Diff, Row, RowId, SubscriptionId, Update};
use super::limits::LiveLimits;
use super::objects::{NestedUpdate, Object, ObjectsDiff};
use super::strategy::Strategy;
use crate::error::QueryError;
use crate::iql::{self, Level, Names};
use crate::limits::Limits;
use rhizome_replica::{Change, Snapshot, key, tag};
use rhizome_tuple::{EntityId, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The nested queries of a set.
#[derive(Debug, Default)]
pub struct NestedSet {
    by_id: BTreeMap<SubscriptionId, Nested>,
    /// From the result of a namespace to the query and the place in it.
    parts: FxHashMap<SubscriptionId, (SubscriptionId, usize)>,
    /// How many attributes the pod had when names were last looked up.
    attributes: usize,
    /// What nobody has asked for yet.
    pub updates: Vec<(SubscriptionId, NestedUpdate)>,
}

/// A nested query and its results.
#[derive(Debug)]
pub struct Nested {
    query: iql::Query,
    names: Names,
    limits: Limits,
    /// Every name that may be that of a type.
    types: BTreeSet<String>,
    pub parts: Vec<Part>,
}

/// The result of one namespace.
#[derive(Debug)]
pub struct Part {
    pub id: SubscriptionId,
    namespace: Arc<str>,
    level: Arc<Level>,
    pub strategy: Strategy,
    rows: FxHashMap<RowId, EntityId>,
}

/// A namespace that must start afresh: what it was, and what it means now.
pub struct Renewal {
    pub query: SubscriptionId,
    pub part: usize,
    pub level: Arc<Level>,
    pub limits: Limits,
    pub was: Vec<(EntityId, Arc<[Json]>)>,
}

/// What a change did to one namespace.
enum Step {
    Rows(Diff),
    Renewed(ObjectsDiff),
}

impl Nested {
    pub fn new(query: &iql::Query, names: &Names, limits: &Limits) -> Self {
        let mut types = BTreeSet::new();
        query.nodes.iter().for_each(|n| named(n, &mut types));
        types.extend(names.targets.values().cloned());
        Self {
            query: query.clone(),
            names: names.clone(),
            limits: *limits,
            types,
            parts: Vec::new(),
        }
    }

    /// The levels at the top, as they are meant at a moment.
    pub fn levels(&self, snapshot: &Snapshot) -> Result<Vec<Arc<Level>>, QueryError> {
        let levels = self.query.lower(snapshot, &self.names)?;
        Ok(levels.into_iter().map(Arc::new).collect())
    }

    /// Objects of all namespaces.
    fn len(&self) -> usize {
        self.parts.iter().map(|p| p.rows.len()).sum()
    }

    /// The place of the first object of a namespace.
    fn base(&self, part: usize) -> usize {
        self.parts[..part].iter().map(|p| p.rows.len()).sum()
    }

    pub fn strategy(&self) -> &Strategy {
        let rerun = |p: &&Part| matches!(p.strategy, Strategy::Rerun { .. });
        let part = self.parts.iter().find(rerun);
        part.map_or(&Strategy::Incremental, |p| &p.strategy)
    }

    /// The objects of a namespace, from its rows.
    pub fn objects(&self, part: usize, rows: &[Row]) -> Vec<Object> {
        let base = self.base(part);
        let part = &self.parts[part];
        rows.iter().filter_map(|r| part.object(r, base)).collect()
    }

    /// Adds the result of a namespace.
    pub fn add(&mut self, part: Part, rows: &[Row]) -> Vec<Object> {
        self.parts.push(part);
        let last = self.parts.len() - 1;
        let base = self.base(last);
        self.parts[last].take(rows, base)
    }

    pub fn check(&self, bounds: &LiveLimits) -> Result<(), QueryError> {
        if self.len() <= bounds.subscription_rows {
            return Ok(());
        }
        Err(QueryError::Limit {
            limit: "subscription_rows",
            maximum: bounds.subscription_rows as u64,
            at: None,
        })
    }

    /// Takes in what happened to some namespaces, each once.
    fn fold(&mut self, steps: BTreeMap<usize, Step>) -> ObjectsDiff {
        let mut out = ObjectsDiff::default();
        for (part, step) in steps {
            // namespaces before this one have changed already: places are the final ones
            let base = self.base(part);
            let diff = match step {
                Step::Rows(diff) => self.parts[part].apply(&diff, base),
                Step::Renewed(mut diff) => {
                    let objects = diff.added.iter_mut().chain(&mut diff.changed);
                    objects.for_each(|o| o.index += base);
                    diff
                }
            };
            out.removed.extend(diff.removed);
            out.added.extend(diff.added);
            out.changed.extend(diff.changed);
        }
        out
    }
}

/// Every name in a query that may be that of a type.
fn named(node: &iql::Node, out: &mut BTreeSet<String>) {
    fn paths(conditions: &[iql::Condition], out: &mut BTreeSet<String>) {
        for condition in conditions {
            match condition {
                iql::Condition::All(all) | iql::Condition::Any(all) | iql::Condition::Not(all) => {
                    paths(all, out);
                }
                iql::Condition::Field { path, .. } => {
                    out.extend(path.iter().map(|p| p.trim_start_matches('_').to_owned()));
                }
            }
        }
    }
    out.insert(node.key.clone());
    out.insert(node.key.trim_start_matches('_').to_owned());
    paths(&node.condition, out);
    node.links.iter().for_each(|n| named(n, out));
}

impl Part {
    pub fn new(id: SubscriptionId, level: Arc<Level>, strategy: Strategy) -> Self {
        Self {
            id,
            namespace: level.key.as_str().into(),
            level,
            strategy,
            rows: FxHashMap::default(),
        }
    }

    fn object(&self, row: &Row, base: usize) -> Option<Object> {
        Some(Object {
            namespace: self.namespace.clone(),
            entity: row.subject()?,
            index: base + row.index()?,
            pulled: row.pulled(),
        })
    }

    /// The rows are these, whatever they were.
    pub fn restart(&mut self, rows: &[Row]) {
        self.rows.clear();
        self.take(rows, 0);
    }

    /// Takes in rows that are new.
    fn take(&mut self, rows: &[Row], base: usize) -> Vec<Object> {
        let mut out = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(object) = self.object(row, base) {
                self.rows.insert(row.id(), object.entity);
                out.push(object);
            }
        }
        out
    }

    fn apply(&mut self, diff: &Diff, base: usize) -> ObjectsDiff {
        let gone = diff.removed.iter().filter_map(|id| self.rows.remove(id));
        let mut gone: FxHashSet<EntityId> = gone.collect();
        // a row that left and was fetched again is the same object
        let (back, added) = self
            .take(&diff.added, base)
            .into_iter()
            .partition(|o| gone.remove(&o.entity));
        let mut changed: Vec<Object> = back;
        changed.extend(diff.changed.iter().filter_map(|r| self.object(r, base)));
        ObjectsDiff {
            removed: gone
                .into_iter()
                .map(|e| (self.namespace.clone(), e))
                .collect(),
            added,
            changed,
        }
    }
}

impl NestedSet {
    pub fn new(snapshot: &Snapshot) -> Self {
        Self {
            attributes: snapshot.attributes().count(),
            ..Self::default()
        }
    }

    /// How many queries there are, and how many results they consist of.
    pub fn len(&self) -> (usize, usize) {
        (self.by_id.len(), self.parts.len())
    }

    pub fn get(&self, id: SubscriptionId) -> Option<&Nested> {
        self.by_id.get(&id)
    }

    pub fn insert(&mut self, id: SubscriptionId, nested: Nested) {
        for (i, part) in nested.parts.iter().enumerate() {
            self.parts.insert(part.id, (id, i));
        }
        self.by_id.insert(id, nested);
    }

    /// Takes all queries out.
    pub fn drain(&mut self) -> BTreeMap<SubscriptionId, Nested> {
        self.parts.clear();
        std::mem::take(&mut self.by_id)
    }

    pub fn remove(&mut self, id: SubscriptionId) -> Option<Nested> {
        let nested = self.by_id.remove(&id)?;
        nested.parts.iter().for_each(|p| {
            self.parts.remove(&p.id);
        });
        Some(nested)
    }

    /// The namespaces that mean something else after a change, with what they mean now; `was` is still empty. An error ends a query.
    pub fn renewals(
        &mut self,
        before: &Snapshot,
        change: &Change,
    ) -> Vec<(SubscriptionId, Result<Vec<Renewal>, QueryError>)> {
        let after = &change.after;
        let attributes = after.attributes().count();
        let other = std::mem::replace(&mut self.attributes, attributes) != attributes;
        if self.by_id.is_empty() {
            return Vec::new();
        }
        let types = if other || change.reset {
            BTreeSet::new()
        } else {
            turned(before, change)
        };
        let mut out = Vec::new();
        for (id, nested) in &self.by_id {
            if !(other || change.reset || types.iter().any(|t| nested.types.contains(t))) {
                continue;
            }
            let levels = match nested.levels(after) {
                Ok(levels) => levels,
                Err(e) => {
                    out.push((*id, Err(e)));
                    continue;
                }
            };
            let pairs = nested.parts.iter().zip(levels).enumerate();
            let renewed = pairs.filter(|(_, (part, level))| part.level != *level);
            let renewed: Vec<Renewal> = renewed
                .map(|(part, (_, level))| Renewal {
                    query: *id,
                    part,
                    level,
                    limits: nested.limits,
                    was: Vec::new(),
                })
                .collect();
            if !renewed.is_empty() {
                out.push((*id, Ok(renewed)));
            }
        }
        out
    }

    /// The objects of a namespace, known by entity.
    pub fn shown(&self, renewal: &Renewal, rows: &[Row]) -> Vec<(EntityId, Arc<[Json]>)> {
        let part = self.by_id.get(&renewal.query);
        let part = part.and_then(|n| n.parts.get(renewal.part));
        let entity = |r: &Row| part.and_then(|p| p.rows.get(&r.id()).copied());
        rows.iter()
            .filter_map(|r| Some((entity(r)?, r.pulled())))
            .collect()
    }

    /// The result of a namespace.
    pub fn part(&self, query: SubscriptionId, part: usize) -> Option<SubscriptionId> {
        Some(self.by_id.get(&query)?.parts.get(part)?.id)
    }

    /// Puts a namespace that started afresh into its place, and says what became different.
    pub fn renew(&mut self, renewal: &Renewal, mut part: Part, rows: &[Row]) -> ObjectsDiff {
        let new = part.take(rows, 0);
        let diff = difference(&renewal.was, new, &part.namespace);
        let Some(nested) = self.by_id.get_mut(&renewal.query) else {
            return diff;
        };
        if let Some(place) = nested.parts.get_mut(renewal.part) {
            self.parts.remove(&place.id);
            self.parts.insert(part.id, (renewal.query, renewal.part));
            *place = part;
        }
        diff
    }

    /// Puts the updates of namespaces together to updates of queries; gives back the others. `ended`: queries that mean nothing any
    /// more.
    pub fn gather(
        &mut self,
        updates: Vec<(SubscriptionId, Update)>,
        renewed: Vec<(SubscriptionId, usize, ObjectsDiff)>,
        mut ended: BTreeMap<SubscriptionId, QueryError>,
        bounds: &LiveLimits,
    ) -> (Vec<(SubscriptionId, Update)>, Vec<SubscriptionId>) {
        let mut others = Vec::new();
        let mut steps: BTreeMap<SubscriptionId, BTreeMap<usize, Step>> = BTreeMap::new();
        let mut early = Vec::new();
        for (query, part, diff) in renewed {
            let steps = steps.entry(query).or_default();
            steps.insert(part, Step::Renewed(diff));
        }
        for (id, update) in updates {
            let Some((query, part)) = self.parts.get(&id).copied() else {
                others.push((id, update));
                continue;
            };
            match update {
                Update::Rows(diff) => {
                    let steps = steps.entry(query).or_default();
                    if steps.contains_key(&part) {
                        // twice in one change: the first as it was then
                        let first = std::mem::take(steps);
                        early.extend(self.fold(query, first));
                    }
                    steps.insert(part, Step::Rows(diff));
                }
                Update::Ended(e) => {
                    ended.entry(query).or_insert(e);
                }
            }
        }
        early.retain(|(id, _)| !ended.contains_key(id));
        self.updates.extend(early);
        for (query, steps) in steps {
            if ended.contains_key(&query) {
                continue;
            }
            let update = self.fold(query, steps);
            self.updates.extend(update);
            let checked = self.by_id.get(&query).map(|n| n.check(bounds));
            if let Some(Err(e)) = checked {
                ended.insert(query, e);
            }
        }
        let over = ended.keys().copied().collect();
        let ended = ended.into_iter();
        self.updates
            .extend(ended.map(|(id, e)| (id, NestedUpdate::Ended(e))));
        (others, over)
    }

    fn fold(
        &mut self,
        query: SubscriptionId,
        steps: BTreeMap<usize, Step>,
    ) -> Option<(SubscriptionId, NestedUpdate)> {
        let diff = self.by_id.get_mut(&query)?.fold(steps);
        (!diff.is_empty()).then_some((query, NestedUpdate::Objects(diff)))
    }
}

/// The types that an entity says it has for the first time, or none says any more.
fn turned(before: &Snapshot, change: &Change) -> BTreeSet<String> {
    let mut seen = FxHashSet::default();
    let mut out = BTreeSet::new();
    for fact in change.added.iter().chain(&change.removed) {
        let name = change.after.attribute(fact.a);
        if fact.v.tag != tag::TEXT
            || !name.is_some_and(iql::is_type)
            || !seen.insert((fact.a, fact.v))
        {
            continue;
        }
        let says = |s: &Snapshot| {
            let (lo, hi) = key::ave_av(fact.a, fact.v);
            s.ave().range(lo, hi).next().is_some()
        };
        if says(before) != says(&change.after)
            && let Some(Value::Text(name)) = change.after.value(fact.v)
        {
            out.insert(name);
        }
    }
    out
}

/// What became different between two results of a namespace.
fn difference(
    was: &[(EntityId, Arc<[Json]>)],
    new: Vec<Object>,
    namespace: &Arc<str>,
) -> ObjectsDiff {
    let before: FxHashMap<EntityId, &Arc<[Json]>> = was.iter().map(|(e, o)| (*e, o)).collect();
    let after: FxHashSet<EntityId> = new.iter().map(|o| o.entity).collect();
    let stayed = was.iter().map(|(e, _)| *e).filter(|e| after.contains(e));
    let places = new.iter().map(|o| o.entity);
    let same_order = stayed.eq(places.filter(|e| before.contains_key(e)));
    let gone = was.iter().filter(|(e, _)| !after.contains(e));
    let mut out = ObjectsDiff {
        removed: gone.map(|(e, _)| (namespace.clone(), *e)).collect(),
        ..ObjectsDiff::default()
    };
    for object in new {
        match before.get(&object.entity) {
            None => out.added.push(object),
            Some(o) if same_order && **o == object.pulled => {}
            Some(_) => out.changed.push(object),
        }
    }
    out
}
