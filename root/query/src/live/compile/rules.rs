//! Rules as productions over goals and answers.
//!
//! A rule that only moves a goal or an answer along becomes a closure: `goals(g, s)` says that the answers of `s` are answers of the
//! goal `g` that was asked. Any other rule becomes a semi-naive fixpoint over the goals asked, those that its own calls ask included
//! (magic sets: Bancilhon, Maier, Sagiv and Ullman, 1986).

use super::{Compiler, Scope, Unsupported, bindable, slot_of};
use crate::ir::{Branch, Clause, RuleIndex, Slot, Term};
use crate::live::template::{Literal, Predicate, PredicateId, Production, RegionKind, Table};
use crate::plan::{Shape, select, shape};
use std::collections::BTreeSet;

fn slots(all: impl IntoIterator<Item = Slot>) -> Vec<Term> {
    all.into_iter().map(Term::Slot).collect()
}

impl<'q> Compiler<'q> {
    /// The table of a rule for these bound arguments; made if it is new.
    pub fn table(&mut self, rule: RuleIndex, bound: &[bool]) -> usize {
        let r = &self.query.rules[usize::from(rule)];
        let own = self.scope.component == Some(r.component);
        let closure = !own && shape(&self.query.rules, rule, bound).is_some();
        let tables = &self.template.tables;
        let same = |t: &Table| t.rule == rule && t.bound == bound && t.closure == closure;
        if let Some(i) = tables.iter().position(same) {
            return i;
        }
        let goal = bound.iter().filter(|b| **b).count();
        let component = r.component;
        let mut predicate = |arity: usize| {
            self.template
                .predicates
                .push(Predicate { arity, component });
            (self.template.predicates.len() - 1) as PredicateId
        };
        let goals = predicate(if closure { goal * 2 } else { goal });
        let answers = predicate(r.arity);
        self.template.tables.push(Table {
            rule,
            bound: bound.to_vec(),
            component,
            goals,
            answers,
            closure,
        });
        self.template.tables.len() - 1
    }

    /// Compiles the productions of all tables, those that they ask for included.
    pub fn tables(&mut self) -> Result<(), Unsupported> {
        let mut next = 0;
        while let Some(table) = self.template.tables.get(next) {
            let (rule, bound, closure) = (table.rule, table.bound.clone(), table.closure);
            let branches = &self.query.rules[usize::from(rule)].branches;
            let shapes = if closure {
                shape(&self.query.rules, rule, &bound).unwrap_or_default()
            } else {
                Vec::new()
            };
            for (i, branch) in branches.iter().enumerate() {
                match shapes.get(i) {
                    Some(shape) => self.moves(next, &bound, branch, shape)?,
                    None => self.fixpoint(next, &bound, branch)?,
                }
            }
            next += 1;
        }
        Ok(())
    }

