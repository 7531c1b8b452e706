//! Who has the last word: the chain of decisions by recovery policies.
//!
//! From the root in force (at first the genesis), the candidates are the operations by policies that descend from it and satisfy its
//! policies. The lowest index wins, within an index the causally last; then that is the root, and so on. Two that are concurrent
//! leave the identity contested, until somebody with more authority decides, or with as much who has seen both.

use super::{Ancestors, Log};
use crate::{Action, Policy};

/// Where the decisions lead.
pub(super) struct Path {
    /// The `create` and the `recover`s whose lists of devices were in force one after the other; never empty.
    pub lists: Vec<u32>,
    /// The operation whose policies are in force.
    pub root: u32,
    /// The decisions that contend, in order of their ids; empty if none do.
    pub contenders: Vec<u32>,
    /// Whether the last decision was the end.
    pub is_deactivated: bool,
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
        let mut path = Path {
            lists: vec![0],
            root: 0,
            contenders: Vec::new(),
            is_deactivated: false,
        };
        loop {
            let mut last = self.last_words(path.root);
            let &[winner] = last.as_slice() else {
                last.sort_unstable_by_key(|at| self.rank(*at).map(|(_, id)| id));
                path.contenders = last;
                return path;
            };
            match self.action(winner) {
                Some(Action::Recover(_)) => path.lists.push(winner),
                Some(Action::PolicySet(_)) => {}
                _ => {
                    path.is_deactivated = true;
                    return path;
                }
            }
            path.root = winner;
        }
    }

    /// Of the decisions that the policies of `root` allow, the causally last of the lowest index.
    fn last_words(&self, root: u32) -> Vec<u32> {
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
