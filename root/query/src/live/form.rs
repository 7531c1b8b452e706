//! What all instances of a template have in common about their results.

use super::result::{Cells, Grouping, Pulls, Window};
use crate::exec::words::Words;
use crate::iql::{Level, Tree, ranked_by};
use crate::ir::{Element, OrderKey, Query, Shape, Slot};
use crate::limits::Limits;
use rhizome_replica::Word;
use std::sync::Arc;

/// How rows become results.
#[derive(Debug)]
pub struct Form {
    /// What makes a row.
    pub outputs: Vec<Slot>,
    /// The outputs that the columns show, if they are not the outputs in order.
    projection: Option<Vec<usize>>,
    pub grouping: Option<Grouping>,
    pub window: Window,
    /// The order of rows by their outputs.
    pub row_order: Vec<OrderKey>,
    /// Of a nested query: the attributes that order its entities, and whether the largest comes first.
    ranks: Vec<(String, bool)>,
    pub pulls: Pulls,
}

impl Form {
    pub fn new(query: &Query, limits: &Limits) -> Self {
        let aggregates = query
            .find
            .iter()
            .any(|e| matches!(e, Element::Aggregate(..)));
        let with = query.with.iter().filter(|_| aggregates).copied();
        let mut outputs: Vec<Slot> = Vec::new();
        for slot in query.find.iter().map(Element::slot).chain(with) {
            if !outputs.contains(&slot) {
                outputs.push(slot);
            }
        }
        let place = |e: &Element| outputs.iter().position(|s| *s == e.slot()).unwrap_or(0);
        let places: Vec<usize> = query.find.iter().map(place).collect();
        let identity = places.len() == outputs.len();
        let first_only = matches!(query.shape, Shape::Scalar | Shape::Tuple);
        let limit = match query.limit {
            Some(l) if first_only => Some(l.min(1)),
            None if first_only => Some(1),
            l => l,
        };
        let whole = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let columns = query.find.iter().enumerate().filter_map(|(i, e)| match e {
            Element::Pull(_, pattern) => Some((i, pattern.clone())),
            _ => None,
        });
        // the order of columns is that of the outputs they show
        let key = |k: &OrderKey| {
            Some(OrderKey {
                column: *places.get(k.column)?,
                descending: k.descending,
            })
        };
        Self {
            row_order: query.order.iter().filter_map(key).collect(),
            ranks: Vec::new(),
            grouping: Grouping::new(query, &outputs),
            projection: (!identity && !aggregates).then_some(places),
            window: Window {
                order: query.order.clone(),
                offset: whole(query.offset),
                limit: limit.map(whole),
            },
            pulls: Pulls {
                columns: columns.collect(),
                objects: None,
                limits: *limits,
            },
            outputs,
        }
    }

    /// Of a level of a nested query: its rows are entities.
    pub fn nested(level: &Level, limits: &Limits) -> Self {
        // for each key whether there is no value, which comes last, then the value; then the entity
        let order = level.order.iter().enumerate().flat_map(|(i, (_, down))| {
            let key = |column: usize, descending: bool| OrderKey { column, descending };
            [key(2 * i, false), key(2 * i + 1, *down)]
        });
        let mut order: Vec<OrderKey> = order.collect();
        order.push(OrderKey {
            column: 2 * level.order.len(),
            descending: false,
        });
        // what follows an entity is cut by the one-shot query itself
        let cut = level.after.is_none();
        Self {
            outputs: level.query.find.iter().map(Element::slot).collect(),
            projection: None,
            grouping: None,
            window: Window {
                order,
                offset: if cut { level.offset } else { 0 },
                limit: level.limit.filter(|_| cut),
            },
            row_order: Vec::new(),
            ranks: level.order.clone(),
            pulls: Pulls {
                columns: Vec::new(),
                objects: Some(Tree::new(level.clone(), limits)),
                limits: *limits,
            },
        }
    }

    /// The columns of a row without aggregates.
    pub fn cells(&self, row: &Arc<[Word]>, words: &Words<'_>) -> Cells {
        if self.pulls.objects.is_some() {
            return Cells::plain(self.rank(row, words));
        }
        Cells::plain(match &self.projection {
            None => row.clone(),
            Some(places) => places
                .iter()
                .map(|p| row.get(*p).copied().unwrap_or(Word::integer(0)))
                .collect(),
        })
    }

    /// What an entity is ordered by.
    fn rank(&self, row: &Arc<[Word]>, words: &Words<'_>) -> Arc<[Word]> {
        let e = row.first().and_then(|w| w.as_eid());
        let mut out = Vec::with_capacity(2 * self.ranks.len() + 1);
        for (attribute, descending) in &self.ranks {
            let value = e.and_then(|e| ranked_by(words, e, attribute, *descending));
            out.push(Word::boolean(value.is_none()));
            out.push(value.map_or(Word::boolean(false), |w| words.settled(w)));
        }
        out.extend(row.first());
        out.into()
    }

    /// Rows held at most: what lies behind them is fetched again when it is needed.
    pub fn capacity(&self) -> Option<usize> {
        match self.grouping {
            Some(_) => None,
            None => self.window.capacity(),
        }
    }

    /// The query for the rows alone: as many as are held, in order, or all.
    pub fn rows_query(&self, query: &Query) -> Query {
        let mut out = query.clone();
        let capacity = self.capacity();
        out.order = match capacity {
            None => Vec::new(),
            // ties are broken by the other columns, so any key makes the order total
            Some(_) if self.row_order.is_empty() => vec![OrderKey {
                column: 0,
                descending: false,
            }],
            Some(_) => self.row_order.clone(),
        };
        out.find = self.outputs.iter().map(|s| Element::Slot(*s)).collect();
        out.with = Vec::new();
        out.shape = Shape::Relation;
        out.limit = capacity.map(|c| c as u64);
        out.offset = 0;
        out
    }
}
