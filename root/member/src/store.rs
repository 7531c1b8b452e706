//! The replica and its certificates, as a session takes and gives them.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;

use rhizome_identity::IdentityError;
use rhizome_ipld::PublicKey;
use rhizome_replica::{Arrival, LeafBytes, Link, Record, ReplicaError};
use rhizome_share::{Added, Certificate, ShareError};
use rhizome_sync::{
    CertificateFate, ChainState, Commit, CommitName, Fate, Lack, Leaf, News, Reading, Refusal,
    Store, StoreError, set::Id,
};
use rhizome_tuple::CommitId;

use crate::Member;

/// A device of a pod, for one session. Sessions with several peers share the device.
pub struct MemberStore {
    member: Arc<Member>,
    /// What comes from the session's peer right now.
    taking: Arc<Mutex<BTreeSet<Id>>>,
    /// The peer only follows: nothing is kept for it that waits for something else.
    follows: bool,
}

impl MemberStore {
    /// For a new session.
    pub fn new(member: Arc<Member>) -> Self {
        Self {
            member,
            taking: Arc::default(),
            follows: false,
        }
    }

    /// The device.
    pub fn member(&self) -> Arc<Member> {
        Arc::clone(&self.member)
    }

    /// For a new session with somebody who only follows, whose key everybody may know.
    pub fn for_follower(member: Arc<Member>) -> Self {
        Self {
            follows: true,
            ..Self::new(member)
        }
    }

    /// Calls `listener` with all that is new from now on, and whether it comes from this session's peer: then it is no news to it. It must
    /// be quick. Returns a number for [`Member::unlisten`].
    pub fn listen(&self, listener: impl Fn(News, bool) + Send + Sync + 'static) -> u64 {
        let taking = Arc::clone(&self.taking);
        self.member.listen(move |news| {
            let own = news.id().is_some_and(|id| taking.lock().contains(&id));
            listener(news, own);
        })
    }

    /// Makes everything so far durable: what a peer has seen of this device must not be forgotten here, or the device would go on from an
    /// earlier place and fork its own chain.
    fn settle(&self) -> Result<(), StoreError> {
        Ok(self.member.replica().flush()?)
    }

    /// Takes certificates, each with its place, and says what became of it.
    fn take_read(
        &self,
        read: Vec<(usize, Certificate)>,
    ) -> Result<Vec<(usize, CertificateFate)>, StoreError> {
        let ids: Vec<(usize, Id)> = read.iter().map(|(i, c)| (*i, c.id())).collect();
        let read = read.into_iter().map(|(_, c)| c).collect();
        let own = ids.iter().map(|(_, id)| *id);
        let results = self.taken(own, |member| member.take_certificates(read))?;
        let fates = ids.into_iter().zip(results).map(|((i, id), result)| {
            let fate = match result {
                Ok(Added::New | Added::Waiting) => CertificateFate::Taken(id),
                Ok(Added::Known) => CertificateFate::Known(id),
                Err(ShareError::Full(_)) => CertificateFate::Refused(id, Refusal::Quota),
                Err(ShareError::Identity(IdentityError::NotADevice { .. })) => {
                    CertificateFate::Refused(id, Refusal::UnknownAuthor)
                }
                Err(ShareError::Identity(IdentityError::LogFull(_))) => {
                    CertificateFate::Refused(id, Refusal::Quota)
                }
                Err(_) => CertificateFate::Refused(id, Refusal::NoAuthority),
            };
            (i, fate)
        });
        Ok(fates.collect())
    }

    /// Does something with these marked as coming from the peer.
    fn taken<T>(&self, ids: impl IntoIterator<Item = Id>, f: impl FnOnce(&Member) -> T) -> T {
        self.taking.lock().extend(ids);
        let out = f(&self.member);
        self.taking.lock().clear();
        out
    }
}

pub(crate) fn name(link: &Link) -> CommitName {
    CommitName {
        key: link.author,
        seq: link.seq,
        id: link.id.0,
    }
}

fn leaf(leaf: &LeafBytes) -> Leaf {
    match leaf {
        LeafBytes::Sealed(bytes) => Leaf::Sealed(bytes.clone()),
        LeafBytes::Erased(hash) => Leaf::Erased(*hash),
    }
}

