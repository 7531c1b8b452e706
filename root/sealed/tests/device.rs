//! A device: a replica with keys and its certificates, as a session sees them. Slow and simple: everything is made anew from the replica
//! when asked for.

use crate::world::{SECRET, commit};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Arrival, Epochs, LeafBytes, Link, Record, Replica, ReplicaError};
use rhizome_sealed::authors;
use rhizome_share::{Added, Certificate, Certificates, ShareError};
use rhizome_storage::MemoryKv;
use rhizome_sync::{
    CertificateFate, Chain, ChainState, Commit, CommitName, Fate, Lack, Leaf, Reading, Refusal,
    Store, StoreError, set::Id,
};
use rhizome_tuple::{CommitId, EpochSecret};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

type Chains = Arc<BTreeMap<PublicKey, Chain>>;

pub struct DeviceStore {
    pub replica: Replica,
    pub set: Certificates,
    did: String,
    cache: std::cell::RefCell<Option<(u32, Chains)>>,
}

fn name(link: &Link) -> CommitName {
    CommitName {
        key: link.author,
        seq: link.seq,
        id: link.id.0,
    }
}

impl DeviceStore {
    pub fn new(set: Certificates, salt: u8) -> Self {
        let did = set.did().to_string();
        let kv = Arc::new(MemoryKv::new());
        let epochs = Epochs::new(vec![EpochSecret::new(&SECRET)]);
        let replica = Replica::create(kv, &did, [salt; 32], epochs, authors(&set)).unwrap();
        Self {
            replica,
            set,
            did,
            cache: None.into(),
        }
    }

    /// A device of the same pod that knows the genesis only.
    pub fn blank(like: &Certificates, salt: u8) -> Self {
        Self::new(
            Certificates::new(like.log().genesis().clone()).unwrap(),
            salt,
        )
    }

    pub fn receive(&mut self, records: Vec<Record>) {
        self.replica.receive_each(records).unwrap();
    }

    /// The chains of what counts.
    pub fn all_chains(&self) -> Chains {
        let now = self.replica.snapshot();
        if let Some((seen, chains)) = &*self.cache.borrow()
            && *seen == now.commit_count()
        {
            return chains.clone();
        }
        let mut out: BTreeMap<PublicKey, Chain> = BTreeMap::new();
        let mut there: HashSet<(PublicKey, CommitId)> = HashSet::new();
        let mut number = 0;
        while let Some((link, counts)) = now.link(number).unwrap() {
            number += 1;
            if counts {
                let follows = link.prev.is_some_and(|p| there.contains(&(link.author, p)));
                let chain = out.entry(link.author).or_default();
                chain.insert(link.seq, link.id.0, link.prev.map(|p| p.0), follows);
                there.insert((link.author, link.id));
            }
        }
        let out = Arc::new(out);
        *self.cache.borrow_mut() = Some((number, out.clone()));
        out
    }
}

impl Store for DeviceStore {
    fn pod(&self) -> [u8; 32] {
        *blake3::hash(self.did.as_bytes()).as_bytes()
    }

    fn certificates(&self) -> Result<Vec<Id>, StoreError> {
        Ok(self.set.ids().collect())
    }

