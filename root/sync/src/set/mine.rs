use super::cell::{Cell, Sketch, expected, toggle};
use super::key::{Id, SetKey};
use std::collections::HashSet;

/// What is known of the own set under the key of this attempt.
pub(super) struct Mine {
    pub(super) sketch: Sketch,
    /// All short ids, ascending once a list was made. Empty until they are needed.
    shorts: Option<Vec<u64>>,
    sorted: bool,
}

impl Mine {
    pub(super) fn kept(sketch: Sketch) -> Self {
        Self {
            sketch,
            shorts: None,
            sorted: false,
        }
    }

    pub(super) fn of(key: SetKey, ids: &[Id]) -> Self {
        let mut sketch = Sketch::new(key, 0);
        let shorts = ids
            .iter()
            .map(|id| {
                let (short, whole) = sketch.key.name(id);
                sketch.sum = sketch.sum.wrapping_add(whole);
                short
            })
            .collect();
        sketch.n = ids.len() as u64;
        Self {
            sketch,
            shorts: Some(shorts),
            sorted: false,
        }
    }

    pub(super) fn shorts(&mut self, ids: &[Id]) -> &mut Vec<u64> {
        let key = &self.sketch.key;
        self.shorts
            .get_or_insert_with(|| ids.iter().map(|id| key.short(id)).collect())
    }

    pub(super) fn sorted(&mut self, ids: &[Id]) -> &[u64] {
        let sorted = std::mem::replace(&mut self.sorted, true);
        let shorts = self.shorts(ids);
        if !sorted {
            shorts.sort_unstable();
        }
        shorts
    }

    /// The first `to` cells.
    pub(super) fn cells(&mut self, to: usize, ids: &[Id]) -> &[Cell] {
        let from = self.sketch.cells.len();
        if from < to {
            let mut more = vec![Cell::default(); to - from];
            let key = self.sketch.key.clone();
            for short in self.shorts(ids) {
                toggle(&key, &mut more, from, *short, 1);
            }
            self.sketch.cells.append(&mut more);
        }
        self.sketch.cells.get(..to).unwrap_or_default()
    }

    /// Cells as they travel.
    pub(super) fn coded(&mut self, from: usize, to: usize, ids: &[Id]) -> Vec<Cell> {
        let n = self.sketch.n;
        let cells = self.cells(to, ids).get(from..).unwrap_or_default();
        (from..)
            .zip(cells)
            .map(|(i, c)| Cell {
                count: c.count.wrapping_sub(expected(n, i)),
                ..*c
            })
            .collect()
    }

    /// The ids behind short ids: all of them, where several share one.
    pub(super) fn resolve(&mut self, shorts: &[u64], ids: &[Id]) -> Vec<Id> {
        if shorts.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::with_capacity(shorts.len());
        let wanted: HashSet<u64> = shorts.iter().copied().collect();
        let key = &self.sketch.key;
        match &self.shorts {
            Some(known) if !self.sorted => {
                let hits = known.iter().zip(ids);
                found.extend(hits.filter(|(s, _)| wanted.contains(s)).map(|(_, id)| *id));
            }
            _ => found.extend(ids.iter().filter(|id| wanted.contains(&key.short(id)))),
        }
        found
    }

    pub(super) fn sum_without(&self, ids: &[Id]) -> u128 {
        let key = &self.sketch.key;
        ids.iter()
            .fold(self.sketch.sum, |sum, id| sum.wrapping_sub(key.name(id).1))
    }
}
