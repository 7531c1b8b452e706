//! Rules: arities, components of mutual recursion, stratified negation.

use super::finish::finish;
use super::scope::Scope;
use super::{Lowering, safety};
use crate::datalog::ast::{self, ClauseKind};
use crate::error::{Position, QueryError};
use crate::ir::{Branch, Clause, Query, Rule, RuleIndex, Slot};
use crate::limits::Limits;

/// A call of one rule in another's body.
struct Edge {
    to: usize,
    negative: bool,
    at: Position,
}

impl Lowering<'_> {
    /// Lowers all rules, callees first, so that calls of non-recursive ones can be expanded.
    pub fn rules(&mut self, rules: &[ast::Rule]) -> Result<(), QueryError> {
        if rules.len() > self.limits.rules {
            return Err(Limits::exceeded(
                "rules",
                self.limits.rules,
                rules.get(self.limits.rules).map(|r| r.at),
            ));
        }
        for rule in rules {
            let (arity, needed) = (rule.required.len() + rule.free.len(), rule.required.len());
            let index = *self
                .rule_names
                .entry(rule.name.clone())
                .or_insert(self.rules.len());
            match self.rules.get_mut(index) {
                Some(known) if known.arity != arity => {
                    let expected = format!("{} as in its first branch", known.arity);
                    return Err(QueryError::Arity {
                        at: rule.at,
                        name: rule.name.clone(),
                        expected,
                        found: arity,
                    });
                }
                Some(known) => known
                    .required
                    .iter_mut()
                    .take(needed)
                    .for_each(|r| *r = true),
                None => self.rules.push(Rule {
                    name: rule.name.clone(),
                    arity,
                    required: (0..arity).map(|i| i < needed).collect(),
                    component: 0,
                    recursive: false,
                    branches: Vec::new(),
                }),
            }
        }
        let edges = self.edges(rules);
        for (number, component) in components(&edges).into_iter().enumerate() {
            for i in &component {
                self.rules[*i].component = number as u16;
                self.rules[*i].recursive = edges[*i].iter().any(|e| component.contains(&e.to));
                if let Some(e) = edges[*i]
                    .iter()
                    .find(|e| e.negative && component.contains(&e.to))
                {
                    return Err(QueryError::NotStratified {
                        at: e.at,
                        rule: self.rules[*i].name.clone(),
                    });
                }
            }
            for rule in rules {
                let Some(index) = self
                    .rule_names
                    .get(&rule.name)
                    .copied()
                    .filter(|i| component.contains(i))
                else {
                    continue;
                };
                let branch = self.branch(rule)?;
                for body in split(branch.body, &component, self.limits.rules)
                    .ok_or_else(|| Limits::exceeded("rules", self.limits.rules, Some(rule.at)))?
                {
                    self.rules[index].branches.push(Branch {
                        head: branch.head.clone(),
                        body,
                        variables: branch.variables.clone(),
                    });
                }
            }
            self.infer(&component);
            for i in component {
                self.finish_rule(i)?;
            }
        }
        Ok(())
    }

    fn edges(&self, rules: &[ast::Rule]) -> Vec<Vec<Edge>> {
        let mut edges: Vec<Vec<Edge>> = self.rules.iter().map(|_| Vec::new()).collect();
        for rule in rules {
            if let Some(out) = self
                .rule_names
                .get(&rule.name)
                .and_then(|i| edges.get_mut(*i))
            {
                calls(&rule.body, false, &mut |name, negative, at| {
                    if let Some(to) = self.rule_names.get(name) {
                        out.push(Edge {
                            to: *to,
                            negative,
                            at,
                        });
                    }
                });
            }
        }
        edges
    }

    fn branch(&mut self, rule: &ast::Rule) -> Result<Branch, QueryError> {
        let mut scope = Scope::new(self.limits);
        let head = rule
            .required
            .iter()
            .chain(&rule.free)
            .map(|v| scope.declare(v))
            .collect::<Result<Vec<_>, _>>()?;
        let body = self.body(&rule.body, &mut scope)?;
        Ok(Branch {
            head,
            body,
            variables: scope.variables,
        })
    }

    /// Which arguments must be bound by the caller: declared, or needed because a branch only tests them.
    fn infer(&mut self, component: &[usize]) {
        loop {
            let mut changed = false;
            for i in component {
                let mut branches = std::mem::take(&mut self.rules[*i].branches);
                for branch in &mut branches {
                    changed |= safety::infer_inside(&mut branch.body, &self.rules);
                    let mut required = self.required_slots(*i, branch);
                    changed |=
                        safety::infer(&branch.body, &branch.head, &mut required, &self.rules);
                    for (place, slot) in branch.head.iter().enumerate() {
                        self.rules[*i].required[place] |= required.contains(slot);
                    }
                }
                self.rules[*i].branches = branches;
            }
            if !changed {
                return;
            }
        }
    }

    fn required_slots(&self, rule: usize, branch: &Branch) -> Vec<Slot> {
        branch
            .head
            .iter()
            .zip(&self.rules[rule].required)
            .filter(|(_, r)| **r)
            .map(|(s, _)| *s)
            .collect()
    }

    fn finish_rule(&mut self, i: usize) -> Result<(), QueryError> {
        let mut branches = std::mem::take(&mut self.rules[i].branches);
        for branch in &mut branches {
            let given = self.required_slots(i, branch);
            safety::check(
                &branch.body,
                &given,
                &branch.head,
                &branch.variables,
                &self.rules,
            )?;
            branch.body = finish(
                std::mem::take(&mut branch.body),
                &branch.head,
                &branch.head,
                &mut branch.variables,
            );
        }
        self.rules[i].branches = branches;
        Ok(())
    }
}

