//! Walks over clauses.

use crate::ir::{AttributeTerm, Clause, Slot, Term};

/// What a clause does with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Entity or value of a pattern.
    Place,
    /// Attribute of a pattern.
    Attribute,
    /// Anything else.
    Other,
}

/// Calls `f` for every occurrence of a slot, nested bodies included; lists of shared slots are not occurrences.
pub fn visit_slots(clause: &Clause, f: &mut impl FnMut(Slot, Use)) {
    let term = |t: &Term, u: Use, f: &mut dyn FnMut(Slot, Use)| {
        if let Term::Slot(s) = t {
            f(*s, u);
        }
    };
    match clause {
        Clause::Pattern(p) => {
            term(&p.entity, Use::Place, f);
            if let AttributeTerm::Slot(s) = p.attribute {
                f(s, Use::Attribute);
            }
            term(&p.value, Use::Place, f);
        }
        Clause::Compare { arguments, .. } | Clause::Call { arguments, .. } => {
            for t in arguments {
                term(t, Use::Other, f);
            }
        }
        Clause::Function {
            arguments, output, ..
        } => {
            for t in arguments {
                term(t, Use::Other, f);
            }
            f(*output, Use::Other);
        }
        Clause::GetElse { entity, output, .. } => {
            term(entity, Use::Other, f);
            f(*output, Use::Other);
        }
        Clause::Rows { slots, .. } => slots.iter().flatten().for_each(|s| f(*s, Use::Other)),
        Clause::Not { body, .. } => body.iter().for_each(|c| visit_slots(c, f)),
        Clause::Or { branches, .. } => branches.iter().flatten().for_each(|c| visit_slots(c, f)),
    }
}

/// The different slots of some clauses, in order of first occurrence.
pub fn slots_of<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> Vec<Slot> {
    let mut out = Vec::new();
    for clause in clauses {
        visit_slots(clause, &mut |s, _| {
            if !out.contains(&s) {
                out.push(s);
            }
        });
    }
    out
}
