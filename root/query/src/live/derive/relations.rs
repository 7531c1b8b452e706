//! Derived tuples with an index on every column.
//!
//! Within one change a tuple remembers whether it was there before. Its rank says when it was derived: every tuple that nobody asked
//! for has a derivation from tuples of lower rank, so a tuple keeps standing as long as one such derivation does, and no circle of
//! tuples can keep itself alive.

use super::Visible;
use crate::live::template::PredicateId;
use rhizome_replica::Word;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// One predicate's tuples.
#[derive(Debug, Default)]
struct Relation {
    tuples: Vec<Tuple>,
    free: Vec<u32>,
    ids: FxHashMap<Arc<[Word]>, u32>,
    columns: Vec<FxHashMap<Word, Vec<u32>>>,
}

#[derive(Debug)]
struct Tuple {
    cells: Arc<[Word]>,
    /// Place in each column's bucket.
    places: Box<[u32]>,
    rank: u64,
    now: bool,
    before: bool,
    /// A goal that somebody asked: needs no derivation.
    asked: bool,
}

/// All predicates of a template.
#[derive(Debug, Default)]
pub struct Relations {
    all: Vec<Relation>,
    components: Vec<u16>,
    rank: u64,
    /// Tuples held.
    pub len: usize,
    touched: Vec<(PredicateId, u32)>,
}

/// A tuple that is new or gone.
#[derive(Clone, Debug)]
pub struct Changed {
    pub predicate: PredicateId,
    pub cells: Arc<[Word]>,
    pub gained: bool,
}

impl Relations {
    /// (arity, component) of each predicate.
    pub fn new(predicates: impl Iterator<Item = (usize, u16)>) -> Self {
        let mut out = Self::default();
        for (arity, component) in predicates {
            out.all.push(Relation {
                columns: vec![FxHashMap::default(); arity],
                ..Relation::default()
            });
            out.components.push(component);
        }
        out
    }

    fn tuple(&self, p: PredicateId, cells: &[Word]) -> Option<(u32, &Tuple)> {
        let relation = &self.all[usize::from(p)];
        let id = *relation.ids.get(cells)?;
        Some((id, &relation.tuples[id as usize]))
    }

    /// The number and the rank of a tuple that is there now.
    pub fn now(&self, p: PredicateId, cells: &[Word]) -> Option<(u32, u64)> {
        let (id, t) = self.tuple(p, cells)?;
        t.now.then_some((id, t.rank))
    }

    pub fn was(&self, p: PredicateId, cells: &[Word]) -> bool {
        self.tuple(p, cells).is_some_and(|(_, t)| t.before)
    }

    pub fn is_now(&self, p: PredicateId, id: u32) -> bool {
        self.all[usize::from(p)].tuples[id as usize].now
    }

    pub fn is_asked(&self, p: PredicateId, id: u32) -> bool {
        self.all[usize::from(p)].tuples[id as usize].asked
    }

    pub fn cells(&self, p: PredicateId, id: u32) -> Arc<[Word]> {
        self.all[usize::from(p)].tuples[id as usize].cells.clone()
    }

    /// Marks a goal as asked by somebody. True if it is new.
    pub fn ask(&mut self, p: PredicateId, cells: &[Word]) -> bool {
        let new = self.insert(p, cells).is_some();
        let relation = &mut self.all[usize::from(p)];
        if let Some(id) = relation.ids.get(cells) {
            relation.tuples[*id as usize].asked = true;
        }
        new
    }

    /// Adds a tuple, with a rank above all others. `None` if it is there.
    pub fn insert(&mut self, p: PredicateId, cells: &[Word]) -> Option<Arc<[Word]>> {
        self.rank += 1;
        let relation = &mut self.all[usize::from(p)];
        if let Some(id) = relation.ids.get(cells) {
            let t = &mut relation.tuples[*id as usize];
            if t.now {
                return None;
            }
            (t.now, t.rank) = (true, self.rank);
            self.touched.push((p, *id));
            self.len += 1;
            return Some(t.cells.clone());
        }
        let cells: Arc<[Word]> = cells.into();
        let id = relation.free.pop().unwrap_or(relation.tuples.len() as u32);
        let places = cells.iter().zip(&mut relation.columns).map(|(w, column)| {
            let bucket = column.entry(*w).or_default();
            bucket.push(id);
            (bucket.len() - 1) as u32
        });
        let tuple = Tuple {
            places: places.collect(),
            cells: cells.clone(),
            rank: self.rank,
            now: true,
            before: false,
            asked: false,
        };
        match relation.tuples.get_mut(id as usize) {
            Some(slot) => *slot = tuple,
            None => relation.tuples.push(tuple),
        }
        relation.ids.insert(cells.clone(), id);
        self.touched.push((p, id));
        self.len += 1;
        Some(cells)
    }

