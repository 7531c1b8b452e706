//! Aggregates, group by group: a row that comes or goes changes its group's numbers and nothing else.

use super::output::{Cells, Keyed, RowChange};
use super::ranked::Ranked;
use crate::error::QueryError;
use crate::exec::words::{Words, local};
use crate::exec::{Moments, median};
use crate::ir::{Aggregate, Element, Query, Slot};
use rhizome_replica::Word;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Where the columns of `:find` come from.
#[derive(Debug)]
pub struct Grouping {
    columns: Vec<Column>,
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Column {
    /// Part of the group's key: the output.
    Key(usize),
    Aggregate(Aggregate, usize),
}

impl Grouping {
    /// `None` if the query has no aggregates.
    pub fn new(query: &Query, outputs: &[Slot]) -> Option<Self> {
        let column = |e: &Element| {
            let place = outputs.iter().position(|s| *s == e.slot()).unwrap_or(0);
            match e {
                Element::Aggregate(a, _) => Column::Aggregate(*a, place),
                Element::Slot(_) | Element::Pull(..) => Column::Key(place),
            }
        };
        let columns: Vec<Column> = query.find.iter().map(column).collect();
        let any = columns.iter().any(|c| matches!(c, Column::Aggregate(..)));
        any.then(|| Self {
            columns,
            names: query.columns(),
        })
    }

    fn key(&self, row: &[Word]) -> Arc<[Word]> {
        let keys = self.columns.iter().filter_map(|c| match c {
            Column::Key(place) => row.get(*place).copied(),
            Column::Aggregate(..) => None,
        });
        keys.collect()
    }
}

/// The distinct rows of one instance and their groups.
#[derive(Debug, Default)]
pub struct Groups {
    rows: FxHashSet<Box<[Word]>>,
    groups: FxHashMap<Arc<[Word]>, Group>,
}

#[derive(Debug)]
struct Group {
    rows: usize,
    states: Vec<State>,
    /// Shown already.
    shown: bool,
}

/// What is kept of a group for one aggregate.
#[derive(Debug)]
enum State {
    /// The number of rows says it all.
    Count,
    Different(FxHashMap<Word, u32>),
    Moments(Moments),
    Sorted(Ranked<Word>),
}

impl Groups {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn contains(&self, row: &[Word]) -> bool {
        self.rows.contains(row)
    }

