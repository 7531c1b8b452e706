//! Reproducible commits, numbered, and the state they lead to.

use std::{collections::BTreeMap, ops::ControlFlow};

use rhizome_storage::{Batch, Durability, Kv, StorageError, conformance::Random};

const KEYSPACES: u8 = 5;
const NUMBER: &[u8] = b"number of the last commit";

/// A state: every key of every keyspace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(BTreeMap<(u8, Vec<u8>), Vec<u8>>);

/// The commit with this number. The same `seed` and `number` give the same commit.
pub fn commit(seed: u64, number: u64) -> (Batch, Durability) {
    let mut random = Random::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ number);
    let mut batch = Batch::new();
    batch.put(0, NUMBER, number.to_be_bytes());
    for _ in 0..=random.below(12) {
        let keyspace = 1 + random.below(usize::from(KEYSPACES) - 1) as u8;
        let key = format!("key {:03}", random.below(300));
        if random.one_in(4) {
            batch.delete(keyspace, key);
        } else {
            let longest = if random.one_in(12) { 40_000 } else { 200 };
            let len = random.below(longest);
            batch.put(keyspace, key, random.bytes(len));
        }
    }
    let durability = if random.one_in(3) {
        Durability::Durable
    } else {
        Durability::Relaxed
    };
    (batch, durability)
}

impl State {
    /// What a store holds.
    pub fn of(kv: &dyn Kv) -> Result<Self, StorageError> {
        let snap = kv.snapshot()?;
        let mut state = Self::default();
        for keyspace in 0..KEYSPACES {
            snap.scan(keyspace, b"", None, false, &mut |key, value| {
                state.0.insert((keyspace, key.to_vec()), value.to_vec());
                ControlFlow::Continue(())
            })?;
        }
        Ok(state)
    }

    /// The number of the last commit in it, 0 if there is none.
    pub fn number(&self) -> u64 {
        let number = self.0.get(&(0, NUMBER.to_vec()));
        number.map_or(0, |n| u64::from_be_bytes(n[..].try_into().unwrap()))
    }

    pub fn apply(&mut self, batch: &Batch) {
        for write in batch.iter() {
            let key = (write.keyspace, write.key.to_vec());
            match write.value {
                Some(value) => drop(self.0.insert(key, value.to_vec())),
                None => drop(self.0.remove(&key)),
            }
        }
    }
}

/// Holds what a store shows after a crash against what was committed before it.
pub struct Witness {
    seed: u64,
    /// The state after the last commit known to be durable.
    durable: State,
    /// Number of the last commit that may be there.
    attempted: u64,
}

impl Witness {
    pub fn new() -> Self {
        Self {
            seed: 0,
            durable: State::default(),
            attempted: 0,
        }
    }

    /// Starts another life on the durable state, with other commits.
    pub fn restart(&mut self, seed: u64) {
        self.seed = seed;
        self.attempted = self.durable.number();
    }

    /// The next commit.
    pub fn next(&mut self) -> (Batch, Durability) {
        self.attempted += 1;
        commit(self.seed, self.attempted)
    }

    /// The last commit certainly did not happen.
    pub fn refused(&mut self) {
        self.attempted -= 1;
    }

    /// Everything up to commit `number` is durable.
    pub fn acknowledged(&mut self, number: u64) {
        assert!(number <= self.attempted);
        for number in self.durable.number() + 1..=number {
            self.durable.apply(&commit(self.seed, number).0);
        }
    }

    /// Number of the last commit.
    pub fn attempted(&self) -> u64 {
        self.attempted
    }

    /// `found` must be the state after some commit that is not older than the last durable one and
    /// not newer than the last one. Takes it as the durable state from here on.
    pub fn check(&mut self, found: &State) {
        let number = found.number();
        let durable = self.durable.number();
        assert!(
            number >= durable,
            "commit {durable} was acknowledged, but {number} is the last"
        );
        assert!(
            number <= self.attempted,
            "commit {number} comes from nowhere"
        );
        self.acknowledged(number);
        assert!(
            *found == self.durable,
            "a torn commit: not the state after commit {number}"
        );
    }
}
