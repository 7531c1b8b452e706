//! The door of a log: what an operation must be, given those it follows, to be in the set at all.
//!
//! It depends on nothing but the operation and its past, so everyone who has these decides alike. What passes may still be without
//! effect, for instance because its author is removed; what does not pass can never have any. The door keeps strangers out: only
//! keys that the log itself once listed, and policies it once had, can make it longer.

use super::{Ancestors, Log, Node, Quotas};
use crate::action::{digest, role_of};
use crate::{Action, IdentityError, Incarnation, Operation, Reveal, Role};

fn refused<T>(why: &'static str) -> Result<T, IdentityError> {
    Err(IdentityError::Refused(why))
}

impl Log {
    /// Checks an operation whose parents are all there, and gathers what is to be known about it.
    pub(super) fn admit(&self, operation: Operation) -> Result<Node, IdentityError> {
        let place = self.nodes.len() as u32;
        let Some(id) = digest(&operation.id()) else {
            return refused("its name is no operation's");
        };
        let mut past = Ancestors::default();
        let mut height = 0;
        for prev in operation.prev() {
            let Some((at, node)) = self.place(prev).and_then(|at| Some((at, self.node(at)?)))
            else {
                return refused("it follows an operation that is not there");
            };
            past.unite(&node.past);
            past.insert(at);
            height = height.max(node.height + 1);
        }
        let mut author = None;
        let mut epoch = place;
        let mut class = Quotas::GENESIS;
        let mut hidden = Vec::new();
        if let Some(by) = operation.by() {
            let (member, role, base) = self.known(by, &past)?;
            if operation.needs_admin() && role != Role::Admin {
                return refused("its author is not an admin");
            }
            if role == Role::Follower {
                return refused("its author only follows");
            }
            author = Some(member);
            epoch = base;
            class = self.node(base).map_or(class, |node| node.class);
        } else if let Some((index, reveals)) = operation.authority() {
            hidden = reveals.iter().map(Reveal::hidden).collect();
            if !self.was_authorised(&operation, &hidden, &past) {
                return refused("it satisfies no recovery policy of its past");
            }
            class = Quotas::class_of(index);
        } else if place > 0 {
            return refused("it makes an identity of its own");
        }
        match operation.action() {
            Action::DeviceRemove(remove) => {
                let (_, _, base) = self.known(&remove.target, &past)?;
                if base != epoch {
                    return refused("its author and its target have no list of devices in common");
                }
            }
            Action::Endorse(endorse) => {
                let target = self.place(&endorse.target).filter(|at| past.contains(*at));
                let node = target.and_then(|at| self.node(at));
                let is_add = |node: &&Node| matches!(node.operation.action(), Action::DeviceAdd(_));
                if node.filter(is_add).is_none_or(|node| node.epoch != epoch) {
                    return refused("it endorses something that is no device.add in its past");
                }
            }
            _ => {}
        }
        self.quotas.check(class, &operation)?;
        Ok(Node {
            operation,
            id,
            height,
            past,
            author,
            epoch,
            class,
            first_member: self.members.len() as u32,
            hidden,
        })
    }

    /// The member that an incarnation in this past is, its role, and the list of devices it comes from.
    fn known(
        &self,
        incarnation: &Incarnation,
        past: &Ancestors,
    ) -> Result<(u32, Role, u32), IdentityError> {
        let add = self.place(&incarnation.add).filter(|at| past.contains(*at));
        let node = add.and_then(|at| self.node(at));
        let role = node.and_then(|n| role_of(n.operation.devices(), &incarnation.key));
        match (node, role) {
            (Some(node), Some((at, role))) => Ok((node.first_member + at as u32, role, node.epoch)),
            _ => refused("it names a device that nothing in its past lists"),
        }
    }

    /// Whether some list of policies in the past lets these keys decide. Which list is in force is for the resolution.
    fn was_authorised(&self, operation: &Operation, hidden: &[[u8; 32]], past: &Ancestors) -> bool {
        std::iter::once(&0)
            .chain(&self.authorities)
            .filter(|at| past.contains(**at))
            .filter_map(|at| self.action(*at)?.policies())
            .any(|policies| super::authority::is_authorised(operation, hidden, policies))
    }
}
