//! Finding the solutions of a region from whatever is bound already, one literal at a time, the cheapest next.
//!
//! The order is chosen while it runs, from exact counts where an average could mislead: the follower counts of two people differ a
//! thousandfold. A changed fact that leads nowhere dies after a lookup or two.

mod choose;
mod literal;
mod pattern;

use super::derive::{Layers, Reading};
use super::given::{Given, Resolved};
use super::state::State;
use super::template::{ConjunctionId, RegionId, Template};
use crate::error::QueryError;
use crate::exec::words::Words;
use crate::ir::{ConstantIndex, Slot, Term};
use rhizome_replica::{Aid, Snapshot, Word};
use std::cell::{Cell, RefCell};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    More,
    Stop,
}

/// Which of the two moments of a change is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// What the names of a template are in one pod.
#[derive(Debug, Default)]
pub struct Names {
    /// By attribute of the template; `None` as long as the pod has none of that name.
    pub attributes: Vec<Option<Aid>>,
    /// Tuples, entities and values of each, when last looked at.
    pub sizes: Vec<[u64; 3]>,
    /// Constants that are not lifted.
    pub constants: Vec<Resolved>,
    /// Tables of constants.
    pub rows: Vec<Vec<Box<[Word]>>>,
}

/// What a region is solved for.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// Slots that are wanted.
    pub slots: &'a [Slot],
    /// The instance is wanted.
    pub instance: bool,
    /// What cannot be evaluated for want of bound slots is taken to hold.
    pub partial: bool,
}

/// Nothing in particular: whether there is a solution.
pub const EXISTS: Goal<'static> = Goal {
    slots: &[],
    instance: false,
    partial: false,
};

/// Everything an evaluation reads.
pub struct Solver<'a> {
    pub template: &'a Template,
    pub given: &'a Given,
    pub names: &'a Names,
    pub words: &'a Words<'a>,
    pub snapshot: &'a Snapshot,
    pub before: &'a Snapshot,
    pub side: Side,
    pub layers: &'a Layers,
    pub reading: Reading,
    pub trouble: &'a Trouble,
}

/// What stopped an evaluation, and how much it did so far.
#[derive(Default)]
pub struct Trouble {
    pub error: RefCell<Option<QueryError>>,
    /// Some body has a literal that can never be evaluated in the order that live evaluation knows.
    pub stuck: Cell<bool>,
    pub steps: Cell<u64>,
    /// Steps allowed; 0 is no limit.
    pub limit: u64,
    /// Tuples that rules may derive.
    pub tuples: usize,
}

impl Trouble {
    pub fn is_none(&self) -> bool {
        self.error.borrow().is_none() && !self.stuck.get()
    }
}

impl<'a> Solver<'a> {
    /// The same, reading something else.
    pub fn reading(&self, side: Side, reading: Reading) -> Solver<'a> {
        Solver {
            side,
            reading,
            snapshot: match side {
                Side::Before => self.before,
                Side::After => self.words.snapshot,
            },
            ..*self
        }
    }

    pub fn state(&self) -> State {
        State::new(self.template.registers)
    }

    /// The constant, if it does not depend on an instance that is still unknown.
    pub fn constant(&self, st: &State, c: ConstantIndex) -> Option<&'a Resolved> {
        if self.template.lifted.get(usize::from(c)) != Some(&true) {
            return self.names.constants.get(usize::from(c));
        }
        match st.instance {
            Some(i) => self.given.get(i)?.constants.get(usize::from(c)),
            None => self.given.uniform(c),
        }
    }

    /// Whether a term has a value.
    pub fn is_known(&self, st: &State, term: Term) -> bool {
        match term {
            Term::Slot(s) => st.is_bound(s),
            Term::Constant(c) => self.constant(st, c).is_some(),
            Term::Blank => false,
        }
    }

    /// Binds or compares a term with a word. A constant of an instance that is still unknown is noted as a need; one that no instance
    /// has fails at once.
    pub fn accept(&self, st: &mut State, term: Term, word: Word, entity: bool) -> bool {
        match term {
            Term::Blank => true,
            Term::Slot(s) => st.accept(s, word),
            Term::Constant(c) => match self.constant(st, c) {
                Some(r) if entity => r.entity() == word,
                Some(r) => r.all.contains(&word),
                None if self.given.with_constant(c, word).is_some() => {
                    st.needs.push((c, word));
                    true
                }
                None => false,
            },
        }
    }

    /// All of a region.
    pub fn whole(&self, st: &mut State, region: RegionId) {
        let root = self.template.region(region).root;
        st.agenda.clear();
        st.agenda
            .push((root, self.template.conjunction(root).all()));
    }

    /// What is left of the region of a conjunction once one of its literals is satisfied (or, if `again`, is still to be evaluated).
    pub fn rest(&self, st: &mut State, conjunction: ConjunctionId, literal: usize, again: bool) {
        st.agenda.clear();
        let mut mask = self.template.conjunction(conjunction).all();
        if !again {
            mask &= !(1 << literal);
        }
        st.agenda.push((conjunction, mask));
        let mut inner = conjunction;
        while let Some((outer, or)) = self.template.conjunction(inner).around {
            let mask = self.template.conjunction(outer).all() & !(1 << or);
            st.agenda.push((outer, mask));
            inner = outer;
        }
    }

    /// Calls `sink` with every way to satisfy the agenda; where only part of what gets bound is wanted, at least once for each
    /// different part.
    pub fn solve(
        &self,
        st: &mut State,
        goal: &Goal<'_>,
        sink: &mut dyn FnMut(&mut State) -> Flow,
    ) -> Flow {
        if !self.step() {
            return Flow::Stop;
        }
        if !st.existing && is_complete(st, goal) {
            if st.agenda.iter().all(|(_, mask)| *mask == 0) {
                return sink(st);
            }
            return if self.exists(st, goal.partial) {
                sink(st)
            } else {
                Flow::More
            };
        }
        match self.choose(st) {
            choose::Choice::Done => sink(st),
            choose::Choice::Stuck if goal.partial => sink(st),
            choose::Choice::Stuck => {
                self.trouble.stuck.set(true);
                Flow::Stop
            }
            choose::Choice::Next(frame, literal) => {
                let bit = 1u128 << literal;
                st.agenda[frame].1 &= !bit;
                let place = (st.agenda[frame].0, literal);
                let flow = self.literal(st, place, goal, sink);
                st.agenda[frame].1 |= bit;
                flow
            }
        }
    }

    /// Whether there is any way to satisfy the agenda.
    pub fn exists(&self, st: &mut State, partial: bool) -> bool {
        let before = std::mem::replace(&mut st.existing, true);
        let mark = st.mark();
        let goal = Goal { partial, ..EXISTS };
        let mut found = false;
        self.solve(st, &goal, &mut |_| {
            found = true;
            Flow::Stop
        });
        st.undo(mark);
        st.existing = before;
        found
    }

    fn step(&self) -> bool {
        let steps = self.trouble.steps.get() + 1;
        self.trouble.steps.set(steps);
        if self.trouble.limit > 0 && steps > self.trouble.limit {
            let mut error = self.trouble.error.borrow_mut();
            error.get_or_insert(QueryError::Limit {
                limit: "live_steps",
                maximum: self.trouble.limit,
                at: None,
            });
            return false;
        }
        self.trouble.is_none()
    }
}

fn is_complete(st: &State, goal: &Goal<'_>) -> bool {
    (!goal.instance || st.instance.is_some())
        && goal.slots.iter().all(|s| st.is_bound(*s))
        && (goal.instance || !goal.slots.is_empty())
}
