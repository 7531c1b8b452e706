//! What a pod holds of each author's chain, kept current commit by commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhizome_ipld::PublicKey;
use rhizome_replica::{ReplicaError, Snapshot};
use rhizome_sync::Chain;

use crate::saved::Saved;

/// Commits after which it is worth while to save the chains again.
const SAVE_AFTER: u32 = 4096;

/// The chains of the commits that are passed on, as of some number of commits.
#[derive(Default)]
pub struct Chains {
    seen: u32,
    /// The commits that are not passed on.
    beyond: Arc<BTreeSet<u32>>,
    by_author: BTreeMap<PublicKey, Chain>,
    /// How often it was started over.
    turn: u64,
    /// Up to which commit the store has them.
    saved: u32,
}

/// What is to be saved, once the commits in it are on stable storage.
pub(crate) struct Draft {
    turn: u64,
    seen: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Chains {
    /// Those of a store that saved them, if they are of the commits that are here.
    pub(crate) fn restore(saved: Option<Saved>, now: &Snapshot) -> Result<Self, ReplicaError> {
        let mut out = Self::default();
        if let Some(saved) = saved
            && saved.fits(now)?
        {
            out.seen = saved.seen;
            out.saved = saved.seen;
            out.beyond = Arc::new(now.beyond().range(..saved.seen).copied().collect());
            out.by_author = saved.chains().collect();
        }
        Ok(out)
    }

    /// What should be saved, if there is enough that is new.
    pub(crate) fn draft(&mut self, now: &Snapshot) -> Result<Option<Draft>, ReplicaError> {
        if self.seen < self.saved.saturating_add(SAVE_AFTER) {
            return Ok(None);
        }
        let saved = Saved::new(self.seen, self.iter(), now)?;
        let Some(bytes) = saved.and_then(|s| s.to_bytes()) else {
            // perhaps next time
            self.saved = self.seen;
            return Ok(None);
        };
        Ok(Some(Draft {
            turn: self.turn,
            seen: self.seen,
            bytes,
        }))
    }

    /// Whether nothing was thrown away since the draft was made; it is noted as saved then.
    pub(crate) fn keep(&mut self, draft: &Draft) -> bool {
        let good = self.turn == draft.turn;
        if good {
            self.saved = draft.seen;
        }
        good
    }

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
        self.saved = 0;
        self.turn += 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entropy, Member, found, saved};
    use rhizome_identity::{KeyFile, KeyStore};
    use rhizome_replica::{Edit, Replica};
    use rhizome_storage::{Batch, Durability, Kv, MemoryKv};
    use rhizome_tuple::{Attribute, EntityId};

    fn entropy() -> Entropy {
        let drawn = std::sync::atomic::AtomicU64::new(0);
        Box::new(move |out: &mut [u8]| {
            let n = drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            blake3::Hasher::new()
                .update(&n.to_le_bytes())
                .finalize_xof()
                .fill(out);
        })
    }

    fn keys() -> KeyStore {
        let random = entropy();
        KeyStore::create_in_memory(&KeyFile::default(), &mut |out: &mut [u8]| random(out)).unwrap()
    }

    fn write(member: &Member, range: std::ops::Range<u32>) {
        let author = member.author("notes").unwrap();
        let name = Attribute::new("note/text").unwrap();
        for n in range {
            let entity = EntityId::derive(member.replica().pod(), &n.to_be_bytes());
            let edit = Edit::Assert(entity, name.clone(), i64::from(n).into());
            let mut nonce = [0; 16];
            nonce[..4].copy_from_slice(&n.to_be_bytes());
            let replica = member.replica();
            let written = replica.write(&author, vec![edit], 1, nonce, Durability::Relaxed);
            written.unwrap();
        }
    }

    /// Made anew from all commits.
    fn anew(member: &Member) -> BTreeMap<PublicKey, Chain> {
        let mut chains = Chains::default();
        chains.update(&member.replica().snapshot()).unwrap();
        chains.by_author
    }

    #[test]
    fn what_was_saved_is_taken_up_again_and_only_for_the_same_commits() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let file = KeyFile::default();
        let random = entropy();
        let mut keys =
            KeyStore::create_in_memory(&file, &mut |out: &mut [u8]| random(out)).unwrap();
        found(&mut keys, &entropy()).unwrap();
        let member = Member::create(Arc::clone(&kv), keys, entropy()).unwrap();
        write(&member, 0..100);
        drop(member.chains().unwrap());
        assert!(Saved::load(&*kv).unwrap().is_none(), "too early");
        write(&member, 100..SAVE_AFTER);
        assert_eq!(member.chains().unwrap().saved, SAVE_AFTER);
        write(&member, SAVE_AFTER..SAVE_AFTER + 10);
        let all = anew(&member);
        assert_eq!(member.chains().unwrap().by_author, all);
        member.replica().flush().unwrap();
        drop(member);

        let reopened = || {
            let keys = KeyStore::open_in_memory(&file).unwrap();
            Member::open(Arc::clone(&kv), keys, Replica::open, entropy()).unwrap()
        };
        let member = reopened();
        assert_eq!(member.chains.lock().seen, SAVE_AFTER, "not read again");
        assert_eq!(member.chains().unwrap().by_author, all);
        drop(member);

        // of other commits than are here, or judged otherwise
        let good = Saved::load(&*kv).unwrap().unwrap().to_bytes().unwrap();
        for (at, name) in [(0, "number"), (1, "last"), (2, "beyond")] {
            let mut saved = Saved::load(&*kv).unwrap().unwrap();
            saved.spoil(at);
            saved::store(&*kv, saved.to_bytes().unwrap()).unwrap();
            let member = reopened();
            assert_eq!(member.chains.lock().seen, 0, "{name}");
            assert_eq!(member.chains().unwrap().by_author, all, "{name}");
            drop(member);
            saved::store(&*kv, good.clone()).unwrap();
        }
        // damaged
        let mut batch = Batch::new();
        batch.put(saved::CHAINS, saved::KEY, &good[1..]);
        kv.commit(batch, Durability::Relaxed).unwrap();
        assert_eq!(reopened().chains().unwrap().by_author, all);
    }

    #[test]
    fn what_was_thrown_away_meanwhile_is_not_saved() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let mut keys = keys();
        found(&mut keys, &entropy()).unwrap();
        let member = Member::create(kv, keys, entropy()).unwrap();
        write(&member, 0..SAVE_AFTER);
        let now = member.replica().snapshot();
        let mut chains = Chains::default();
        chains.update(&now).unwrap();
        let draft = chains.draft(&now).unwrap().unwrap();
        chains.forget();
        assert!(!chains.keep(&draft));
        chains.update(&now).unwrap();
        assert!(!chains.keep(&draft));
        let draft = chains.draft(&now).unwrap().unwrap();
        assert!(chains.keep(&draft));
        assert!(chains.draft(&now).unwrap().is_none());
    }
}
