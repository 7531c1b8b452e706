//! Which commits of a key that may no longer write still count, decided as they come.

use crate::{Link, Seal};
use rhizome_tuple::CommitId;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// Decides which commits of one key count by its certificates ([`crate::Standing::terms`]): those that lie within every seal of one of
/// them. Commits come in any order, and what was said of one that counts is never taken back. Each costs O(1) for each seal, whatever
/// the length of the chain.
#[derive(Debug)]
pub struct Judge {
    links: FxHashMap<CommitId, (u64, Option<CommitId>)>,
    terms: Vec<Vec<Reach>>,
    void: BTreeSet<CommitId>,
}

/// What lies within a seal.
#[derive(Debug, Default)]
struct Reach {
    heads: FxHashSet<(u64, CommitId)>,
    /// Commits that one within it follows and that are not there: within it, if their place is below this.
    below: FxHashMap<CommitId, u64>,
    within: FxHashSet<CommitId>,
}

impl Judge {
    /// A judge who has seen no commit yet.
    pub fn new(terms: &[Vec<Seal>]) -> Self {
        let reach = |seal: &Seal| Reach {
            heads: seal.iter().copied().collect(),
            ..Reach::default()
        };
        let term = |seals: &Vec<Seal>| seals.iter().map(reach).collect();
        Self {
            links: FxHashMap::default(),
            terms: terms.iter().map(term).collect(),
            void: BTreeSet::new(),
        }
    }

    /// Takes a commit of the key into account. Returns those that count from now on: it may be one of them, and so may others that
    /// came before. Nothing if the commit is known.
    pub fn insert(&mut self, link: &Link) -> Vec<CommitId> {
        if self.links.insert(link.id, (link.seq, link.prev)).is_some() {
            return Vec::new();
        }
        let mut touched = vec![link.id];
        for reach in self.terms.iter_mut().flatten() {
            reach.arrives(link, &self.links, &mut touched);
        }
        let mut counting = Vec::new();
        for id in touched {
            let counts = self
                .terms
                .iter()
                .any(|seals| seals.iter().all(|s| s.within.contains(&id)));
            if !counts {
                self.void.insert(id);
            } else if self.void.remove(&id) || (id == link.id && !counting.contains(&id)) {
                counting.push(id);
            }
        }
        counting
    }

    /// Place and predecessor of a commit that it was told of.
    pub fn link(&self, id: &CommitId) -> Option<(u64, Option<CommitId>)> {
        self.links.get(id).copied()
    }

    /// Whether a commit was told and counts.
    pub fn counts(&self, id: &CommitId) -> bool {
        self.links.contains_key(id) && !self.void.contains(id)
    }

    /// The commits that do not count.
    pub fn void(&self) -> &BTreeSet<CommitId> {
        &self.void
    }

    /// How many commits it was told of.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether it was told of none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

impl Reach {
    /// A commit is there now. Notes what lies within because of it.
    fn arrives(
        &mut self,
        link: &Link,
        links: &FxHashMap<CommitId, (u64, Option<CommitId>)>,
        touched: &mut Vec<CommitId>,
    ) {
        let followed = self
            .below
            .remove(&link.id)
            .is_some_and(|end| link.seq < end);
        if !followed && !self.heads.contains(&(link.seq, link.id)) {
            return;
        }
        let (mut id, mut seq, mut prev) = (link.id, link.seq, link.prev);
        while self.within.insert(id) {
            if id != link.id {
                touched.push(id);
            }
            let Some(before) = prev else { break };
            match links.get(&before) {
                Some((place, next)) if *place < seq => (id, seq, prev) = (before, *place, *next),
                Some(_) => break,
                None => {
                    let end = self.below.entry(before).or_default();
                    *end = seq.max(*end);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_ipld::SigningKey;

    /// (name, place, name of the predecessor; 0 for none)
    const TREE: [(u8, u64, u8); 9] = [
        (1, 0, 0),
        (2, 1, 1),
        (3, 2, 2),
        (4, 3, 3),
        (5, 2, 2), // a fork
        (6, 3, 5),
        (7, 9, 99), // a stray
        (8, 1, 3),  // one that follows a later place
        (9, 2, 8),
    ];

    fn id(n: u8) -> CommitId {
        CommitId([n; 32])
    }

    fn link((n, seq, prev): (u8, u64, u8)) -> Link {
        Link {
            author: SigningKey::from_seed([1; 32]).public(),
            seq,
            id: id(n),
            prev: (prev > 0).then(|| id(prev)),
        }
    }

    /// The rule, read naively.
    fn expected(terms: &[Vec<Seal>], there: &[usize]) -> BTreeSet<CommitId> {
        let find = |name| there.iter().map(|i| TREE[*i]).find(|l| l.0 == name);
        let within = |name: u8, seal: &Seal| {
            seal.iter().any(|(seq, head)| {
                let mut at = find(head.0[0]).filter(|l| l.1 == *seq);
                while let Some(here) = at {
                    if here.0 == name {
                        return true;
                    }
                    at = find(here.2).filter(|l| l.1 < here.1);
                }
                false
            })
        };
        let all = there.iter().map(|i| TREE[*i].0);
        let void = all.filter(|n| !terms.iter().any(|t| t.iter().all(|s| within(*n, s))));
        void.map(id).collect()
    }

    #[test]
    fn it_says_what_the_rule_says_whatever_the_order() {
        let terms: [Vec<Vec<Seal>>; 6] = [
            vec![],
            vec![vec![vec![(2, id(3))]]],
            vec![vec![
                vec![(3, id(4)), (3, id(6))],
                vec![(2, id(5)), (9, id(7))],
            ]],
            vec![vec![vec![(7, id(4))]], vec![vec![(0, id(1))]]],
            vec![
                vec![vec![(2, id(9))]],
                vec![vec![(9, id(7))], vec![(9, id(7))]],
            ],
            vec![vec![vec![]]],
        ];
        for terms in &terms {
            for set in 0..1u32 << TREE.len() {
                let mut order: Vec<usize> = (0..TREE.len()).filter(|i| set >> i & 1 == 1).collect();
                for turn in 0..3.min(order.len().max(1)) {
                    order.rotate_left(turn);
                    if turn == 1 {
                        order.reverse();
                    }
                    let mut judge = Judge::new(terms);
                    let mut counting = BTreeSet::new();
                    for i in &order {
                        for id in judge.insert(&link(TREE[*i])) {
                            assert!(counting.insert(id), "told twice");
                        }
                        assert!(judge.insert(&link(TREE[*i])).is_empty());
                    }
                    assert_eq!(
                        *judge.void(),
                        expected(terms, &order),
                        "{terms:?} {order:?}"
                    );
                    let others = |id: &CommitId| !judge.void().contains(id) && judge.counts(id);
                    assert!(counting.iter().all(others));
                    assert_eq!(counting.len() + judge.void().len(), judge.len());
                }
            }
        }
    }
}
