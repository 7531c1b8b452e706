//! All other rules: semi-naive evaluation of a component, tuple by tuple. Every new goal and every new answer is joined, once, with all
//! that is known; what comes of it is new goals and answers, until there are none.

use rhizome_replica::Word;

use super::collect::RowSet;
use super::machine::{Flow, Machine};
use crate::plan::{Fixpoint, Method, Place, Register};

/// What is known in one table.
pub struct FixpointTable {
    /// All arguments.
    rows: RowSet,
    /// The last row of each goal + 1, and for each row the one before of the same goal + 1.
    last: Vec<u32>,
    before: Vec<u32>,
    goals_done: usize,
    rows_done: usize,
}

impl FixpointTable {
    pub fn new(arity: usize) -> Self {
        Self {
            rows: RowSet::distinct(arity),
            last: Vec::new(),
            before: Vec::new(),
            goals_done: 0,
            rows_done: 0,
        }
    }

    /// Makes room for one more goal.
    pub fn add_goal(&mut self) {
        self.last.push(0);
    }
}

impl<'a> Machine<'a> {
    /// How many answers there are now, if this one is new. One that nobody asked for is dropped.
    pub(super) fn fixpoint_answer(
        &mut self,
        table: u16,
        arguments: &[Register],
        bound: &[bool],
    ) -> Option<usize> {
        let row: Vec<Word> = arguments.iter().map(|r| self.get(*r)).collect();
        let goal: Vec<Word> = row
            .iter()
            .zip(bound)
            .filter(|(_, b)| **b)
            .map(|(w, _)| *w)
            .collect();
        let t = self.table(table);
        let goal = t.goals.find(&goal)?;
        let t = t.fixpoint()?;
        if !t.rows.insert(&row) {
            return None;
        }
        let number = t.rows.len() as u32;
        t.before.push(std::mem::replace(&mut t.last[goal], number));
        Some(t.rows.len())
    }

    /// Runs all rules of a component until nothing is new. False: stop.
    pub(super) fn saturate(&mut self, table: u16) -> bool {
        let program = self.program;
        let component = self.query.rules[usize::from(self.plan(table).rule)].component;
        let members: Vec<(u16, &'a Fixpoint)> = program
            .tables
            .iter()
            .enumerate()
            .filter(|(_, t)| self.query.rules[usize::from(t.rule)].component == component)
            .filter_map(|(i, t)| {
                if let Method::Fixpoint(f) = &t.method {
                    Some((i as u16, f))
                } else {
                    None
                }
            })
            .collect();
        loop {
            let mut changed = false;
            for (table, plan) in &members {
                while let Some(row) = self.next_goal(*table) {
                    changed = true;
                    if !plan.goals.iter().all(|e| self.enter(e, &row)) {
                        return false;
                    }
                }
                while let Some(row) = self.next_row(*table) {
                    changed = true;
                    if !plan.answers.iter().all(|e| self.enter(e, &row)) {
                        return false;
                    }
                }
            }
            if !changed {
                return true;
            }
        }
    }

    fn next_goal(&mut self, table: u16) -> Option<Vec<Word>> {
        let t = self.table(table);
        let n = t.goals.len();
        let f = t.fixpoint()?;
        if f.goals_done >= n {
            return None;
        }
        f.goals_done += 1;
        let done = f.goals_done;
        Some(t.goals.row(done - 1).to_vec())
    }

    fn next_row(&mut self, table: u16) -> Option<Vec<Word>> {
        let f = self.table(table).fixpoint()?;
        (f.rows_done < f.rows.len()).then(|| {
            f.rows_done += 1;
            f.rows.row(f.rows_done - 1).to_vec()
        })
    }

    /// Binds the answers known so far inside the component's own rules; the goal is noted and worked on later.
    pub fn recall(
        &mut self,
        table: u16,
        bound: &[Register],
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let (goal, _) = self.ask(table, bound);
        self.fixpoint_answers(table, goal, places, next)
    }

    pub(super) fn fixpoint_answers(
        &mut self,
        table: u16,
        goal: usize,
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let free: Vec<usize> = self
            .plan(table)
            .bound
            .iter()
            .enumerate()
            .filter(|(_, b)| !**b)
            .map(|(i, _)| i)
            .collect();
        let Some(f) = self.table(table).fixpoint() else {
            return Flow::More;
        };
        let mut row = f.last[goal];
        while row != 0 {
            let i = row as usize - 1;
            let mut ok = true;
            for (column, place) in free.iter().zip(places) {
                let Some(f) = self.table(table).fixpoint() else {
                    return Flow::More;
                };
                let w = f.rows.row(i)[*column];
                ok = ok && self.accept_one(w, *place);
            }
            let Some(f) = self.table(table).fixpoint() else {
                return Flow::More;
            };
            row = f.before[i];
            if ok {
                match self.run(next) {
                    Flow::More => {}
                    other => return other,
                }
            }
        }
        Flow::More
    }

    /// Binds or tests the goals asked of a table.
    pub fn asked(&mut self, table: u16, places: &'a [Place], next: usize) -> Flow {
        if places.iter().all(|p| matches!(p, Place::Equal(_))) {
            let goal: Vec<Word> = places
                .iter()
                .filter_map(|p| {
                    if let Place::Equal(r) = p {
                        Some(self.get(*r))
                    } else {
                        None
                    }
                })
                .collect();
            return if self.table(table).goals.find(&goal).is_some() {
                self.run(next)
            } else {
                Flow::More
            };
        }
        let mut i = 0;
        // goals noted while this runs are new goals, which are worked on later
        let n = self.table(table).goals.len();
        while i < n {
            let row = self.table(table).goals.row(i).to_vec();
            i += 1;
            if self.accept(&row, places) {
                match self.run(next) {
                    Flow::More => {}
                    other => return other,
                }
            }
        }
        Flow::More
    }
}
