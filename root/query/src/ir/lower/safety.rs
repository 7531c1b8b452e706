//! Whether every variable gets a value, whatever order the planner takes: a fixpoint over what each clause needs and gives.

use std::collections::BTreeSet;

use super::visit::slots_of;
use crate::error::QueryError;
use crate::ir::{Clause, Rule, Slot, Term, Variable};

type Slots = BTreeSet<Slot>;

fn term_slots<'a>(terms: impl IntoIterator<Item = &'a Term>) -> Vec<Slot> {
    terms
        .into_iter()
        .filter_map(|t| {
            if let Term::Slot(s) = t {
                Some(*s)
            } else {
                None
            }
        })
        .collect()
}

/// Slots that must be bound before the clause can be evaluated.
pub fn needs(clause: &Clause, rules: &[Rule]) -> Vec<Slot> {
    match clause {
        Clause::Pattern(_) | Clause::Rows { .. } => Vec::new(),
        Clause::Compare { arguments, .. } | Clause::Function { arguments, .. } => {
            term_slots(arguments)
        }
        Clause::GetElse { entity, .. } => term_slots([entity]),
        Clause::Not { shared, .. } => shared.clone(),
        Clause::Or { required, .. } => required.clone(),
        Clause::Call { rule, arguments } => {
            let required = rules
                .get(usize::from(*rule))
                .map_or(&[][..], |r| &r.required);
            term_slots(
                arguments
                    .iter()
                    .zip(required)
                    .filter(|(_, r)| **r)
                    .map(|(t, _)| t),
            )
        }
    }
}

/// Slots that are bound after the clause was evaluated.
pub fn gives(clause: &Clause) -> Vec<Slot> {
    match clause {
        Clause::Not { .. } => Vec::new(),
        Clause::Or { shared, .. } => shared.clone(),
        other => slots_of([other]),
    }
}

/// Binds what can be bound; returns the clauses that cannot be reached.
fn bind<'a>(body: &'a [Clause], bound: &mut Slots, rules: &[Rule]) -> Vec<&'a Clause> {
    let mut left: Vec<&Clause> = body.iter().collect();
    loop {
        let before = left.len();
        left.retain(|c| {
            let ready = needs(c, rules).iter().all(|s| bound.contains(s));
            if ready {
                bound.extend(gives(c));
            }
            !ready
        });
        if left.is_empty() || left.len() == before {
            return left;
        }
    }
}

fn unbound(slot: Slot, variables: &[Variable], hint: &'static str) -> QueryError {
    match variables.get(usize::from(slot)) {
        Some(v) => QueryError::Unbound {
            at: v.at,
            variable: v.name.clone(),
            hint,
        },
        None => QueryError::Unbound {
            at: crate::Position::default(),
            variable: "?".into(),
            hint,
        },
    }
}

fn hint(clause: &Clause) -> &'static str {
    match clause {
        Clause::Compare { .. } => {
            "a predicate only tests values; a pattern, a function or an input has to bind it"
        }
        Clause::Function { .. } | Clause::GetElse { .. } => {
            "a function needs its arguments; a pattern, another function or an input has to bind it"
        }
        Clause::Not { .. } => "`not` binds nothing; a clause outside has to bind it",
        Clause::Or { .. } => "not every branch of the `or` binds it; a clause outside has to",
        Clause::Call { .. } => "the rule needs this argument bound",
        Clause::Pattern(_) | Clause::Rows { .. } => "a clause has to bind it",
    }
}

/// Refuses a body that cannot bind everything it uses and everything in `wanted`.
pub fn check(
    body: &[Clause],
    given: &[Slot],
    wanted: &[Slot],
    variables: &[Variable],
    rules: &[Rule],
) -> Result<(), QueryError> {
    let mut bound: Slots = given.iter().copied().collect();
    for clause in bind(body, &mut bound, rules) {
        if let Some(slot) = needs(clause, rules)
            .into_iter()
            .find(|s| !bound.contains(s))
        {
            return Err(unbound(slot, variables, hint(clause)));
        }
    }
    if let Some(slot) = wanted.iter().find(|s| !bound.contains(s)) {
        return Err(unbound(
            *slot,
            variables,
            "a clause of :where or an input has to bind it",
        ));
    }
    for clause in body {
        match clause {
            Clause::Not { shared, body } => check(body, shared, &[], variables, rules)?,
            Clause::Or {
                required,
                shared,
                branches,
            } => {
                for branch in branches {
                    check(branch, required, shared, variables, rules)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Finds which of the `shared` slots must be bound before the body can be evaluated, so that it binds all of them; adds them to
/// `required` and says whether there were new ones.
pub fn infer(body: &[Clause], shared: &[Slot], required: &mut Vec<Slot>, rules: &[Rule]) -> bool {
    let before = required.len();
    loop {
        let mut bound: Slots = required.iter().copied().collect();
        let left = bind(body, &mut bound, rules);
        let missing: Slots = if left.is_empty() {
            shared
                .iter()
                .copied()
                .filter(|s| !bound.contains(s))
                .collect()
        } else {
            left.iter()
                .flat_map(|c| needs(c, rules))
                .filter(|s| shared.contains(s) && !bound.contains(s))
                .collect()
        };
        if missing.is_empty() {
            return required.len() > before;
        }
        required.extend(missing);
    }
}

/// Infers what every `or` inside requires; says whether anything was new.
pub fn infer_inside(body: &mut [Clause], rules: &[Rule]) -> bool {
    let mut changed = false;
    for clause in body {
        match clause {
            Clause::Not { body, .. } => changed |= infer_inside(body, rules),
            Clause::Or {
                required,
                shared,
                branches,
            } => {
                for branch in branches {
                    changed |= infer_inside(branch, rules);
                    changed |= infer(branch, shared, required, rules);
                }
            }
            _ => {}
        }
    }
    changed
}
