//! Clauses, rules and the query.

use std::collections::{BTreeMap, BTreeSet};

use rhizome_query::Input;
use rhizome_query::datalog::ast::{
    self, Argument, Binding as Form, Clause, ClauseKind, Element, Query, Rule, Term,
};
use rhizome_tuple::Value;

use super::aggregate::aggregate;
use super::call::{function, predicate};
use super::{Binding, Fact, Relations, TooMuch, V};

const ENOUGH: usize = 4000;

/// The rows of a query, in no order.
pub fn evaluate(
    query: &Query,
    facts: &[Fact],
    inputs: &[Input],
) -> Result<BTreeSet<Vec<V>>, TooMuch> {
    let relations = rules(&query.rules, facts)?;
    let world = World {
        facts,
        relations: &relations,
    };
    let mut bindings = vec![Binding::new()];
    let wanted = query.inputs.iter().filter_map(|i| {
        if let ast::Input::Values(form, _) = i {
            Some(form)
        } else {
            None
        }
    });
    for (form, input) in wanted.zip(inputs) {
        let rows: Vec<Vec<V>> = match input {
            Input::Value(v) => vec![vec![V::of(v)]],
            Input::Tuple(t) => vec![t.iter().map(V::of).collect()],
            Input::Collection(all) => all.iter().map(|v| vec![V::of(v)]).collect(),
            Input::Relation(all) => all.iter().map(|r| r.iter().map(V::of).collect()).collect(),
        };
        bindings = bindings
            .iter()
            .flat_map(|b| rows.iter().filter_map(|r| bind(b, form, r)))
            .collect();
    }
    let found = world.body(&query.clauses, bindings)?;
    let elements = query.find.elements();
    let name = |e: &Element| match e {
        Element::Variable(v)
        | Element::Aggregate { variable: v, .. }
        | Element::Pull { variable: v, .. } => v.name.clone(),
    };
    // the set of distinct rows of find and with variables, as a set of bindings
    let kept: BTreeSet<String> = elements
        .iter()
        .map(name)
        .chain(query.with.iter().map(|v| v.name.clone()))
        .collect();
    let set: BTreeSet<Binding> = found
        .into_iter()
        .map(|b| b.into_iter().filter(|(k, _)| kept.contains(k)).collect())
        .collect();
    let plain = |b: &Binding| -> Vec<V> {
        elements
            .iter()
            .filter(|e| !matches!(e, Element::Aggregate { .. }))
            .map(|e| b[&name(e)].clone())
            .collect()
    };
    let mut groups: BTreeMap<Vec<V>, Vec<&Binding>> = BTreeMap::new();
    for b in &set {
        groups.entry(plain(b)).or_default().push(b);
    }
    Ok(groups
        .into_iter()
        .map(|(key, members)| {
            let mut key = key.into_iter();
            elements
                .iter()
                .filter_map(|e| match e {
                    Element::Aggregate {
                        name: a,
                        n,
                        variable,
                        ..
                    } => Some(aggregate(
                        a,
                        *n,
                        members.iter().map(|b| b[&variable.name].clone()).collect(),
                    )),
                    _ => key.next(),
                })
                .collect()
        })
        .collect())
}

fn bind(b: &Binding, form: &Form, row: &[V]) -> Option<Binding> {
    let mut out = b.clone();
    let places: Vec<Option<&ast::Variable>> = match form {
        Form::Scalar(v) | Form::Collection(v) => vec![Some(v)],
        Form::Tuple(vs) | Form::Relation(vs) => vs.iter().map(Option::as_ref).collect(),
        Form::Ignore => vec![None],
    };
    for (place, v) in places.into_iter().zip(row) {
        if let Some(place) = place
            && out
                .insert(place.name.clone(), v.clone())
                .is_some_and(|old| old != *v)
        {
            return None;
        }
    }
    Some(out)
}

struct World<'a> {
    facts: &'a [Fact],
    relations: &'a Relations,
}

/// All variables that a clause mentions, nested ones too.
fn variables(clause: &Clause, out: &mut BTreeSet<String>) {
    let mut term = |t: &Term| {
        if let Term::Variable(v) = t {
            out.insert(v.name.clone());
        }
    };
    match &clause.kind {
        ClauseKind::Pattern {
            entity,
            attribute,
            value,
        } => [entity, attribute, value].into_iter().for_each(term),
        ClauseKind::Predicate { arguments, .. } => arguments.iter().for_each(|a| {
            if let Argument::Term(t) = a {
                term(t);
            }
        }),
        ClauseKind::Function {
            arguments, output, ..
        } => {
            arguments.iter().for_each(|a| {
                if let Argument::Term(t) = a {
                    term(t);
                }
            });
            out.extend(output.variables().map(|v| v.name.clone()));
        }
        ClauseKind::Call { arguments, .. } => arguments.iter().for_each(term),
        ClauseKind::Not { join: Some(vs), .. } => out.extend(vs.iter().map(|v| v.name.clone())),
        ClauseKind::Not { body, .. } => body.iter().for_each(|c| variables(c, out)),
        ClauseKind::Or {
            join: Some((a, b)), ..
        } => out.extend(a.iter().chain(b).map(|v| v.name.clone())),
        ClauseKind::Or { branches, .. } => {
            branches.iter().flatten().for_each(|c| variables(c, out));
        }
    }
}

