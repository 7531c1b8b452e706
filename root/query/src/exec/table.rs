//! Evaluation of rules: reachability for those that only move a goal or an answer along, semi-naive fixpoint for all others.

use rhizome_replica::Word;

use super::closure::ClosureTable;
use super::collect::RowSet;
use super::fixpoint::FixpointTable;
use super::machine::{Flow, Machine};
use crate::plan::{Entry, Method, Place, Register, TablePlan};

/// What is known of one rule for one pattern of bound arguments.
pub struct Table {
    /// Goals asked, by their bound arguments.
    pub goals: RowSet,
    kind: TableKind,
}

enum TableKind {
    Closure(Box<ClosureTable>),
    Fixpoint(FixpointTable),
}

impl Table {
    pub fn new(plan: &TablePlan) -> Self {
        let goal = plan.bound.iter().filter(|b| **b).count();
        let arity = plan.bound.len();
        let kind = match plan.method {
            Method::Closure(_) => {
                TableKind::Closure(Box::new(ClosureTable::new(goal, arity - goal)))
            }
            Method::Fixpoint(_) => TableKind::Fixpoint(FixpointTable::new(arity)),
        };
        Self {
            goals: RowSet::distinct(goal),
            kind,
        }
    }

    pub fn closure(&mut self) -> Option<&mut ClosureTable> {
        match &mut self.kind {
            TableKind::Closure(t) => Some(t),
            TableKind::Fixpoint(_) => None,
        }
    }

    pub fn fixpoint(&mut self) -> Option<&mut FixpointTable> {
        match &mut self.kind {
            TableKind::Fixpoint(t) => Some(t),
            TableKind::Closure(_) => None,
        }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn plan(&self, table: u16) -> &'a TablePlan {
        &self.program.tables[usize::from(table)]
    }

    pub(super) fn table(&mut self, table: u16) -> &mut Table {
        &mut self.tables[usize::from(table)]
    }

    /// Notes a goal; its number, and whether it is new.
    pub(super) fn ask(&mut self, table: u16, bound: &[Register]) -> (usize, bool) {
        let goal: Vec<Word> = bound.iter().map(|r| self.get(*r)).collect();
        let t = self.table(table);
        if let Some(i) = t.goals.find(&goal) {
            (i, false)
        } else {
            t.goals.insert(&goal);
            if let TableKind::Fixpoint(f) = &mut t.kind {
                f.add_goal();
            }
            (t.goals.len() - 1, true)
        }
    }

    /// Binds the answers of a rule.
    pub fn call(
        &mut self,
        table: u16,
        bound: &[Register],
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let (goal, new) = self.ask(table, bound);
        match &self.plan(table).method {
            Method::Closure(plan) => {
                if new && !self.close(table, goal, plan) {
                    return Flow::Stop;
                }
                self.closure_answers(table, goal, places, next)
            }
            Method::Fixpoint(_) => {
                if new && !self.saturate(table) {
                    return Flow::Stop;
                }
                self.fixpoint_answers(table, goal, places, next)
            }
        }
    }

    /// Starts steps with a row in their registers. False: stop.
    pub(super) fn enter(&mut self, entry: &Entry, row: &[Word]) -> bool {
        !self.accept(row, &entry.set) || self.run(entry.start) != Flow::Stop
    }

    /// An answer of the rule being evaluated.
    pub fn answer(&mut self, table: u16, arguments: &'a [Register]) -> Flow {
        let plan = self.plan(table);
        let known = match &plan.method {
            Method::Closure(c) => self.closure_answer(table, arguments, c.answers_are_goals),
            Method::Fixpoint(_) => self.fixpoint_answer(table, arguments, &plan.bound),
        };
        if known.is_none_or(|n| self.room(n)) {
            Flow::More
        } else {
            Flow::Stop
        }
    }
}
