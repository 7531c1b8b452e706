//! Taking certificates, and what changes with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use rhizome_identity::{Genesis, IdentityError};
use rhizome_share::{Added, Certificate, Certificates, ShareError};
use rhizome_storage::{Batch, Durability, Snap};
use rhizome_sync::{CertificateFate, Refusal, set::Id};

use crate::{
    News, SealedError, SealedPod,
    author::{Author, judged},
    keys::{CERTIFICATE_BYTES, CERTIFICATES, POLICIES, PodNo, VIEWS, id_of, scan_pod},
    pod::{State, Writer},
    view::View,
};

/// In the set.
const THERE: [u8; 1] = [0];
/// Waits for an operation that it follows.
const WAITING: [u8; 1] = [1];

/// Enrolments and epochs may take this much past the quota, so that a pod that is full of commits can still be opened by new devices.
/// Operations of the device log are taken whatever the quota says: a removal must not wait for room. They have bounds of their own.
const RESERVE: u64 = 1 << 20;

/// The certificates of a pod, verified and in memory.
pub(crate) struct Trust {
    set: Certificates,
    waiting: BTreeSet<Id>,
    bytes: usize,
}

impl Trust {
    /// Those of a pod that is new here.
    pub fn new(genesis: Genesis, draft: &mut Draft<'_>) -> Result<Self, SealedError> {
        let first = Certificate::Operation(Box::new(genesis.operation().clone()));
        draft.put(&first, THERE)?;
        Ok(Self {
            set: Certificates::new(genesis)?,
            waiting: BTreeSet::new(),
            bytes: 0,
        })
    }

    /// Reads and verifies those in the store.
    pub fn load(snap: &dyn Snap, digest: [u8; 32], pod: PodNo) -> Result<Self, SealedError> {
        let mut read: Vec<Certificate> = Vec::new();
        let (mut genesis, mut bytes, mut bad) = (None, 0, false);
        scan_pod(snap, CERTIFICATE_BYTES, pod, &mut |key, value| {
            bytes += value.len();
            match Certificate::from_bytes(value) {
                Ok(Certificate::Operation(first)) if id_of(key) == digest => genesis = Some(first),
                Ok(certificate) => read.push(certificate),
                Err(_) => bad = true,
            }
            ControlFlow::Continue(())
        })?;
        let (Some(genesis), false) = (genesis, bad) else {
            return Err(SealedError::Corrupt("a certificate is damaged or missing"));
        };
        let mut trust = Self {
            set: Certificates::new(Genesis::of(*genesis)?)?,
            waiting: BTreeSet::new(),
            bytes,
        };
        read.sort_by_key(rank);
        for certificate in read {
            let id = certificate.id();
            // one that is refused was waiting, and is dropped with the next change
            if !matches!(trust.set.add(certificate), Ok(Added::New | Added::Known)) {
                trust.waiting.insert(id);
            }
        }
        let there: Vec<Id> = trust.waiting.iter().copied().collect();
        for id in there {
            if trust.set.get(&id).is_some() {
                trust.waiting.remove(&id);
            }
        }
        Ok(trust)
    }

    pub fn set(&self) -> &Certificates {
        &self.set
    }

    /// Bytes of memory, about: what is decoded takes more than its bytes.
    pub fn weight(&self) -> usize {
        4096 + self.bytes * 3
    }
}

/// Operations first: the others are judged by the log.
fn rank(certificate: &Certificate) -> u8 {
    match certificate {
        Certificate::Operation(_) => 0,
        Certificate::Enrol(_) => 1,
        Certificate::Epoch(_) => 2,
    }
}

/// A change of a pod that is not written yet.
pub(crate) struct Draft<'a> {
    digest: [u8; 32],
    pub state: State,
    pub batch: Batch,
    snap: &'a dyn Snap,
    pub news: Vec<News>,
    /// Bytes of certificates that came with this change.
    fresh: BTreeMap<Id, Vec<u8>>,
}

impl<'a> Draft<'a> {
    pub fn new(digest: [u8; 32], state: State, snap: &'a dyn Snap) -> Self {
        Self {
            digest,
            state,
            batch: Batch::new(),
            snap,
            news: Vec::new(),
            fresh: BTreeMap::new(),
        }
    }

    fn pod(&self) -> PodNo {
        self.state.row.number
    }

