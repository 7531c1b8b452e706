//! Expansion of non-recursive rules in place of their calls, so that the planner sees through them.

use rhizome_tuple::Value;

use super::scope::Scope;
use crate::error::{Position, QueryError};
use crate::ir::{AttributeTerm, Branch, Clause, Constant, Pattern, Rule, Slot, Term};

/// Clauses that expansion adds.
pub fn size(rule: &Rule) -> usize {
    fn count(clauses: &[Clause]) -> usize {
        clauses
            .iter()
            .map(|c| match c {
                Clause::Not { body, .. } => 1 + count(body),
                Clause::Or { branches, .. } => 1 + branches.iter().map(|b| count(b)).sum::<usize>(),
                _ => 1,
            })
            .sum()
    }
    1 + rule.branches.iter().map(|b| count(&b.body)).sum::<usize>()
}

/// Adds the rule's body to `out`: the clauses themselves for one branch, an `or` for more.
pub fn expand(
    rule: &Rule,
    arguments: &[Term],
    at: Position,
    constants: &[Constant],
    attributes: &mut Vec<String>,
    scope: &mut Scope,
    out: &mut Vec<Clause>,
) -> Result<(), QueryError> {
    let mut shared: Vec<Slot> = Vec::new();
    let mut required = Vec::new();
    for (argument, needed) in arguments.iter().zip(&rule.required) {
        if let Term::Slot(s) = argument {
            if !shared.contains(s) {
                shared.push(*s);
            }
            if *needed && !required.contains(s) {
                required.push(*s);
            }
        }
    }
    let mut branches = Vec::with_capacity(rule.branches.len());
    for branch in &rule.branches {
        branches.push(instance(
            branch, arguments, at, constants, attributes, scope,
        )?);
    }
    match <[Vec<Clause>; 1]>::try_from(branches) {
        Ok([only]) => out.extend(only),
        Err(branches) => out.push(Clause::Or {
            required,
            shared,
            branches,
        }),
    }
    Ok(())
}

fn instance(
    branch: &Branch,
    arguments: &[Term],
    at: Position,
    constants: &[Constant],
    attributes: &mut Vec<String>,
    scope: &mut Scope,
) -> Result<Vec<Clause>, QueryError> {
    let mut terms: Vec<Option<Term>> = vec![None; branch.variables.len()];
    let mut body = Vec::with_capacity(branch.body.len());
    for (head, argument) in branch.head.iter().zip(arguments) {
        let term = match argument {
            // a constant can stand in patterns and arguments, but nothing can be bound to it
            Term::Constant(c) if needs_slot(&branch.body, *head) => {
                let slot = scope.fresh("?#constant".into(), at)?;
                let values = constants
                    .get(usize::from(*c))
                    .map_or(&[][..], |c| &c.values);
                body.push(Clause::Rows {
                    slots: vec![Some(slot)],
                    rows: values.iter().map(|v| vec![v.clone()]).collect(),
                });
                Term::Slot(slot)
            }
            Term::Blank => continue,
            other => *other,
        };
        if let Some(place) = terms.get_mut(usize::from(*head)) {
            *place = Some(term);
        }
    }
    let mut map = Vec::with_capacity(terms.len());
    for (term, variable) in terms.into_iter().zip(&branch.variables) {
        map.push(match term {
            Some(t) => t,
            None => Term::Slot(scope.fresh(variable.name.clone(), at)?),
        });
    }
    let mut renamed = Rename {
        map: &map,
        constants,
        attributes,
    };
    body.extend(branch.body.iter().map(|c| renamed.clause(c)));
    Ok(body)
}

fn needs_slot(body: &[Clause], slot: Slot) -> bool {
    body.iter().any(|c| match c {
        Clause::Function { output, .. } | Clause::GetElse { output, .. } => *output == slot,
        Clause::Rows { slots, .. } => slots.contains(&Some(slot)),
        Clause::Not { body, .. } => needs_slot(body, slot),
        Clause::Or { branches, .. } => branches.iter().any(|b| needs_slot(b, slot)),
        Clause::Pattern(_) | Clause::Compare { .. } | Clause::Call { .. } => false,
    })
}

