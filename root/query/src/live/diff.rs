//! What subscribers are told.

use super::result::{Cells, Difference, Shown};
use crate::error::QueryError;
use crate::exec::words::{self, Words, local};
use crate::ir::Element;
use crate::json;
use rhizome_replica::{Eid, Snapshot, Word};
use rhizome_tuple::{EntityId, Value};
use rustc_hash::FxHashMap;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A subscription of a [`super::LiveSet`], never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// A row of one subscription's result. It stays the same while the row does: also when a cell changes, if the row is known by its
/// entity (see [`Diff::changed`]) or by its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u64);

/// What a commit did to a subscription.
#[derive(Clone, Debug)]
pub enum Update {
    /// The result changed.
    Rows(Diff),
    /// The result can no longer be kept (a limit was exceeded, a sum overflowed, the store failed); the subscription is over.
    Ended(QueryError),
}

/// The difference between two results. To follow a result that is ordered or cut, take out every row in `removed` and `changed`, then
/// put those of `added` and `changed` back in ascending order of [`Row::index`]: that is their final place.
#[derive(Clone, Debug)]
pub struct Diff {
    /// Rows that are gone, or have left the window.
    pub removed: Vec<RowId>,
    /// Rows that are new, or have come into the window.
    pub added: Vec<Row>,
    /// Rows whose cells changed. A row is known by the entity in its first column as long as that entity has one row; in a query with
    /// aggregates, by its plain columns.
    pub changed: Vec<Row>,
}

/// A row with its cells, decoded when they are looked at.
#[derive(Clone, Debug)]
pub struct Row {
    id: RowId,
    index: Option<usize>,
    cells: Cells,
    pulled: Arc<[Json]>,
    context: Arc<Context>,
}

/// What it takes to decode rows.
pub struct Context {
    snapshot: Snapshot,
    /// Values of these rows that the pod does not have.
    unseen: FxHashMap<Word, Value>,
    find: Arc<[Column]>,
}

/// How a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Plain,
    /// The number of the pulled cell.
    Pulled(usize),
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// How the columns of a query are shown.
pub fn columns(find: &[Element]) -> Arc<[Column]> {
    let mut pulled = 0;
    find.iter()
        .map(|e| match e {
            Element::Pull(..) => {
                pulled += 1;
                Column::Pulled(pulled - 1)
            }
            _ => Column::Plain,
        })
        .collect()
}

/// Makes the rows of a difference readable.
pub struct Decoder<'a> {
    pub words: &'a Words<'a>,
    pub find: &'a Arc<[Column]>,
}

impl Decoder<'_> {
    fn context<'r>(&self, rows: impl Iterator<Item = &'r Shown>) -> Arc<Context> {
        let mut unseen = FxHashMap::default();
        for row in rows {
            let listed = row.cells.lists.iter().flatten();
            for w in row.cells.words.iter().chain(listed) {
                if w.tag & local::UNSEEN != 0
                    && let Some(v) = self.words.value(*w)
                {
                    unseen.insert(*w, v);
                }
            }
        }
        Arc::new(Context {
            snapshot: self.words.snapshot.clone(),
            unseen,
            find: self.find.clone(),
        })
    }

    /// Rows with what was pulled for each.
    pub fn rows(&self, shown: Vec<Shown>, pulled: impl Fn(u64) -> Arc<[Json]>) -> Vec<Row> {
        let context = self.context(shown.iter());
        shown
            .into_iter()
            .map(|s| row(s, &context, &pulled))
            .collect()
    }

    /// A difference with what was pulled for each row.
    pub fn diff(&self, d: Difference, pulled: impl Fn(u64) -> Arc<[Json]>) -> Diff {
        let context = self.context(d.added.iter().chain(&d.changed));
        let rows = |all: Vec<Shown>| all.into_iter().map(|s| row(s, &context, &pulled)).collect();
        Diff {
            removed: d.removed.into_iter().map(RowId).collect(),
            added: rows(d.added),
            changed: rows(d.changed),
        }
    }
}

