//! Whether a plan can give a row twice.

use super::Planner;
use super::emit::Frame;
use super::item::Item;
use super::order::{Node, Ordered};
use crate::ir::{AttributeTerm, Clause, Slot, Term};

impl<'q> Planner<'q> {
    /// Whether rows cannot repeat: every slot that a loop binds is part of the row, and no loop visits the same values twice.
    pub fn is_unique(&self, ordered: &Ordered<'q>, frame: &Frame<'q>, output: &[Slot]) -> bool {
        let ambiguous = |t: Term| matches!(t, Term::Constant(c) if self.is_ambiguous(c));
        ordered.nodes.iter().all(|node| match node {
            Node::Exists(_)
            | Node::Item(Item::Clause(
                Clause::Compare { .. } | Clause::Not { .. } | Clause::Function { .. },
            )) => true,
            Node::Item(Item::Input(_, slots)) => {
                slots.iter().all(|s| s.is_some_and(|s| output.contains(&s)))
            }
            Node::Item(
                Item::Clause(Clause::Or { .. } | Clause::Rows { .. }) | Item::Goals { .. },
            ) => false,
            Node::Item(Item::Clause(c @ Clause::Call { arguments, .. })) => {
                let whole = |t: &Term| !ambiguous(*t) && *t != Term::Blank;
                arguments.iter().all(whole)
                    && Item::Clause(c)
                        .slots()
                        .iter()
                        .all(|s| output.contains(s) || frame.given.contains(*s))
            }
            Node::Item(Item::Clause(c @ Clause::GetElse { .. })) => {
                Item::Clause(c).slots().iter().all(|s| output.contains(s))
            }
            Node::Item(Item::Clause(c @ Clause::Pattern(p))) => {
                let bound_attribute = match p.attribute {
                    AttributeTerm::Named(_) => true,
                    AttributeTerm::Slot(_) => !(p.entity == Term::Blank || p.value == Term::Blank),
                    AttributeTerm::Blank => false,
                };
                bound_attribute
                    && !ambiguous(p.value)
                    && Item::Clause(c)
                        .slots()
                        .iter()
                        .all(|s| output.contains(s) || frame.given.contains(*s))
            }
        })
    }
}
