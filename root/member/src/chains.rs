//! What a pod holds of each author's chain, kept current commit by commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhizome_ipld::PublicKey;
use rhizome_replica::{ReplicaError, Snapshot};
use rhizome_sync::Chain;

/// The chains of the commits that are passed on, as of some number of commits.
#[derive(Default)]
pub struct Chains {
    seen: u32,
    /// The commits that are not passed on.
    beyond: Arc<BTreeSet<u32>>,
    by_author: BTreeMap<PublicKey, Chain>,
}

impl Chains {
    /// Takes in what is new.
    pub fn update(&mut self, now: &Snapshot) -> Result<(), ReplicaError> {
        let beyond = Arc::clone(now.beyond());
        if !Arc::ptr_eq(&self.beyond, &beyond) {
            if !self.beyond.iter().eq(beyond.range(..self.seen)) {
                self.forget();
            }
            self.beyond = Arc::clone(&beyond);
        }
        if self.seen > now.commit_count() {
            self.forget();
        }
        while let Some((link, _)) = now.link(self.seen)? {
            if !beyond.contains(&self.seen) {
                let follows = link.prev.is_some_and(|prev| {
                    let known = now.known(&prev);
                    known.is_some_and(|(number, author, _)| {
                        number < self.seen && author == link.author && !beyond.contains(&number)
                    })
                });
                let chain = self.by_author.entry(link.author).or_default();
                chain.insert(link.seq, link.id.0, link.prev.map(|p| p.0), follows);
            }
            self.seen += 1;
        }
        Ok(())
    }

    /// Starts over: the numbers of commits may have changed.
    pub fn forget(&mut self) {
        self.seen = 0;
        self.by_author.clear();
    }

    /// The chains.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, &Chain)> {
        self.by_author.iter()
    }

    /// The chain of an author.
    pub fn get(&self, key: &PublicKey) -> Option<&Chain> {
        self.by_author.get(key)
    }
}