    fn certificate(&self, id: &Id) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.set.get(id).map(|c| c.to_bytes()).transpose()?)
    }

    fn chains(&self) -> Result<Vec<(PublicKey, Id)>, StoreError> {
        let chains = self.all_chains();
        Ok(chains.iter().map(|(k, c)| (*k, c.fingerprint(k))).collect())
    }

    fn chain(&self, key: &PublicKey) -> Result<Option<ChainState>, StoreError> {
        Ok(self.all_chains().get(key).map(|c| c.state(*key)))
    }

    fn ids(
        &self,
        key: &PublicKey,
        from: (u64, Id),
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Id)>, StoreError> {
        let all = self.replica.snapshot().chain(key, from.0, to, usize::MAX)?;
        let all = all.into_iter().map(|(seq, id)| (seq, id.0));
        Ok(all.filter(|at| *at >= from).take(limit).collect())
    }

    fn name(&self, envelope: &[u8]) -> Option<CommitName> {
        Link::of_envelope(envelope).ok().map(|l| name(&l))
    }

    fn holds(&self, key: &PublicKey, id: &Id) -> Result<bool, StoreError> {
        let known = self.replica.snapshot().known(&CommitId(*id));
        Ok(known.is_some_and(|(_, author, _)| author == *key))
    }

    fn commit(
        &self,
        key: &PublicKey,
        id: &Id,
        budget: usize,
    ) -> Result<Option<Reading>, StoreError> {
        let record = self.replica.snapshot().record(&CommitId(*id))?;
        let Some(record) = record else {
            return Ok(None);
        };
        Ok(Some(Reading {
            envelope: record.envelope.clone(),
            count: record.leaves.len() as u32,
            leaves: self.leaves(key, id, 0, budget)?,
        }))
    }

    fn leaves(
        &self,
        _: &PublicKey,
        id: &Id,
        first: u32,
        budget: usize,
    ) -> Result<Vec<Leaf>, StoreError> {
        let record = self.replica.snapshot().record(&CommitId(*id))?;
        let all = record.map_or(Vec::new(), |r| commit(&r).leaves);
        let mut size = 0;
        let mut some = vec![];
        for leaf in all.into_iter().skip(first as usize) {
            if !some.is_empty() && size + leaf.size() > budget {
                break;
            }
            size += leaf.size();
            some.push(leaf);
        }
        Ok(some)
    }

    fn lacking(&self, _: usize) -> Result<Vec<Lack>, StoreError> {
        Ok(vec![])
    }

    fn take_certificates(
        &mut self,
        batch: Vec<Vec<u8>>,
    ) -> Result<Vec<CertificateFate>, StoreError> {
        let mut read: Vec<(usize, Certificate)> = vec![];
        let mut fates = vec![CertificateFate::Invalid; batch.len()];
        for (i, bytes) in batch.iter().enumerate() {
            if let Ok(c) = Certificate::from_bytes(bytes) {
                read.push((i, c));
            }
        }
        read.sort_by_key(|(_, c)| !matches!(c, Certificate::Operation(_)));
        for (i, c) in read {
            let id = c.id();
            fates[i] = match self.set.add(c) {
                Ok(Added::New | Added::Waiting) => CertificateFate::Taken(id),
                Ok(Added::Known) => CertificateFate::Known(id),
                Err(ShareError::Full(_)) => CertificateFate::Refused(id, Refusal::Quota),
                Err(_) => CertificateFate::Refused(id, Refusal::UnknownAuthor),
            };
        }
        self.replica.set_authors(authors(&self.set))?;
        *self.cache.borrow_mut() = None;
        Ok(fates)
    }

    fn take_commits(&mut self, batch: Vec<Commit>) -> Result<Vec<Fate>, StoreError> {
        let bytes = |leaf| match leaf {
            Leaf::Sealed(b) => LeafBytes::Sealed(b),
            Leaf::Erased(h) => LeafBytes::Erased(h),
        };
        let records = batch.into_iter().map(|c| Record {
            envelope: c.envelope,
            leaves: c.leaves.into_iter().map(bytes).collect(),
        });
        let (_, arrivals) = self.replica.receive_each(records.collect())?;
        *self.cache.borrow_mut() = None;
        let fate = |arrival| match arrival {
            Arrival::New(link, rival) => Fate::Taken {
                name: name(&link),
                rival: rival.map(|r| r.0),
            },
            Arrival::Known(link) => Fate::Known(name(&link)),
            Arrival::Refused(link, error) => Fate::Refused {
                name: name(&link),
                why: match error {
                    ReplicaError::UnknownAuthor(_) => Refusal::UnknownAuthor,
                    _ => Refusal::NoAuthority,
                },
            },
            Arrival::Invalid(_) => Fate::Invalid,
        };
        Ok(arrivals.into_iter().map(fate).collect())
    }

    fn take_leaves(
        &mut self,
        _: &PublicKey,
        _: &Id,
        _: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }
}