fn row(s: Shown, context: &Arc<Context>, pulled: &impl Fn(u64) -> Arc<[Json]>) -> Row {
    Row {
        pulled: pulled(s.id),
        id: RowId(s.id),
        index: s.index,
        cells: s.cells,
        context: context.clone(),
    }
}

impl Row {
    /// Its number.
    pub fn id(&self) -> RowId {
        self.id
    }

    /// Its place in the result, from 0; `None` if the result has no order.
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    /// The entity of a row of a nested query: the last of the words that order it.
    pub(super) fn subject(&self) -> Option<EntityId> {
        let e = self.cells.words.last()?.as_eid()?;
        self.context.snapshot.entity_id(e)
    }

    /// What was pulled for it, by pulled column.
    pub(super) fn pulled(&self) -> Arc<[Json]> {
        self.pulled.clone()
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.cells.words.len()
    }

    /// The words of the cells, as [`crate::Rows::words`].
    pub fn words(&self) -> &[Word] {
        &self.cells.words
    }

    /// The entity number in a cell, if it holds an entity of the pod.
    pub fn entity(&self, column: usize) -> Option<Eid> {
        self.cells.words.get(column)?.as_eid()
    }

    /// The value in a cell; `None` for lists and outside the row.
    pub fn value(&self, column: usize) -> Option<Value> {
        self.decode(*self.cells.words.get(column)?)
    }

    fn decode(&self, w: Word) -> Option<Value> {
        if w.tag & local::UNSEEN != 0 {
            return self.context.unseen.get(&w).cloned();
        }
        words::decode(&self.context.snapshot, &[], w)
    }

    /// A cell as JSON, in the form of [`crate::Rows::json`].
    pub fn json(&self, column: usize) -> Json {
        self.shown(column, json::cell)
    }

    fn shown(&self, column: usize, form: fn(&Value) -> Json) -> Json {
        match self.context.find.get(column) {
            Some(Column::Pulled(i)) => self.pulled.get(*i).cloned().unwrap_or(Json::Null),
            _ => self
                .cells
                .words
                .get(column)
                .map_or(Json::Null, |w| self.cell(*w, form)),
        }
    }

    fn cell(&self, w: Word, form: fn(&Value) -> Json) -> Json {
        if w.tag == local::LIST {
            let list = self.cells.lists.get(w.bits as usize);
            return list.map_or(Json::Null, |l| {
                l.iter().map(|w| self.cell(*w, form)).collect()
            });
        }
        self.decode(w).map_or(Json::Null, |v| form(&v))
    }

    /// All cells as JSON.
    pub fn cells(&self) -> Vec<Json> {
        (0..self.width()).map(|c| self.json(c)).collect()
    }

    /// As [`Self::cells`], times and entities told apart from integers and text: `{"time": …}`, `{"ref": …}`. What is pulled is as in
    /// [`Self::cells`].
    pub fn stored_cells(&self) -> Vec<Json> {
        (0..self.width())
            .map(|c| self.shown(c, json::stored))
            .collect()
    }

    /// `{"id": 7, "index": 0, "row": […]}`; without `index` where there is no order.
    pub fn to_json(&self) -> Json {
        match self.index {
            Some(i) => json!({ "id": self.id.0, "index": i, "row": self.cells() }),
            None => json!({ "id": self.id.0, "row": self.cells() }),
        }
    }
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.changed.is_empty()
    }

    /// `{"removed": [3], "added": [{"id": 7, "index": 0, "row": […]}], "changed": […]}`
    pub fn to_json(&self) -> Json {
        let rows = |all: &[Row]| -> Vec<Json> { all.iter().map(Row::to_json).collect() };
        json!({
            "removed": self.removed.iter().map(|r| r.0).collect::<Vec<_>>(),
            "added": rows(&self.added),
            "changed": rows(&self.changed),
        })
    }
}
