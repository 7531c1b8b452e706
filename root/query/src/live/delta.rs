//! What a change does to the solutions of regions.
//!
//! A region *gains* solutions that hold now and did not before: each uses something that is new, so each is found by starting from
//! one new thing and reading the moment after. It *loses* solutions that held before: found by starting from one thing that is gone
//! and reading the moment before. What a `not` gains is a candidate for what the region around it loses, and the other way round;
//! candidates are evaluated there, so they may be too many, never too few.

use super::derive::{Changed, Reading};
use super::solve::{Flow, Goal, Side, Solver};
use super::state::State;
use super::template::{ConjunctionId, Literal, On, RegionId, RegionKind, Template};
use crate::ir::{ConstantIndex, Slot};
use rhizome_replica::{Fact, Word};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// Something that happened to one literal.
#[derive(Clone, Debug)]
pub struct Event {
    pub place: (ConjunctionId, usize),
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A fact that fits the pattern came or went.
    Fact(Fact),
    /// A tuple of the predicate came or went.
    Tuple(Arc<[Word]>),
    /// The values of an entity changed, so that a default may apply or no longer apply.
    Entity(Word),
    /// A `not` may have become true or false for these bindings.
    Bindings(Bindings),
}

/// Part of a solution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bindings {
    slots: Vec<(Slot, Word)>,
    needs: Vec<(ConstantIndex, Word)>,
}

/// Events by region.
#[derive(Debug, Default)]
pub struct Events {
    gained: Vec<Vec<Event>>,
    lost: Vec<Vec<Event>>,
}

impl Events {
    pub fn new(template: &Template) -> Self {
        let none = || vec![Vec::new(); template.regions.len()];
        Self {
            gained: none(),
            lost: none(),
        }
    }

    fn push(&mut self, template: &Template, event: Event, gained: bool) {
        let region = template.conjunction(event.place.0).region;
        let events = if gained {
            &mut self.gained
        } else {
            &mut self.lost
        };
        events[usize::from(region)].push(event);
    }

    /// Notes a fact at one of the template's triggers.
    pub fn fact(&mut self, template: &Template, trigger: usize, fact: Fact, added: bool) {
        let t = &template.triggers[trigger];
        let place = (t.conjunction, t.literal);
        match t.on {
            On::Fact(_) => {
                let what = What::Fact(fact);
                self.push(template, Event { place, what }, added);
            }
            On::Entity { .. } => {
                let what = What::Entity(Word::reference(fact.e));
                let (one, two) = (what.clone(), what);
                self.push(template, Event { place, what: one }, true);
                self.push(template, Event { place, what: two }, false);
            }
            On::Watched { .. } => {
                let what = What::Entity(Word::reference(fact.e));
                self.push(template, Event { place, what }, true);
            }
            On::Tuple(_) => {}
        }
    }

    /// Notes tuples of rules where other components and the query call for them.
    pub fn tuples(&mut self, template: &Template, changes: &[Changed]) {
        for change in changes {
            for t in &template.triggers {
                let place = (t.conjunction, t.literal);
                let calls = matches!(template.literal(place), Literal::Call { .. });
                if calls && matches!(t.on, On::Tuple(p) if p == change.predicate) {
                    let what = What::Tuple(change.cells.clone());
                    self.push(template, Event { place, what }, change.gained);
                }
            }
        }
    }

    fn take(&mut self, region: RegionId, gained: bool) -> Vec<Event> {
        let events = if gained {
            &mut self.gained
        } else {
            &mut self.lost
        };
        std::mem::take(&mut events[usize::from(region)])
    }
}

