//! The rows that a subscriber sees: numbered, in order, in their window.

use super::ranked::Ranked;
use crate::exec::compare_rows;
use crate::exec::words::Words;
use crate::ir::OrderKey;
use rhizome_replica::{Word, tag};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is shown of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    pub words: Arc<[Word]>,
    /// What words tagged as lists number.
    pub lists: Arc<[Vec<Word>]>,
}

impl Cells {
    pub fn plain(words: Arc<[Word]>) -> Self {
        Self {
            words,
            lists: Arc::new([]),
        }
    }
}

/// How rows are ordered and cut.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub order: Vec<OrderKey>,
    pub offset: usize,
    pub limit: Option<usize>,
}

impl Window {
    /// Whether rows have a place.
    pub fn is_ordered(&self) -> bool {
        !self.order.is_empty() || self.limit.is_some() || self.offset > 0
    }

    /// Rows up to the end of the window.
    pub fn end(&self) -> Option<usize> {
        self.limit.map(|l| l.saturating_add(self.offset))
    }

    /// Rows kept at most where the rest can be fetched again.
    pub fn capacity(&self) -> Option<usize> {
        self.end()
            .map(|end| end.saturating_add(end.clamp(16, 4096)))
    }
}

#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    cells: Cells,
    /// In the window.
    visible: bool,
}

#[derive(Clone, Debug)]
struct Place {
    words: Arc<[Word]>,
    key: Arc<[Word]>,
}

/// One thing that happened to a row; rows are known by their key.
#[derive(Clone, Debug)]
pub enum RowChange {
    Gone(Arc<[Word]>),
    New(Arc<[Word]>, Cells),
    Other(Arc<[Word]>, Cells),
}

/// A row as it is now, and its place if rows have one.
#[derive(Clone, Debug)]
pub struct Shown {
    pub id: u64,
    pub key: Arc<[Word]>,
    pub index: Option<usize>,
    pub cells: Cells,
}

/// What changed in the window.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    pub removed: Vec<u64>,
    pub added: Vec<Shown>,
    pub changed: Vec<Shown>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.changed.is_empty()
    }
}

/// Rows by key, with their numbers.
#[derive(Debug)]
pub struct Output {
    window: Window,
    rows: BTreeMap<Arc<[Word]>, Entry>,
    ranked: Option<Ranked<Place>>,
    /// There are no rows but these; otherwise these are the first ones.
    complete: bool,
    next: u64,
}

/// A row by its key.
pub type Keyed = (Arc<[Word]>, Cells);

/// Fetches rows from the first on, so many at most: in order, and whether there are no more.
pub type Refill<'f> = dyn FnMut(usize) -> Option<(Vec<Keyed>, bool)> + 'f;

impl Output {
    pub fn new(window: Window) -> Self {
        Self {
            ranked: window.is_ordered().then(Ranked::default),
            window,
            rows: BTreeMap::new(),
            complete: true,
            next: 1,
        }
    }

