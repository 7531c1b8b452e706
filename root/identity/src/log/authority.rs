//! Who has the last word: the chain of decisions by recovery policies.
//!
//! From the root in force (at first the genesis), the candidates are the operations by policies that descend from it and satisfy its
//! policies. The lowest index wins, within an index the causally last; then that is the root, and so on. Two that are concurrent
//! leave the identity contested, until somebody with more authority decides, or with as much who has seen both.
//!
//! A recovery says all there is to say, so it takes the place of what it supersedes. New policies, and the end, leave the devices as
//! their authors saw them; so before they take effect, what lies in their past does, by the same rule.

use super::{Ancestors, Log};
use crate::{Action, Policy};

/// Where the decisions lead.
#[derive(Clone)]
pub(super) struct Path {
    /// The `create` and the `recover`s whose lists of devices were in force one after the other; never empty.
    pub lists: Vec<u32>,
    /// The operation whose policies are in force.
    pub root: u32,
    /// The decisions that contend, in order of their ids; empty if none do.
    pub contenders: Vec<Contender>,
    /// Whether the last decision was the end.
    pub is_deactivated: bool,
}

/// A decision beside another.
#[derive(Clone, Copy)]
pub(super) struct Contender {
    pub place: u32,
    /// The list of devices that would be in force: of a recovery its own, of any other the one its author saw.
    pub list: u32,
}

impl Path {
    /// The `create` or `recover` whose list of devices is in force.
    pub fn list(&self) -> u32 {
        self.lists.last().copied().unwrap_or_default()
    }
}

/// Whether an operation by a policy satisfies one of these.
pub(super) fn is_authorised(action: &Action, hidden: &[[u8; 32]], policies: &[Policy]) -> bool {
    let Some((index, _)) = action.authority() else {
        return false;
    };
    let satisfied = policies
        .get(index)
        .is_some_and(|policy| policy.is_satisfied(hidden));
    let carried = match action.policies() {
        Some(new) => new.get(..index) == policies.get(..index),
        None => true,
    };
    satisfied && carried
}

impl Log {
    pub(super) fn path(&self) -> Path {
        let start = Path {
            lists: vec![0],
            root: 0,
            contenders: Vec::new(),
            is_deactivated: false,
        };
        let (mut path, last) = self.walk(start, None);
        let mut contenders: Vec<Contender> = last
            .into_iter()
            .map(|place| Contender {
                place,
                list: match self.action(place) {
                    Some(Action::Recover(_)) => place,
                    _ => self.walk(path.clone(), Some(place)).0.list(),
                },
            })
            .collect();
        contenders.sort_unstable_by_key(|c| self.rank(c.place).map(|(_, id)| id));
        path.contenders = contenders;
        path
    }

    /// Goes on along the decisions, or only along those in the past of one of them. Says also which contend at the end.
    fn walk(&self, mut path: Path, within: Option<u32>) -> (Path, Vec<u32>) {
        // Decisions that have won and are about to take effect; each is in the past of the one before it.
        let mut won: Vec<u32> = Vec::new();
        loop {
            let limit = won.last().copied().or(within);
            let last = self.last_words(path.root, limit);
            if let &[winner] = last.as_slice() {
                if let Some(Action::Recover(_)) = self.action(winner) {
                    path.lists.push(winner);
                    path.root = winner;
                } else {
                    won.push(winner);
                }
                continue;
            }
            // Nothing more there, or a dispute, which whoever is about to decide has seen.
            let Some(decision) = won.pop() else {
                return (path, last);
            };
            if let Some(Action::Deactivate(_)) = self.action(decision) {
                path.is_deactivated = true;
                return (path, Vec::new());
            }
            path.root = decision;
        }
    }

    /// Of the decisions that the policies of `root` allow (in the past of `within`, if given), the causally last of the
    /// lowest index.
    fn last_words(&self, root: u32, within: Option<u32>) -> Vec<u32> {
        let policies = self.action(root).and_then(Action::policies);
        let policies = policies.unwrap_or_default();
        let mut candidates = Vec::new();
        let mut ends = Vec::new();
        for &at in &self.authorities {
            let Some(node) = self.node(at) else { continue };
            let Some((index, _)) = node.operation.authority() else {
                continue;
            };
            // Nothing supersedes the end: what has seen it is no candidate. (What a place follows has a lower place.)
            if !node.past.contains(root)
                || within.is_some_and(|last| !self.precedes(at, last))
                || !is_authorised(&node.operation, &node.hidden, policies)
                || ends.iter().any(|end| node.past.contains(*end))
            {
                continue;
            }
            if matches!(node.operation.action(), Action::Deactivate(_)) {
                ends.push(at);
            }
            candidates.push((index, at));
        }
        let Some(&(lowest, _)) = candidates.iter().min() else {
            return Vec::new();
        };
        let tops = candidates
            .iter()
            .filter(|(index, _)| *index == lowest)
            .map(|(_, at)| *at);
        let mut superseded = Ancestors::default();
        for at in tops.clone() {
            if let Some(node) = self.node(at) {
                superseded.unite(&node.past);
            }
        }
        tops.filter(|at| !superseded.contains(*at)).collect()
    }
}
