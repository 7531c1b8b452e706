//! Who is a member, within one list of devices and what descends from it.
//!
//! Members are judged from the most senior to the most junior, so that a verdict depends only on verdicts already made: nobody but a
//! more senior admin removes a member, and nobody removes himself by removing another. Twice: *leniently* (a removal by somebody
//! who is himself removed concurrently does not count), which decides what content and registers count; and *strictly* (every
//! removal by somebody who was a member as far as he could know counts), which decides who is a member.

use std::collections::{HashMap, HashSet};

use super::{Ancestors, Log, Member};

/// The verdicts about the members of one epoch.
#[derive(Default)]
pub(super) struct Verdicts {
    /// Of members whose addition counts: the removals that count. (Of others they are of no interest.)
    valid: HashMap<u32, Vec<u32>>,
}

impl Verdicts {
    /// The removals that count, of a member whose addition counts.
    pub fn removals(&self, member: u32) -> Option<&[u32]> {
        self.valid.get(&member).map(Vec::as_slice)
    }
}

/// Members in order of seniority, and what is looked at.
pub(super) struct Roll<'a> {
    log: &'a Log,
    list: u32,
    members: Vec<u32>,
    /// Only these operations, if given.
    within: Option<&'a Ancestors>,
}

impl Log {
    /// The members that descend from the list of devices in the operation `list`. With `within`, as if the log had nothing else.
    pub(super) fn roll<'a>(&'a self, list: u32, within: Option<&'a Ancestors>) -> Roll<'a> {
        let all = self.epochs.get(&list).map_or(&[][..], |e| &e.members);
        let mut roll = Roll {
            log: self,
            list,
            members: Vec::new(),
            within,
        };
        let mut members: Vec<_> = all
            .iter()
            .filter_map(|m| Some((*m, self.members.get(*m as usize)?)))
            .filter(|(_, member)| member.add == list || roll.sees(member.add))
            .map(|(m, member)| (self.seniority(member), m))
            .collect();
        members.sort_unstable();
        roll.members = members.into_iter().map(|(_, m)| m).collect();
        roll
    }

    /// Smaller is more senior: Lamport height of the addition, its id, place in the list.
    fn seniority(&self, member: &Member) -> (Option<(u32, [u8; 32])>, u32) {
        (self.rank(member.add), member.at)
    }
}

impl Roll<'_> {
    pub fn members(&self) -> &[u32] {
        &self.members
    }

    fn sees(&self, place: u32) -> bool {
        self.within.is_none_or(|within| within.contains(place))
    }

    pub fn lenient(&self) -> Verdicts {
        self.pass(None)
    }

    pub fn strict(&self, lenient: &Verdicts) -> Verdicts {
        self.pass(Some(lenient))
    }

    fn pass(&self, lenient: Option<&Verdicts>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let mut seniors = HashSet::new();
        for &m in &self.members {
            let Some(member) = self.log.members.get(m as usize) else {
                continue;
            };
            if !self.was_added(member, &verdicts) {
                seniors.insert(m);
                continue;
            }
            let removals = member
                .removals
                .iter()
                .copied()
                .filter(|&r| {
                    self.sees(r)
                        && self.log.author(r).is_some_and(|author| {
                            author == m
                                || seniors.contains(&author)
                                    && self.removes(r, author, &verdicts, lenient)
                        })
                })
                .collect();
            verdicts.valid.insert(m, removals);
            seniors.insert(m);
        }
        verdicts
    }

    /// Whether the addition of a member counts: by the list, by its adder, or because a more senior admin vouches for it.
    fn was_added(&self, member: &Member, verdicts: &Verdicts) -> bool {
        // There are verdicts about more senior members only.
        let counts = |place: u32| {
            self.log
                .author(place)
                .is_some_and(|author| self.accepted(place, author, verdicts))
        };
        member.add == self.list
            || counts(member.add)
            || member
                .endorsements
                .iter()
                .any(|&e| self.sees(e) && counts(e))
    }

    /// Whether a removal by a more senior member counts.
    fn removes(
        &self,
        removal: u32,
        author: u32,
        verdicts: &Verdicts,
        lenient: Option<&Verdicts>,
    ) -> bool {
        match lenient {
            None => self.accepted(removal, author, verdicts),
            // Also if the author's own addition is void by now: voiding him must not bring back whom he removed.
            Some(lenient) => {
                self.was_member(removal, author, verdicts)
                    || self.was_member(removal, author, lenient)
            }
        }
    }

    /// Whether the author was a member, as far as the operation's past shows.
    fn was_member(&self, operation: u32, author: u32, verdicts: &Verdicts) -> bool {
        verdicts.removals(author).is_some_and(|removals| {
            removals
                .iter()
                .all(|removal| !self.log.precedes(*removal, operation))
        })
    }

    /// ... and everybody who removed him had seen the operation. Who resigns takes nothing back.
    pub fn accepted(&self, operation: u32, author: u32, verdicts: &Verdicts) -> bool {
        self.was_member(operation, author, verdicts)
            && verdicts.removals(author).is_some_and(|removals| {
                removals.iter().all(|&removal| {
                    self.log.precedes(operation, removal)
                        || self.log.author(removal) == Some(author)
                })
            })
    }
}
