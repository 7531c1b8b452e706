use crate::{limits::MAX_RUNS, set::Id};
use rhizome_ipld::PublicKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use std::collections::{BTreeMap, BTreeSet};

/// What a replica holds of the commits of one process, kept current commit by commit: its *heads* (commits that none of the others
/// follows) and its *stumps* (commits whose predecessor is not there).
///
/// The two determine the set of commits, because a commit's id covers its predecessor's. So [`Self::fingerprint`] is a pure function
/// of the set that nobody can find two sets for, forks included; a sum of hashes would not have been (generalised birthdays). An honest
/// chain has one head and, when complete, no stump.
///
/// Serialised, it is what a store keeps to have the chain again without its commits.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Chain {
    count: u64,
    heads: BTreeMap<Id, u64>,
    /// By what they follow.
    stumps: BTreeMap<Id, BTreeSet<(u64, Id)>>,
    roots: u64,
}

impl Chain {
    /// Adds a commit that is not yet there. `prev` is the id that it names as its predecessor, and `follows` whether the replica holds
    /// that commit *in this chain*.
    pub fn insert(&mut self, seq: u64, id: Id, prev: Option<Id>, follows: bool) {
        self.count += 1;
        match prev {
            None => self.roots += 1,
            Some(prev) if follows => {
                self.heads.remove(&prev);
            }
            Some(prev) => {
                self.stumps.entry(prev).or_default().insert((seq, id));
            }
        }
        if self.stumps.remove(&id).is_none() {
            self.heads.insert(id, seq);
        }
    }

    /// An unbroken chain that ends with this commit, as far as the fingerprint goes.
    pub(crate) fn plain(head: Id) -> Self {
        let mut chain = Self::default();
        chain.insert(0, head, None, false);
        chain
    }

    /// How many heads and stumps there are: what it takes when it is kept is proportional to it.
    pub fn ends(&self) -> usize {
        self.heads.len() + self.stumps.values().map(BTreeSet::len).sum::<usize>()
    }

    /// How many commits.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The heads, with their places.
    pub fn heads(&self) -> impl Iterator<Item = (u64, Id)> + '_ {
        self.heads.iter().map(|(id, seq)| (*seq, *id))
    }

    /// Equal exactly for equal sets of commits of one key.
    pub fn fingerprint(&self, key: &PublicKey) -> Id {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome sync chain v1");
        hasher.update(&key.to_bytes());
        hasher.update(&(self.heads.len() as u64).to_le_bytes());
        for id in self.heads.keys() {
            hasher.update(id);
        }
        let mut stumps: Vec<&Id> = self.stumps.values().flatten().map(|(_, id)| id).collect();
        stumps.sort_unstable();
        for id in stumps {
            hasher.update(id);
        }
        *hasher.finalize().as_bytes()
    }

    /// The places it covers, if it is in a few straight pieces.
    pub fn runs(&self) -> Option<Vec<Run>> {
        let stumps = self.stumps.values().map(BTreeSet::len).sum::<usize>();
        if self.heads.len() > MAX_RUNS || self.heads.len() as u64 != self.roots + stumps as u64 {
            return None;
        }
        let mut starts: Vec<u64> = self
            .stumps
            .values()
            .flatten()
            .map(|(seq, _)| *seq)
            .collect();
        starts.extend((0..self.roots).map(|_| 0));
        starts.sort_unstable();
        let mut heads: Vec<u64> = self.heads.values().copied().collect();
        heads.sort_unstable();
        let runs: Vec<Run> = starts
            .into_iter()
            .zip(heads)
            .map(|(from, to)| Run { from, to })
            .collect();
        let straight = runs.iter().all(|r| r.from <= r.to)
            && runs.is_sorted_by(|a, b| a.to < b.from)
            && Run::total(&runs) == Some(self.count);
        straight.then_some(runs)
    }

    /// The summary that travels.
    pub fn state(&self, key: PublicKey) -> ChainState {
        ChainState {
            key,
            count: self.count,
            fingerprint: self.fingerprint(&key),
            whole: self.stumps.is_empty(),
            heads: self
                .heads
                .iter()
                .map(|(id, seq)| (*seq, *id))
                .take(MAX_RUNS + 1)
                .collect(),
            runs: self.runs(),
        }
    }
}

/// A [`Chain`] as it is kept: how many commits, how many of them follow none, the heads with their places, and the stumps: what is not
/// there, the place and id of what follows it.
#[derive(Serialize, Deserialize)]
struct Kept(
    u64,
    u64,
    Vec<(u64, ByteArray<32>)>,
    Vec<(ByteArray<32>, u64, ByteArray<32>)>,
);

impl From<Chain> for Kept {
    fn from(chain: Chain) -> Self {
        let heads = chain.heads().map(|(seq, id)| (seq, ByteArray::new(id)));
        let mut stumps = Vec::new();
        for (prev, all) in &chain.stumps {
            let those = all.iter();
            stumps
                .extend(those.map(|(seq, id)| (ByteArray::new(*prev), *seq, ByteArray::new(*id))));
        }
        Self(chain.count, chain.roots, heads.collect(), stumps)
    }
}

impl From<Kept> for Chain {
    fn from(Kept(count, roots, heads, stumps): Kept) -> Self {
        let heads = heads.into_iter().map(|(seq, id)| (id.into_array(), seq));
        let mut chain = Self {
            count,
            roots,
            heads: heads.collect(),
            ..Self::default()
        };
        for (prev, seq, id) in stumps {
            let those = chain.stumps.entry(prev.into_array()).or_default();
            those.insert((seq, id.into_array()));
        }
        chain
    }
}