    fn production(
        &mut self,
        table: usize,
        head: PredicateId,
        terms: Vec<Term>,
        body: &[&'q Clause],
        first: (PredicateId, Vec<Term>),
    ) -> Result<(), Unsupported> {
        let index = self.template.productions.len() as u16;
        let extra = vec![Literal::Tuple {
            predicate: first.0,
            terms: first.1,
        }];
        let component = self.template.tables[table].component;
        // the place is taken before the body is compiled, whose calls may add tables but no productions
        self.template.productions.push(Production {
            head,
            terms,
            region: 0,
            component,
            partial: !self.template.tables[table].closure
                && self.template.tables.iter().any(|t| t.goals == head),
        });
        let region = self.region(body, extra, RegionKind::Production(index))?;
        self.template.productions[usize::from(index)].region = region;
        Ok(())
    }

    fn enter(&mut self, table: usize, branch: &'q Branch, known: &[Slot]) {
        let mut bindable = bindable::slots(&branch.body);
        bindable.extend(known);
        self.scope = Scope {
            variables: &branch.variables,
            bindable,
            fixed: BTreeSet::new(),
            component: Some(self.template.tables[table].component),
        };
        // goal and answer cells that pass through have registers of their own
        let registers = branch.variables.len() + 2 * branch.head.len();
        self.template.registers = self.template.registers.max(registers);
    }

    /// One branch of a closure.
    fn moves(
        &mut self,
        table: usize,
        bound: &[bool],
        branch: &'q Branch,
        shape: &Shape,
    ) -> Result<(), Unsupported> {
        let (goals, answers) = {
            let t = &self.template.tables[table];
            (t.goals, t.answers)
        };
        let head_goal = select(&branch.head, bound, true);
        let head_free = select(&branch.head, bound, false);
        let fresh = branch.variables.len() as Slot;
        let asked = slots(fresh..fresh + head_goal.len() as Slot);
        let with = |more: Vec<Term>| -> Vec<Term> { asked.iter().copied().chain(more).collect() };
        self.enter(table, branch, &head_goal);
        let without = |call: usize| -> Vec<&'q Clause> {
            let kept = branch.body.iter().enumerate().filter(|(i, _)| *i != call);
            kept.map(|(_, c)| c).collect()
        };
        match shape {
            Shape::Base => {
                let body: Vec<&'q Clause> = branch.body.iter().collect();
                let from = with(slots(head_goal));
                self.production(table, answers, with(slots(head_free)), &body, (goals, from))
            }
            Shape::Goals(call) => {
                let next = select(arguments(&branch.body[*call]), bound, true);
                let from = with(slots(head_goal));
                self.production(table, goals, with(next), &without(*call), (goals, from))
            }
            Shape::Answers(call) => {
                let given = select(arguments(&branch.body[*call]), bound, false);
                let from = with(given);
                let to = with(slots(head_free));
                self.production(table, answers, to, &without(*call), (answers, from))
            }
            Shape::Transitive => {
                let first = fresh + head_goal.len() as Slot;
                let passed = with(slots(first..first + head_free.len() as Slot));
                self.production(table, goals, passed.clone(), &[], (answers, passed))
            }
        }
    }

    /// One branch of a fixpoint: its answers, and the goals that its calls of the same component ask.
    fn fixpoint(
        &mut self,
        table: usize,
        bound: &[bool],
        branch: &'q Branch,
    ) -> Result<(), Unsupported> {
        let (goals, answers, component) = {
            let t = &self.template.tables[table];
            (t.goals, t.answers, t.component)
        };
        let head_goal = select(&branch.head, bound, true);
        let mut to = head_goal.clone();
        to.extend(select(&branch.head, bound, false));
        let from = (goals, slots(head_goal.clone()));
        self.enter(table, branch, &head_goal);
        let body: Vec<&'q Clause> = branch.body.iter().collect();
        self.production(table, answers, slots(to), &body, from.clone())?;
        let own = |c: &Clause| match c {
            Clause::Call { rule, .. } => {
                self.query.rules[usize::from(*rule)].component == component
            }
            _ => false,
        };
        let calls: Vec<usize> = (0..body.len()).filter(|i| own(body[*i])).collect();
        for (n, i) in calls.iter().enumerate() {
            let Clause::Call { rule, arguments } = body[*i] else {
                continue;
            };
            let kept: Vec<&'q Clause> = body
                .iter()
                .enumerate()
                .filter(|(j, _)| !calls.contains(j) || calls[..n].contains(j))
                .map(|(_, c)| *c)
                .collect();
            // the same choices as in the answers' body: calls before this one bind their slots
            self.enter(table, branch, &head_goal);
            for clause in &body[..*i] {
                if let Clause::Call { arguments, .. } = clause {
                    let bound = arguments.iter().copied().filter_map(slot_of);
                    self.scope.bindable.extend(bound);
                }
            }
            let called = self.goal_arguments(*rule, arguments);
            let called_table = self.table(*rule, &called);
            let head = self.template.tables[called_table].goals;
            let terms = select(arguments, &called, true);
            self.enter(table, branch, &head_goal);
            self.production(table, head, terms, &kept, from.clone())?;
        }
        Ok(())
    }
}

fn arguments(clause: &Clause) -> &[Term] {
    match clause {
        Clause::Call { arguments, .. } => arguments,
        _ => &[],
    }
}
