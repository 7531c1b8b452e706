//! Calls of recursive rules, and how the rules themselves are evaluated for what is bound in a call.

use super::emit::Frame;
use super::item::Item;
use super::order::{Goal, items};
use super::shape::{Shape, arguments_of, choose_goal, select, shape};
use super::slots::SlotSet;
use super::{
    Attribute, Closure, Edge, Entry, Fixpoint, Method, Place, Planner, Register, Step, TablePlan,
};
use crate::ir::{Branch, Clause, Rule, RuleIndex, Slot, Term};

/// Tables of one query beyond which calls share the table that binds least.
const TABLES: usize = 64;

impl<'q> Planner<'q> {
    /// A call: which of the known arguments select the goal, and what is done with the others.
    pub fn call(&mut self, index: RuleIndex, arguments: &[Term], frame: &mut Frame<'q>) {
        let rule = &self.query.rules[usize::from(index)];
        let recall = frame.component == Some(rule.component);
        let mut goal = self.goal_arguments(rule, arguments, frame);
        if !recall && shape(&self.query.rules, index, &goal).is_none() {
            // reachability from one of the arguments, compared with the others, beats a fixpoint over pairs
            let one = |i: usize| -> Vec<bool> {
                (0..goal.len())
                    .map(|j| i == j || rule.required[j])
                    .collect()
            };
            let simpler = (0..goal.len()).filter(|i| goal[*i]).map(one);
            if let Some(simple) = simpler
                .into_iter()
                .find(|g| shape(&self.query.rules, index, g).is_some())
            {
                goal = simple;
            }
        }
        let mut bound = Vec::new();
        let mut places = Vec::new();
        for (term, goal) in arguments.iter().zip(&goal) {
            let known = match term {
                Term::Constant(c) => Some(self.each(*c)),
                Term::Slot(s) if frame.bound.contains(*s) => Some(frame.register(*s)),
                _ => None,
            };
            match (known, term) {
                (Some(r), _) if *goal => bound.push(r),
                (Some(r), _) => places.push(Place::Equal(r)),
                (None, Term::Slot(s)) => {
                    frame.bound.insert(*s);
                    places.push(Place::Bind(frame.register(*s)));
                }
                (None, _) => places.push(Place::Blank),
            }
        }
        let table = self.table(index, &goal, recall);
        let (bound, places) = (bound.into(), places.into());
        self.step(if recall {
            Step::Recall {
                table,
                bound,
                places,
            }
        } else {
            Step::Call {
                table,
                bound,
                places,
            }
        });
    }

    /// Which arguments make the goal.
    fn goal_arguments(&self, rule: &Rule, arguments: &[Term], frame: &Frame<'q>) -> Vec<bool> {
        if self.program.tables.len() >= TABLES {
            return rule.required.clone();
        }
        let known = |t: &Term| match t {
            Term::Slot(s) => frame.bound.contains(*s),
            Term::Constant(_) => true,
            Term::Blank => false,
        };
        let fixed = |t: &Term| match t {
            Term::Slot(s) => frame.given.contains(*s),
            Term::Constant(_) => true,
            Term::Blank => false,
        };
        let all: Vec<bool> = arguments.iter().map(known).collect();
        let some: Vec<bool> = arguments.iter().map(fixed).collect();
        choose_goal(some, all, &rule.required)
    }

    /// The table for a rule with these arguments bound; planned later if it is new.
    fn table(&mut self, rule: RuleIndex, bound: &[bool], fixpoint: bool) -> u16 {
        let closure = if fixpoint {
            None
        } else {
            shape(&self.query.rules, rule, bound)
        };
        let method = match closure {
            Some(_) => Method::Closure(Closure::default()),
            None => Method::Fixpoint(Fixpoint::default()),
        };
        let same = |t: &TablePlan| {
            t.rule == rule
                && t.bound == bound
                && std::mem::discriminant(&t.method) == std::mem::discriminant(&method)
        };
        if let Some(i) = self.program.tables.iter().position(same) {
            return i as u16;
        }
        self.program.tables.push(TablePlan {
            rule,
            bound: bound.to_vec(),
            method,
        });
        (self.program.tables.len() - 1) as u16
    }