/// Variables that must have a value before the clause means anything.
fn required(clause: &Clause) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    match &clause.kind {
        ClauseKind::Predicate { .. } => variables(clause, &mut out),
        ClauseKind::Function { arguments, .. } => {
            for a in arguments {
                if let Argument::Term(Term::Variable(v)) = a {
                    out.insert(v.name.clone());
                }
            }
        }
        ClauseKind::Or {
            join: Some((required, _)),
            ..
        } => out.extend(required.iter().map(|v| v.name.clone())),
        _ => {}
    }
    out
}

impl World<'_> {
    fn body(
        &self,
        clauses: &[Clause],
        mut bindings: Vec<Binding>,
    ) -> Result<Vec<Binding>, TooMuch> {
        // what binds comes before what only tests; among the rest any order means the same
        let mut left: Vec<&Clause> = clauses.iter().collect();
        let mut bound: BTreeSet<String> = bindings
            .first()
            .map(|b| b.keys().cloned().collect())
            .unwrap_or_default();
        while !left.is_empty() {
            let outside = |c: &Clause| {
                // what a `not` shares with the clauses beside it
                let mut mine = BTreeSet::new();
                variables(c, &mut mine);
                left.iter()
                    .filter(|o| !std::ptr::eq(**o, c) && !matches!(o.kind, ClauseKind::Not { .. }))
                    .any(|o| {
                        let mut theirs = BTreeSet::new();
                        variables(o, &mut theirs);
                        !mine.is_disjoint(&theirs.difference(&bound).cloned().collect())
                    })
            };
            let next = left
                .iter()
                .position(|c| match &c.kind {
                    ClauseKind::Not { .. } => !outside(c),
                    _ => required(c).is_subset(&bound),
                })
                .expect("a clause can be evaluated");
            let clause = left.remove(next);
            let mut out = Vec::new();
            for b in &bindings {
                self.clause(clause, b, &mut out)?;
                if out.len() > ENOUGH {
                    return Err(TooMuch);
                }
            }
            out.sort();
            out.dedup();
            bindings = out;
            if !matches!(clause.kind, ClauseKind::Not { .. }) {
                variables(clause, &mut bound);
            }
        }
        Ok(bindings)
    }

    fn clause(&self, clause: &Clause, b: &Binding, out: &mut Vec<Binding>) -> Result<(), TooMuch> {
        match &clause.kind {
            ClauseKind::Pattern {
                entity,
                attribute,
                value,
            } => {
                for (e, a, v) in self.facts {
                    let mut new = b.clone();
                    let a = V::Text(a.clone());
                    if matches(entity, e, &mut new)
                        && matches(attribute, &a, &mut new)
                        && matches(value, v, &mut new)
                    {
                        out.push(new);
                    }
                }
            }
            ClauseKind::Predicate { name, arguments } if name == "missing?" => {
                let (e, a) = on_attribute(arguments, b);
                if !self.facts.iter().any(|f| f.0 == e && f.1 == a) {
                    out.push(b.clone());
                }
            }
            ClauseKind::Predicate { name, arguments } => {
                if predicate(name, &values(arguments, b)) {
                    out.push(b.clone());
                }
            }
            ClauseKind::Function {
                name,
                arguments,
                output,
            } => {
                let rows: Vec<Vec<V>> = match (name.as_str(), arguments.as_slice()) {
                    ("ground", [Argument::Rows(rows)]) => {
                        rows.iter().map(|r| r.iter().map(meant).collect()).collect()
                    }
                    ("ground", _) => vec![values(arguments, b)],
                    ("get-else", _) => {
                        let (e, a) = on_attribute(arguments, b);
                        let mut found: Vec<Vec<V>> = self
                            .facts
                            .iter()
                            .filter(|f| f.0 == e && f.1 == a)
                            .map(|f| vec![f.2.clone()])
                            .collect();
                        if found.is_empty() {
                            found.push(values(&arguments[arguments.len() - 1..], b));
                        }
                        found
                    }
                    _ => function(name, &values(arguments, b))
                        .map(|v| vec![v])
                        .into_iter()
                        .collect(),
                };
                out.extend(rows.iter().filter_map(|r| bind(b, output, r)));
            }
            ClauseKind::Not { join, body } => {
                let inner = restrict(
                    b,
                    join.as_ref()
                        .map(|vs| vs.iter().map(|v| v.name.clone()).collect()),
                );
                if self.body(body, vec![inner])?.is_empty() {
                    out.push(b.clone());
                }
            }
            ClauseKind::Or { join, branches } => {
                let listed: Option<BTreeSet<String>> = join
                    .as_ref()
                    .map(|(r, f)| r.iter().chain(f).map(|v| v.name.clone()).collect());
                for branch in branches {
                    for found in self.body(branch, vec![restrict(b, listed.clone())])? {
                        let mut new = b.clone();
                        new.extend(
                            found
                                .into_iter()
                                .filter(|(k, _)| listed.as_ref().is_none_or(|l| l.contains(k))),
                        );
                        out.push(new);
                    }
                }
            }
            ClauseKind::Call { name, arguments } => {
                for row in self.relations.get(name).into_iter().flatten() {
                    let mut new = b.clone();
                    if arguments
                        .iter()
                        .zip(row)
                        .all(|(t, v)| matches(t, v, &mut new))
                    {
                        out.push(new);
                    }
                }
            }
        }
        Ok(())
    }
}

