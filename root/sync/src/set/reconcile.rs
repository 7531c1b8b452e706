use super::cell::{Cell, Sketch, expected};
use super::key::{Id, SHORT_END, SetKey};
use super::message::{Body, FIRST_CELLS, MAX_CELLS_PER_MESSAGE, SetMessage, Then};
use super::mine::Mine;
use super::peel::{estimate, peel};
use super::rice::{List, list_bytes};
use super::walk::MAX_CELLS;
use crate::SyncError;
use std::cmp::Ordering;

/// Sets up to this size are told as they are.
const SMALL: u64 = 128;
/// Times that a reconciliation may be opened, attempts and changes of roles together.
const MAX_OPENS: u8 = 6;
/// Bytes of a cell on the wire, about.
const CELL_BYTES: u64 = 12;

/// One side of a reconciliation.
///
/// Give every message of the peer to [`Self::handle`] and send what it returns. When it is over, [`Self::lacking`] has the ids that
/// the other side lacks; what this side lacks is what the other side's has.
pub struct Reconciliation {
    material: [u8; 32],
    attempt: u8,
    opens: u8,
    mine: Mine,
    role: Role,
    lacking: Vec<Id>,
}

enum Role {
    /// Tells its set: how many cells, and how many ids were wanted so far.
    Teller {
        told: usize,
        wanted: usize,
    },
    /// Has not heard the teller yet; a host's sketch, if there is one.
    Waiting(Option<Sketch>),
    Solver(Solver),
    /// Has said all that it wants.
    Said,
    Over,
}

struct Solver {
    count: u64,
    cells: Vec<Cell>,
    /// Where the list goes on, once lists are asked for, and how many were listed.
    list: Option<u64>,
    listed: u64,
}

impl Reconciliation {
    /// The teller: begins, with the message to send. `kept` is a sketch of the same ids under `SetKey::new(&material, 0)`, if the host
    /// keeps one.
    pub fn open(material: [u8; 32], ids: &[Id], kept: Option<Sketch>) -> (Self, SetMessage) {
        let mine = match kept {
            Some(sketch) => Mine::kept(sketch),
            None => Mine::of(SetKey::new(&material, 0), ids),
        };
        let mut side = Self::with(material, mine, Role::Over);
        let open = side.tell(ids, false);
        (side, open)
    }

    /// The solver: waits for the other's first message.
    pub fn answer(material: [u8; 32], kept: Option<Sketch>) -> Self {
        let nothing = Mine::of(SetKey::new(&material, 0), &[]);
        Self::with(material, nothing, Role::Waiting(kept))
    }

    fn with(material: [u8; 32], mine: Mine, role: Role) -> Self {
        Self {
            material,
            attempt: 0,
            opens: 0,
            mine,
            role,
            lacking: Vec::new(),
        }
    }

    /// The ids of this side that the other lacks, once that is known for sure.
    pub fn lacking(&self) -> Option<&[Id]> {
        matches!(self.role, Role::Over).then_some(&self.lacking)
    }

    /// The same, taken out.
    pub fn into_lacking(self) -> Vec<Id> {
        self.lacking
    }

