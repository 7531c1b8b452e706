//! What rules derive, for the goals that somebody asked, kept up to date with every change.
//!
//! Tuples that a change adds are followed semi-naively. Of those that may have lost their ground, in ascending rank, each either has
//! another derivation from lower ones or goes and takes its consequences under suspicion; afterwards whatever still has a derivation
//! from what is left comes back (delete and rederive, Gupta, Mumick and Subrahmanian 1993, with ranks so that in a dense graph most
//! tuples need no second look).

mod relations;

pub use relations::{Changed, Relations};

use super::delta::{Event, What};
use super::solve::{Flow, Goal, Side, Solver};
use super::state::State;
use super::template::{PredicateId, Production, RegionId, Template};
use crate::error::QueryError;
use crate::ir::{Slot, Term};
use rhizome_replica::Word;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which tuples can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    Now,
    Before,
    /// Of this component, only those of lower rank.
    Below {
        component: u16,
        rank: u64,
    },
}

/// Where tuples of a component's own predicates are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// In the layer of goals that were only asked about the moment before the change.
    pub past: bool,
    pub visible: Visible,
}

impl Reading {
    pub const NOW: Self = Self {
        past: false,
        visible: Visible::Now,
    };
    pub const BEFORE: Self = Self {
        past: false,
        visible: Visible::Before,
    };
    const PAST: Self = Self {
        past: true,
        visible: Visible::Now,
    };
}

/// Derived tuples: those that are kept, and those of goals that were not asked before this change but are asked about the moment
/// before it.
#[derive(Debug, Default)]
pub struct Layers {
    pub kept: RefCell<Relations>,
    past: RefCell<Relations>,
}

impl Layers {
    pub fn new(template: &Template) -> Self {
        Self {
            kept: RefCell::new(relations(template)),
            past: RefCell::new(relations(template)),
        }
    }

    /// Ends a change.
    pub fn settle(&mut self, template: &Template) {
        self.kept.get_mut().settle();
        if self.past.get_mut().len > 0 {
            *self.past.get_mut() = relations(template);
        }
    }
}

fn relations(template: &Template) -> Relations {
    Relations::new(template.predicates.iter().map(|p| (p.arity, p.component)))
}

