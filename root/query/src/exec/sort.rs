//! `:order`, `:offset` and `:limit`.

use std::cmp::Ordering;

use rhizome_replica::Word;

use super::collect::RowSet;
use super::words::Words;
use crate::ir::OrderKey;

/// Keeps the rows from `offset` on, at most `limit`, in the asked order. Rows that tie in all keys are ordered by their other cells,
/// so that the result does not depend on how it was found.
pub fn select(
    rows: &mut RowSet,
    order: &[OrderKey],
    offset: usize,
    limit: Option<usize>,
    words: &Words<'_>,
) {
    let end = limit
        .map_or(rows.len(), |l| offset.saturating_add(l))
        .min(rows.len());
    let start = offset.min(end);
    if order.is_empty() {
        if start > 0 || end < rows.len() {
            let cells = rows.cells[start * rows.width..end * rows.width].to_vec();
            rows.replace(cells, end - start);
        }
        return;
    }
    let mut numbers: Vec<u32> = (0..rows.len() as u32).collect();
    let compare =
        |a: &u32, b: &u32| compare_rows(rows.row(*a as usize), rows.row(*b as usize), order, words);
    if end > 0 && end < numbers.len() {
        numbers.select_nth_unstable_by(end - 1, compare);
        numbers.truncate(end);
    }
    numbers.sort_unstable_by(compare);
    let mut cells = Vec::with_capacity((end - start) * rows.width);
    for i in &numbers[start..end] {
        cells.extend_from_slice(rows.row(*i as usize));
    }
    rows.replace(cells, end - start);
}

/// The order of two rows.
pub fn compare_rows(a: &[Word], b: &[Word], order: &[OrderKey], words: &Words<'_>) -> Ordering {
    for key in order {
        let (Some(x), Some(y)) = (a.get(key.column), b.get(key.column)) else {
            continue;
        };
        let o = words.total(*x, *y);
        if o != Ordering::Equal {
            return if key.descending { o.reverse() } else { o };
        }
    }
    a.iter()
        .zip(b)
        .map(|(x, y)| words.total(*x, *y))
        .find(|o| *o != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}