    /// Rows held, those outside the window included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn contains(&self, key: &[Word]) -> bool {
        self.rows.contains_key(key)
    }

    /// The cells of a row that is held.
    pub fn cells(&self, key: &[Word]) -> Option<&Cells> {
        self.rows.get(key).map(|e| &e.cells)
    }

    /// The rows in the window, in order if they have one.
    pub fn shown(&self) -> Vec<Shown> {
        match &self.ranked {
            None => self
                .rows
                .iter()
                .map(|(key, e)| Shown {
                    id: e.id,
                    key: key.clone(),
                    index: None,
                    cells: e.cells.clone(),
                })
                .collect(),
            Some(ranked) => ranked
                .from(self.window.offset)
                .take(self.window.limit.unwrap_or(usize::MAX))
                .enumerate()
                .filter_map(|(index, place)| {
                    let e = self.rows.get(&place.key)?;
                    Some(Shown {
                        id: e.id,
                        key: place.key.clone(),
                        index: Some(index),
                        cells: e.cells.clone(),
                    })
                })
                .collect(),
        }
    }

    /// A row by key, if it is in the window.
    pub fn get(&self, key: &[Word], words: &Words<'_>) -> Option<Shown> {
        let (key, entry) = self.rows.get_key_value(key).filter(|(_, e)| e.visible)?;
        Some(Shown {
            id: entry.id,
            key: key.clone(),
            index: self.index(&entry.cells, words),
            cells: entry.cells.clone(),
        })
    }

    /// Writes all rows in other words for the same values: the dictionary was made anew.
    pub fn translate(&mut self, words: &Words<'_>, mut f: impl FnMut(Word) -> Word) {
        let mut all = |from: &[Word]| -> Arc<[Word]> { from.iter().map(|w| f(*w)).collect() };
        let rows = std::mem::take(&mut self.rows);
        for (key, mut entry) in rows {
            let lists = entry.cells.lists.iter().map(|l| all(l).to_vec());
            let lists = lists.collect();
            entry.cells = Cells {
                words: all(&entry.cells.words),
                lists,
            };
            self.rows.insert(all(&key), entry);
        }
        if self.ranked.is_some() {
            let places = self.rows.iter().map(|(key, e)| Place {
                words: e.cells.words.clone(),
                key: key.clone(),
            });
            let mut places: Vec<Place> = places.collect();
            places.sort_by(|a, b| self.compare(&a.words, &b.words, words));
            self.ranked = Some(Ranked::from_sorted(places));
        }
    }

    /// Makes the rows be these. `complete`: there are no others.
    pub fn replace(&mut self, rows: Vec<Keyed>, complete: bool, words: &Words<'_>) -> Difference {
        let fresh: FxHashSet<&Arc<[Word]>> = rows.iter().map(|(k, _)| k).collect();
        let gone = self.rows.keys().filter(|k| !fresh.contains(k));
        let mut changes: Vec<RowChange> = gone.cloned().map(RowChange::Gone).collect();
        for (key, cells) in rows {
            let held = self.rows.get(&key).map(|e| &e.cells);
            if held != Some(&cells) {
                changes.push(match held {
                    Some(_) => RowChange::Other(key, cells),
                    None => RowChange::New(key, cells),
                });
            }
        }
        self.complete = true;
        let difference = self.apply(changes, words, None);
        self.complete = complete;
        difference
    }

    fn compare(&self, a: &[Word], b: &[Word], words: &Words<'_>) -> Ordering {
        compare_rows(a, b, &self.window.order, words)
    }

    /// Whether a row lies beyond those that are held.
    fn is_beyond(&self, row: &[Word], words: &Words<'_>) -> bool {
        if self.complete {
            return false;
        }
        let last = self.ranked.as_ref().and_then(Ranked::last);
        last.is_none_or(|l| self.compare(row, &l.words, words) == Ordering::Greater)
    }

    fn link(&mut self, key: &Arc<[Word]>, cells: &Cells, words: &Words<'_>) {
        let order = &self.window.order;
        if let Some(ranked) = &mut self.ranked {
            let place = Place {
                words: cells.words.clone(),
                key: key.clone(),
            };
            ranked.insert(place, |p| {
                compare_rows(&p.words, &cells.words, order, words)
            });
        }
    }

    fn unlink(&mut self, cells: &Cells, words: &Words<'_>) {
        let order = &self.window.order;
        if let Some(ranked) = &mut self.ranked {
            ranked.remove(|p| compare_rows(&p.words, &cells.words, order, words));
        }
    }

    /// Takes changes in and says what they did to the window. `refill` is asked when rows beyond those held come into view; without
    /// it all rows are always held.
    pub fn apply(
        &mut self,
        changes: Vec<RowChange>,
        words: &Words<'_>,
        mut refill: Option<&mut Refill<'_>>,
    ) -> Difference {
        let mut touched = changes.len();
        // number → (was visible, has other cells)
        let mut seen: FxHashMap<u64, (bool, bool)> = FxHashMap::default();
        let mut gone: Vec<(Arc<[Word]>, Entry)> = Vec::new();
        let mut new: Vec<Arc<[Word]>> = Vec::new();
        let mut look: Vec<Arc<[Word]>> = Vec::new();
        for change in changes {
            match change {
                RowChange::Gone(key) => {
                    if let Some((key, entry)) = self.rows.remove_entry(&key) {
                        self.unlink(&entry.cells, words);
                        gone.push((key, entry));
                    }
                }
                RowChange::New(key, cells) => {
                    if self.rows.contains_key(&key) || self.is_beyond(&cells.words, words) {
                        continue;
                    }
                    self.link(&key, &cells, words);
                    let entry = Entry {
                        id: 0,
                        cells,
                        visible: false,
                    };
                    self.rows.insert(key.clone(), entry);
                    new.push(key);
                }
                RowChange::Other(key, cells) => {
                    let Some(entry) = self.rows.get_mut(&key) else {
                        continue;
                    };
                    let old = std::mem::replace(&mut entry.cells, cells.clone());
                    seen.insert(entry.id, (entry.visible, old != cells));
                    self.unlink(&old, words);
                    self.link(&key, &cells, words);
                    look.push(key);
                }
            }
        }
        self.number(&mut gone, &new, &mut seen);
        look.extend(new);
        let mut difference = Difference::default();
        for (_, entry) in gone {
            if entry.visible {
                difference.removed.push(entry.id);
            }
        }
        if let Some(refill) = &mut refill {
            touched += self.refill(*refill, words);
        }
        self.boundaries(touched, &mut look);
        look.sort_unstable();
        look.dedup();
        for key in look {
            let Some(entry) = self.rows.get(&key) else {
                continue;
            };
            let index = self.index(&entry.cells, words);
            let visible = self.ranked.is_none() || index.is_some();
            let (was, other) = seen
                .get(&entry.id)
                .copied()
                .unwrap_or((entry.visible, false));
            let shown = Shown {
                id: entry.id,
                key: key.clone(),
                index,
                cells: entry.cells.clone(),
            };
            match (was, visible) {
                (true, false) => difference.removed.push(entry.id),
                (false, true) => difference.added.push(shown),
                (true, true) if other => difference.changed.push(shown),
                _ => {}
            }
            if let Some(entry) = self.rows.get_mut(&key) {
                entry.visible = visible;
            }
        }
        if refill.is_some() {
            self.trim();
        }
        difference.added.sort_unstable_by_key(|s| (s.index, s.id));
        difference.changed.sort_unstable_by_key(|s| (s.index, s.id));
        difference
    }

    /// Gives new rows their numbers. A new row that starts with the entity of one that went, where both are the only one of that
    /// entity, is the same row with other cells.
    fn number(
        &mut self,
        gone: &mut Vec<(Arc<[Word]>, Entry)>,
        new: &[Arc<[Word]>],
        seen: &mut FxHashMap<u64, (bool, bool)>,
    ) {
        let entity = |key: &[Word]| key.first().copied().filter(|w| w.tag == tag::REF);
        let mut went: FxHashMap<Word, Vec<usize>> = FxHashMap::default();
        if !new.is_empty() {
            for (i, (key, _)) in gone.iter().enumerate() {
                if let Some(w) = entity(key) {
                    went.entry(w).or_default().push(i);
                }
            }
        }
        let mut same = Vec::new();
        for key in new {
            let before = entity(key).and_then(|w| match went.get(&w).map(Vec::as_slice) {
                Some([only]) if self.is_only(w) => Some(*only),
                _ => None,
            });
            let id = if let Some(i) = before {
                let entry = &gone[i].1;
                seen.insert(entry.id, (entry.visible, true));
                same.push(i);
                entry.id
            } else {
                self.next += 1;
                self.next - 1
            };
            if let Some(entry) = self.rows.get_mut(key) {
                entry.id = id;
            }
        }
        same.sort_unstable();
        for i in same.into_iter().rev() {
            gone.swap_remove(i);
        }
    }

    /// Whether one row at most starts with this word.
    fn is_only(&self, first: Word) -> bool {
        let from: Arc<[Word]> = [first].into();
        let rows = self.rows.range(from..);
        rows.take_while(|(k, _)| k.first() == Some(&first)).count() <= 1
    }

    /// Fetches rows if the window has become larger than what is held. Returns how many came.
    fn refill(&mut self, refill: &mut Refill<'_>, words: &Words<'_>) -> usize {
        let held = self.ranked.as_ref().map_or(0, Ranked::len);
        if self.complete || self.window.end().is_none_or(|end| held >= end) {
            return 0;
        }
        let Some((rows, complete)) = refill(self.window.capacity().unwrap_or(usize::MAX)) else {
            return 0;
        };
        let mut came = 0;
        for (key, cells) in rows {
            if self.rows.contains_key(&key) {
                continue;
            }
            came += 1;
            self.link(&key, &cells, words);
            let entry = Entry {
                id: self.next,
                cells,
                visible: false,
            };
            self.next += 1;
            self.rows.insert(key, entry);
        }
        self.complete = complete;
        came
    }

    /// Rows near the ends of the window, where so many changes may have moved some in or out.
    fn boundaries(&self, touched: usize, look: &mut Vec<Arc<[Word]>>) {
        let Some(ranked) = &self.ranked else { return };
        let mut near = |at: usize| {
            let from = at.saturating_sub(touched);
            let places = ranked.from(from).take(at - from + touched);
            look.extend(places.map(|p| p.key.clone()));
        };
        if self.window.offset > 0 {
            near(self.window.offset);
        }
        if let Some(end) = self.window.end() {
            near(end);
        }
    }

    /// The place in the window.
    fn index(&self, cells: &Cells, words: &Words<'_>) -> Option<usize> {
        let ranked = self.ranked.as_ref()?;
        let rank = ranked.rank(|p| self.compare(&p.words, &cells.words, words));
        let index = rank.checked_sub(self.window.offset)?;
        self.window
            .limit
            .is_none_or(|limit| index < limit)
            .then_some(index)
    }

    /// Lets go of rows far beyond the window.
    fn trim(&mut self) {
        let (Some(end), Some(ranked)) = (self.window.end(), &mut self.ranked) else {
            return;
        };
        let capacity = self.window.capacity().unwrap_or(usize::MAX);
        if ranked.len() <= capacity.saturating_add(capacity - end) {
            return;
        }
        while ranked.len() > capacity
            && let Some(place) = ranked.pop()
        {
            self.rows.remove(&place.key);
            self.complete = false;
        }
    }
}