fn restrict(b: &Binding, to: Option<BTreeSet<String>>) -> Binding {
    match to {
        None => b.clone(),
        Some(names) => b
            .iter()
            .filter(|(k, _)| names.contains(*k))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    }
}

/// Text that is an entity's id means the entity too.
fn constant(c: &Value, v: &V) -> bool {
    let as_entity = match c {
        Value::Text(s) => s.parse().ok().map(V::Entity),
        _ => None,
    };
    as_entity.as_ref() == Some(v) || V::of(c) == *v
}

/// A constant that is computed with: text that is an entity's id means the entity.
fn meant(c: &Value) -> V {
    match c {
        Value::Text(s) => s.parse().map_or_else(|_| V::Text(s.clone()), V::Entity),
        other => V::of(other),
    }
}

fn matches(term: &Term, v: &V, b: &mut Binding) -> bool {
    match term {
        Term::Blank => true,
        Term::Constant(c) => constant(c, v),
        Term::Variable(x) => b.entry(x.name.clone()).or_insert_with(|| v.clone()) == v,
    }
}

fn values(arguments: &[Argument], b: &Binding) -> Vec<V> {
    arguments
        .iter()
        .map(|a| match a {
            Argument::Term(Term::Variable(x)) => b[&x.name].clone(),
            Argument::Term(Term::Constant(c)) => meant(c),
            other => panic!("{other:?} is not a value"),
        })
        .collect()
}

fn on_attribute(arguments: &[Argument], b: &Binding) -> (V, String) {
    let rest: Vec<Argument> = arguments
        .iter()
        .filter(|a| **a != Argument::Database)
        .cloned()
        .collect();
    match (&values(&rest[..1], b)[0], &rest[1]) {
        (e, Argument::Term(Term::Constant(Value::Text(a)))) => (e.clone(), a.clone()),
        other => panic!("{other:?}"),
    }
}

/// Every rule's relation: rules in an order in which negated ones are complete, each group of them until nothing is new.
fn rules(rules: &[Rule], facts: &[Fact]) -> Result<Relations, TooMuch> {
    let mut relations: Relations = rules
        .iter()
        .map(|r| (r.name.clone(), BTreeSet::new()))
        .collect();
    // a rule's stratum is above that of what it negates, and not below that of what it calls
    let mut stratum: BTreeMap<&str, usize> = rules.iter().map(|r| (r.name.as_str(), 0)).collect();
    for _ in 0..=rules.len() {
        for rule in rules {
            let mut calls = Vec::new();
            rule.body.iter().for_each(|c| called(c, false, &mut calls));
            let least = calls
                .iter()
                .filter_map(|(name, negated)| {
                    Some(stratum.get(name.as_str())? + usize::from(*negated))
                })
                .max();
            let s = stratum.entry(&rule.name).or_default();
            *s = (*s).max(least.unwrap_or(0));
        }
    }
    let top = stratum.values().max().copied().unwrap_or(0);
    for level in 0..=top {
        loop {
            let before: usize = relations.values().map(BTreeSet::len).sum();
            for rule in rules.iter().filter(|r| stratum[r.name.as_str()] == level) {
                let world = World {
                    facts,
                    relations: &relations,
                };
                let found = world.body(&rule.body, vec![Binding::new()])?;
                let head: Vec<&ast::Variable> = rule.required.iter().chain(&rule.free).collect();
                let rows: Vec<Vec<V>> = found
                    .iter()
                    .map(|b| head.iter().map(|v| b[&v.name].clone()).collect())
                    .collect();
                relations.entry(rule.name.clone()).or_default().extend(rows);
            }
            if relations.values().map(BTreeSet::len).sum::<usize>() == before {
                break;
            }
        }
    }
    Ok(relations)
}

fn called(clause: &Clause, negated: bool, out: &mut Vec<(String, bool)>) {
    match &clause.kind {
        ClauseKind::Call { name, .. } => out.push((name.clone(), negated)),
        ClauseKind::Not { body, .. } => body.iter().for_each(|c| called(c, true, out)),
        ClauseKind::Or { branches, .. } => branches
            .iter()
            .flatten()
            .for_each(|c| called(c, negated, out)),
        _ => {}
    }
}