    /// Takes a message of the peer. Returns the answer; none when the reconciliation is over.
    ///
    /// # Errors
    /// If the peer does not keep to the rules, or the sets cannot be compared. The reconciliation cannot go on then.
    pub fn handle(
        &mut self,
        message: SetMessage,
        ids: &[Id],
    ) -> Result<Option<SetMessage>, SyncError> {
        let role = std::mem::replace(&mut self.role, Role::Over);
        match (role, message) {
            (role, message @ SetMessage::Open { .. }) => self.opened(role, message, ids).map(Some),
            (Role::Teller { told, wanted }, SetMessage::More(to)) => {
                let to = to as usize;
                if to <= told || to > MAX_CELLS || to - told > MAX_CELLS_PER_MESSAGE {
                    return Err(SyncError::Unexpected("a wish for cells out of order"));
                }
                self.role = Role::Teller { told: to, wanted };
                let cells = self.mine.coded(told, to, ids);
                Ok(Some(SetMessage::Cells(told as u32, cells)))
            }
            (role @ Role::Teller { .. }, SetMessage::ListPlease(from)) => {
                self.role = role;
                self.list(from, ids).map(Some)
            }
            (Role::Teller { told, wanted }, SetMessage::Want { shorts, then }) => {
                let wanted = wanted + shorts.len();
                if wanted as u64 > self.mine.sketch.n {
                    return Err(SyncError::Limit(
                        "wanted ids, which are more than there are",
                    ));
                }
                let mut found = self.mine.resolve(&shorts, ids);
                self.lacking.append(&mut found);
                match then {
                    Then::List(from) => {
                        self.role = Role::Teller { told, wanted };
                        self.list(from, ids).map(Some)
                    }
                    Then::End(common) if common == self.mine.sum_without(&self.lacking) => {
                        Ok(Some(SetMessage::Sound))
                    }
                    Then::End(_) => {
                        self.begin_again(self.attempt + 1, ids);
                        if self.opens >= MAX_OPENS {
                            return Err(SyncError::Unreconciled);
                        }
                        Ok(Some(self.tell(ids, false)))
                    }
                }
            }
            (Role::Solver(solver), SetMessage::Cells(from, cells)) => {
                if solver.list.is_some() || from as usize != solver.cells.len() || cells.is_empty()
                {
                    return Err(SyncError::Unexpected("cells out of order"));
                }
                self.absorb(solver, &cells, ids).map(Some)
            }
            (Role::Solver(solver), SetMessage::List(list)) if solver.list.is_some() => {
                self.compare(solver, &list, ids).map(Some)
            }
            (Role::Teller { .. }, SetMessage::Same) | (Role::Said, SetMessage::Sound) => Ok(None),
            _ => Err(SyncError::Unexpected("of a reconciliation")),
        }
    }

    /// Becomes the teller, with what it says first.
    fn tell(&mut self, ids: &[Id], listed: bool) -> SetMessage {
        self.opens += 1;
        let (body, told) = if listed || self.mine.sketch.n <= SMALL {
            (Body::List(List::part(self.mine.sorted(ids), 0)), 0)
        } else {
            let cells = self.mine.coded(0, FIRST_CELLS, ids);
            (Body::Cells(cells), FIRST_CELLS)
        };
        self.role = Role::Teller { told, wanted: 0 };
        SetMessage::Open {
            attempt: self.attempt,
            count: self.mine.sketch.n,
            sum: self.mine.sketch.sum,
            body,
        }
    }

    fn list(&mut self, from: u64, ids: &[Id]) -> Result<SetMessage, SyncError> {
        if from >= SHORT_END {
            return Err(SyncError::Unexpected(
                "a wish for a list beyond the last id",
            ));
        }
        Ok(SetMessage::List(List::part(self.mine.sorted(ids), from)))
    }

    fn begin_again(&mut self, attempt: u8, ids: &[Id]) {
        self.attempt = attempt;
        self.mine = Mine::of(SetKey::new(&self.material, attempt), ids);
        self.lacking.clear();
    }

    /// Becomes the solver.
    fn opened(
        &mut self,
        role: Role,
        message: SetMessage,
        ids: &[Id],
    ) -> Result<SetMessage, SyncError> {
        let SetMessage::Open {
            attempt,
            count,
            sum,
            body,
        } = message
        else {
            return Err(SyncError::Unexpected("of a reconciliation"));
        };
        if self.opens >= MAX_OPENS {
            return Err(SyncError::Unreconciled);
        }
        self.opens += 1;
        match role {
            Role::Waiting(Some(kept)) if attempt == 0 => self.mine = Mine::kept(kept),
            Role::Waiting(None) if attempt == 0 => self.begin_again(0, ids),
            // the common sum was wrong
            Role::Said if attempt == self.attempt + 1 => self.begin_again(attempt, ids),
            // the other has the smaller set and tells it instead
            Role::Teller { .. }
                if attempt == self.attempt
                    && count < self.mine.sketch.n
                    && matches!(body, Body::List(_)) =>
            {
                self.lacking.clear();
            }
            _ => return Err(SyncError::Unexpected("a reconciliation that begins")),
        }
        if count == self.mine.sketch.n && sum == self.mine.sketch.sum {
            self.role = Role::Over;
            return Ok(SetMessage::Same);
        }
        let solver = Solver {
            count,
            cells: Vec::new(),
            list: None,
            listed: 0,
        };
        match body {
            Body::Cells(cells) => self.absorb(solver, &cells, ids),
            Body::List(list) => self.compare(solver, &list, ids),
        }
    }

