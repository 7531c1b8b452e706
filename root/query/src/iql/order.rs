//! The entities of a level in order, with its page cut out.

use std::cmp::Ordering;
use std::sync::Arc;

use rhizome_replica::{Eid, Snapshot, Word, key};

use super::lower::Level;
use crate::error::QueryError;
use crate::exec::words::Words;
use crate::input::Input;
use crate::ir;
use crate::limits::Limits;
use crate::prepared::Prepared;

/// The queries of a level, planned once for all parents.
#[derive(Debug)]
pub struct Queries {
    plain: Prepared,
    by_value: Option<ir::Query>,
    without_value: Option<Prepared>,
}

impl Queries {
    pub fn new(level: &Level, limits: &Limits) -> Self {
        let prepare = |q: &ir::Query| Prepared::from_ir(q.clone(), limits);
        Self {
            plain: prepare(&level.query),
            by_value: level.by_value.clone(),
            without_value: level.without_value.as_ref().map(prepare),
        }
    }
}

/// The entities of a level at the top.
#[derive(Debug)]
pub struct Page {
    level: Arc<Level>,
    queries: Queries,
    limits: Limits,
}

impl Page {
    pub fn new(level: Arc<Level>, limits: &Limits) -> Self {
        Self {
            queries: Queries::new(&level, limits),
            level,
            limits: *limits,
        }
    }

    /// So many entities at most from the first on, in order, wherever the page begins and ends. A level with `after` always gives its
    /// page.
    pub fn head(&self, snapshot: &Snapshot, wanted: Option<usize>) -> Result<Vec<Eid>, QueryError> {
        let (level, queries, limits) = (&*self.level, &self.queries, &self.limits);
        if level.after.is_some() {
            page(level, queries, snapshot, &[], limits, &|| true)
        } else {
            head(level, queries, snapshot, &[], wanted, limits, &|| true)
        }
    }
}

/// The entities of one page.
pub fn page(
    level: &Level,
    queries: &Queries,
    snapshot: &Snapshot,
    parent: &[Input],
    limits: &Limits,
    check: &dyn Fn() -> bool,
) -> Result<Vec<Eid>, QueryError> {
    let wanted = level.limit.map(|l| l.saturating_add(level.offset));
    let cut = wanted.filter(|_| level.after.is_none());
    let mut all = head(level, queries, snapshot, parent, cut, limits, check)?;
    if let Some(after) = level.after {
        let at = snapshot
            .eid(&after)
            .and_then(|e| all.iter().position(|x| *x == e));
        let at = at.ok_or_else(|| QueryError::Shape {
            path: format!("{}.$.after", level.key),
            expected: "the id of an entity that is in the result".into(),
            found: after.to_string(),
        })?;
        all.drain(..=at);
    }
    let start = level.offset.min(all.len());
    let end = wanted.map_or(all.len(), |w| w.min(all.len()));
    Ok(all[start..end.max(start)].to_vec())
}

/// The first entities of a level, so many at most, in order.
fn head(
    level: &Level,
    queries: &Queries,
    snapshot: &Snapshot,
    parent: &[Input],
    wanted: Option<usize>,
    limits: &Limits,
    check: &dyn Fn() -> bool,
) -> Result<Vec<Eid>, QueryError> {
    // the first few by one value: an index walk may find them without looking at the rest
    if let (Some(query), Some(without), Some(wanted)) =
        (&queries.by_value, &queries.without_value, wanted)
    {
        let mut found = first(query, snapshot, parent, wanted, limits, check)?;
        if found.len() < wanted {
            let rest = entities(without, snapshot, parent, check)?;
            found.extend(sorted(rest, &[], snapshot));
            found.truncate(wanted);
        }
        return Ok(found);
    }
    let found = entities(&queries.plain, snapshot, parent, check)?;
    let mut found = sorted(found, &level.order, snapshot);
    found.truncate(wanted.unwrap_or(usize::MAX));
    Ok(found)
}

fn entities(
    query: &Prepared,
    snapshot: &Snapshot,
    parent: &[Input],
    check: &dyn Fn() -> bool,
) -> Result<Vec<Eid>, QueryError> {
    let rows = query.run_while(snapshot, parent, check)?;
    Ok((0..rows.len()).filter_map(|r| rows.entity(r, 0)).collect())
}

/// The first different entities by a value. An entity with several values comes where its first one is, so more rows than entities
/// may be needed.
fn first(
    query: &ir::Query,
    snapshot: &Snapshot,
    parent: &[Input],
    wanted: usize,
    limits: &Limits,
    check: &dyn Fn() -> bool,
) -> Result<Vec<Eid>, QueryError> {
    let mut rows_wanted = wanted;
    loop {
        let limited = ir::Query {
            limit: Some(rows_wanted as u64),
            ..query.clone()
        };
        let rows = Prepared::from_ir(limited, limits).run_while(snapshot, parent, check)?;
        let mut found: Vec<Eid> = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        for e in (0..rows.len()).filter_map(|r| rows.entity(r, 0)) {
            if seen.insert(e) {
                found.push(e);
            }
        }
        if found.len() >= wanted || rows.len() < rows_wanted {
            found.truncate(wanted);
            return Ok(found);
        }
        rows_wanted = rows_wanted.saturating_mul(2).saturating_add(16);
    }
}

/// By the values of each order key: of several, the first in its direction; without one, last. Ties, and everything without order, by
/// entity id.
fn sorted(all: Vec<Eid>, order: &[(String, bool)], snapshot: &Snapshot) -> Vec<Eid> {
    let words = Words::new(snapshot);
    let value = |e: Eid, (attribute, descending): &(String, bool)| {
        ranked_by(&words, e, attribute, *descending)
    };
    let mut keyed: Vec<(Vec<Option<Word>>, Eid)> = all
        .into_iter()
        .map(|e| (order.iter().map(|k| value(e, k)).collect(), e))
        .collect();
    keyed.sort_by(|(a, x), (b, y)| {
        for ((a, b), (_, descending)) in a.iter().zip(b).zip(order) {
            let o = match (a, b) {
                (Some(a), Some(b)) if *descending => words.total(*b, *a),
                (Some(a), Some(b)) => words.total(*a, *b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            if o != Ordering::Equal {
                return o;
            }
        }
        snapshot.entity_id(*x).cmp(&snapshot.entity_id(*y))
    });
    keyed.into_iter().map(|(_, e)| e).collect()
}

/// The value of an attribute that an entity is ordered by: of several, the first in that direction.
pub fn ranked_by(words: &Words<'_>, e: Eid, attribute: &str, descending: bool) -> Option<Word> {
    let snapshot = words.snapshot;
    let (lo, hi) = key::eav_ea(e, snapshot.aid(attribute)?);
    let values = snapshot.eav().range(lo, hi).map(|k| key::un_eav(k).v);
    if descending {
        values.max_by(|a, b| words.total(*a, *b))
    } else {
        values.min_by(|a, b| words.total(*a, *b))
    }
}