impl Solver<'_> {
    fn layer(&self, past: bool) -> &RefCell<Relations> {
        if past {
            &self.layers.past
        } else {
            &self.layers.kept
        }
    }

    /// Tuples of a predicate of the component that is being worked out.
    pub fn tuples(&self, p: PredicateId, known: &[Option<Word>]) -> Vec<Arc<[Word]>> {
        self.layer(self.reading.past)
            .borrow()
            .find(p, known, self.reading.visible)
    }

    pub fn estimate_tuples(&self, p: PredicateId, known: &[Option<Word>]) -> u64 {
        self.layer(self.reading.past).borrow().estimate(p, known)
    }

    /// Answers to a goal; works the goal out if nobody asked it yet.
    pub fn answers(
        &self,
        table: usize,
        asked: &[Word],
        known: &[Option<Word>],
    ) -> Vec<Arc<[Word]>> {
        let table = &self.template.tables[table];
        let mut goal = asked.to_vec();
        if table.closure {
            goal.extend_from_slice(asked);
        }
        let (reading, visible) = match self.side {
            Side::After => (Reading::NOW, Visible::Now),
            Side::Before if self.layers.kept.borrow().was(table.goals, &goal) => {
                let kept = self.layers.kept.borrow();
                return kept.find(table.answers, known, Visible::Before);
            }
            Side::Before => (Reading::PAST, Visible::Now),
        };
        let layer = self.layer(reading.past);
        let new = layer.borrow_mut().ask(table.goals, &goal);
        if new {
            let work = vec![(table.goals, goal.into())];
            self.reading(self.side, reading).saturate(work);
        }
        layer.borrow().find(table.answers, known, visible)
    }

    /// Follows new tuples until nothing is new.
    fn saturate(&self, mut work: Vec<(PredicateId, Arc<[Word]>)>) {
        let mut st = self.state();
        while let Some((predicate, cells)) = work.pop() {
            for (conjunction, literal) in &self.template.readers[usize::from(predicate)] {
                let event = Event {
                    place: (*conjunction, *literal),
                    what: What::Tuple(cells.clone()),
                };
                let region = self.template.conjunction(*conjunction).region;
                self.heads(&mut st, region, &event, &mut |p, tuple| {
                    let mut layer = self.layer(self.reading.past).borrow_mut();
                    if let Some(cells) = layer.insert(p, tuple) {
                        work.push((p, cells));
                    }
                    self.has_room(layer.len)
                });
                if !self.trouble.is_none() {
                    return;
                }
            }
        }
    }

    fn has_room(&self, tuples: usize) -> Flow {
        if tuples <= self.trouble.tuples {
            return Flow::More;
        }
        self.trouble
            .error
            .borrow_mut()
            .get_or_insert(QueryError::Limit {
                limit: "derived_tuples",
                maximum: self.trouble.tuples as u64,
                at: None,
            });
        Flow::Stop
    }

    /// The tuples that a production derives through an event.
    fn heads(
        &self,
        st: &mut State,
        region: RegionId,
        event: &Event,
        sink: &mut dyn FnMut(PredicateId, &[Word]) -> Flow,
    ) {
        let Some(production) = self.template.production_of(region) else {
            return;
        };
        let slots: Vec<Slot> = slots(&production.terms);
        let goal = Goal {
            slots: &slots,
            instance: false,
            partial: production.partial,
        };
        st.clear();
        if self.begin(st, event) {
            self.solve(st, &goal, &mut |st| self.head(st, production, sink));
        }
    }

    fn head(
        &self,
        st: &State,
        production: &Production,
        sink: &mut dyn FnMut(PredicateId, &[Word]) -> Flow,
    ) -> Flow {
        let mut tuples: Vec<Vec<Word>> = vec![Vec::with_capacity(production.terms.len())];
        for term in &production.terms {
            let mut words = Vec::with_capacity(1);
            self.each_value(st, *term, |w| words.push(w));
            if let [w] = words[..] {
                for t in &mut tuples {
                    t.push(w);
                }
                continue;
            }
            let longer = |t: Vec<Word>| -> Vec<Vec<Word>> {
                let with = |w: &Word| t.iter().copied().chain([*w]).collect();
                words.iter().map(with).collect()
            };
            tuples = tuples.into_iter().flat_map(longer).collect();
        }
        for tuple in tuples {
            if sink(production.head, &tuple) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::More
    }

    /// Whether a tuple can be derived from what can be seen.
    fn is_derivable(&self, st: &mut State, predicate: PredicateId, cells: &[Word]) -> bool {
        self.template
            .productions
            .iter()
            .filter(|p| p.head == predicate)
            .any(|p| {
                st.clear();
                self.whole(st, p.region);
                let terms = p.terms.iter().zip(cells);
                let mut fits = terms.map(|(t, w)| self.accept(st, *t, *w, false));
                fits.all(|f| f) && self.exists(st, p.partial)
            })
    }

    /// Brings the tuples of a component up to date: `lost` and `gained` are what happened to the bodies of its productions.
    pub fn maintain(
        &self,
        component: u16,
        lost: &[(RegionId, Event)],
        gained: &[(RegionId, Event)],
    ) {
        let mut st = self.state();
        let before = self.reading(Side::Before, Reading::BEFORE);
        let now = self.reading(Side::After, Reading::NOW);
        let mut suspects: BTreeSet<(u64, PredicateId, u32)> = BTreeSet::new();
        let suspect = |suspects: &mut BTreeSet<_>, above: u64, p: PredicateId, tuple: &[Word]| {
            if let Some((id, rank)) = self.layers.kept.borrow().now(p, tuple)
                && rank > above
            {
                suspects.insert((rank, p, id));
            }
            Flow::More
        };
        for (region, event) in lost {
            before.heads(&mut st, *region, event, &mut |p, tuple| {
                suspect(&mut suspects, 0, p, tuple)
            });
        }
        let mut dead = Vec::new();
        while let Some((rank, predicate, id)) = suspects.pop_first() {
            let cells = {
                let kept = self.layers.kept.borrow();
                if !kept.is_now(predicate, id) || kept.is_asked(predicate, id) {
                    continue;
                }
                kept.cells(predicate, id)
            };
            let visible = Visible::Below { component, rank };
            let below = self.reading(
                Side::After,
                Reading {
                    past: false,
                    visible,
                },
            );
            if below.is_derivable(&mut st, predicate, &cells) {
                continue;
            }
            self.layers.kept.borrow_mut().kill(predicate, id);
            dead.push((predicate, cells.clone()));
            for place in &self.template.readers[usize::from(predicate)] {
                let event = Event {
                    place: *place,
                    what: What::Tuple(cells.clone()),
                };
                let region = self.template.conjunction(place.0).region;
                before.heads(&mut st, region, &event, &mut |p, tuple| {
                    suspect(&mut suspects, rank, p, tuple)
                });
            }
            if !self.trouble.is_none() {
                return;
            }
        }
        let mut new: Vec<(PredicateId, Arc<[Word]>)> = Vec::new();
        for (predicate, cells) in dead {
            if now.is_derivable(&mut st, predicate, &cells) {
                new.extend(
                    self.layers
                        .kept
                        .borrow_mut()
                        .insert(predicate, &cells)
                        .map(|c| (predicate, c)),
                );
            }
        }
        now.saturate(new);
        let mut new = Vec::new();
        for (region, event) in gained {
            now.heads(&mut st, *region, event, &mut |p, tuple| {
                let mut kept = self.layers.kept.borrow_mut();
                new.extend(kept.insert(p, tuple).map(|c| (p, c)));
                self.has_room(kept.len)
            });
        }
        now.saturate(new);
    }
}

fn slots(terms: &[Term]) -> Vec<Slot> {
    terms
        .iter()
        .filter_map(|t| match t {
            Term::Slot(s) => Some(*s),
            _ => None,
        })
        .collect()
}
