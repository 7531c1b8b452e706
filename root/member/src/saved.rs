//! The chains as a store keeps them, so that opening a pod costs what is new since then.
//!
//! They are good for a log that begins with the same commits, of which the same ones are passed on. A log is only ever added to, and they
//! are saved only once the commits in them are on stable storage; so the number of commits, the id of the last of them and which are not
//! passed on are enough to tell.

use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{ReplicaError, Snapshot};
use rhizome_storage::{Batch, Durability, Kv, StorageError};
use rhizome_sync::{Chain, set::Id};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// Their keyspace: one record.
pub(crate) const CHAINS: u8 = 6;
pub(crate) const KEY: &[u8] = b"chains";
/// A record with more heads and stumps than these is not worth its room: somebody forks without end.
const MAX_ENDS: usize = 10_000;
const MAX_LEN: usize = 4 << 20;

type Bytes = ByteArray<32>;

/// Chains, and of what commits they are.
#[derive(Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The first so many commits.
    pub seen: u32,
    /// The last of them.
    last: Bytes,
    /// Hash of the numbers of those that are not passed on.
    beyond: Bytes,
    chains: Vec<(PublicKey, Chain)>,
}

/// Hash of the numbers, below `seen`, of commits that are not passed on.
fn beyond(now: &Snapshot, seen: u32) -> Bytes {
    let mut hasher = blake3::Hasher::new();
    for number in now.beyond().range(..seen) {
        hasher.update(&number.to_le_bytes());
    }
    Bytes::new(*hasher.finalize().as_bytes())
}

/// The id of the last of the first `seen` commits.
fn last(now: &Snapshot, seen: u32) -> Result<Option<Id>, ReplicaError> {
    let Some(number) = seen.checked_sub(1) else {
        return Ok(None);
    };
    Ok(now.link(number)?.map(|(link, _)| link.id.0))
}

impl Saved {
    pub fn new<'c>(
        seen: u32,
        chains: impl Iterator<Item = (&'c PublicKey, &'c Chain)>,
        now: &Snapshot,
    ) -> Result<Option<Self>, ReplicaError> {
        let Some(last) = last(now, seen)? else {
            return Ok(None);
        };
        let mut ends = 0;
        let mut all = Vec::new();
        for (key, chain) in chains {
            ends += chain.ends();
            if ends > MAX_ENDS {
                return Ok(None);
            }
            all.push((*key, chain.clone()));
        }
        Ok(Some(Self {
            seen,
            last: Bytes::new(last),
            beyond: beyond(now, seen),
            chains: all,
        }))
    }

    /// Whether they are those of the first commits that are here.
    pub fn fits(&self, now: &Snapshot) -> Result<bool, ReplicaError> {
        Ok(self.seen <= now.commit_count()
            && last(now, self.seen)? == Some(*self.last)
            && beyond(now, self.seen) == self.beyond)
    }

    pub fn chains(&self) -> impl Iterator<Item = (PublicKey, Chain)> {
        self.chains.iter().cloned()
    }

    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        codec::encode(self).ok().filter(|b| b.len() <= MAX_LEN)
    }

    /// Makes it one of other commits.
    #[cfg(test)]
    pub fn spoil(&mut self, what: u8) {
        match what {
            0 => self.seen += 1000,
            1 => self.last = Bytes::new([1; 32]),
            _ => self.beyond = Bytes::new([1; 32]),
        }
    }

    /// What a store has; what it has in another form, or damaged, it has not.
    pub fn load(kv: &dyn Kv) -> Result<Option<Self>, StorageError> {
        let found = kv.snapshot()?.get(CHAINS, KEY)?;
        Ok(found.and_then(|bytes| codec::decode(&bytes, MAX_LEN).ok()))
    }
}

/// Puts them into the store, some time: they can be made again.
pub(crate) fn store(kv: &dyn Kv, bytes: Vec<u8>) -> Result<(), StorageError> {
    let mut batch = Batch::new();
    batch.put(CHAINS, KEY, bytes);
    kv.commit(batch, Durability::Relaxed)
}