    fn absorb(
        &mut self,
        mut solver: Solver,
        coded: &[Cell],
        ids: &[Id],
    ) -> Result<SetMessage, SyncError> {
        let from = solver.cells.len();
        let to = from + coded.len();
        if to > MAX_CELLS {
            return Err(SyncError::Limit("cells of a set"));
        }
        let count = solver.count;
        solver.cells.extend((from..).zip(coded).map(|(i, c)| Cell {
            count: c.count.wrapping_add(expected(count, i)),
            ..*c
        }));
        let mine = self.mine.cells(to, ids);
        let differ: Vec<Cell> = (solver.cells.iter().zip(mine))
            .map(|(a, b)| Cell {
                sum: a.sum ^ b.sum,
                check: a.check ^ b.check,
                count: a.count.wrapping_sub(b.count),
            })
            .collect();
        let about = estimate(&differ);
        if let Some(split) = peel(&self.mine.sketch.key, differ) {
            self.lacking = self.mine.resolve(&split.mine, ids);
            return Ok(self.said(split.theirs));
        }
        let next = if from == 0 {
            // 1.4 cells a difference are enough in the long run; the estimate is off by a fifth
            (about.saturating_mul(7) / 4)
                .saturating_add(16)
                .max(to as u64 * 3 / 2)
        } else {
            to as u64 * 4 / 3
        };
        let smaller = self.mine.sketch.n.min(solver.count);
        let cheap = (next - to as u64).saturating_mul(CELL_BYTES) < list_bytes(smaller);
        if cheap && next <= MAX_CELLS as u64 {
            let next = (next as usize).min(to + MAX_CELLS_PER_MESSAGE);
            self.role = Role::Solver(solver);
            return Ok(SetMessage::More(next as u32));
        }
        if self.mine.sketch.n < solver.count {
            if self.opens >= MAX_OPENS {
                return Err(SyncError::Unreconciled);
            }
            return Ok(self.tell(ids, true));
        }
        solver.cells = Vec::new();
        solver.list = Some(0);
        self.role = Role::Solver(solver);
        Ok(SetMessage::ListPlease(0))
    }

    fn compare(
        &mut self,
        mut solver: Solver,
        list: &List,
        ids: &[Id],
    ) -> Result<SetMessage, SyncError> {
        solver.listed += list.shorts.len() as u64;
        if list.from != solver.list.unwrap_or(0) || list.to <= list.from {
            return Err(SyncError::Unexpected("a list out of order"));
        }
        if solver.listed > solver.count || (list.to == SHORT_END && solver.listed < solver.count) {
            return Err(SyncError::Limit(
                "listed ids, which are not as many as was said",
            ));
        }
        let sorted = self.mine.sorted(ids);
        let place = |s| sorted.partition_point(|x| *x < s);
        let here = sorted.get(place(list.from)..place(list.to));
        let (theirs, mine) = differences(&list.shorts, here.unwrap_or_default());
        let mut found = self.mine.resolve(&mine, ids);
        self.lacking.append(&mut found);
        if list.to == SHORT_END {
            return Ok(self.said(theirs));
        }
        solver.list = Some(list.to);
        self.role = Role::Solver(solver);
        Ok(SetMessage::Want {
            shorts: theirs,
            then: Then::List(list.to),
        })
    }

    fn said(&mut self, mut shorts: Vec<u64>) -> SetMessage {
        shorts.sort_unstable();
        self.role = Role::Said;
        SetMessage::Want {
            shorts,
            then: Then::End(self.mine.sum_without(&self.lacking)),
        }
    }
}

/// What only `a` has and what only `b` has, of two ascending lists; repeated ids count.
fn differences(mut a: &[u64], mut b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
    while let (Some((x, a_rest)), Some((y, b_rest))) = (a.split_first(), b.split_first()) {
        if x <= y {
            a = a_rest;
        }
        if y <= x {
            b = b_rest;
        }
        match x.cmp(y) {
            Ordering::Less => only_a.push(*x),
            Ordering::Greater => only_b.push(*y),
            Ordering::Equal => {}
        }
    }
    only_a.extend_from_slice(a);
    only_b.extend_from_slice(b);
    (only_a, only_b)
}
