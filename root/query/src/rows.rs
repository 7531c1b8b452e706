//! Results: rows of words, decoded when they are looked at.

use std::sync::Arc;

use rhizome_replica::{Eid, Snapshot, Word};
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

use crate::error::QueryError;
use crate::exec::words::{self, local};
use crate::ir::{Element, Query, Shape};
use crate::json;
use crate::limits::Limits;
use crate::pull;

/// The result of a query over one snapshot.
#[derive(Clone)]
pub struct Rows {
    query: Arc<Query>,
    cells: Vec<Word>,
    len: usize,
    snapshot: Snapshot,
    unseen: Vec<Value>,
    lists: Vec<Vec<Word>>,
    limits: Limits,
}

impl Rows {
    pub(crate) fn new(
        query: Arc<Query>,
        cells: Vec<Word>,
        len: usize,
        snapshot: Snapshot,
        unseen: Vec<Value>,
        lists: Vec<Vec<Word>>,
        limits: Limits,
    ) -> Self {
        Self {
            query,
            cells,
            len,
            snapshot,
            unseen,
            lists,
            limits,
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.query.find.len()
    }

    /// How the result is meant to be handed out.
    pub fn shape(&self) -> Shape {
        self.query.shape
    }

    /// The names of the columns: `?x`, `(count ?x)`, `(pull ?x)`.
    pub fn columns(&self) -> Vec<String> {
        self.query.columns()
    }

    /// The words of a row. Entities are references; the tags of [`rhizome_replica::tag`] are only complemented by words that this
    /// result alone can decode.
    pub fn words(&self, row: usize) -> &[Word] {
        let width = self.width();
        self.cells
            .get(row * width..(row + 1) * width)
            .unwrap_or(&[])
    }

    /// The entity number in a cell, if it holds an entity of the pod.
    pub fn entity(&self, row: usize, column: usize) -> Option<Eid> {
        self.words(row).get(column)?.as_eid()
    }

    /// Reads entity ids row by row: quicker than [`Self::value`] for each cell.
    pub fn entity_ids(&self) -> EntityIds<'_> {
        EntityIds {
            rows: self,
            last: vec![None; self.width()],
        }
    }

    /// The value in a cell; `None` for lists and outside the result.
    pub fn value(&self, row: usize, column: usize) -> Option<Value> {
        words::decode(&self.snapshot, &self.unseen, *self.words(row).get(column)?)
    }

    /// A cell as JSON; what is pulled of an entity is fetched now.
    pub fn json(&self, row: usize, column: usize) -> Result<Json, QueryError> {
        let Some(w) = self.words(row).get(column) else {
            return Ok(Json::Null);
        };
        match self.query.find.get(column) {
            Some(Element::Pull(_, pattern)) => match w.as_eid() {
                Some(e) => pull::pull(&self.snapshot, pattern, e, &self.limits),
                None => Ok(Json::Null),
            },
            _ => Ok(self.cell(*w)),
        }
    }

    fn cell(&self, w: Word) -> Json {
        if w.tag == local::LIST {
            return self
                .lists
                .get(w.bits as usize)
                .map_or(Json::Null, |l| l.iter().map(|w| self.cell(*w)).collect());
        }
        words::decode(&self.snapshot, &self.unseen, w).map_or(Json::Null, |v| json::cell(&v))
    }

    /// `{"columns": […], "rows": [[…]]}`, whatever the shape: a scalar has at most one row of one cell.
    pub fn to_json(&self) -> Result<Json, QueryError> {
        let rows = (0..self.len)
            .map(|r| {
                (0..self.width())
                    .map(|c| self.json(r, c))
                    .collect::<Result<Vec<_>, _>>()
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.snapshot
            .fault()
            .map_err(|e| QueryError::Storage(e.to_string()))?;
        Ok(json!({ "columns": self.columns(), "rows": rows }))
    }
}

/// The ids of entities in a result. It remembers the last one of each column, because a join gives the same entity in many rows running.
pub struct EntityIds<'r> {
    rows: &'r Rows,
    last: Vec<Option<(Eid, EntityId)>>,
}

impl EntityIds<'_> {
    /// The id of the entity in a cell; `None` if it holds something else, or is outside the result.
    pub fn get(&mut self, row: usize, column: usize) -> Option<EntityId> {
        let e = self.rows.entity(row, column)?;
        let last = self.last.get_mut(column)?;
        if let Some((known, id)) = last
            && *known == e
        {
            return Some(*id);
        }
        let id = self.rows.snapshot.entity_id(e)?;
        *last = Some((e, id));
        Some(id)
    }
}

impl Query {
    /// The names of the result's columns.
    pub fn columns(&self) -> Vec<String> {
        let name = |slot: u16| {
            self.variables
                .get(usize::from(slot))
                .map_or("?", |v| v.name.as_str())
        };
        self.find
            .iter()
            .map(|e| match e {
                Element::Slot(s) => name(*s).to_owned(),
                Element::Aggregate(a, s) => format!("({a} {})", name(*s)),
                Element::Pull(s, _) => format!("(pull {})", name(*s)),
            })
            .collect()
    }
}
