//! A hosted pod as a session sees it.

use std::{
    collections::{BTreeSet, HashSet},
    ops::ControlFlow,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use rhizome_ipld::PublicKey;
use rhizome_replica::Link;
use rhizome_share::Certificate;
use rhizome_sync::{
    CertificateFate, ChainState, Commit, CommitName, Fate, Lack, Leaf, Reading, Refusal, Store,
    StoreError, set::Id,
};
use rhizome_tuple::CommitId;

use crate::{
    News, SealedPod,
    keys::{CERTIFICATE_BYTES, CERTIFICATES, HOLES, ORDER, Place, id_of, scan_pod, u64_at},
    leaves,
    take::{name, place},
};

/// One session's hold on a pod: what [`rhizome_sync::Session`] takes and gives. What comes through it is on stable storage when it says
/// so, and is told to the pod's other sessions.
pub struct SealedStore {
    pod: Arc<SealedPod>,
    number: u64,
    now: u64,
    /// Commits whose missing leaves this peer was asked for, or came without them.
    asked: Mutex<HashSet<Id>>,
    /// The peer only follows: nothing is kept for it that waits for something else.
    follows: bool,
}

/// Calls a listener while it is held.
pub struct Listening {
    pod: Weak<SealedPod>,
    number: u64,
}

impl Listening {
    pub(crate) fn new(
        pod: &Arc<SealedPod>,
        own: Option<u64>,
        listener: impl Fn(News) + Send + Sync + 'static,
    ) -> Self {
        Self {
            pod: Arc::downgrade(pod),
            number: pod.listeners.add(own, Arc::new(listener)),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(pod) = self.pod.upgrade() {
            pod.listeners.remove(self.number);
        }
    }
}

impl SealedStore {
    pub(crate) fn new(pod: Arc<SealedPod>, number: u64, now: u64) -> Self {
        Self {
            pod,
            number,
            now,
            asked: Mutex::default(),
            follows: false,
        }
    }

    /// For a session with somebody who only follows, whose key everybody may know.
    #[must_use]
    pub fn for_follower(mut self) -> Self {
        self.follows = true;
        self
    }

    /// The pod.
    pub fn pod(&self) -> &Arc<SealedPod> {
        &self.pod
    }

    /// What time it is, in milliseconds: noted as the pod's last activity with what is taken.
    pub fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// Calls `listener` with what is new in the pod and did not come through this session, once it is on stable storage: what to tell
    /// the session ([`News::input`]). It must be quick.
    pub fn listen(&self, listener: impl Fn(News) + Send + Sync + 'static) -> Listening {
        Listening::new(&self.pod, Some(self.number), listener)
    }

    /// Where a commit of this author stands.
    fn place(
        &self,
        snap: &dyn rhizome_storage::Snap,
        key: &PublicKey,
        id: &Id,
    ) -> Result<Option<Place>, StoreError> {
        let state = self.pod.state();
        let Some(author) = state.authors.get(key) else {
            return Ok(None);
        };
        let place = place(snap, state.row.number, id)?;
        Ok(place.filter(|p| p.author == author.number))
    }
}

impl Drop for SealedStore {
    fn drop(&mut self) {
        self.pod.session_ended();
    }
}

impl Store for SealedStore {
    fn pod(&self) -> [u8; 32] {
        self.pod.name
    }

    fn certificates(&self) -> Result<Vec<Id>, StoreError> {
        self.pod.hosted()?;
        let mut out = Vec::new();
        let pod = self.pod.state().row.number;
        scan_pod(
            &*self.pod.snapshot()?,
            CERTIFICATES,
            pod,
            &mut |key, state| {
                if *state == [0] {
                    out.push(id_of(key));
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(out)
    }

    fn certificate(&self, id: &Id) -> Result<Option<Vec<u8>>, StoreError> {
        self.pod.hosted()?;
        let key = self.pod.state().row.number.with(id);
        let found = self.pod.snapshot()?.get(CERTIFICATE_BYTES, &key)?;
        Ok(found.map(Into::into))
    }

    fn chains(&self) -> Result<Vec<(PublicKey, Id)>, StoreError> {
        self.pod.hosted()?;
        let state = self.pod.state();
        let chains = state.authors.iter().filter(|(_, a)| a.chain.count() > 0);
        let chains = chains.map(|(key, a)| (*key, a.chain.fingerprint(key)));
        Ok(chains.collect())
    }

    fn chain(&self, key: &PublicKey) -> Result<Option<ChainState>, StoreError> {
        self.pod.hosted()?;
        let state = self.pod.state();
        let author = state.authors.get(key).filter(|a| a.chain.count() > 0);
        Ok(author.map(|a| a.chain.state(*key)))
    }

    fn ids(
        &self,
        key: &PublicKey,
        from: (u64, Id),
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Id)>, StoreError> {
        self.pod.hosted()?;
        let state = self.pod.state();
        let Some(author) = state.authors.get(key) else {
            return Ok(Vec::new());
        };
        let pod = state.row.number;
        let lo = pod.order(author.number, from.0, &from.1);
        let (_, end) = crate::author::ends(pod, author.number);
        let mut out = Vec::new();
        let snap = self.pod.snapshot()?;
        snap.scan(ORDER, &lo, Some(&end), false, &mut |key, _| {
            let (seq, id) = (u64_at(key, 12), id_of(key));
            if out.len() >= limit || seq > to {
                return ControlFlow::Break(());
            }
            if !author.void.contains(&CommitId(id)) {
                out.push((seq, id));
            }
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    fn name(&self, envelope: &[u8]) -> Option<CommitName> {
        Link::of_envelope(envelope).ok().map(|link| name(&link))
    }

    fn holds(&self, key: &PublicKey, id: &Id) -> Result<bool, StoreError> {
        self.pod.hosted()?;
        Ok(self.place(&*self.pod.snapshot()?, key, id)?.is_some())
    }

    fn commit(
        &self,
        key: &PublicKey,
        id: &Id,
        budget: usize,
    ) -> Result<Option<Reading>, StoreError> {
        self.pod.hosted()?;
        let snap = self.pod.snapshot()?;
        let Some(place) = self.place(&*snap, key, id)? else {
            return Ok(None);
        };
        let pod = self.pod.state().row.number;
        let (envelope, leaves) = leaves::read(&*snap, pod, &place, 0, budget)?;
        Ok(Some(Reading {
            envelope,
            count: place.leaves,
            leaves,
        }))
    }

    fn leaves(
        &self,
        key: &PublicKey,
        id: &Id,
        first: u32,
        budget: usize,
    ) -> Result<Vec<Leaf>, StoreError> {
        self.pod.hosted()?;
        let snap = self.pod.snapshot()?;
        let place = self.place(&*snap, key, id)?;
        let Some(place) = place.filter(|p| first < p.leaves) else {
            return Ok(Vec::new());
        };
        let pod = self.pod.state().row.number;
        Ok(leaves::read(&*snap, pod, &place, first, budget)?.1)
    }

    fn lacking(&self, limit: usize) -> Result<Vec<Lack>, StoreError> {
        self.pod.hosted()?;
        let state = self.pod.state();
        let pod = state.row.number;
        let snap = self.pod.snapshot()?;
        let mut asked = self.asked.lock();
        let mut rows: Vec<(Id, Vec<u8>)> = Vec::new();
        scan_pod(&*snap, HOLES, pod, &mut |key, row| {
            if rows.len() >= limit {
                return ControlFlow::Break(());
            }
            let id = id_of(key);
            if asked.insert(id) {
                rows.push((id, row.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        let mut out = Vec::with_capacity(rows.len());
        for (id, row) in rows {
            let place = place(&*snap, pod, &id)?;
            let author = |p: &Place| state.authors.iter().find(|(_, a)| a.number == p.author);
            let Some((key, author)) = place.as_ref().and_then(author) else {
                continue;
            };
            // what does not count is not worth the bytes
            if author.void.contains(&CommitId(id)) {
                continue;
            }
            let leaves: BTreeSet<u32> = leaves::read_places(&row)?;
            out.push(Lack {
                key: *key,
                id,
                leaves: leaves.into_iter().collect(),
            });
        }
        Ok(out)
    }

    fn take_certificates(
        &mut self,
        batch: Vec<Vec<u8>>,
    ) -> Result<Vec<CertificateFate>, StoreError> {
        if !self.follows {
            return Ok(self.pod.take_certificates(self.number, self.now, &batch)?);
        }
        let mut fates = Vec::with_capacity(batch.len());
        for bytes in batch {
            let due = match Certificate::from_bytes(&bytes) {
                Ok(certificate) => self.pod.with_certificates(|set| {
                    let due = set.is_due(&certificate);
                    due.then_some(()).ok_or(certificate.id())
                })?,
                Err(_) => Ok(()),
            };
            let fate = match due {
                Ok(()) => {
                    let one = [bytes];
                    let taken = self.pod.take_certificates(self.number, self.now, &one)?;
                    taken.into_iter().next()
                }
                Err(id) => Some(CertificateFate::Refused(id, Refusal::UnknownAuthor)),
            };
            fates.push(fate.unwrap_or(CertificateFate::Invalid));
        }
        Ok(fates)
    }

    fn take_commits(&mut self, batch: Vec<Commit>) -> Result<Vec<Fate>, StoreError> {
        let (fates, hollow) = self.pod.take(self.number, self.now, batch)?;
        // who sends a commit without them has not got them
        self.asked.lock().extend(hollow);
        Ok(fates)
    }

    fn take_leaves(
        &mut self,
        key: &PublicKey,
        id: &Id,
        leaves: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        Ok(self.pod.take_leaves(self.now, key, id, leaves)?)
    }
}