struct Rename<'a> {
    map: &'a [Term],
    constants: &'a [Constant],
    attributes: &'a mut Vec<String>,
}

impl Rename<'_> {
    fn slot(&self, slot: Slot) -> Term {
        self.map
            .get(usize::from(slot))
            .copied()
            .unwrap_or(Term::Blank)
    }

    fn term(&self, term: Term) -> Term {
        match term {
            Term::Slot(s) => self.slot(s),
            other => other,
        }
    }

    /// Of a slot that [`needs_slot`] made sure of.
    fn output(&self, slot: Slot) -> Slot {
        match self.slot(slot) {
            Term::Slot(s) => s,
            Term::Constant(_) | Term::Blank => slot,
        }
    }

    fn terms(&self, terms: &[Term]) -> Vec<Term> {
        terms.iter().map(|t| self.term(*t)).collect()
    }

    fn shared(&self, slots: &[Slot]) -> Vec<Slot> {
        let mut out = Vec::with_capacity(slots.len());
        for slot in slots {
            if let Term::Slot(s) = self.slot(*slot)
                && !out.contains(&s)
            {
                out.push(s);
            }
        }
        out
    }

    fn body(&mut self, body: &[Clause]) -> Vec<Clause> {
        body.iter().map(|c| self.clause(c)).collect()
    }

    fn attribute(&mut self, attribute: AttributeTerm) -> AttributeTerm {
        let AttributeTerm::Slot(s) = attribute else {
            return attribute;
        };
        match self.slot(s) {
            Term::Slot(s) => AttributeTerm::Slot(s),
            Term::Blank => AttributeTerm::Blank,
            Term::Constant(c) => {
                // a value that is not text names no attribute: so does the empty name
                let values = self
                    .constants
                    .get(usize::from(c))
                    .map_or(&[][..], |c| &c.values);
                let name = values
                    .iter()
                    .find_map(|v| {
                        if let Value::Text(s) = v {
                            Some(s.as_str())
                        } else {
                            None
                        }
                    })
                    .unwrap_or_default();
                let i = self
                    .attributes
                    .iter()
                    .position(|a| a == name)
                    .unwrap_or_else(|| {
                        self.attributes.push(name.to_owned());
                        self.attributes.len() - 1
                    });
                AttributeTerm::Named(i as u16)
            }
        }
    }

    fn clause(&mut self, clause: &Clause) -> Clause {
        match clause {
            Clause::Pattern(p) => Clause::Pattern(Pattern {
                entity: self.term(p.entity),
                attribute: self.attribute(p.attribute),
                value: self.term(p.value),
            }),
            Clause::Compare { compare, arguments } => Clause::Compare {
                compare: *compare,
                arguments: self.terms(arguments),
            },
            Clause::Function {
                function,
                arguments,
                output,
            } => Clause::Function {
                function: *function,
                arguments: self.terms(arguments),
                output: self.output(*output),
            },
            Clause::GetElse {
                entity,
                attribute,
                default,
                output,
            } => Clause::GetElse {
                entity: self.term(*entity),
                attribute: *attribute,
                default: *default,
                output: self.output(*output),
            },
            Clause::Rows { slots, rows } => Clause::Rows {
                slots: slots.iter().map(|s| s.map(|s| self.output(s))).collect(),
                rows: rows.clone(),
            },
            Clause::Not { shared, body } => Clause::Not {
                shared: self.shared(shared),
                body: self.body(body),
            },
            Clause::Or {
                required,
                shared,
                branches,
            } => Clause::Or {
                required: self.shared(required),
                shared: self.shared(shared),
                branches: branches.iter().map(|b| self.body(b)).collect(),
            },
            Clause::Call { rule, arguments } => Clause::Call {
                rule: *rule,
                arguments: self.terms(arguments),
            },
        }
    }
}
