//! The rule of the device log said a second time, as naively as can be: sets, no indexes, no shortcuts, symbolic authors. What the
//! crate computes must equal this on every history that has no `policy.set`, `endorse` or `deactivate`.

use std::collections::{BTreeMap, BTreeSet};

pub type Id = [u8; 32];
/// A device, as a number.
pub type Key = u8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Create(Vec<Key>, Vec<u64>),
    Add(Key),
    Remove(Inc),
    Service(u64),
    /// Index, the secret that is shown, devices, policies.
    Recover(usize, u64, Vec<Key>, Vec<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inc {
    pub key: Key,
    pub by: Id,
}

#[derive(Clone, Debug)]
pub struct Op {
    pub author: Option<Inc>,
    pub act: Act,
    pub prevs: BTreeSet<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct State {
    pub devices: BTreeSet<Key>,
    pub incs: BTreeSet<Inc>,
    pub service: Option<u64>,
    pub policies: Vec<u64>,
    pub epoch: usize,
    pub contested: bool,
}

#[derive(Clone)]
pub struct Model {
    pub ops: BTreeMap<Id, Op>,
    pub genesis: Id,
}

struct View<'a> {
    ops: &'a BTreeMap<Id, Op>,
    past: BTreeMap<Id, BTreeSet<Id>>,
    height: BTreeMap<Id, u64>,
}

#[derive(Default)]
struct Pass {
    valid: BTreeSet<Inc>,
    removed: BTreeMap<Inc, BTreeSet<Id>>,
}

impl Model {
    fn view(&self) -> View<'_> {
        let mut past = BTreeMap::from([(self.genesis, BTreeSet::new())]);
        let mut height = BTreeMap::from([(self.genesis, 0)]);
        loop {
            let before = past.len();
            for (id, op) in &self.ops {
                let ready = !op.prevs.is_empty() && op.prevs.iter().all(|p| past.contains_key(p));
                if past.contains_key(id) || !ready {
                    continue;
                }
                let mut all: BTreeSet<Id> = op.prevs.clone();
                all.extend(op.prevs.iter().flat_map(|p| past[p].iter().copied()));
                height.insert(*id, op.prevs.iter().map(|p| height[p] + 1).max().unwrap());
                past.insert(*id, all);
            }
            if past.len() == before {
                break;
            }
        }
        View {
            ops: &self.ops,
            past,
            height,
        }
    }

    pub fn state(&self) -> State {
        self.view().state(self.genesis)
    }
}

