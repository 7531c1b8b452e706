//! Random histories compared with a plain ordered map after every commit.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use super::Random;
use crate::{Batch, Durability, Kv, Snap};

/// The state of a store in the plainest form there is: one ordered map for all keyspaces.
type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Which random history to run.
#[derive(Clone, Copy, Debug)]
pub struct History {
    /// The same seed gives the same history.
    pub seed: u64,
    /// How many commits.
    pub commits: usize,
    /// How many keyspaces are written to, from 0.
    pub keyspaces: u8,
    /// Longest value, in bytes; most are much shorter.
    pub longest_value: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            seed: 0,
            commits: 300,
            keyspaces: 4,
            longest_value: 70_000,
        }
    }
}

/// Runs a random history on an empty store: batches of writes, deletes and repeated keys, relaxed
/// and durable; snapshots held across many commits; gets and scans of every kind after each commit,
/// compared with the model.
pub fn run_history(kv: &dyn Kv, history: History) {
    let mut random = Random::new(history.seed);
    let mut model = Model::new();
    let mut held: Vec<(Model, Arc<dyn Snap>)> = Vec::new();
    for _ in 0..history.commits {
        let batch = random_batch(&mut random, history);
        for write in batch.iter() {
            let key = (write.keyspace, write.key.to_vec());
            match write.value {
                Some(value) => drop(model.insert(key, value.to_vec())),
                None => drop(model.remove(&key)),
            }
        }
        let durability = if random.one_in(8) {
            Durability::Durable
        } else {
            Durability::Relaxed
        };
        kv.commit(batch, durability).expect("commit");
        if random.one_in(7) {
            held.push((model.clone(), kv.snapshot().expect("snapshot")));
            if held.len() > 5 {
                held.remove(random.below(5));
            }
        }
        compare(
            &mut random,
            history,
            &model,
            &*kv.snapshot().expect("snapshot"),
        );
        for (model, snap) in &held {
            compare(&mut random, history, model, &**snap);
        }
    }
    for keyspace in 0..history.keyspaces {
        let all = scan(
            &*kv.snapshot().expect("snapshot"),
            keyspace,
            &[],
            None,
            false,
            usize::MAX,
        );
        assert_eq!(
            all,
            expected(&model, keyspace, &[], None, false, usize::MAX),
            "final state"
        );
    }
}

fn random_key(random: &mut Random) -> Vec<u8> {
    // Few and short, so that keys meet, are empty, and are prefixes of each other.
    let len = random.below(4);
    let mut key: Vec<u8> = (0..len)
        .map(|_| [0, 1, 0x7f, 0xff][random.below(4)])
        .collect();
    if random.one_in(30) {
        key.resize(600, 0xff);
    }
    key
}

fn random_batch(random: &mut Random, history: History) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random.below(8) {
        let keyspace = random.below(usize::from(history.keyspaces)) as u8;
        let key = random_key(random);
        if random.one_in(3) {
            batch.delete(keyspace, key);
        } else {
            let len = if random.one_in(10) {
                history.longest_value
            } else {
                40
            };
            let len = random.below(len + 1);
            batch.put(keyspace, key, random.bytes(len));
        }
    }
    batch
}

fn compare(random: &mut Random, history: History, model: &Model, snap: &dyn Snap) {
    let keyspace = random.below(usize::from(history.keyspaces)) as u8;
    let key = random_key(random);
    let got = snap
        .get(keyspace, &key)
        .expect("get")
        .map(|value| value.to_vec());
    assert_eq!(
        got.as_ref(),
        model.get(&(keyspace, key.clone())),
        "get {keyspace} {key:?}"
    );
    let (lo, hi) = (random_key(random), random_key(random));
    let hi = (!random.one_in(4)).then_some(&hi[..]);
    let reverse = random.one_in(2);
    let limit = if random.one_in(2) {
        usize::MAX
    } else {
        1 + random.below(6)
    };
    assert_eq!(
        scan(snap, keyspace, &lo, hi, reverse, limit),
        expected(model, keyspace, &lo, hi, reverse, limit),
        "scan {keyspace} {lo:?}..{hi:?} reverse {reverse} limit {limit}"
    );
}

pub(super) fn scan(
    snap: &dyn Snap,
    keyspace: u8,
    lo: &[u8],
    hi: Option<&[u8]>,
    reverse: bool,
    limit: usize,
) -> Pairs {
    let mut pairs = Pairs::new();
    let visited = snap.scan(keyspace, lo, hi, reverse, &mut |key, value| {
        pairs.push((key.to_vec(), value.to_vec()));
        if pairs.len() < limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    visited.expect("scan");
    pairs
}

fn expected(
    model: &Model,
    keyspace: u8,
    lo: &[u8],
    hi: Option<&[u8]>,
    reverse: bool,
    limit: usize,
) -> Pairs {
    let inside = |key: &(u8, Vec<u8>)| {
        key.0 == keyspace && &key.1[..] >= lo && hi.is_none_or(|hi| &key.1[..] < hi)
    };
    let mut pairs: Pairs = model
        .iter()
        .filter(|(key, _)| inside(key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    if reverse {
        pairs.reverse();
    }
    pairs.truncate(limit);
    pairs
}
