use super::cell::{Cell, toggle};
use super::key::{SHORT_END, SetKey};
use super::walk::Walk;

/// Which short ids one set has and the other has not.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Split {
    pub(super) theirs: Vec<u64>,
    pub(super) mine: Vec<u64>,
}

/// Takes the difference of two tables apart. `None` if it is more than the cells can tell, or if somebody made the cells up.
///
/// Cells from outside can be anything: what is peeled must have its check, belong into the cell where it was found, and there are
/// never more of them than cells. So the work is bounded by the number of cells whatever they say.
pub(super) fn peel(key: &SetKey, mut cells: Vec<Cell>) -> Option<Split> {
    let mut split = Split::default();
    let mut queue: Vec<usize> = (0..cells.len()).collect();
    while let Some(at) = queue.pop() {
        let cell = *cells.get(at)?;
        if !matches!(cell.count, 1 | -1) || cell.sum >= SHORT_END {
            continue;
        }
        let trace = key.trace(cell.sum);
        if trace.check != cell.check || !falls_into(trace.seed, at) {
            continue;
        }
        if split.theirs.len() + split.mine.len() == cells.len() {
            return None;
        }
        let side = if cell.count == 1 {
            &mut split.theirs
        } else {
            &mut split.mine
        };
        side.push(cell.sum);
        toggle(key, &mut cells, 0, cell.sum, -cell.count);
        let mut walk = Walk::new(trace.seed);
        while let Some(cell) = cells.get(walk.at()) {
            if matches!(cell.count, 1 | -1) {
                queue.push(walk.at());
            }
            walk.step();
        }
    }
    cells.iter().all(|c| *c == Cell::default()).then_some(split)
}

fn falls_into(seed: u64, at: usize) -> bool {
    let mut walk = Walk::new(seed);
    while walk.at() < at {
        walk.step();
    }
    walk.at() == at
}

/// How many ids differ, from cells that could not be taken apart: every count is a sum of ±1 over the share ρ of the differences
/// that falls into it, so its square measures them. Sixty-four cells give it within a fifth or so.
pub(super) fn estimate(cells: &[Cell]) -> u64 {
    let Some((first, rest)) = cells.split_first() else {
        return 0;
    };
    let net = first.count as f64;
    let mut sum = 0.0;
    for (i, cell) in rest.iter().enumerate() {
        let rho = 2.0 / (i as f64 + 3.0);
        let off = cell.count as f64 - net * rho;
        sum += off * off / (rho * (1.0 - rho));
    }
    let variance = if rest.is_empty() {
        0.0
    } else {
        sum / rest.len() as f64
    };
    variance.max(net.abs()) as u64
}