impl View<'_> {
    fn lists(&self, id: &Id) -> (&Vec<Key>, &Vec<u64>) {
        match &self.ops[id].act {
            Act::Create(devices, policies) | Act::Recover(_, _, devices, policies) => {
                (devices, policies)
            }
            _ => unreachable!(),
        }
    }

    fn state(&self, genesis: Id) -> State {
        let (mut root, mut epoch) = (genesis, 0);
        loop {
            let (_, policies) = self.lists(&root);
            let mut candidates: Vec<(usize, Id)> = Vec::new();
            for (id, past) in &self.past {
                if let Act::Recover(index, secret, _, new) = &self.ops[id].act
                    && past.contains(&root)
                    && policies.get(*index) == Some(secret)
                    && new.get(..*index) == Some(&policies[..*index])
                {
                    candidates.push((*index, *id));
                }
            }
            let Some(best) = candidates.iter().map(|c| c.0).min() else {
                break;
            };
            let tops: Vec<Id> = candidates
                .iter()
                .filter(|c| c.0 == best)
                .map(|c| c.1)
                .collect();
            let last: Vec<Id> = tops
                .iter()
                .copied()
                .filter(|a| !tops.iter().any(|b| self.past[b].contains(a)))
                .collect();
            if last.len() > 1 {
                let mut sets = last
                    .iter()
                    .map(|id| self.lists(id).0.iter().copied().collect());
                let first: BTreeSet<Key> = sets.next().unwrap();
                return State {
                    devices: sets.fold(first, |a, b: BTreeSet<Key>| &a & &b),
                    policies: policies.clone(),
                    epoch,
                    contested: true,
                    ..State::default()
                };
            }
            root = last[0];
            epoch += 1;
        }
        let (devices, policies) = self.lists(&root);
        let mut incs: Vec<Inc> = devices.iter().map(|&key| Inc { key, by: root }).collect();
        for (id, past) in &self.past {
            if let Act::Add(key) = self.ops[id].act
                && past.contains(&root)
            {
                incs.push(Inc { key, by: *id });
            }
        }
        incs.sort_by_key(|inc| self.seniority(inc, devices));
        let lenient = self.pass(root, devices, &incs, None);
        let strict = self.pass(root, devices, &incs, Some(&lenient));
        let is_active = |inc: &&Inc| !strict.removed.contains_key(inc);
        let active: BTreeSet<Inc> = strict.valid.iter().filter(is_active).copied().collect();
        let service = self
            .past
            .keys()
            .filter_map(|id| {
                let op = &self.ops[id];
                match (&op.act, &op.author) {
                    (Act::Service(value), Some(author))
                        if self.accepted(id, author, root, &lenient) =>
                    {
                        Some((self.height[id], *id, *value))
                    }
                    _ => None,
                }
            })
            .max();
        State {
            devices: active.iter().map(|inc| inc.key).collect(),
            incs: active,
            service: service.map(|s| s.2),
            policies: policies.clone(),
            epoch,
            contested: false,
        }
    }

    fn seniority(&self, inc: &Inc, devices: &[Key]) -> (u64, Id, usize) {
        let at = devices.iter().position(|key| *key == inc.key);
        (self.height[&inc.by], inc.by, at.unwrap_or(0))
    }

    fn causal(&self, id: &Id, a: &Inc, root: Id, pass: &Pass) -> bool {
        let past = &self.past[id];
        past.contains(&root)
            && pass.valid.contains(a)
            && (a.by == root || past.contains(&a.by))
            && pass
                .removed
                .get(a)
                .is_none_or(|removals| removals.iter().all(|r| !past.contains(r)))
    }

    fn accepted(&self, id: &Id, a: &Inc, root: Id, pass: &Pass) -> bool {
        self.causal(id, a, root, pass)
            && pass.removed.get(a).is_none_or(|removals| {
                removals
                    .iter()
                    .all(|r| self.past[r].contains(id) || self.ops[r].author == Some(*a))
            })
    }

    fn pass(&self, root: Id, devices: &[Key], incs: &[Inc], lenient: Option<&Pass>) -> Pass {
        let mut pass = Pass::default();
        for target in incs {
            let is_valid = target.by == root
                || self.ops[&target.by]
                    .author
                    .is_some_and(|a| self.accepted(&target.by, &a, root, &pass));
            if is_valid {
                pass.valid.insert(*target);
            }
            let mut effective = BTreeSet::new();
            for (id, past) in &self.past {
                let op = &self.ops[id];
                let (Act::Remove(inc), Some(a)) = (&op.act, op.author) else {
                    continue;
                };
                let sees = past.contains(&root) && (target.by == root || past.contains(&target.by));
                if inc != target || !sees {
                    continue;
                }
                let is_senior = self.seniority(&a, devices) < self.seniority(target, devices);
                let counts = if a == *target {
                    is_valid
                } else if let Some(lenient) = lenient {
                    is_senior
                        && (self.causal(id, &a, root, &pass) || self.causal(id, &a, root, lenient))
                } else {
                    is_senior && self.accepted(id, &a, root, &pass)
                };
                if counts {
                    effective.insert(*id);
                }
            }
            if !effective.is_empty() {
                pass.removed.insert(*target, effective);
            }
        }
        pass
    }
}
