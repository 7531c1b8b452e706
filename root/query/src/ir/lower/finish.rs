//! The last pass over a body: which slots a nested body really shares, and which variables stand alone and so mean "anything".

use super::visit::{Use, visit_slots};
use crate::ir::{AttributeTerm, Clause, Slot, Term, Variable};

/// `outside` lists the slots that are used outside the body (each counts as one occurrence); `given` those whose values come from
/// the caller as plain values.
pub fn finish(
    mut body: Vec<Clause>,
    outside: &[Slot],
    given: &[Slot],
    variables: &mut [Variable],
) -> Vec<Clause> {
    let mut total = vec![0u32; variables.len()];
    let mut attribute_only = vec![true; variables.len()];
    let add = |v: &mut Vec<u32>, s: Slot| {
        if let Some(n) = v.get_mut(usize::from(s)) {
            *n += 1;
        }
    };
    for s in outside {
        add(&mut total, *s);
    }
    for clause in &body {
        visit_slots(clause, &mut |s, u| {
            add(&mut total, s);
            if let (false, Some(only)) =
                (u == Use::Attribute, attribute_only.get_mut(usize::from(s)))
            {
                *only = false;
            }
        });
    }
    for (slot, variable) in variables.iter_mut().enumerate() {
        variable.attribute_only = attribute_only[slot] && !given.contains(&(slot as Slot));
    }
    for c in &mut body {
        prune(c, &total);
    }
    body
}

fn prune(clause: &mut Clause, total: &[u32]) {
    let alone = |s: Slot| total.get(usize::from(s)) == Some(&1);
    let mut inside = vec![0u32; total.len()];
    if matches!(clause, Clause::Not { .. } | Clause::Or { .. }) {
        visit_slots(clause, &mut |s, _| {
            if let Some(n) = inside.get_mut(usize::from(s)) {
                *n += 1;
            }
        });
    }
    let elsewhere = |s: &Slot| inside.get(usize::from(*s)) != total.get(usize::from(*s));
    match clause {
        Clause::Pattern(p) => {
            for place in [&mut p.entity, &mut p.value] {
                if matches!(place, Term::Slot(s) if alone(*s)) {
                    *place = Term::Blank;
                }
            }
            if matches!(p.attribute, AttributeTerm::Slot(s) if alone(s)) {
                p.attribute = AttributeTerm::Blank;
            }
        }
        Clause::Not { shared, body } => {
            shared.retain(elsewhere);
            for c in body {
                prune(c, total);
            }
        }
        Clause::Or {
            required,
            shared,
            branches,
        } => {
            shared.retain(elsewhere);
            required.retain(elsewhere);
            branches.iter_mut().flatten().for_each(|c| prune(c, total));
        }
        Clause::Compare { .. }
        | Clause::Function { .. }
        | Clause::GetElse { .. }
        | Clause::Rows { .. }
        | Clause::Call { .. } => {}
    }
}