    /// Plans all tables that calls have asked for, those that their rules ask for included.
    pub fn tables(&mut self) {
        let mut variants = Vec::new();
        let mut next = 0;
        while next < self.program.tables.len() {
            let TablePlan {
                rule,
                bound,
                method,
            } = self.program.tables[next].clone();
            let shape = match method {
                Method::Closure(_) => shape(&self.query.rules, rule, &bound),
                Method::Fixpoint(_) => None,
            };
            self.program.tables[next].method = match shape {
                Some(shape) => Method::Closure(self.closure(next as u16, rule, &bound, &shape)),
                None => Method::Fixpoint(self.fixpoint(next as u16, rule, &bound, &mut variants)),
            };
            next += 1;
        }
        for table in &mut self.program.tables {
            if let Method::Fixpoint(f) = &mut table.method {
                f.answers = variants
                    .iter()
                    .filter(|(rule, _)| *rule == table.rule)
                    .map(|(_, e)| e.clone())
                    .collect();
            }
        }
    }

    fn frame(&mut self, branch: &'q Branch, bound: SlotSet, component: Option<u16>) -> Frame<'q> {
        let base = self.program.registers as Register;
        self.program.registers += branch.variables.len();
        let mut frame = Frame::new(base, &branch.variables, bound);
        frame.component = component;
        frame
    }

    fn body(&mut self, all: &[Item<'q>], frame: &mut Frame<'q>, needed: &[Slot]) {
        let needed: SlotSet = needed
            .iter()
            .copied()
            .filter(|s| !frame.bound.contains(*s))
            .collect();
        let ordered = self.order(all, &frame.bound, Goal::Bind(&needed));
        self.emit(&ordered.nodes, frame);
    }

    fn closure(
        &mut self,
        table: u16,
        rule: RuleIndex,
        bound: &[bool],
        shapes: &[Shape],
    ) -> Closure {
        let rule: &'q Rule = &self.query.rules[usize::from(rule)];
        let mut out = Closure::default();
        for (branch, shape) in rule.branches.iter().zip(shapes) {
            let goal = select(&branch.head, bound, true);
            let free = select(&branch.head, bound, false);
            match shape {
                Shape::Base => {
                    let mut frame = self.frame(branch, goal.iter().copied().collect(), None);
                    let set = goal
                        .iter()
                        .map(|s| Place::Bind(frame.register(*s)))
                        .collect();
                    let start = self.here();
                    self.body(&items(&branch.body), &mut frame, &free);
                    self.step(Step::Answer {
                        table,
                        arguments: free.iter().map(|s| frame.register(*s)).collect(),
                    });
                    out.base.push(Entry { set, start });
                }
                Shape::Goals(call) => {
                    let mut frame = self.frame(branch, goal.iter().copied().collect(), None);
                    let set = goal
                        .iter()
                        .map(|s| Place::Bind(frame.register(*s)))
                        .collect();
                    let next = select(arguments_of(&branch.body[*call]), bound, true);
                    let start = self.here();
                    let slots: Vec<Slot> = next
                        .iter()
                        .filter_map(|t| {
                            if let Term::Slot(s) = t {
                                Some(*s)
                            } else {
                                None
                            }
                        })
                        .collect();
                    self.body(&without(&branch.body, *call), &mut frame, &slots);
                    let bound = next.iter().map(|t| self.argument(*t, &frame)).collect();
                    self.step(Step::Goal { table, bound });
                    out.goals.push(Entry { set, start });
                }
                Shape::Answers(call) => {
                    let mut frame = self.frame(branch, SlotSet::default(), None);
                    let given = select(arguments_of(&branch.body[*call]), bound, false);
                    let set = self.entry_places(&given, &mut frame);
                    let start = self.here();
                    self.body(&without(&branch.body, *call), &mut frame, &free);
                    self.step(Step::Answer {
                        table,
                        arguments: free.iter().map(|s| frame.register(*s)).collect(),
                    });
                    out.answers.push(Entry { set, start });
                }
                Shape::Transitive => out.answers_are_goals = true,
            }
        }
        out.edges = self.edges(&out);
        out
    }

    /// The edges of a closure that does nothing but follow them: from a goal to answers, and in the same way from goals to goals,
    /// from answers to answers, or both at once.
    fn edges(&self, closure: &Closure) -> Option<Box<[Edge]>> {
        let all = |entries: &[Entry]| {
            let mut edges = entries
                .iter()
                .map(|e| self.edge(e))
                .collect::<Option<Vec<_>>>()?;
            edges.sort_unstable();
            Some(edges)
        };
        let (base, goals, answers) = (
            all(&closure.base)?,
            all(&closure.goals)?,
            all(&closure.answers)?,
        );
        let moves = closure.answers_are_goals || goals == base || answers == base;
        let alike = [&goals, &answers]
            .iter()
            .all(|e| e.is_empty() || **e == base);
        (moves && alike && !base.is_empty()).then(|| base.into())
    }

    fn edge(&self, entry: &Entry) -> Option<Edge> {
        let [Place::Bind(from)] = entry.set.as_slice() else {
            return None;
        };
        let [step, last, ..] = self.program.steps.get(entry.start..)? else {
            return None;
        };
        let (edge, to) = match step {
            Step::Values {
                e,
                a: Attribute::Named(a),
                v: Some(v),
            } if e == from => (
                Edge {
                    attribute: *a,
                    backwards: false,
                },
                v,
            ),
            Step::Entities {
                a: Attribute::Named(a),
                v,
                e: Some(e),
            } if v == from => (
                Edge {
                    attribute: *a,
                    backwards: true,
                },
                e,
            ),
            _ => return None,
        };
        let (Step::Answer { arguments: out, .. } | Step::Goal { bound: out, .. }) = last else {
            return None;
        };
        (**out == [*to]).then_some(edge)
    }

    /// What to do with the cells of an answer that drives a branch: as [`Planner::places`], for terms.
    fn entry_places(&mut self, terms: &[Term], frame: &mut Frame<'q>) -> Vec<Place> {
        terms
            .iter()
            .map(|t| match t {
                Term::Blank => Place::Blank,
                Term::Constant(c) => Place::Equal(self.constant(*c, false)),
                Term::Slot(s) if frame.bound.contains(*s) => Place::Equal(frame.register(*s)),
                Term::Slot(s) => {
                    frame.bound.insert(*s);
                    Place::Bind(frame.register(*s))
                }
            })
            .collect()
    }

    /// The branches of a rule driven by a new goal; and driven by a new answer of each rule of the component that they call, which
    /// go to `variants` by the rule called.
    fn fixpoint(
        &mut self,
        table: u16,
        rule: RuleIndex,
        bound: &[bool],
        variants: &mut Vec<(RuleIndex, Entry)>,
    ) -> Fixpoint {
        let rule: &'q Rule = &self.query.rules[usize::from(rule)];
        let mut out = Fixpoint::default();
        for branch in &rule.branches {
            let goal = select(&branch.head, bound, true);
            let mut frame =
                self.frame(branch, goal.iter().copied().collect(), Some(rule.component));
            let set = goal
                .iter()
                .map(|s| Place::Bind(frame.register(*s)))
                .collect();
            let start = self.here();
            self.body(&items(&branch.body), &mut frame, &branch.head);
            self.step(Step::Answer {
                table,
                arguments: branch.head.iter().map(|s| frame.register(*s)).collect(),
            });
            out.goals.push(Entry { set, start });
        }
        for branch in &rule.branches {
            for (i, clause) in branch.body.iter().enumerate() {
                let Clause::Call {
                    rule: called,
                    arguments,
                } = clause
                else {
                    continue;
                };
                if self.query.rules[usize::from(*called)].component != rule.component {
                    continue;
                }
                let mut frame = self.frame(branch, SlotSet::default(), Some(rule.component));
                let set = self.entry_places(arguments, &mut frame);
                let start = self.here();
                let mut all = without(&branch.body, i);
                all.push(Item::Goals {
                    table,
                    head: &branch.head,
                    bound: mask(bound),
                });
                self.body(&all, &mut frame, &branch.head);
                self.step(Step::Answer {
                    table,
                    arguments: branch.head.iter().map(|s| frame.register(*s)).collect(),
                });
                variants.push((*called, Entry { set, start }));
            }
        }
        out
    }
}

fn mask(bound: &[bool]) -> u64 {
    bound
        .iter()
        .enumerate()
        .fold(0, |m, (i, b)| m | u64::from(*b) << i)
}

fn without(body: &[Clause], skip: usize) -> Vec<Item<'_>> {
    body.iter()
        .enumerate()
        .filter(|(i, _)| *i != skip)
        .map(|(_, c)| Item::Clause(c))
        .collect()
}
