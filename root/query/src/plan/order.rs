//! In which order clauses are evaluated: greedy by expected rows, from the best first clause.
//!
//! Clauses that bind nothing anybody needs are put into an *exists* group, which stops at its first success. That makes a join whose
//! far end is not asked for a filter instead of a source of equal rows.

use std::collections::HashMap;

use super::Planner;
use super::item::Item;
use super::slots::SlotSet;
use crate::ir::{AttributeTerm, Clause, Compare, Pattern, Slot, Term};

/// What a body is evaluated for.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// All values of these slots.
    Bind(&'a SlotSet),
    /// Whether there is anything.
    Exists,
}

/// An evaluation order.
#[derive(Debug)]
pub enum Node<'q> {
    /// Evaluate this.
    Item(Item<'q>),
    /// Go on, once, if these can be satisfied.
    Exists(Vec<Node<'q>>),
}

/// An order with what it is expected to cost (in index lookups) and to give.
#[derive(Debug)]
pub struct Ordered<'q> {
    pub nodes: Vec<Node<'q>>,
    pub cost: f64,
    pub rows: f64,
}

/// What one more item does to each row.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// Rows out per row in.
    rows: f64,
    /// Lookups per row in.
    cost: f64,
}

impl Estimate {
    /// What the greedy choice goes by: rows first, cost among equals.
    fn rank(self) -> f64 {
        self.rows + self.cost * 0.01
    }
}

const ROW: f64 = 0.1;
const SCANNED: f64 = 0.05;

impl<'q> Planner<'q> {
    /// The best order found.
    pub fn order(&self, items: &[Item<'q>], bound: &SlotSet, goal: Goal<'_>) -> Ordered<'q> {
        let mut best = self.greedy(items, bound, goal, None);
        if items.len() <= 32 && self.effort.get() > 0 {
            for (i, item) in items.iter().enumerate() {
                if bound.contains_all(&item.needs(&self.query.rules)) && !item.is_filter(bound) {
                    let other = self.greedy(items, bound, goal, Some(i));
                    if other.cost < best.cost {
                        best = other;
                    }
                }
            }
        }
        best
    }

    /// The order that starts with one item and goes on greedily.
    pub fn greedy(
        &self,
        items: &[Item<'q>],
        bound: &SlotSet,
        goal: Goal<'_>,
        first: Option<usize>,
    ) -> Ordered<'q> {
        let mut bound = bound.clone();
        let mut left: Vec<Item<'q>> = items.to_vec();
        let mut out = Ordered {
            nodes: Vec::with_capacity(items.len()),
            cost: 0.0,
            rows: 1.0,
        };
        if let Some(item) = first.map(|i| left.remove(i)) {
            self.place(item, &mut bound, &mut out);
        }
        while !left.is_empty() {
            if self.filters(&mut left, &mut bound, &mut out) {
                continue;
            }
            if self.existential(&mut left, &bound, goal, &mut out) {
                continue;
            }
            let ready = |i: &Item<'q>| bound.contains_all(&i.needs(&self.query.rules));
            let next = left
                .iter()
                .enumerate()
                .filter(|(_, i)| ready(i))
                .min_by(|(_, a), (_, b)| {
                    self.estimate(**a, &bound)
                        .rank()
                        .total_cmp(&self.estimate(**b, &bound).rank())
                })
                .map(|(i, _)| i);
            // lowering made sure that something is always ready; otherwise take what is there
            let item = left.remove(next.unwrap_or(0));
            self.place(item, &mut bound, &mut out);
        }
        out
    }

    fn place(&self, item: Item<'q>, bound: &mut SlotSet, out: &mut Ordered<'q>) {
        let e = self.estimate(item, bound);
        out.cost += out.rows * (e.cost + e.rows * ROW);
        out.rows *= e.rows;
        if !matches!(item, Item::Clause(Clause::Not { .. })) {
            bound.extend(item.slots());
        }
        out.nodes.push(Node::Item(item));
    }