/// Branches without recursion inside an `or`: each branch of such an `or` becomes a branch of the rule. `None` if that makes more
/// than `limit`.
fn split(body: Vec<Clause>, component: &[usize], limit: usize) -> Option<Vec<Vec<Clause>>> {
    let recursive = |c: &mut Clause| {
        let mut found = false;
        let is_or = matches!(c, Clause::Or { .. });
        each_call(std::slice::from_mut(c), &mut |r| {
            found |= component.contains(&usize::from(*r));
        });
        is_or && found
    };
    let mut done = Vec::new();
    let mut todo = vec![body];
    while let Some(mut body) = todo.pop() {
        match body.iter_mut().position(recursive) {
            None => done.push(body),
            Some(i) => {
                let Clause::Or { branches, .. } = body.remove(i) else {
                    continue;
                };
                todo.extend(
                    branches
                        .into_iter()
                        .map(|b| b.into_iter().chain(body.iter().cloned()).collect()),
                );
            }
        }
        if done.len() + todo.len() > limit {
            return None;
        }
    }
    Some(done)
}

fn calls(body: &[ast::Clause], negative: bool, f: &mut dyn FnMut(&str, bool, Position)) {
    for clause in body {
        match &clause.kind {
            ClauseKind::Call { name, .. } => f(name, negative, clause.at),
            ClauseKind::Not { body, .. } => calls(body, true, f),
            ClauseKind::Or { branches, .. } => branches.iter().for_each(|b| calls(b, negative, f)),
            _ => {}
        }
    }
}

/// Strongly connected components, callees first (Tarjan 1972; recursion is bounded by the limit on rules).
fn components(edges: &[Vec<Edge>]) -> Vec<Vec<usize>> {
    struct State<'a> {
        edges: &'a [Vec<Edge>],
        order: Vec<Option<usize>>,
        low: Vec<usize>,
        stack: Vec<usize>,
        on_stack: Vec<bool>,
        next: usize,
        out: Vec<Vec<usize>>,
    }
    fn visit(s: &mut State<'_>, v: usize) {
        s.order[v] = Some(s.next);
        s.low[v] = s.next;
        s.next += 1;
        s.stack.push(v);
        s.on_stack[v] = true;
        let edges = s.edges;
        for e in &edges[v] {
            match s.order[e.to] {
                None => {
                    visit(s, e.to);
                    s.low[v] = s.low[v].min(s.low[e.to]);
                }
                Some(order) if s.on_stack[e.to] => s.low[v] = s.low[v].min(order),
                Some(_) => {}
            }
        }
        if s.order[v] == Some(s.low[v]) {
            let mut component = Vec::new();
            while let Some(w) = s.stack.pop() {
                s.on_stack[w] = false;
                component.push(w);
                if w == v {
                    break;
                }
            }
            s.out.push(component);
        }
    }
    let n = edges.len();
    let mut state = State {
        edges,
        order: vec![None; n],
        low: vec![0; n],
        stack: Vec::new(),
        on_stack: vec![false; n],
        next: 0,
        out: Vec::new(),
    };
    for v in 0..n {
        if state.order[v].is_none() {
            visit(&mut state, v);
        }
    }
    state.out
}

fn each_call(body: &mut [Clause], f: &mut impl FnMut(&mut RuleIndex)) {
    for clause in body {
        match clause {
            Clause::Call { rule, .. } => f(rule),
            Clause::Not { body, .. } => each_call(body, f),
            Clause::Or { branches, .. } => branches.iter_mut().for_each(|b| each_call(b, f)),
            _ => {}
        }
    }
}

/// Drops the rules that are never called once non-recursive ones are expanded, and renumbers the rest.
pub fn keep_called(query: &mut Query) {
    let mut called = vec![false; query.rules.len()];
    let mut todo = Vec::new();
    each_call(&mut query.body, &mut |r| todo.push(*r));
    while let Some(r) = todo.pop() {
        if !std::mem::replace(&mut called[usize::from(r)], true) {
            for branch in &mut query.rules[usize::from(r)].branches {
                each_call(&mut branch.body, &mut |r| todo.push(*r));
            }
        }
    }
    let mut next = 0;
    let numbers: Vec<RuleIndex> = called
        .iter()
        .map(|c| {
            next += u16::from(*c);
            next.saturating_sub(1)
        })
        .collect();
    let mut keep = called.iter();
    query.rules.retain(|_| keep.next() == Some(&true));
    let renumber = &mut |r: &mut RuleIndex| *r = numbers[usize::from(*r)];
    each_call(&mut query.body, renumber);
    query
        .rules
        .iter_mut()
        .flat_map(|r| &mut r.branches)
        .for_each(|b| each_call(&mut b.body, renumber));
}
