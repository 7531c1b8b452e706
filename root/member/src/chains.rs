//! What a pod holds of each author's chain, kept current commit by commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhizome_ipld::PublicKey;
use rhizome_replica::{Authors, ReplicaError, Snapshot};
use rhizome_sync::Chain;

/// The chains of the commits that count, as of some number of commits.
#[derive(Default)]
pub struct Chains {
    seen: u32,
    /// By whose certificates it was decided what counts.
    authors: Option<Arc<Authors>>,
    by_author: BTreeMap<PublicKey, Chain>,
}

impl Chains {
    /// Takes in what is new.
    pub fn update(&mut self, now: &Snapshot) -> Result<(), ReplicaError> {
        let same = self
            .authors
            .as_ref()
            .is_some_and(|a| Arc::ptr_eq(a, now.authors()));
        if !same {
            // one more author changes nothing about the others; a seal does
            let sealed = |authors: &Authors| authors.iter().any(|(_, s)| !s.may_write());
            if sealed(now.authors()) || self.authors.as_ref().is_some_and(|a| sealed(a)) {
                self.forget();
            }
            self.authors = Some(Arc::clone(now.authors()));
        }
        if self.seen > now.commit_count() {
            self.forget();
        }
        while let Some((link, counts)) = now.link(self.seen)? {
            if counts {
                let follows = link.prev.is_some_and(|prev| {
                    let known = now.known(&prev);
                    known.is_some_and(|(number, author, counts)| {
                        counts && author == link.author && number < self.seen
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
