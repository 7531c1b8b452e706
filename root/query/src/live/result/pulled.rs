//! What was pulled for each row, and which entities it depends on.

use crate::error::QueryError;
use crate::iql::Tree;
use crate::limits::Limits;
use crate::pull::{self, Read};
use rhizome_replica::{Eid, Fact, Snapshot, Word};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A row of an instance of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowPlace {
    pub group: u32,
    pub instance: u32,
    pub row: u64,
}

/// Rows by what was read for them.
#[derive(Debug, Default)]
pub struct Watch {
    by_read: FxHashMap<Read, BTreeSet<RowPlace>>,
}

impl Watch {
    pub fn is_empty(&self) -> bool {
        self.by_read.is_empty()
    }

    /// Calls `f` with every row that a fact may concern.
    pub fn fact(&self, fact: &Fact, f: &mut impl FnMut(RowPlace)) {
        self.entity(fact.e, f);
        if let Some(target) = fact.v.as_eid() {
            self.read(Read::Referrers(target), f);
        }
    }

    /// Calls `f` with every row that the values of an entity concern.
    pub fn entity(&self, e: Eid, f: &mut impl FnMut(RowPlace)) {
        self.read(Read::Entity(e), f);
    }

    fn read(&self, read: Read, f: &mut impl FnMut(RowPlace)) {
        if let Some(rows) = self.by_read.get(&read) {
            for place in rows {
                f(*place);
            }
        }
    }

    fn put(&mut self, read: Read, place: RowPlace) {
        self.by_read.entry(read).or_default().insert(place);
    }

    fn drop(&mut self, read: Read, place: RowPlace) {
        if let Some(rows) = self.by_read.get_mut(&read) {
            rows.remove(&place);
            if rows.is_empty() {
                self.by_read.remove(&read);
            }
        }
    }
}

/// The pulled cells of the rows of one instance.
#[derive(Debug, Default)]
pub struct Pulled {
    rows: FxHashMap<u64, PulledRow>,
}

#[derive(Debug)]
struct PulledRow {
    key: Arc<[Word]>,
    cells: Arc<[Json]>,
    reads: FxHashSet<Read>,
}

/// What is read for each row besides its words, and within which limits.
#[derive(Debug)]
pub struct Pulls {
    /// The columns of a query that are pulled.
    pub columns: Vec<(usize, pull::Pattern)>,
    /// Of a nested query: how the entity of a row becomes an object.
    pub objects: Option<Tree>,
    pub limits: Limits,
}

impl Pulls {
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.objects.is_none()
    }

    fn cells(
        &self,
        key: &[Word],
        words: &[Word],
        snapshot: &Snapshot,
        note: &mut dyn FnMut(Read),
    ) -> Result<Vec<Json>, QueryError> {
        if let Some(tree) = &self.objects {
            let e = key.first().and_then(|w| w.as_eid());
            let object = e.map(|e| tree.object(snapshot, e, &self.limits, note));
            return Ok(vec![object.transpose()?.unwrap_or(Json::Null)]);
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        for (column, pattern) in &self.columns {
            let entity = words.get(*column).and_then(|w| w.as_eid());
            cells.push(match entity {
                Some(e) => pull::pull_noting(snapshot, pattern, e, &self.limits, note)?,
                None => Json::Null,
            });
        }
        Ok(cells)
    }
}

impl Pulled {
    /// Pulls the cells of a row. Says whether they are others than before.
    pub fn pull(
        &mut self,
        pulls: &Pulls,
        key: &Arc<[Word]>,
        words: &[Word],
        snapshot: &Snapshot,
        place: RowPlace,
        watch: &mut Watch,
    ) -> Result<(Arc<[Json]>, bool), QueryError> {
        let mut reads = FxHashSet::default();
        let cells = pulls.cells(key, words, snapshot, &mut |r| {
            reads.insert(r);
        })?;
        let old = self.rows.remove(&place.row);
        if let Some(old) = &old {
            let gone = old.reads.iter().filter(|r| !reads.contains(r));
            gone.for_each(|r| watch.drop(*r, place));
        }
        let known = |r: &Read| old.as_ref().is_some_and(|o| o.reads.contains(r));
        let new = reads.iter().filter(|r| !known(r));
        new.for_each(|r| watch.put(*r, place));
        let cells: Arc<[Json]> = cells.into();
        let other = old.is_none_or(|o| o.cells != cells);
        let row = PulledRow {
            key: key.clone(),
            cells: cells.clone(),
            reads,
        };
        self.rows.insert(place.row, row);
        Ok((cells, other))
    }

    pub fn drop(&mut self, place: RowPlace, watch: &mut Watch) {
        if let Some(row) = self.rows.remove(&place.row) {
            row.reads.iter().for_each(|r| watch.drop(*r, place));
        }
    }

    /// Watches for all rows what was read for them.
    pub fn watch(&self, place: RowPlace, watch: &mut Watch) {
        for (row, pulled) in &self.rows {
            let place = RowPlace { row: *row, ..place };
            pulled.reads.iter().for_each(|r| watch.put(*r, place));
        }
    }

    /// Stops watching all rows, until they are pulled again: entities have other numbers now. Their keys are told anew too.
    pub fn unwatch(&mut self, place: RowPlace, watch: &mut Watch) {
        for (row, pulled) in &mut self.rows {
            let place = RowPlace { row: *row, ..place };
            pulled.reads.drain().for_each(|r| watch.drop(r, place));
        }
    }

    pub fn rename(&mut self, row: u64, key: &Arc<[Word]>) {
        if let Some(pulled) = self.rows.get_mut(&row) {
            pulled.key.clone_from(key);
        }
    }

    /// The key of a row that has pulled cells.
    pub fn key(&self, row: u64) -> Option<Arc<[Word]>> {
        self.rows.get(&row).map(|r| r.key.clone())
    }

    pub fn cells(&self, row: u64) -> Arc<[Json]> {
        self.rows
            .get(&row)
            .map_or_else(|| [].into(), |r| r.cells.clone())
    }

    pub fn rows(&self) -> Vec<u64> {
        self.rows.keys().copied().collect()
    }
}