impl Solver<'_> {
    /// Binds what an event says and puts the rest of its region on the agenda. False if the event is none after all.
    pub fn begin(&self, st: &mut State, event: &Event) -> bool {
        let literal = self.template.literal(event.place);
        let (fits, again) = match (&event.what, literal) {
            (What::Fact(f), Literal::Pattern(p)) => (self.unify(st, p, *f), false),
            (What::Entity(e), Literal::Watch { entity, .. }) => (st.accept(*entity, *e), false),
            (What::Entity(e), Literal::GetElse(g)) => (self.accept(st, g.entity, *e, true), true),
            (
                What::Tuple(cells),
                Literal::Call { answer: terms, .. } | Literal::Tuple { terms, .. },
            ) => {
                let mut cells = terms.iter().zip(cells.iter());
                (cells.all(|(t, w)| self.accept(st, *t, *w, false)), false)
            }
            (What::Bindings(b), Literal::Not { .. }) => {
                st.needs.extend_from_slice(&b.needs);
                (b.slots.iter().all(|(s, w)| st.accept(*s, *w)), true)
            }
            _ => (false, false),
        };
        if fits {
            self.rest(st, event.place.0, event.place.1, again);
        }
        fits
    }

    /// Works through the `not` regions inside a region, innermost first: what they gain and lose becomes events around them.
    pub fn negations(&self, top: RegionId, events: &mut Events) {
        for inner in self.template.negations(top) {
            let RegionKind::Not { around, shared } = &self.template.region(inner).kind else {
                continue;
            };
            for gained in [true, false] {
                let happened = events.take(inner, gained);
                if happened.is_empty() {
                    continue;
                }
                let found = self.candidates(shared, &happened, gained);
                for b in found {
                    let event = Event {
                        place: *around,
                        what: What::Bindings(b),
                    };
                    events.push(self.template, event, !gained);
                }
            }
        }
    }

    fn candidates(&self, shared: &[Slot], events: &[Event], gained: bool) -> FxHashSet<Bindings> {
        let solver = self.sided(gained);
        let goal = Goal {
            slots: shared,
            instance: false,
            partial: true,
        };
        let mut found = FxHashSet::default();
        let mut st = self.state();
        for event in events {
            st.clear();
            if !solver.begin(&mut st, event) {
                continue;
            }
            solver.solve(&mut st, &goal, &mut |st| {
                let slots = shared.iter().filter_map(|s| Some((*s, st.get(*s)?)));
                let mut needs = st.needs.clone();
                needs.sort_unstable();
                needs.dedup();
                found.insert(Bindings {
                    slots: slots.collect(),
                    needs,
                });
                Flow::More
            });
        }
        found
    }

    /// The solver for what is gained or for what is lost.
    pub fn sided(&self, gained: bool) -> Solver<'_> {
        if gained {
            self.reading(Side::After, Reading::NOW)
        } else {
            self.reading(Side::Before, Reading::BEFORE)
        }
    }

    /// Brings the rules up to date, callees first, and passes on what that changes.
    pub fn rules(&self, events: &mut Events) {
        for component in &self.template.components {
            let mut lost = Vec::new();
            let mut gained = Vec::new();
            for production in &self.template.productions {
                if production.component != *component {
                    continue;
                }
                let region = production.region;
                self.negations(region, events);
                lost.extend(events.take(region, false).into_iter().map(|e| (region, e)));
                gained.extend(events.take(region, true).into_iter().map(|e| (region, e)));
            }
            if lost.is_empty() && gained.is_empty() {
                continue;
            }
            self.maintain(*component, &lost, &gained);
            let changes = self.layers.kept.borrow().changes(*component);
            events.tuples(self.template, &changes);
        }
    }

    /// Calls `sink` with the rows (instance and outputs) that the query region may have gained or lost.
    pub fn rows(&self, events: &mut Events, gained: bool, sink: &mut dyn FnMut(u32, &[Word])) {
        let happened = events.take(0, gained);
        if happened.is_empty() {
            return;
        }
        let solver = self.sided(gained);
        let outputs = &self.template.outputs;
        let goal = Goal {
            slots: outputs,
            instance: true,
            partial: false,
        };
        let mut st = self.state();
        let mut row = Vec::with_capacity(outputs.len());
        for event in &happened {
            st.clear();
            if !solver.begin(&mut st, event) {
                continue;
            }
            let flow = solver.solve(&mut st, &goal, &mut |st| {
                row.clear();
                row.extend(outputs.iter().filter_map(|s| st.get(*s)));
                if let Some(i) = st.instance {
                    sink(i, &row);
                }
                Flow::More
            });
            if flow == Flow::Stop {
                return;
            }
        }
    }

    /// All rows of one instance at the moment after the change.
    pub fn all_rows(&self, instance: u32, sink: &mut dyn FnMut(&[Word]) -> Flow) {
        let outputs = &self.template.outputs;
        let goal = Goal {
            slots: outputs,
            instance: true,
            partial: false,
        };
        let solver = self.sided(true);
        let mut st = self.state();
        st.instance = Some(instance);
        solver.whole(&mut st, 0);
        let mut row = Vec::with_capacity(outputs.len());
        solver.solve(&mut st, &goal, &mut |st| {
            row.clear();
            row.extend(outputs.iter().filter_map(|s| st.get(*s)));
            sink(&row)
        });
    }

    /// Whether a row of an instance holds at the moment after the change.
    pub fn holds(&self, st: &mut State, instance: u32, row: &[Word]) -> bool {
        let solver = self.sided(true);
        st.clear();
        st.instance = Some(instance);
        solver.whole(st, 0);
        let outputs = self.template.outputs.iter().zip(row);
        let mut outputs = outputs.map(|(s, w)| st.accept(*s, *w));
        outputs.all(|fits| fits) && solver.exists(st, false)
    }
}