    fn put(&mut self, certificate: &Certificate, state: [u8; 1]) -> Result<(), SealedError> {
        let (id, bytes) = (certificate.id(), certificate.to_bytes()?);
        let key = self.pod().with(&id);
        self.batch.put(CERTIFICATES, key, state);
        self.batch.put(CERTIFICATE_BYTES, key, &bytes);
        self.state.row.certificates += 1;
        self.state.row.certificate_bytes += bytes.len() as u64;
        self.fresh.insert(id, bytes);
        Ok(())
    }

    /// Takes one certificate.
    pub fn certify(
        &mut self,
        trust: &mut Trust,
        certificate: &Certificate,
    ) -> Result<CertificateFate, SealedError> {
        let id = certificate.id();
        if trust.waiting.contains(&id) || trust.set.get(&id).is_some() {
            return Ok(CertificateFate::Known(id));
        }
        let bytes = certificate.to_bytes()?.len();
        if !matches!(certificate, Certificate::Operation(_)) {
            let row = &self.state.row;
            let end = self.state.allowed.saturating_add(RESERVE);
            if row.used().saturating_add(bytes as u64) > end {
                return Ok(CertificateFate::Refused(id, Refusal::Quota));
            }
        }
        let state = match trust.set.add(certificate.clone()) {
            Ok(Added::New) => {
                self.news.push(News::Certificate(id));
                THERE
            }
            Ok(Added::Waiting) => {
                trust.waiting.insert(id);
                WAITING
            }
            Ok(Added::Known) => return Ok(CertificateFate::Known(id)),
            Err(error) => return Ok(refused(id, &error)),
        };
        self.put(certificate, state)?;
        trust.bytes += bytes;
        Ok(CertificateFate::Taken(id))
    }

    /// Everything that follows from the certificates that were taken: those that waited for them, the view, what counts.
    pub fn settle(&mut self, trust: &mut Trust, writer: &mut Writer) -> Result<(), SealedError> {
        let waiting: Vec<Id> = trust.waiting.iter().copied().collect();
        for id in waiting {
            let key = self.pod().with(&id);
            if trust.set.get(&id).is_some() {
                self.batch.put(CERTIFICATES, key, THERE);
                self.news.push(News::Certificate(id));
                trust.waiting.remove(&id);
                continue;
            }
            let bytes = match self.fresh.get(&id) {
                Some(bytes) => bytes.clone(),
                None => match self.snap.get(CERTIFICATE_BYTES, &key)? {
                    Some(bytes) => bytes.to_vec(),
                    None => continue,
                },
            };
            // what waited for an operation that was refused is not waiting any more
            let again = Certificate::from_bytes(&bytes).and_then(|c| trust.set.add(c));
            match again {
                Ok(Added::Known | Added::Waiting) => {}
                Ok(Added::New) => {
                    self.batch.put(CERTIFICATES, key, THERE);
                    self.news.push(News::Certificate(id));
                    trust.waiting.remove(&id);
                }
                Err(_) => {
                    self.batch.delete(CERTIFICATES, key);
                    self.batch.delete(CERTIFICATE_BYTES, key);
                    let row = &mut self.state.row;
                    row.certificates = row.certificates.saturating_sub(1);
                    row.certificate_bytes =
                        row.certificate_bytes.saturating_sub(bytes.len() as u64);
                    trust.waiting.remove(&id);
                }
            }
        }
        let view = View::of(&trust.set);
        if view == *self.state.view {
            return Ok(());
        }
        self.batch.put(VIEWS, self.pod().key(), view.encode()?);
        let pod = self.pod().key();
        for hidden in self.state.view.policies.difference(&view.policies) {
            self.batch.delete(POLICIES, [&hidden[..], &pod].concat());
        }
        for hidden in view.policies.difference(&self.state.view.policies) {
            let key = [&hidden[..], &pod].concat();
            self.batch.put(POLICIES, key, self.digest);
        }
        self.judge(&view, writer)?;
        self.state.view = view.into();
        Ok(())
    }