    /// Places what only tests, the cheapest first; functions count as cheap too. Says whether there was any.
    fn filters(
        &self,
        left: &mut Vec<Item<'q>>,
        bound: &mut SlotSet,
        out: &mut Ordered<'q>,
    ) -> bool {
        let ready = |i: &Item<'q>, bound: &SlotSet| {
            let computes = matches!(i, Item::Clause(Clause::Function { .. }));
            (computes || i.is_filter(bound)) && bound.contains_all(&i.needs(&self.query.rules))
        };
        let cheapest = left
            .iter()
            .enumerate()
            .filter(|(_, i)| ready(i, bound))
            .min_by(|(_, a), (_, b)| {
                self.estimate(**a, bound)
                    .cost
                    .total_cmp(&self.estimate(**b, bound).cost)
            })
            .map(|(i, _)| i);
        match cheapest {
            Some(i) => {
                let item = left.remove(i);
                self.place(item, bound, out);
                true
            }
            None => false,
        }
    }

    /// Moves one group of items that share unbound slots only with each other, none of them needed, into an exists node. Where the
    /// whole body stops at its first success anyway (`inline`), the last group stays as it is.
    fn existential(
        &self,
        left: &mut Vec<Item<'q>>,
        bound: &SlotSet,
        goal: Goal<'_>,
        out: &mut Ordered<'q>,
    ) -> bool {
        if self.effort.get() == 0 {
            return false;
        }
        let groups = groups(left, bound);
        let count = groups.iter().max().map_or(0, |g| g + 1);
        let wanted = |group: usize| {
            let Goal::Bind(needed) = goal else {
                return count == 1;
            };
            let open = |i: &Item<'q>| {
                i.slots()
                    .iter()
                    .any(|s| !bound.contains(*s) && needed.contains(*s))
            };
            left.iter()
                .zip(&groups)
                .any(|(i, g)| *g == group && open(i))
        };
        let Some(group) = (0..count).find(|g| !wanted(*g)) else {
            return false;
        };
        let members: Vec<Item<'q>> = left
            .iter()
            .zip(&groups)
            .filter(|(_, g)| **g == group)
            .map(|(i, _)| *i)
            .collect();
        let mut of = groups.iter();
        left.retain(|_| of.next() != Some(&group));
        let inner = self.order(&members, bound, Goal::Exists);
        out.cost += out.rows * inner.cost.max(ROW);
        out.rows *= inner.rows.min(1.0);
        out.nodes.push(Node::Exists(inner.nodes));
        true
    }

    fn estimate(&self, item: Item<'q>, bound: &SlotSet) -> Estimate {
        self.effort.set(self.effort.get().saturating_sub(1));
        let share = |slots: &[Slot]| {
            0.1f64.powi(slots.iter().filter(|s| bound.contains(**s)).count() as i32)
        };
        match item {
            Item::Input(i, slots) => {
                let n = self.statistics.inputs.get(i).copied().unwrap_or(10.0);
                let slots: Vec<Slot> = slots.iter().flatten().copied().collect();
                Estimate {
                    rows: n * share(&slots),
                    cost: n * SCANNED,
                }
            }
            Item::Goals { .. } if bound.contains_all(&item.slots()) => Estimate {
                rows: 0.5,
                cost: 0.5,
            },
            Item::Goals { .. } => Estimate {
                rows: 100.0 * share(&item.slots()),
                cost: 100.0 * SCANNED,
            },
            Item::Clause(clause) => self.estimate_clause(clause, bound),
        }
    }

    fn estimate_clause(&self, clause: &'q Clause, bound: &SlotSet) -> Estimate {
        match clause {
            Clause::Pattern(p) => self.estimate_pattern(p, bound),
            Clause::Compare {
                compare: Compare::Equal,
                ..
            } => Estimate {
                rows: 0.1,
                cost: 0.05,
            },
            Clause::Compare { .. } => Estimate {
                rows: 0.4,
                cost: 0.05,
            },
            Clause::Function { output, .. } => Estimate {
                rows: if bound.contains(*output) { 0.1 } else { 1.0 },
                cost: 0.1,
            },
            Clause::GetElse {
                attribute, output, ..
            } => {
                let fan = self
                    .statistics
                    .attributes
                    .get(usize::from(*attribute))
                    .map_or(1.0, |a| a.per_entity().max(1.0));
                Estimate {
                    rows: if bound.contains(*output) { 0.1 } else { fan },
                    cost: 1.0,
                }
            }
            Clause::Rows { slots, rows } => {
                let n = rows.len() as f64;
                let known = slots
                    .iter()
                    .flatten()
                    .filter(|s| bound.contains(**s))
                    .count();
                Estimate {
                    rows: n * 0.1f64.powi(known as i32),
                    cost: n * SCANNED,
                }
            }
            Clause::Not { .. } | Clause::Or { .. } if self.effort.get() == 0 => Estimate {
                rows: 10.0,
                cost: 20.0,
            },
            Clause::Not { body, .. } => {
                let inner = self.order(&items(body), bound, Goal::Exists);
                Estimate {
                    rows: 0.5,
                    cost: inner.cost.max(0.5),
                }
            }
            Clause::Or {
                shared, branches, ..
            } => {
                let needed: SlotSet = shared
                    .iter()
                    .copied()
                    .filter(|s| !bound.contains(*s))
                    .collect();
                let mut sum = Estimate {
                    rows: 0.0,
                    cost: 0.0,
                };
                for branch in branches {
                    let inner = self.order(&items(branch), bound, Goal::Bind(&needed));
                    sum.rows += inner.rows;
                    sum.cost += inner.cost;
                }
                sum
            }
            Clause::Call { arguments, .. } => {
                let known = |t: &Term| match t {
                    Term::Slot(s) => bound.contains(*s),
                    Term::Constant(_) => true,
                    Term::Blank => false,
                };
                match (arguments.iter().all(known), arguments.iter().any(known)) {
                    (true, _) => Estimate {
                        rows: 0.5,
                        cost: 5.0,
                    },
                    (_, true) => Estimate {
                        rows: 50.0,
                        cost: 100.0,
                    },
                    _ => Estimate {
                        rows: self.statistics.tuples.max(1000.0),
                        cost: self.statistics.tuples.max(1000.0),
                    },
                }
            }
        }
    }

    fn estimate_pattern(&self, p: &Pattern, bound: &SlotSet) -> Estimate {
        let known = |t: Term| match t {
            Term::Slot(s) => bound.contains(s),
            Term::Constant(_) => true,
            Term::Blank => false,
        };
        let (e, v) = (known(p.entity), known(p.value));
        let all = self.statistics.tuples.max(1.0);
        let size = match p.attribute {
            AttributeTerm::Named(a) => self
                .statistics
                .attributes
                .get(usize::from(a))
                .copied()
                .unwrap_or_default(),
            AttributeTerm::Slot(s) if bound.contains(s) => super::statistics::AttributeSize {
                tuples: all / 10.0,
                entities: all / 20.0,
                values: all / 20.0,
            },
            _ => {
                return match (e, v) {
                    (true, true) => Estimate {
                        rows: 0.5,
                        cost: 1.5,
                    },
                    (true, false) => Estimate {
                        rows: 8.0,
                        cost: 1.5,
                    },
                    (false, true) => Estimate {
                        rows: 20.0,
                        cost: 5.0,
                    },
                    (false, false) => Estimate {
                        rows: all,
                        cost: all * SCANNED,
                    },
                };
            }
        };
        let exact = match (p.attribute, p.value) {
            (AttributeTerm::Named(a), Term::Constant(c)) => self.exact.get(&(a, c)).copied(),
            _ => None,
        };
        match (e, v) {
            (true, true) => {
                let chance = match exact {
                    Some(n) => n / size.entities.max(1.0),
                    None => size.per_entity() / size.values.max(1.0),
                };
                Estimate {
                    rows: chance.min(1.0),
                    cost: 0.9,
                }
            }
            (true, false) if p.value == Term::Blank => Estimate {
                rows: if size.tuples > 0.0 { 0.9 } else { 0.0 },
                cost: 0.9,
            },
            (true, false) => Estimate {
                rows: size.per_entity(),
                cost: 1.0,
            },
            (false, true) if p.entity == Term::Blank => Estimate {
                rows: 0.9,
                cost: 0.9,
            },
            (false, true) => Estimate {
                rows: exact.unwrap_or(size.per_value()),
                cost: 1.0,
            },
            (false, false) => Estimate {
                rows: size.tuples,
                cost: 1.0 + size.tuples * SCANNED,
            },
        }
    }
}

/// The clauses of a body as items.
pub fn items(body: &[Clause]) -> Vec<Item<'_>> {
    body.iter().map(Item::Clause).collect()
}

/// Numbers items by connected component over unbound slots.
fn groups(items: &[Item<'_>], bound: &SlotSet) -> Vec<usize> {
    fn root(parents: &[usize], mut i: usize) -> usize {
        while parents[i] != i {
            i = parents[i];
        }
        i
    }
    let mut parents: Vec<usize> = (0..items.len()).collect();
    let mut owner: HashMap<Slot, usize> = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        for slot in item.slots() {
            if bound.contains(slot) {
                continue;
            }
            let other = *owner.entry(slot).or_insert(i);
            let (a, b) = (root(&parents, i), root(&parents, other));
            parents[a.max(b)] = a.min(b);
        }
    }
    // dense numbers in order of first member
    let mut names: HashMap<usize, usize> = HashMap::new();
    (0..items.len())
        .map(|i| {
            let next = names.len();
            *names.entry(root(&parents, i)).or_insert(next)
        })
        .collect()
}
