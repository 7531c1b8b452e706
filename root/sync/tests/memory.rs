// A replica of toy commits in memory: what a session needs of a store, and no more. Toy signatures are keyed hashes under secrets that
// follow from the author, so forgeries are noticed as in earnest.

use rhizome_ipld::PublicKey;
use rhizome_sync::set::Id;
use rhizome_sync::{
    CertificateFate, Chain, ChainState, Commit, CommitName, Fate, Lack, Leaf, Reading, Refusal,
    Store, StoreError,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub fn key(author: u8) -> PublicKey {
    PublicKey::Ed25519([author; 32])
}

fn mac(author: u8, payload: &[u8]) -> [u8; 32] {
    let secret = blake3::derive_key("a toy author", &[author]);
    *blake3::keyed_hash(&secret, payload).as_bytes()
}

fn leaf_hash(leaf: &Leaf) -> [u8; 32] {
    match leaf {
        Leaf::Sealed(bytes) => *blake3::hash(bytes).as_bytes(),
        Leaf::Erased(hash) => *hash,
    }
}

fn root(leaves: &[Leaf]) -> [u8; 32] {
    let hashes: Vec<_> = leaves.iter().map(leaf_hash).collect();
    *blake3::hash(&hashes.concat()).as_bytes()
}

/// What fills an envelope up to the length of a real one.
const PADDING: usize = 250;
const PAYLOAD: usize = 1 + 8 + 33 + 32 + 8 + PADDING;

pub struct Header {
    pub name: CommitName,
    pub prev: Option<Id>,
    pub root: [u8; 32],
}

/// A commit of a toy author. `salt` tells forks apart.
pub fn commit(author: u8, seq: u64, prev: Option<Id>, leaves: Vec<Leaf>, salt: u64) -> Commit {
    let mut p = vec![author];
    p.extend(seq.to_le_bytes());
    p.push(u8::from(prev.is_some()));
    p.extend(prev.unwrap_or_default());
    p.extend(root(&leaves));
    p.extend(salt.to_le_bytes());
    p.extend([7; PADDING]);
    let mac = mac(author, &p);
    p.extend(mac);
    Commit {
        envelope: p,
        leaves,
    }
}

pub fn read(envelope: &[u8]) -> Option<Header> {
    if envelope.len() != PAYLOAD + 32 {
        return None;
    }
    let payload = &envelope[..PAYLOAD];
    let seq = u64::from_le_bytes(payload[1..9].try_into().ok()?);
    let prev: Id = payload[10..42].try_into().ok()?;
    Some(Header {
        name: CommitName {
            key: key(payload[0]),
            seq,
            id: *blake3::hash(payload).as_bytes(),
        },
        prev: (payload[9] == 1).then_some(prev),
        root: payload[42..74].try_into().ok()?,
    })
}

pub fn certificate(author: u8, size: usize) -> Vec<u8> {
    let mut p = vec![author];
    p.resize(size.max(1), 9);
    let mac = mac(author, &p);
    p.extend(mac);
    p
}

#[derive(Clone, Default, PartialEq, Debug)]
pub struct MemoryStore {
    pub pod: [u8; 32],
    pub certificates: BTreeMap<Id, Vec<u8>>,
    authors: BTreeSet<PublicKey>,
    pub commits: BTreeMap<(PublicKey, u64, Id), Arc<Commit>>,
    places: BTreeMap<(PublicKey, Id), u64>,
    pub chains: BTreeMap<PublicKey, Chain>,
    /// Leaves whose bytes are not wanted.
    pub erased: BTreeSet<(PublicKey, Id, u32)>,
    /// Commits that it has room for.
    pub quota: Option<usize>,
    /// Batches taken.
    pub batches: usize,
    pub read_bytes: std::cell::Cell<usize>,
}

impl MemoryStore {
    pub fn with_authors(authors: impl IntoIterator<Item = u8>) -> Self {
        let mut store = Self::default();
        let list = authors.into_iter().map(|a| certificate(a, 300)).collect();
        store.take_certificates(list).expect("memory");
        store
    }

    /// Writes the next commit of an author; returns its name.
    pub fn write(&mut self, author: u8, leaves: Vec<Leaf>, salt: u64) -> CommitName {
        let range = (key(author), 0, [0; 32])..=(key(author), u64::MAX, [255; 32]);
        let last = self
            .commits
            .range(range)
            .next_back()
            .map(|((_, seq, id), _)| (*seq, *id));
        let commit = commit(
            author,
            last.map_or(0, |l| l.0 + 1),
            last.map(|l| l.1),
            leaves,
            salt,
        );
        self.insert(commit)
    }

    pub fn insert(&mut self, commit: Commit) -> CommitName {
        match &self.take_commits(vec![commit]).expect("memory")[..] {
            [Fate::Taken { name, .. } | Fate::Known(name)] => *name,
            other => panic!("{other:?}"),
        }
    }

    pub fn names(&self) -> BTreeSet<CommitName> {
        self.commits
            .keys()
            .map(|(key, seq, id)| CommitName {
                key: *key,
                seq: *seq,
                id: *id,
            })
            .collect()
    }

    /// Bytes of a commit as it would be written down.
    pub fn size(&self, name: &CommitName) -> usize {
        let c = &self.commits[&(name.key, name.seq, name.id)];
        c.envelope.len() + c.leaves.iter().map(Leaf::size).sum::<usize>()
    }

    /// What must be equal on equal replicas.
    pub fn content(&self) -> (BTreeSet<Id>, BTreeSet<CommitName>) {
        (self.certificates.keys().copied().collect(), self.names())
    }

    fn get(&self, key: &PublicKey, id: &Id) -> Option<&Arc<Commit>> {
        let seq = self.places.get(&(*key, *id))?;
        self.commits.get(&(*key, *seq, *id))
    }

    fn take(&mut self, commit: Commit) -> Fate {
        let Some(header) = read(&commit.envelope) else {
            return Fate::Invalid;
        };
        let name = header.name;
        let author = commit.envelope[0];
        if mac(author, &commit.envelope[..PAYLOAD]) != commit.envelope[PAYLOAD..]
            || root(&commit.leaves) != header.root
        {
            return Fate::Invalid;
        }
        if self.places.contains_key(&(name.key, name.id)) {
            return Fate::Known(name);
        }
        if !self.authors.contains(&name.key) {
            return Fate::Refused {
                name,
                why: Refusal::UnknownAuthor,
            };
        }
        if self.quota.is_some_and(|q| self.commits.len() >= q) {
            return Fate::Refused {
                name,
                why: Refusal::Quota,
            };
        }
        let range = (name.key, name.seq, [0; 32])..=(name.key, name.seq, [255; 32]);
        let rival = self.commits.range(range).next().map(|(k, _)| k.2);
        let follows = header
            .prev
            .is_some_and(|p| self.places.contains_key(&(name.key, p)));
        self.chains
            .entry(name.key)
            .or_default()
            .insert(name.seq, name.id, header.prev, follows);
        self.places.insert((name.key, name.id), name.seq);
        self.commits
            .insert((name.key, name.seq, name.id), Arc::new(commit));
        Fate::Taken { name, rival }
    }
}

impl Store for MemoryStore {
    fn pod(&self) -> [u8; 32] {
        self.pod
    }

    fn certificates(&self) -> Result<Vec<Id>, StoreError> {
        Ok(self.certificates.keys().copied().collect())
    }

    fn certificate(&self, id: &Id) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.certificates.get(id).cloned())
    }

    fn chains(&self) -> Result<Vec<(PublicKey, Id)>, StoreError> {
        Ok(self
            .chains
            .iter()
            .map(|(k, c)| (*k, c.fingerprint(k)))
            .collect())
    }

    fn chain(&self, key: &PublicKey) -> Result<Option<ChainState>, StoreError> {
        Ok(self.chains.get(key).map(|c| c.state(*key)))
    }

    fn ids(
        &self,
        key: &PublicKey,
        from: (u64, Id),
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Id)>, StoreError> {
        if from.0 > to {
            return Ok(vec![]);
        }
        let range = (*key, from.0, from.1)..=(*key, to, [255; 32]);
        Ok(self
            .commits
            .range(range)
            .take(limit)
            .map(|((_, seq, id), _)| (*seq, *id))
            .collect())
    }

    fn name(&self, envelope: &[u8]) -> Option<CommitName> {
        read(envelope).map(|h| h.name)
    }

    fn holds(&self, key: &PublicKey, id: &Id) -> Result<bool, StoreError> {
        Ok(self.places.contains_key(&(*key, *id)))
    }

    fn commit(
        &self,
        key: &PublicKey,
        id: &Id,
        budget: usize,
    ) -> Result<Option<Reading>, StoreError> {
        let Some(commit) = self.get(key, id) else {
            return Ok(None);
        };
        Ok(Some(Reading {
            envelope: commit.envelope.clone(),
            count: commit.leaves.len() as u32,
            leaves: self.leaves(key, id, 0, budget)?,
        }))
    }

    fn leaves(
        &self,
        key: &PublicKey,
        id: &Id,
        first: u32,
        budget: usize,
    ) -> Result<Vec<Leaf>, StoreError> {
        let all = self.get(key, id).map_or(&[][..], |c| &c.leaves[..]);
        let mut size = 0;
        let mut some = vec![];
        for leaf in all.iter().skip(first as usize) {
            if !some.is_empty() && size + leaf.size() > budget {
                break;
            }
            size += leaf.size();
            some.push(leaf.clone());
        }
        self.read_bytes.set(self.read_bytes.get() + size);
        Ok(some)
    }

    fn lacking(&self, limit: usize) -> Result<Vec<Lack>, StoreError> {
        let lacks = self.commits.iter().filter_map(|((key, _, id), commit)| {
            let lacks = |(i, leaf): &(u32, &Leaf)| {
                matches!(leaf, Leaf::Erased(_)) && !self.erased.contains(&(*key, *id, *i))
            };
            let leaves: Vec<u32> = (0..)
                .zip(&commit.leaves)
                .filter(lacks)
                .map(|(i, _)| i)
                .collect();
            (!leaves.is_empty()).then_some(Lack {
                key: *key,
                id: *id,
                leaves,
            })
        });
        Ok(lacks.take(limit).collect())
    }

    fn take_certificates(
        &mut self,
        batch: Vec<Vec<u8>>,
    ) -> Result<Vec<CertificateFate>, StoreError> {
        let mut fates = vec![];
        for c in batch {
            let payload = c.len().saturating_sub(32);
            let id = *blake3::hash(&c).as_bytes();
            fates.push(
                if c.len() < 33 || mac(c[0], &c[..payload]) != c[payload..] {
                    CertificateFate::Invalid
                } else if self.certificates.contains_key(&id) {
                    CertificateFate::Known(id)
                } else {
                    self.authors.insert(key(c[0]));
                    self.certificates.insert(id, c);
                    CertificateFate::Taken(id)
                },
            );
        }
        Ok(fates)
    }

    fn take_commits(&mut self, batch: Vec<Commit>) -> Result<Vec<Fate>, StoreError> {
        self.batches += 1;
        Ok(batch.into_iter().map(|c| self.take(c)).collect())
    }

    fn take_leaves(
        &mut self,
        key: &PublicKey,
        id: &Id,
        leaves: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        let Some(seq) = self.places.get(&(*key, *id)) else {
            return Ok(false);
        };
        let Some(commit) = self.commits.get_mut(&(*key, *seq, *id)) else {
            return Ok(false);
        };
        let commit = Arc::make_mut(commit);
        for (i, bytes) in leaves {
            let Some(leaf) = commit.leaves.get_mut(i as usize) else {
                return Ok(false);
            };
            if leaf_hash(leaf) != *blake3::hash(&bytes).as_bytes() {
                return Ok(false);
            }
            *leaf = Leaf::Sealed(bytes);
        }
        Ok(true)
    }
}