    /// Decides anew what counts of the authors whose seals are others now.
    fn judge(&mut self, view: &View, writer: &mut Writer) -> Result<(), SealedError> {
        let pod = self.pod();
        let mut changed = false;
        let keys: Vec<_> = self.state.authors.keys().copied().collect();
        for key in keys {
            let Some(before) = self.state.authors.get(&key).cloned() else {
                continue;
            };
            let standing = view.authors.get(&key);
            if judged(standing)? == before.judged {
                continue;
            }
            let (author, judge) = Author::read(self.snap, pod, before.number, standing)?;
            author.save_void(&before.void, pod, &mut self.batch);
            author.save(pod, &key, &mut self.batch)?;
            changed |= author.chain != before.chain;
            match judge {
                Some(judge) => drop(writer.judges.insert(key, judge)),
                None => drop(writer.judges.remove(&key)),
            }
            self.state.authors.insert(key, author.into());
        }
        if changed {
            self.news.push(News::Judged);
        }
        Ok(())
    }

    /// The batch, the row included.
    pub fn finish(mut self) -> Batch {
        let row = self.state.row.encode();
        self.batch.put(crate::keys::PODS, self.digest, row);
        self.batch
    }
}

fn refused(id: Id, error: &ShareError) -> CertificateFate {
    let why = match error {
        ShareError::OtherPod { .. } | ShareError::Identity(IdentityError::OtherDid { .. }) => {
            return CertificateFate::Invalid;
        }
        ShareError::Full(_) | ShareError::Identity(IdentityError::LogFull(_)) => Refusal::Quota,
        ShareError::Identity(IdentityError::NotADevice { .. }) => Refusal::UnknownAuthor,
        _ => Refusal::NoAuthority,
    };
    CertificateFate::Refused(id, why)
}

impl SealedPod {
    /// Takes certificates as bytes.
    pub(crate) fn take_certificates(
        &self,
        from: u64,
        now: u64,
        batch: &[Vec<u8>],
    ) -> Result<Vec<CertificateFate>, SealedError> {
        let read: Vec<Option<Certificate>> = batch
            .iter()
            .map(|bytes| Certificate::from_bytes(bytes).ok())
            .collect();
        let good = read.iter().flatten().cloned().collect();
        let mut fates = self.certify(Some(from), now, good)?.into_iter();
        let each = read.iter().map(|certificate| match certificate {
            Some(_) => fates.next().unwrap_or(CertificateFate::Invalid),
            None => CertificateFate::Invalid,
        });
        Ok(each.collect())
    }

    /// Takes certificates; says what became of each, in the same order.
    pub(crate) fn certify(
        &self,
        from: Option<u64>,
        now: u64,
        certificates: Vec<Certificate>,
    ) -> Result<Vec<CertificateFate>, SealedError> {
        let mut fates: Vec<CertificateFate> = Vec::with_capacity(certificates.len());
        let mut writer = self.writer()?;
        let snap = self.snapshot()?;
        let state = self.draft();
        let pod = state.row.number;
        let mut new = Vec::new();
        for (i, certificate) in certificates.into_iter().enumerate() {
            let id = certificate.id();
            fates.push(CertificateFate::Known(id));
            if snap.get(CERTIFICATES, &pod.with(&id))?.is_none() {
                new.push((i, certificate));
            }
        }
        if new.is_empty() {
            return Ok(fates);
        }
        let mut trust = match writer.trust.take() {
            Some(trust) => trust,
            None => Trust::load(&*snap, self.digest(), pod)?,
        };
        new.sort_by_key(|(_, certificate)| rank(certificate));
        let mut draft = Draft::new(self.digest(), state, &*snap);
        let outcome = (|| {
            for (i, certificate) in new {
                let fate = draft.certify(&mut trust, &certificate)?;
                if let Some(place) = fates.get_mut(i) {
                    *place = fate;
                }
            }
            draft.settle(&mut trust, &mut writer)
        })();
        if let Err(error) = outcome {
            self.abandon(&mut writer);
            return Err(error);
        }
        if draft.batch.is_empty() {
            writer.trust = Some(trust);
            return Ok(fates);
        }
        draft.state.row.last_activity = now.max(draft.state.row.last_activity);
        let Draft {
            state, batch, news, ..
        } = draft;
        if self.sessions() > 0 {
            writer.trust = Some(trust);
        }
        self.save(&mut writer, state, batch, Durability::Durable)?;
        self.listeners.note(from, news);
        drop(writer);
        self.listeners.tell();
        Ok(fates)
    }
}
