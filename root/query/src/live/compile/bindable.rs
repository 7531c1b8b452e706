//! What the clauses of a body mention.

use crate::ir::{AttributeTerm, Clause, ConstantIndex, Slot, Term};
use std::collections::BTreeSet;

/// Slots that a clause other than a rule call binds, those local to nested bodies included.
pub fn slots(body: &[Clause]) -> BTreeSet<Slot> {
    let mut out = BTreeSet::new();
    collect(body, &mut out);
    out
}

fn collect(body: &[Clause], out: &mut BTreeSet<Slot>) {
    let terms = |terms: &[Term], out: &mut BTreeSet<Slot>| {
        out.extend(terms.iter().copied().filter_map(super::slot_of));
    };
    for clause in body {
        match clause {
            Clause::Pattern(p) => {
                terms(&[p.entity, p.value], out);
                if let AttributeTerm::Slot(s) = p.attribute {
                    out.insert(s);
                }
            }
            Clause::Function { output, .. } | Clause::GetElse { output, .. } => {
                out.insert(*output);
            }
            Clause::Rows { slots, .. } => out.extend(slots.iter().flatten()),
            Clause::Or { branches, .. } => branches.iter().for_each(|b| collect(b, out)),
            Clause::Not { shared, body } => {
                let mut inside = BTreeSet::new();
                collect(body, &mut inside);
                out.extend(inside.into_iter().filter(|s| !shared.contains(s)));
            }
            Clause::Compare { .. } | Clause::Call { .. } => {}
        }
    }
}

/// Constants that stand in the clauses.
pub fn constants(body: &[Clause], out: &mut BTreeSet<ConstantIndex>) {
    let terms = |terms: &[Term], out: &mut BTreeSet<ConstantIndex>| {
        out.extend(terms.iter().filter_map(|t| match t {
            Term::Constant(c) => Some(*c),
            _ => None,
        }));
    };
    for clause in body {
        match clause {
            Clause::Pattern(p) => terms(&[p.entity, p.value], out),
            Clause::Compare { arguments, .. }
            | Clause::Function { arguments, .. }
            | Clause::Call { arguments, .. } => terms(arguments, out),
            Clause::GetElse {
                entity, default, ..
            } => {
                terms(&[*entity], out);
                out.insert(*default);
            }
            Clause::Rows { .. } => {}
            Clause::Not { body, .. } => constants(body, out),
            Clause::Or { branches, .. } => branches.iter().for_each(|b| constants(b, out)),
        }
    }
}
