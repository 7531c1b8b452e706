//! How far what a device writes counts.
//!
//! Authority fails closed, content fails open: writes are cut off only by removals whose author is not himself removed
//! concurrently, by others than their author, and by recoveries that do not keep the device; and then only beyond the seal.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::authority::Path;
use super::membership::Verdicts;
use super::{Log, Member};
use crate::{Action, Incarnation, Role, SealedHead};

/// How far what an incarnation writes counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// All of it.
    Whole,
    /// What lies within every one of these seals: is one of its heads, or reached from it by `prev` links.
    Within(Vec<Arc<[SealedHead]>>),
    /// Nothing: it was never validly added, or only follows.
    Never,
}

type Seals = Vec<Arc<[SealedHead]>>;

fn standing(seals: Seals) -> Standing {
    if seals.is_empty() {
        Standing::Whole
    } else {
        Standing::Within(seals)
    }
}

/// Seals are shared: one recovery can cut off a thousand memberships.
#[derive(Default)]
struct Sealer(BTreeMap<u32, Arc<[SealedHead]>>);

impl Sealer {
    fn seal(&mut self, log: &Log, place: u32) -> Arc<[SealedHead]> {
        let seal = self.0.entry(place).or_insert_with(|| {
            Arc::from(match log.action(place) {
                Some(Action::DeviceRemove(remove)) => remove.seal.as_slice(),
                Some(Action::Recover(recover)) => recover.seal.as_slice(),
                _ => &[],
            })
        });
        Arc::clone(seal)
    }
}

impl Log {
    /// The standing of every incarnation in the log. `last` are the lenient verdicts of the list in force.
    pub(super) fn standings(&self, path: &Path, last: Verdicts) -> BTreeMap<Incarnation, Standing> {
        let mut verdicts: Vec<Verdicts> = Vec::with_capacity(path.lists.len());
        for list in path
            .lists
            .split_last()
            .map_or(&[][..], |(_, before)| before)
        {
            verdicts.push(self.roll(*list, None).lenient());
        }
        verdicts.push(last);
        let mut sealer = Sealer::default();
        (0..)
            .zip(&self.members)
            .filter_map(|(m, member)| {
                let incarnation = self.incarnation(member)?;
                if self.role(member) == Some(Role::Follower) {
                    return Some((incarnation, Standing::Never));
                }
                let before = self.before_contest(m, member, path, &verdicts, &mut sealer);
                let standing = self.in_contest(&incarnation, before, path, &mut sealer);
                Some((incarnation, standing))
            })
            .collect()
    }

    /// The standing of a member as the decisions that are beyond dispute have it.
    fn before_contest(
        &self,
        m: u32,
        member: &Member,
        path: &Path,
        verdicts: &[Verdicts],
        sealer: &mut Sealer,
    ) -> Standing {
        let base = self.node(member.add).map(|node| node.epoch);
        let own = path.lists.iter().position(|list| Some(*list) == base);
        // A decision that did not win: it came after the last of the lists in its past.
        let since = own.or_else(|| {
            let base = base?;
            path.lists
                .iter()
                .rposition(|list| self.precedes(*list, base))
        });
        let Some(since) = since else {
            return Standing::Never;
        };
        // The last recovery that keeps the key speaks for all its memberships of before.
        let mut later = path.lists.iter().enumerate().skip(since + 1).rev();
        let kept = later.find_map(|(i, list)| Some((i, self.listed(*list, member)?)));
        let (index, judged) = match (kept, own) {
            (Some((i, by_list)), _) => (i, Some(by_list)),
            (None, Some(i)) => (i, Some(m)),
            (None, None) => (since, None),
        };
        let later = path.lists.get(index + 1..).unwrap_or_default();
        let mut seals = Vec::new();
        if let Some(judged) = judged {
            let Some(removals) = verdicts.get(index).and_then(|v| v.removals(judged)) else {
                return Standing::Never;
            };
            for &removal in removals {
                if self.author(removal) != Some(judged) {
                    seals.push(sealer.seal(self, removal));
                }
            }
        } else if later.is_empty() {
            return Standing::Never;
        }
        seals.extend(later.iter().map(|list| sealer.seal(self, *list)));
        standing(seals)
    }

    /// The role that lists a member.
    fn role(&self, member: &Member) -> Option<Role> {
        let devices = self.node(member.add)?.operation.devices();
        Some(devices.get(member.at as usize)?.role)
    }

    /// The member by which a list keeps the key of another.
    fn listed(&self, list: u32, member: &Member) -> Option<u32> {
        let key = self.incarnation(member)?.key;
        let node = self.node(list)?;
        let (at, _) = crate::action::role_of(node.operation.devices(), &key)?;
        Some(node.first_member + at as u32)
    }

    /// What a dispute changes: nothing, unless the contenders agree. All keep the key: it counts. All leave it out: it counts within
    /// the seal of any of them.
    fn in_contest(
        &self,
        incarnation: &Incarnation,
        before: Standing,
        path: &Path,
        sealer: &mut Sealer,
    ) -> Standing {
        if path.contenders.is_empty() {
            return before;
        }
        let mut kept = 0;
        let mut left_out = Vec::new();
        for contender in &path.contenders {
            // One that leaves the list as it is neither keeps anybody nor leaves anybody out.
            if contender.list == path.list() {
                continue;
            }
            if let Some(Action::Recover(recover)) = self.action(contender.list) {
                if recover.devices.iter().any(|d| d.key == incarnation.key) {
                    kept += 1;
                } else {
                    left_out.push(contender.list);
                }
            }
        }
        if kept == path.contenders.len() {
            return Standing::Whole;
        }
        if left_out.len() < path.contenders.len() {
            return before;
        }
        let mut any: Vec<SealedHead> = Vec::new();
        for at in left_out {
            any.extend(sealer.seal(self, at).iter());
        }
        any.sort_unstable();
        any.dedup();
        match before {
            Standing::Whole => Standing::Within(vec![any.into()]),
            Standing::Within(mut seals) => {
                seals.push(any.into());
                Standing::Within(seals)
            }
            Standing::Never => Standing::Never,
        }
    }
}
