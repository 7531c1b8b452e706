//! Evaluating one literal: the rest is solved once for every way to satisfy it.

use super::{Flow, Goal, Solver};
use crate::ir::{Compare, Slot, Term};
use crate::live::state::State;
use crate::live::template::{ConjunctionId, GetElse, Literal};
use rhizome_replica::{Word, key};
use std::sync::Arc;

/// What to call for every solution.
type Sink<'s> = dyn FnMut(&mut State) -> Flow + 's;

impl Solver<'_> {
    pub fn literal(
        &self,
        st: &mut State,
        place: (ConjunctionId, usize),
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        match self.template.literal(place) {
            Literal::Pattern(p) => self.pattern(st, p, goal, sink),
            Literal::Compare { compare, arguments } => {
                if self.compares(st, *compare, arguments) {
                    self.solve(st, goal, sink)
                } else {
                    Flow::More
                }
            }
            Literal::Function {
                function,
                arguments,
                output,
            } => {
                let words: Option<Vec<Word>> =
                    arguments.iter().map(|t| self.written(st, *t)).collect();
                let result = words.and_then(|w| self.words.apply(*function, &w));
                self.with(st, result.map(|w| (*output, w)), goal, sink)
            }
            Literal::GetElse(g) => self.get_else(st, g, goal, sink),
            Literal::Rows { slots, rows } => {
                let rows = &self.names.rows[*rows];
                self.each_row(st, rows.iter().map(|r| &**r), slots, goal, sink)
            }
            Literal::Not { body, .. } => {
                let all = self.template.conjunction(*body).all();
                let outside = std::mem::replace(&mut st.agenda, vec![(*body, all)]);
                let found = self.exists(st, false);
                st.agenda = outside;
                if found {
                    Flow::More
                } else {
                    self.solve(st, goal, sink)
                }
            }
            Literal::Or { branches, .. } => {
                for branch in branches {
                    let all = self.template.conjunction(*branch).all();
                    st.agenda.push((*branch, all));
                    let flow = self.solve(st, goal, sink);
                    st.agenda.pop();
                    if flow == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Flow::More
            }
            Literal::Watch { .. } => self.solve(st, goal, sink),
            Literal::Instance => self.instance(st, goal, sink),
            Literal::Input(input) => self.input(st, *input, goal, sink),
            Literal::Call {
                table,
                goal: asked,
                answer,
            } => self.call(st, *table, asked, answer, goal, sink),
            Literal::Tuple { predicate, terms } => {
                let known: Vec<_> = terms.iter().map(|t| self.single(st, *t)).collect();
                let found = self.tuples(*predicate, &known);
                self.each_tuple(st, &found, terms, goal, sink)
            }
        }
    }

    /// Goes on with a slot bound, if that is possible.
    fn with(
        &self,
        st: &mut State,
        bind: Option<(Slot, Word)>,
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        let Some((slot, word)) = bind else {
            return Flow::More;
        };
        let mark = st.mark();
        let flow = if st.accept(slot, word) {
            self.solve(st, goal, sink)
        } else {
            Flow::More
        };
        st.undo(mark);
        flow
    }

    /// The value of a term as written.
    pub fn written(&self, st: &State, term: Term) -> Option<Word> {
        match term {
            Term::Slot(s) => st.get(s),
            Term::Constant(c) => Some(self.constant(st, c)?.written()),
            Term::Blank => None,
        }
    }

    fn compares(&self, st: &State, compare: Compare, arguments: &[Term]) -> bool {
        // equal to a constant with several meanings: to any of them
        if let (
            [one, Term::Constant(c)] | [Term::Constant(c), one],
            Compare::Equal | Compare::NotEqual,
        ) = (arguments, compare)
            && let Some(r) = self.constant(st, *c)
            && r.all.len() > 1
        {
            let Some(w) = self.written(st, *one) else {
                return false;
            };
            return r.all.iter().any(|x| self.words.equal(*x, w)) == (compare == Compare::Equal);
        }
        let words: Option<Vec<Word>> = arguments.iter().map(|t| self.written(st, *t)).collect();
        words.is_some_and(|w| self.words.holds(compare, &w))
    }

    fn get_else(&self, st: &mut State, g: &GetElse, goal: &Goal<'_>, sink: &mut Sink<'_>) -> Flow {
        let aid = self.names.attributes[usize::from(g.attribute)];
        if let (Some(e), Some(a)) = (self.entity_of(st, g.entity), aid) {
            let (lo, hi) = key::eav_ea(e, a);
            let mut any = false;
            for k in self.snapshot.eav().range(lo, hi) {
                any = true;
                let w = key::un_eav(k).v;
                if self.with(st, Some((g.output, w)), goal, sink) == Flow::Stop {
                    return Flow::Stop;
                }
            }
            if any {
                return Flow::More;
            }
        }
        let default = self.written(st, Term::Constant(g.default));
        self.with(st, default.map(|w| (g.output, w)), goal, sink)
    }

    fn each_row<'r>(
        &self,
        st: &mut State,
        rows: impl Iterator<Item = &'r [Word]>,
        slots: &[Option<Slot>],
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        let fits = |st: &mut State, row: &[Word]| {
            let mut cells = slots.iter().zip(row);
            cells.all(|(s, w)| s.is_none_or(|s| st.accept(s, *w)))
        };
        self.each(st, rows, fits, goal, sink)
    }

    /// Solves the goal with each of `all` in turn that fits; what `fits` binds is unbound after it.
    pub fn each<T>(
        &self,
        st: &mut State,
        all: impl Iterator<Item = T>,
        fits: impl Fn(&mut State, T) -> bool,
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        for one in all {
            let mark = st.mark();
            let flow = if fits(st, one) {
                self.solve(st, goal, sink)
            } else {
                Flow::More
            };
            st.undo(mark);
            if flow == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::More
    }

    fn instance(&self, st: &mut State, goal: &Goal<'_>, sink: &mut Sink<'_>) -> Flow {
        if let Some(i) = st.instance {
            return self.of_instance(st, i, goal, sink);
        }
        let by_needs = st
            .needs
            .iter()
            .map(|(c, w)| self.given.with_constant(*c, *w));
        let scalars = self.template.scalars.iter().enumerate();
        let by_scalars = scalars.filter_map(|(i, s)| {
            let w = st.get((*s)?)?;
            Some(self.given.with_scalar(i, w))
        });
        let mut smallest = None;
        for bucket in by_needs.chain(by_scalars) {
            let Some(bucket) = bucket else {
                return Flow::More;
            };
            if smallest.is_none_or(|s: &std::collections::BTreeSet<u32>| bucket.len() < s.len()) {
                smallest = Some(bucket);
            }
        }
        match smallest {
            Some(bucket) => {
                for i in bucket {
                    if self.of_instance(st, *i, goal, sink) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
            }
            None => {
                for i in self.given.numbers() {
                    if self.of_instance(st, i, goal, sink) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
            }
        }
        Flow::More
    }

    fn of_instance(&self, st: &mut State, i: u32, goal: &Goal<'_>, sink: &mut Sink<'_>) -> Flow {
        if !self.given.meets(i, &st.needs) {
            return Flow::More;
        }
        let mark = st.mark();
        st.instance = Some(i);
        let mut scalars = self.given.scalars(i, &self.template.scalars);
        let flow = if scalars.all(|(s, w)| st.accept(s, w)) {
            self.solve(st, goal, sink)
        } else {
            Flow::More
        };
        st.undo(mark);
        flow
    }

    fn input(&self, st: &mut State, input: usize, goal: &Goal<'_>, sink: &mut Sink<'_>) -> Flow {
        let slots = &self.template.inputs[input];
        if let Some(i) = st.instance {
            let Some(rows) = self.given.get(i).and_then(|a| a.inputs.get(input)) else {
                return Flow::More;
            };
            // a bound cell finds its rows; without one all are tried
            let cell = slots
                .iter()
                .enumerate()
                .find_map(|(c, s)| Some((c, st.get((*s)?)?)));
            return match cell {
                Some((c, w)) if rows.len() > 8 => {
                    let Some(found) = self.given.with_cell(input, c, w) else {
                        return Flow::More;
                    };
                    let own = found.range((i, 0)..=(i, u32::MAX));
                    let rows = own.filter_map(|(_, r)| rows.get(*r as usize)).map(|r| &**r);
                    self.each_row(st, rows, slots, goal, sink)
                }
                _ => self.each_row(st, rows.iter().map(|r| &**r), slots, goal, sink),
            };
        }
        let cells = slots.iter().enumerate();
        let mut smallest = None;
        for bucket in cells.filter_map(|(c, s)| {
            let w = st.get((*s)?)?;
            Some(self.given.with_cell(input, c, w))
        }) {
            let Some(bucket) = bucket else {
                return Flow::More;
            };
            if smallest.is_none_or(|s: &std::collections::BTreeSet<_>| bucket.len() < s.len()) {
                smallest = Some(bucket);
            }
        }
        let of = |i: u32, r: u32| {
            let row = self.given.get(i)?.inputs.get(input)?.get(r as usize)?;
            Some((i, &**row))
        };
        let all: Vec<(u32, &[Word])> = match smallest {
            Some(bucket) => bucket.iter().filter_map(|(i, r)| of(*i, *r)).collect(),
            None => self
                .given
                .numbers()
                .flat_map(|i| {
                    let n = self
                        .given
                        .get(i)
                        .and_then(|a| a.inputs.get(input))
                        .map_or(0, Vec::len);
                    (0..n as u32).map(move |r| (i, r))
                })
                .filter_map(|(i, r)| of(i, r))
                .collect(),
        };
        for (i, row) in all {
            if !self.given.meets(i, &st.needs) {
                continue;
            }
            let mark = st.mark();
            // the scalars follow when the instance's own literal is evaluated
            st.instance = Some(i);
            let flow = self.each_row(st, std::iter::once(row), slots, goal, sink);
            st.undo(mark);
            if flow == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::More
    }

    fn call(
        &self,
        st: &mut State,
        table: usize,
        asked: &[Term],
        answer: &[Term],
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        // a constant with several meanings asks a goal for each
        let mut goals: Vec<Vec<Word>> = vec![Vec::with_capacity(asked.len())];
        for term in asked {
            let mut words = Vec::with_capacity(1);
            self.each_value(st, *term, |w| words.push(w));
            goals = goals
                .into_iter()
                .flat_map(|g| {
                    words
                        .iter()
                        .map(move |w| g.iter().copied().chain([*w]).collect())
                })
                .collect();
        }
        for asked in goals {
            let mut known: Vec<Option<Word>> = asked.iter().copied().map(Some).collect();
            let free = &answer[asked.len()..];
            known.extend(free.iter().map(|t| self.single(st, *t)));
            let found = self.answers(table, &asked, &known);
            if self.each_tuple(st, &found, answer, goal, sink) == Flow::Stop {
                return Flow::Stop;
            }
            if !self.trouble.is_none() {
                return Flow::Stop;
            }
        }
        Flow::More
    }

    fn each_tuple(
        &self,
        st: &mut State,
        found: &[Arc<[Word]>],
        terms: &[Term],
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        let fits = |st: &mut State, tuple: &Arc<[Word]>| {
            let mut cells = terms.iter().zip(tuple.iter());
            cells.all(|(t, w)| self.accept(st, *t, *w, false))
        };
        self.each(st, found.iter(), fits, goal, sink)
    }
}