    /// Takes rows in and out; says what that does to the rows of groups.
    pub fn apply(
        &mut self,
        grouping: &Grouping,
        gone: &[Box<[Word]>],
        new: Vec<Box<[Word]>>,
        words: &Words<'_>,
    ) -> Result<Vec<RowChange>, QueryError> {
        let mut touched: Vec<Arc<[Word]>> = Vec::new();
        for row in gone {
            if self.rows.remove(row) {
                touched.push(self.count(grouping, row, false, words));
            }
        }
        for row in new {
            if !self.rows.contains(&row) {
                touched.push(self.count(grouping, &row, true, words));
                self.rows.insert(row);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let mut out = Vec::with_capacity(touched.len());
        for key in touched {
            let Some(group) = self.groups.get_mut(&key) else {
                continue;
            };
            if group.rows == 0 {
                let shown = group.shown;
                self.groups.remove(&key);
                if shown {
                    out.push(RowChange::Gone(key));
                }
                continue;
            }
            let cells = group.cells(grouping, &key)?;
            out.push(if std::mem::replace(&mut group.shown, true) {
                RowChange::Other(key, cells)
            } else {
                RowChange::New(key, cells)
            });
        }
        Ok(out)
    }

    /// All groups as if each were new.
    pub fn all(&mut self, grouping: &Grouping) -> Result<Vec<Keyed>, QueryError> {
        let mut out = Vec::with_capacity(self.groups.len());
        for (key, group) in &mut self.groups {
            group.shown = true;
            out.push((key.clone(), group.cells(grouping, key)?));
        }
        Ok(out)
    }

    /// Counts a row in or out of its group.
    fn count(&mut self, g: &Grouping, row: &[Word], add: bool, words: &Words<'_>) -> Arc<[Word]> {
        let key = g.key(row);
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
            rows: 0,
            states: g.columns.iter().filter_map(State::new).collect(),
            shown: false,
        });
        group.rows = if add {
            group.rows + 1
        } else {
            group.rows.saturating_sub(1)
        };
        let places = g.columns.iter().filter_map(|c| match c {
            Column::Aggregate(_, place) => row.get(*place),
            Column::Key(_) => None,
        });
        for (state, w) in group.states.iter_mut().zip(places) {
            state.count(*w, add, words);
        }
        key
    }
}

impl Group {
    fn cells(&self, g: &Grouping, key: &[Word]) -> Result<Cells, QueryError> {
        let mut lists: Vec<Vec<Word>> = Vec::new();
        let mut out = Vec::with_capacity(g.columns.len());
        let mut keys = key.iter();
        let mut states = self.states.iter();
        for (i, column) in g.columns.iter().enumerate() {
            let cell = match column {
                Column::Key(_) => keys.next().copied(),
                Column::Aggregate(a, _) => match states.next() {
                    Some(state) => {
                        let value = state.value(*a, self.rows, &mut lists);
                        Some(value.ok_or_else(|| QueryError::Overflow {
                            variable: g.names.get(i).cloned().unwrap_or_default(),
                        })?)
                    }
                    None => None,
                },
            };
            out.push(cell.unwrap_or(Word::integer(0)));
        }
        Ok(Cells {
            words: out.into(),
            lists: lists.into(),
        })
    }
}

impl State {
    fn new(column: &Column) -> Option<Self> {
        let Column::Aggregate(a, _) = column else {
            return None;
        };
        Some(match a {
            Aggregate::Count => Self::Count,
            Aggregate::CountDistinct => Self::Different(FxHashMap::default()),
            Aggregate::Sum | Aggregate::Average => Self::Moments(Moments::default()),
            Aggregate::Distinct
            | Aggregate::Min
            | Aggregate::Max
            | Aggregate::MinN(_)
            | Aggregate::MaxN(_)
            | Aggregate::Median
            | Aggregate::Variance
            | Aggregate::Deviation => Self::Sorted(Ranked::default()),
        })
    }

    fn count(&mut self, w: Word, add: bool, words: &Words<'_>) {
        match self {
            Self::Count => {}
            Self::Different(all) => {
                let n = all.entry(w).or_default();
                *n = if add { *n + 1 } else { n.saturating_sub(1) };
                if *n == 0 {
                    all.remove(&w);
                }
            }
            Self::Moments(m) if add => m.add(w),
            Self::Moments(m) => m.subtract(w),
            Self::Sorted(all) if add => all.insert(w, |x| words.total(*x, w)),
            Self::Sorted(all) => {
                all.remove(|x| words.total(*x, w));
            }
        }
    }

    /// The value as a one-shot query gives it; `None` if a sum overflows.
    fn value(&self, a: Aggregate, rows: usize, lists: &mut Vec<Vec<Word>>) -> Option<Word> {
        let mut list = |all: Vec<Word>| {
            lists.push(all);
            Word {
                tag: local::LIST,
                bits: (lists.len() - 1) as u64,
            }
        };
        Some(match self {
            Self::Count => Word::integer(rows as i64),
            Self::Different(all) => Word::integer(all.len() as i64),
            Self::Moments(m) => m.finish(a)?,
            Self::Sorted(all) => match a {
                Aggregate::Min => *all.get(0)?,
                Aggregate::Max => *all.last()?,
                Aggregate::MinN(n) => list(all.from(0).take(n as usize).copied().collect()),
                Aggregate::MaxN(n) => list(all.backwards().take(n as usize).copied().collect()),
                Aggregate::Distinct => {
                    let mut different: Vec<Word> = all.from(0).copied().collect();
                    different.dedup();
                    list(different)
                }
                Aggregate::Median => {
                    let middle = all.len() / 2;
                    let upper = all.get(middle).copied()?;
                    let lower = match middle.checked_sub(1) {
                        Some(i) => all.get(i).copied()?,
                        None => upper,
                    };
                    median(lower, upper, all.len() % 2 == 1)
                }
                _ => {
                    let mut m = Moments::keeping();
                    all.from(0).for_each(|w| m.add(*w));
                    m.finish(a)?
                }
            },
        })
    }
}