/// Places of a chain that follow one another, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Run {
    /// First place.
    pub from: u64,
    /// Last place.
    pub to: u64,
}

impl Run {
    /// How many places; `None` past 2⁶⁴.
    pub fn total(runs: &[Self]) -> Option<u64> {
        runs.iter().try_fold(0u64, |sum, r| {
            sum.checked_add(r.to.checked_sub(r.from)?.checked_add(1)?)
        })
    }

    /// What `wanted` covers and `held` does not. Both ascend.
    pub(crate) fn without(wanted: &[Self], held: &[Self]) -> Vec<Self> {
        let mut missing = Vec::new();
        for run in wanted {
            let mut from = Some(run.from);
            for h in held.iter().filter(|h| h.to >= run.from && h.from <= run.to) {
                let Some(start) = from else { break };
                if h.from > start {
                    missing.push(Self {
                        from: start,
                        to: h.from - 1,
                    });
                }
                from = h.to.checked_add(1).map(|n| n.max(start));
            }
            if let Some(start) = from.filter(|f| *f <= run.to) {
                missing.push(Self {
                    from: start,
                    to: run.to,
                });
            }
        }
        missing
    }
}

/// A replica's summary of one chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainState {
    /// Whose.
    pub key: PublicKey,
    /// How many commits.
    pub count: u64,
    /// See [`Chain::fingerprint`].
    pub fingerprint: Id,
    /// Whether every commit's predecessor is there.
    pub whole: bool,
    /// Place and id of the heads; more than [`MAX_RUNS`] of them: not all.
    pub heads: Vec<(u64, Id)>,
    /// The places, if the chain is in few straight pieces.
    pub runs: Option<Vec<Run>>,
}

#[cfg(test)]
mod tests {
    use rhizome_ipld::codec;

    use super::*;

    fn id(n: u8) -> Id {
        *blake3::hash(&[n]).as_bytes()
    }

    /// (name, place, name of the predecessor; 0 for none)
    const TREE: [(u8, u64, u8); 8] = [
        (1, 0, 0),
        (2, 1, 1),
        (3, 2, 2),
        (4, 3, 3),
        (5, 2, 2), // a fork
        (6, 3, 5),
        (7, 9, 99), // a stray
        (8, 0, 0),  // a second root
    ];

    fn chain(order: &[usize]) -> Chain {
        let mut chain = Chain::default();
        let mut there = BTreeSet::new();
        for &i in order {
            let (n, seq, prev) = TREE[i];
            let prev = (prev > 0).then(|| id(prev));
            chain.insert(seq, id(n), prev, prev.is_some_and(|p| there.contains(&p)));
            there.insert(id(n));
        }
        chain
    }

    #[test]
    fn the_fingerprint_tells_every_set_from_every_other_whatever_the_order() {
        let PublicKey::Ed25519(_) = KEY else { panic!() };
        let mut seen = BTreeMap::new();
        for set in 0..1u32 << TREE.len() {
            let order: Vec<usize> = (0..TREE.len()).filter(|i| set >> i & 1 == 1).collect();
            let one = chain(&order);
            for turn in 0..order.len() {
                let mut other = order.clone();
                other.rotate_left(turn);
                if turn % 2 == 1 {
                    other.reverse();
                }
                assert_eq!(chain(&other), one);
                let kept = codec::encode(&one).unwrap();
                assert_eq!(codec::decode::<Chain>(&kept, kept.len()).unwrap(), one);
            }
            assert_eq!(seen.insert(one.fingerprint(&KEY), set), None);
            assert_eq!(one.count(), order.len() as u64);
            if let Some(runs) = one.runs() {
                assert_eq!(Run::total(&runs), Some(one.count()), "{set:b}");
            }
        }
    }

    const KEY: PublicKey = PublicKey::Ed25519([3; 32]);

    #[test]
    fn runs_of_straight_chains() {
        let run = |from, to| Run { from, to };
        assert_eq!(chain(&[0, 1, 2, 3]).runs(), Some(vec![run(0, 3)]));
        assert_eq!(chain(&[0, 1, 3]).runs(), Some(vec![run(0, 1), run(3, 3)]));
        assert_eq!(
            chain(&[0, 3, 6]).runs(),
            Some(vec![run(0, 0), run(3, 3), run(9, 9)])
        );
        assert_eq!(chain(&[0, 1, 2, 4]).runs(), None, "a fork");
        assert_eq!(chain(&[0, 7]).runs(), None, "two roots");
        assert_eq!(chain(&[]).runs(), Some(vec![]));
    }

    #[test]
    fn what_is_missing() {
        let runs = |r: &[(u64, u64)]| -> Vec<Run> {
            r.iter().map(|&(from, to)| Run { from, to }).collect()
        };
        for (wanted, held, missing) in [
            (&[(0, 9)][..], &[][..], &[(0, 9)][..]),
            (&[(0, 9)], &[(0, 9)], &[]),
            (&[(0, 9)], &[(0, 3), (7, 8)], &[(4, 6), (9, 9)]),
            (
                &[(5, 9), (20, u64::MAX)],
                &[(0, 5), (9, 30)],
                &[(6, 8), (31, u64::MAX)],
            ),
            (&[(5, 9)], &[(0, u64::MAX)], &[]),
            (&[(5, 9), (11, 12)], &[(8, 11)], &[(5, 7), (12, 12)]),
        ] {
            assert_eq!(Run::without(&runs(wanted), &runs(held)), runs(missing));
        }
    }
}
