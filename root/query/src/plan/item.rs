//! What is put in order: clauses, and the sources of rows that are not clauses.

use super::slots::SlotSet;
use crate::ir::{Clause, Slot, needs, slots_of};

/// One thing to evaluate.
#[derive(Clone, Copy, Debug)]
pub enum Item<'q> {
    /// A clause.
    Clause(&'q Clause),
    /// A collection or a relation that the caller passes.
    Input(usize, &'q [Option<Slot>]),
    /// The goals asked of a table: the head slots of its bound arguments, which `bound` has bits for.
    Goals {
        table: u16,
        head: &'q [Slot],
        bound: u64,
    },
}

impl Item<'_> {
    /// Slots that must be bound before.
    pub fn needs(self, rules: &[crate::ir::Rule]) -> Vec<Slot> {
        match self {
            Self::Clause(c) => needs(c, rules),
            Self::Input(..) | Self::Goals { .. } => Vec::new(),
        }
    }

    /// All slots that it mentions and that others may mention too.
    pub fn slots(self) -> Vec<Slot> {
        match self {
            Self::Clause(Clause::Not { shared, .. } | Clause::Or { shared, .. }) => shared.clone(),
            Self::Clause(c) => slots_of([c]),
            Self::Input(_, slots) => slots.iter().flatten().copied().collect(),
            Self::Goals { head, bound, .. } => head
                .iter()
                .enumerate()
                .filter(|(i, _)| bound >> i & 1 == 1)
                .map(|(_, s)| *s)
                .collect(),
        }
    }

    /// Whether it only tests once these slots are bound.
    pub fn is_filter(self, bound: &SlotSet) -> bool {
        match self {
            Self::Clause(Clause::Compare { .. } | Clause::Not { .. }) => true,
            Self::Clause(Clause::Function { output, .. }) => bound.contains(*output),
            other => bound.contains_all(&other.slots()),
        }
    }
}