/// As many leaves as there are in a budget, at least one.
fn within(leaves: &[LeafBytes], budget: usize) -> Vec<Leaf> {
    let mut left = budget;
    let mut out = Vec::new();
    for leaf in leaves.iter().map(leaf) {
        if leaf.size() > left && !out.is_empty() {
            break;
        }
        left = left.saturating_sub(leaf.size());
        out.push(leaf);
    }
    out
}

impl Store for MemberStore {
    fn pod(&self) -> [u8; 32] {
        *blake3::hash(self.member.replica().pod().as_bytes()).as_bytes()
    }

    fn certificates(&self) -> Result<Vec<Id>, StoreError> {
        Ok(self.member.trust().set().ids().collect())
    }

    fn certificate(&self, id: &Id) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.member.trust().set().get(id);
        Ok(found.map(|c| c.to_bytes()).transpose()?)
    }

    fn chains(&self) -> Result<Vec<(PublicKey, Id)>, StoreError> {
        let chains = self.member.chains()?;
        let one = |(key, chain): (&PublicKey, &rhizome_sync::Chain)| (*key, chain.fingerprint(key));
        Ok(chains.iter().map(one).collect())
    }

    fn chain(&self, key: &PublicKey) -> Result<Option<ChainState>, StoreError> {
        Ok(self
            .member
            .chains()?
            .get(key)
            .map(|chain| chain.state(*key)))
    }

    fn ids(
        &self,
        key: &PublicKey,
        from: (u64, Id),
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Id)>, StoreError> {
        let now = self.member.replica().snapshot();
        let mut out = Vec::new();
        let mut first = from.0;
        while out.len() < limit && first <= to {
            let part = now.chain(key, first, to, limit - out.len())?;
            let Some((last, _)) = part.last().copied() else {
                break;
            };
            let part = part.into_iter().map(|(seq, id)| (seq, id.0));
            out.extend(part.filter(|at| *at >= from));
            match last.checked_add(1) {
                Some(next) => first = next,
                None => break,
            }
        }
        out.truncate(limit);
        Ok(out)
    }

    fn name(&self, envelope: &[u8]) -> Option<CommitName> {
        let link = Link::of_envelope(envelope).ok()?;
        Some(name(&link))
    }

    fn holds(&self, key: &PublicKey, id: &Id) -> Result<bool, StoreError> {
        let known = self.member.replica().snapshot().known(&CommitId(*id));
        Ok(known.is_some_and(|(_, author, _)| author == *key))
    }

    fn commit(
        &self,
        key: &PublicKey,
        id: &Id,
        budget: usize,
    ) -> Result<Option<Reading>, StoreError> {
        if !self.holds(key, id)? {
            return Ok(None);
        }
        self.settle()?;
        let record = self.member.replica().snapshot().record(&CommitId(*id))?;
        Ok(record.map(|record| Reading {
            envelope: record.envelope.clone(),
            count: record.leaves.len() as u32,
            leaves: within(&record.leaves, budget.saturating_sub(record.envelope.len())),
        }))
    }

    fn leaves(
        &self,
        key: &PublicKey,
        id: &Id,
        first: u32,
        budget: usize,
    ) -> Result<Vec<Leaf>, StoreError> {
        if !self.holds(key, id)? {
            return Ok(Vec::new());
        }
        let record = self.member.replica().snapshot().record(&CommitId(*id))?;
        let leaves = record.as_ref().and_then(|r| r.leaves.get(first as usize..));
        Ok(within(leaves.unwrap_or_default(), budget))
    }

    fn lacking(&self, limit: usize) -> Result<Vec<Lack>, StoreError> {
        let now = self.member.replica().snapshot();
        self.member.hollow().search_if_overdue(&now)?;
        let mut out = Vec::new();
        let mut whole = Vec::new();
        for id in self.member.hollow().ids() {
            if out.len() == limit {
                self.member.hollow().stop(id);
                break;
            }
            let leaves = now.missing(&CommitId(id))?;
            match now.known(&CommitId(id)) {
                Some((_, key, _)) if !leaves.is_empty() => out.push(Lack { key, id, leaves }),
                _ => whole.push(id),
            }
        }
        self.member.hollow().remove(&whole)?;
        Ok(out)
    }

    fn take_certificates(
        &mut self,
        batch: Vec<Vec<u8>>,
    ) -> Result<Vec<CertificateFate>, StoreError> {
        let mut fates = vec![CertificateFate::Invalid; batch.len()];
        let mut read = Vec::new();
        for (i, bytes) in batch.iter().enumerate() {
            if let Ok(certificate) = Certificate::from_bytes(bytes) {
                read.push((i, certificate));
            }
        }
        if self.follows {
            for (i, certificate) in read {
                let id = certificate.id();
                fates[i] = if self.member.trust().set().is_due(&certificate) {
                    let mut one = self.take_read(vec![(i, certificate)])?;
                    one.pop().map_or(CertificateFate::Invalid, |(_, fate)| fate)
                } else {
                    CertificateFate::Refused(id, Refusal::UnknownAuthor)
                };
            }
            return Ok(fates);
        }
        for (i, fate) in self.take_read(read)? {
            fates[i] = fate;
        }
        Ok(fates)
    }

    fn take_commits(&mut self, batch: Vec<Commit>) -> Result<Vec<Fate>, StoreError> {
        let records = batch.into_iter().map(|commit| Record {
            envelope: commit.envelope,
            leaves: commit.leaves.into_iter().map(bytes).collect(),
        });
        let records: Vec<Record> = records.collect();
        let id = |r: &Record| Some(Link::of_envelope(&r.envelope).ok()?.id.0);
        let is_hollow = |r: &&Record| r.leaves.iter().any(|l| matches!(l, LeafBytes::Erased(_)));
        let own: Vec<Id> = records.iter().filter_map(id).collect();
        let hollow = records.iter().filter(is_hollow).filter_map(id);
        let mut noted = self.member.hollow().insert(hollow)?;
        let (_, arrivals) = self.taken(own, |member| member.replica().receive_each(records))?;
        // what is told to the peer as taken is on stable storage
        self.member.replica().flush()?;
        let mut fates = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            fates.push(match arrival {
                Arrival::New(link, rival) => {
                    noted.retain(|id| *id != link.id.0);
                    Fate::Taken {
                        name: name(&link),
                        rival: rival.map(|r| r.0),
                    }
                }
                Arrival::Known(link) => Fate::Known(name(&link)),
                Arrival::Refused(link, error) => Fate::Refused {
                    name: name(&link),
                    why: match error {
                        ReplicaError::UnknownAuthor(_) => Refusal::UnknownAuthor,
                        ReplicaError::Removed(_) => Refusal::NoAuthority,
                        // it is on its way, or this device was left out
                        _ => Refusal::NoKey,
                    },
                },
                Arrival::Invalid(_) => Fate::Invalid,
            });
        }
        // what was refused is not asked for
        self.member.hollow().remove(&noted)?;
        Ok(fates)
    }

    fn take_leaves(
        &mut self,
        key: &PublicKey,
        id: &Id,
        leaves: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        if !self.holds(key, id)? {
            return Ok(false);
        }
        let Some(record) = self.member.replica().snapshot().record(&CommitId(*id))? else {
            return Ok(false);
        };
        let mut record = (*record).clone();
        for (place, bytes) in leaves {
            let Some(leaf) = record.leaves.get_mut(place as usize) else {
                return Ok(false);
            };
            let bytes = LeafBytes::Sealed(bytes);
            if bytes.hash() != leaf.hash() {
                return Ok(false);
            }
            *leaf = bytes;
        }
        self.member.replica().receive_each(vec![record])?;
        self.member.replica().flush()?;
        // the key of a leaf may not be here yet: then it is asked for again
        if self
            .member
            .replica()
            .snapshot()
            .missing(&CommitId(*id))?
            .is_empty()
        {
            self.member.hollow().remove(&[*id])?;
        }
        Ok(true)
    }
}

fn bytes(leaf: Leaf) -> LeafBytes {
    match leaf {
        Leaf::Sealed(bytes) => LeafBytes::Sealed(bytes),
        Leaf::Erased(hash) => LeafBytes::Erased(hash),
    }
}
