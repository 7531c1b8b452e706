//! Which literal to evaluate next.

use super::Solver;
use crate::ir::{AttributeTerm, Slot, Term};
use crate::live::state::State;
use crate::live::template::{ConjunctionId, Literal, Pattern};
use rhizome_replica::{Aid, Eid, key, tag};

/// Costs are expected solutions of the literal, roughly; tests cost less than one.
const TEST: u64 = 0;
const LOOKUP: u64 = 4;
/// A literal that cannot be evaluated yet.
const NOT_READY: u64 = u64::MAX;
/// One solution.
const ONE: u64 = 8;
/// Averages up to this are believed; above, the matches are counted.
const BELIEVED: u64 = 3;

/// What to do next.
pub enum Choice {
    /// (place in the agenda, literal)
    Next(usize, usize),
    Done,
    Stuck,
}

impl Solver<'_> {
    pub fn choose(&self, st: &State) -> Choice {
        let mut best: Option<(u64, usize, usize)> = None;
        let mut any = false;
        for (frame, (conjunction, mask)) in st.agenda.iter().enumerate().rev() {
            let literals = &self.template.conjunction(*conjunction).literals;
            let mut left = *mask;
            while left != 0 {
                let i = left.trailing_zeros() as usize;
                left &= left - 1;
                any = true;
                let cost = self.cost(st, &literals[i]);
                if cost == TEST {
                    return Choice::Next(frame, i);
                }
                if cost != NOT_READY && best.is_none_or(|b| cost < b.0) {
                    best = Some((cost, frame, i));
                }
            }
        }
        match best {
            Some((_, frame, i)) => Choice::Next(frame, i),
            None if any => Choice::Stuck,
            None => Choice::Done,
        }
    }

    fn cost(&self, st: &State, literal: &Literal) -> u64 {
        let known = |t: &Term| self.is_known(st, *t);
        let bound = |s: &Slot| st.is_bound(*s);
        let when = |ready: bool, cost: u64| if ready { cost } else { NOT_READY };
        match literal {
            Literal::Pattern(p) => self.pattern_cost(st, p),
            Literal::Compare { arguments, .. } | Literal::Function { arguments, .. } => {
                when(arguments.iter().all(known), TEST)
            }
            Literal::GetElse(g) => when(
                known(&g.entity) && known(&Term::Constant(g.default)),
                ONE * self.per(g.attribute, 1).max(1),
            ),
            Literal::Rows { slots, rows } => {
                let n = self.names.rows[*rows].len() as u64;
                if slots.iter().flatten().any(bound) {
                    ONE
                } else {
                    ONE * n
                }
            }
            Literal::Not { shared, lifted, .. } => {
                let known = |c: &u16| known(&Term::Constant(*c));
                when(shared.iter().all(bound) && lifted.iter().all(known), LOOKUP)
            }
            Literal::Or { required, branches } => {
                let costs = branches.iter().map(|b| self.cheapest(st, *b));
                let sum = costs.fold(0u64, u64::saturating_add);
                when(
                    required.iter().all(bound) && sum != NOT_READY,
                    sum.max(LOOKUP),
                )
            }
            Literal::Watch { entity, .. } => when(bound(entity), TEST),
            Literal::Instance => self.instance_cost(st),
            Literal::Input(i) => self.input_cost(st, *i),
            Literal::Call {
                table,
                goal,
                answer,
            } => {
                let n = self.template.tables[*table].answers;
                when(
                    goal.iter().all(known),
                    self.tuples_cost(st, n, answer).max(LOOKUP),
                )
            }
            Literal::Tuple { predicate, terms } => self.tuples_cost(st, *predicate, terms),
        }
    }

    /// The cheapest literal of a branch that is not on the agenda yet.
    fn cheapest(&self, st: &State, branch: ConjunctionId) -> u64 {
        let literals = &self.template.conjunction(branch).literals;
        let costs = literals.iter().map(|l| self.cost(st, l));
        costs.min().unwrap_or(TEST)
    }

    fn instance_cost(&self, st: &State) -> u64 {
        if st.instance.is_some() {
            return TEST;
        }
        let by_needs = st.needs.iter().map(|(c, w)| {
            self.given
                .with_constant(*c, *w)
                .map_or(0, std::collections::BTreeSet::len)
        });
        let scalars = self.template.scalars.iter().enumerate();
        let by_scalars = scalars.filter_map(|(i, s)| {
            let w = st.get((*s)?)?;
            Some(
                self.given
                    .with_scalar(i, w)
                    .map_or(0, std::collections::BTreeSet::len),
            )
        });
        let n = by_needs.chain(by_scalars).min();
        // which instance asks makes everything else cheaper: one instance is as good as a test
        match n.unwrap_or(self.given.len()) {
            0 | 1 => TEST,
            n => ONE * n as u64,
        }
    }

    fn input_cost(&self, st: &State, input: usize) -> u64 {
        let slots = &self.template.inputs[input];
        let cells = slots.iter().enumerate().filter_map(|(c, s)| {
            let w = st.get((*s)?)?;
            Some(
                self.given
                    .with_cell(input, c, w)
                    .map_or(0, std::collections::BTreeSet::len),
            )
        });
        let own = st
            .instance
            .and_then(|i| self.given.get(i)?.inputs.get(input).map(Vec::len));
        let n = cells.chain(own).min();
        ONE * n.unwrap_or_else(|| self.given.input_rows(input)) as u64
    }

    fn tuples_cost(&self, st: &State, predicate: u16, terms: &[Term]) -> u64 {
        let words: Vec<_> = terms.iter().map(|t| self.single(st, *t)).collect();
        ONE * self.estimate_tuples(predicate, &words)
    }

    /// Average number of values of an entity (1), or of entities of a value (2).
    fn per(&self, attribute: u16, which: usize) -> u64 {
        let sizes = self.names.sizes.get(usize::from(attribute));
        sizes.map_or(1, |s| s[0].div_ceil(s[which].max(1)))
    }

    fn pattern_cost(&self, st: &State, p: &Pattern) -> u64 {
        let (e, v) = (self.is_known(st, p.entity), self.is_known(st, p.value));
        let a = match p.attribute {
            AttributeTerm::Named(a) => Some(a),
            AttributeTerm::Slot(s) if st.is_bound(s) => None,
            AttributeTerm::Slot(_) | AttributeTerm::Blank => {
                return match (e, v) {
                    (true, true) => LOOKUP,
                    (true, false) => ONE * 8,
                    (false, true) => ONE * 64,
                    (false, false) => ONE.saturating_mul(self.snapshot.len().max(1)),
                };
            }
        };
        match (a, e, v) {
            (_, true, true) => LOOKUP,
            (None, true, false) => ONE * 2,
            (None, false, true) => ONE * 32,
            (None, false, false) => ONE.saturating_mul(self.snapshot.len().max(1) / 8),
            (Some(a), true, false) => {
                if p.value == Term::Blank {
                    return LOOKUP;
                }
                let n = self.per(a, 1);
                ONE * if n <= BELIEVED {
                    n
                } else {
                    self.count_values(st, p, a)
                }
            }
            (Some(a), false, true) => {
                let n = self.per(a, 2);
                let n = if n <= BELIEVED {
                    n
                } else {
                    self.count_entities(st, p, a)
                };
                if p.entity == Term::Blank {
                    LOOKUP
                } else {
                    ONE * n
                }
            }
            (Some(a), false, false) => {
                let n = self.names.sizes.get(usize::from(a)).map_or(1, |s| s[0]);
                ONE.saturating_mul(n.max(1))
            }
        }
    }

    fn aid(&self, a: u16) -> Option<Aid> {
        self.names.attributes.get(usize::from(a)).copied().flatten()
    }

    fn count_values(&self, st: &State, p: &Pattern, a: u16) -> u64 {
        let e = self.entity_of(st, p.entity);
        let (Some(e), Some(a)) = (e, self.aid(a)) else {
            return 0;
        };
        let (lo, hi) = key::eav_ea(e, a);
        self.snapshot.eav().count(lo, hi)
    }

    fn count_entities(&self, st: &State, p: &Pattern, a: u16) -> u64 {
        let Some(a) = self.aid(a) else { return 0 };
        let mut n = 0;
        self.each_value(st, p.value, |w| {
            let (lo, hi) = key::ave_av(a, w);
            n += self.snapshot.ave().count(lo, hi);
        });
        n
    }

    /// The entity that a known term stands for, if the pod has it.
    pub fn entity_of(&self, st: &State, term: Term) -> Option<Eid> {
        let w = match term {
            Term::Slot(s) => st.get(s)?,
            Term::Constant(c) => self.constant(st, c)?.entity(),
            Term::Blank => return None,
        };
        if w.tag == tag::REF { w.as_eid() } else { None }
    }

    /// Every word that a known term stands for.
    pub fn each_value(&self, st: &State, term: Term, mut f: impl FnMut(rhizome_replica::Word)) {
        match term {
            Term::Slot(s) => st.get(s).into_iter().for_each(f),
            Term::Constant(c) => {
                if let Some(r) = self.constant(st, c) {
                    r.all.iter().for_each(|w| f(*w));
                }
            }
            Term::Blank => {}
        }
    }

    /// The word of a term that stands for exactly one.
    pub fn single(&self, st: &State, term: Term) -> Option<rhizome_replica::Word> {
        match term {
            Term::Slot(s) => st.get(s),
            Term::Constant(c) => match &*self.constant(st, c)?.all {
                [w] => Some(*w),
                _ => None,
            },
            Term::Blank => None,
        }
    }
}