    /// Takes a tuple out; it can still be seen as it was before.
    pub fn kill(&mut self, p: PredicateId, id: u32) {
        let t = &mut self.all[usize::from(p)].tuples[id as usize];
        if std::mem::replace(&mut t.now, false) {
            self.len -= 1;
            self.touched.push((p, id));
        }
    }

    /// What the change did to the predicates of a component.
    pub fn changes(&self, component: u16) -> Vec<Changed> {
        let mut touched: Vec<(PredicateId, u32)> = self
            .touched
            .iter()
            .filter(|(p, _)| self.components[usize::from(*p)] == component)
            .copied()
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let of = |(p, id): (PredicateId, u32)| {
            let t = &self.all[usize::from(p)].tuples[id as usize];
            (t.now != t.before).then(|| Changed {
                predicate: p,
                cells: t.cells.clone(),
                gained: t.now,
            })
        };
        touched.into_iter().filter_map(of).collect()
    }

    /// Ends a change: what is now, was before the next one.
    pub fn settle(&mut self) {
        for (p, id) in std::mem::take(&mut self.touched) {
            let relation = &mut self.all[usize::from(p)];
            let t = &mut relation.tuples[id as usize];
            if t.now {
                t.before = true;
            } else if relation.ids.get(&*t.cells) == Some(&id) {
                let (cells, places) = (t.cells.clone(), std::mem::take(&mut t.places));
                t.before = false;
                relation.ids.remove(&*cells);
                for (column, (w, place)) in cells.iter().zip(places.iter()).enumerate() {
                    relation.unlink(column, *w, *place as usize);
                }
                relation.free.push(id);
            }
        }
    }

    /// Tuples with these cells.
    pub fn find(
        &self,
        p: PredicateId,
        known: &[Option<Word>],
        visible: Visible,
    ) -> Vec<Arc<[Word]>> {
        let relation = &self.all[usize::from(p)];
        let component = self.components[usize::from(p)];
        let seen = |t: &Tuple| match visible {
            Visible::Before => t.before,
            Visible::Below { component: c, rank } if c == component => t.now && t.rank < rank,
            Visible::Now | Visible::Below { .. } => t.now,
        };
        let fits = |t: &&Tuple| {
            seen(t)
                && known
                    .iter()
                    .zip(t.cells.iter())
                    .all(|(k, w)| k.is_none_or(|k| k == *w))
        };
        let all: Option<Vec<Word>> = known.iter().copied().collect();
        if let Some(cells) = all {
            let found = relation
                .ids
                .get(&*cells)
                .map(|id| &relation.tuples[*id as usize]);
            return found
                .filter(fits)
                .map(|t| t.cells.clone())
                .into_iter()
                .collect();
        }
        let at = |id: &u32| &relation.tuples[*id as usize];
        if let Some(bucket) = relation.smallest(known) {
            let found = bucket.iter().map(at).filter(fits);
            return found.map(|t| t.cells.clone()).collect();
        }
        let found = relation.ids.values().map(at).filter(fits);
        found.map(|t| t.cells.clone()).collect()
    }

    /// About how many tuples [`Self::find`] looks at.
    pub fn estimate(&self, p: PredicateId, known: &[Option<Word>]) -> u64 {
        let relation = &self.all[usize::from(p)];
        if !known.is_empty() && known.iter().all(Option::is_some) {
            return 1;
        }
        let bucket = relation.smallest(known);
        bucket.map_or(relation.ids.len(), <[u32]>::len) as u64
    }
}

impl Relation {
    /// The smallest bucket of a known cell; `None` if no cell is known.
    fn smallest(&self, known: &[Option<Word>]) -> Option<&[u32]> {
        let cells = known.iter().zip(&self.columns);
        let buckets = cells.filter_map(|(k, column)| {
            let w = (*k)?;
            Some(column.get(&w).map_or(&[][..], Vec::as_slice))
        });
        buckets.min_by_key(|b| b.len())
    }

    fn unlink(&mut self, column: usize, word: Word, place: usize) {
        let Some(bucket) = self.columns[column].get_mut(&word) else {
            return;
        };
        bucket.swap_remove(place);
        if let Some(moved) = bucket.get(place) {
            self.tuples[*moved as usize].places[column] = place as u32;
        } else if bucket.is_empty() {
            self.columns[column].remove(&word);
        }
    }
}
