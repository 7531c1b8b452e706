//! One hosted pod in memory: small enough that thousands can be.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard, RwLock};
use rhizome_identity::{Did, Log};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Authors, Judge};
use rhizome_share::{Certificate, Certificates};
use rhizome_storage::{Batch, Durability, Kv, Snap, StorageError};

use crate::{
    News, SealedError, SealedStore, Usage,
    author::Author,
    certify::{Draft, Trust},
    group::Group,
    keys::{AUTHORS, PODS, VIEWS, scan_pod},
    news::Listeners,
    purse::{Purse, Purses, sponsor_of},
    row::PodRow,
    sealed::did,
    view::View,
};

/// What all pods of a store share.
pub(crate) struct Host {
    pub kv: Arc<dyn Kv>,
    pub group: Group,
    /// Bytes of memory of all loaded pods, about.
    pub weight: AtomicUsize,
    pub purses: Purses,
}

impl Host {
    /// What a pod that is nobody's view may take together with its own.
    pub fn purse(&self, sponsor: &[u8; 32]) -> Result<Arc<Purse>, SealedError> {
        self.purses.of(|| Ok(self.kv.snapshot()?), sponsor)
    }
}

/// What is true of a pod at one moment, as its readers see it.
#[derive(Clone)]
pub(crate) struct State {
    pub row: PodRow,
    pub view: Arc<View>,
    pub authors: BTreeMap<PublicKey, Arc<Author>>,
    /// Bytes that it may take at this moment.
    pub allowed: u64,
}

impl State {
    fn load(kv: &dyn Kv, digest: &[u8; 32]) -> Result<Option<Self>, SealedError> {
        let snap = kv.snapshot()?;
        let Some(row) = snap.get(PODS, digest)? else {
            return Ok(None);
        };
        let row = PodRow::decode(&row)?;
        let view = snap.get(VIEWS, &row.number.key())?;
        let view = View::decode(&view.ok_or(SealedError::Corrupt("a pod has no view"))?)?;
        let mut rows = Vec::new();
        scan_pod(&*snap, AUTHORS, row.number, &mut |key, value| {
            rows.push((PublicKey::from_bytes(&key[8..]), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let mut authors = BTreeMap::new();
        for (key, value) in rows {
            let key = key.map_err(|_| SealedError::Corrupt("the key of an author is malformed"))?;
            let standing = view.authors.get(&key);
            let author = Author::load(&*snap, row.number, &value, standing)?;
            authors.insert(key, Arc::new(author));
        }
        Ok(Some(Self {
            allowed: row.quota,
            row,
            view: Arc::new(view),
            authors,
        }))
    }

    fn weight(&self) -> usize {
        let authors = self.authors.values();
        // what was measured with two devices and four processes
        3072 + self.view.weight() + authors.map(|a| a.weight()).sum::<usize>()
    }
}

/// What only the one who writes needs; can be had from the store at any time.
#[derive(Default)]
pub(crate) struct Writer {
    pub judges: BTreeMap<PublicKey, Judge>,
    pub trust: Option<Trust>,
    /// Nobody knows whether the last batch was saved.
    stale: bool,
}

impl Writer {
    fn forget(&mut self) {
        self.judges.clear();
        self.trust = None;
    }

    fn weight(&self) -> usize {
        let links = self.judges.values().map(|j| j.len() * 160).sum::<usize>();
        links + self.trust.as_ref().map_or(0, Trust::weight)
    }
}

/// A pod that is hosted here: its certificates, and its commits as bytes that nobody here can read.
pub struct SealedPod {
    pub(crate) host: Arc<Host>,
    digest: [u8; 32],
    did: Did,
    pub(crate) name: [u8; 32],
    /// Whose view it is.
    sponsor: Option<[u8; 32]>,
    purse: Arc<Purse>,
    state: RwLock<Arc<State>>,
    writer: Mutex<Writer>,
    gone: AtomicBool,
    weight: AtomicUsize,
    sessions: AtomicUsize,
    next_session: AtomicU64,
    pub(crate) listeners: Listeners,
}

impl SealedPod {
    fn new(host: &Arc<Host>, digest: [u8; 32], state: State) -> Result<Self, SealedError> {
        let did = did(digest)?;
        let sponsor = sponsor_of(&*host.kv.snapshot()?, &digest)?;
        let pod = Self {
            purse: host.purse(&sponsor.unwrap_or(digest))?,
            sponsor,
            host: Arc::clone(host),
            digest,
            did,
            name: *blake3::hash(did.to_string().as_bytes()).as_bytes(),
            state: RwLock::new(Arc::new(state)),
            writer: Mutex::default(),
            gone: AtomicBool::new(false),
            weight: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            next_session: AtomicU64::new(0),
            listeners: Listeners::default(),
        };
        pod.weigh(&Writer::default());
        Ok(pod)
    }

    pub(crate) fn load(host: &Arc<Host>, digest: [u8; 32]) -> Result<Option<Self>, SealedError> {
        // before the purse is counted it may change, and afterwards only by whoever has it
        let state = State::load(&*host.kv, &digest)?;
        state.map(|s| Self::new(host, digest, s)).transpose()
    }

    /// Begins to host a pod. `batch` is written with it.
    pub(crate) fn begin(
        host: &Arc<Host>,
        digest: [u8; 32],
        log: &Log,
        row: PodRow,
        allowed: u64,
        mut batch: Batch,
    ) -> Result<u64, SealedError> {
        let state = State {
            row,
            allowed,
            view: Arc::default(),
            authors: BTreeMap::new(),
        };
        let snap = host.kv.snapshot()?;
        let mut writer = Writer::default();
        let mut draft = Draft::new(digest, state, &*snap);
        let mut trust = Trust::new(log.genesis().clone(), &mut draft)?;
        for certificate in Certificate::of_log(log).iter().skip(1) {
            draft.certify(&mut trust, certificate)?;
        }
        draft.settle(&mut trust, &mut writer)?;
        let used = draft.state.row.used();
        batch.append(&draft.finish());
        host.group.commit(batch)?;
        Ok(used)
    }

    /// Whose it is.
    pub fn did(&self) -> Did {
        self.did
    }

    /// Whether this key is a device of the pod now: whom to let in.
    pub fn admits(&self, key: &PublicKey) -> bool {
        !self.gone.load(Ordering::Acquire) && self.state().view.devices.contains(key)
    }

    /// The devices of the pod now.
    pub fn devices(&self) -> Vec<PublicKey> {
        self.state().view.devices.iter().copied().collect()
    }

    /// Who may write, or might once.
    pub fn authors(&self) -> Authors {
        self.state().view.authors.clone()
    }

    /// What it takes.
    pub fn usage(&self) -> Usage {
        Usage::of(self.did, self.sponsor(), &self.state().row)
    }

    /// The pod whose view it is: what it takes is counted there.
    pub fn sponsor(&self) -> Option<Did> {
        self.sponsor.and_then(|digest| did(digest).ok())
    }

    /// Does something with the certificates. They are read and verified for it, and stay in memory while there are sessions.
    ///
    /// # Errors
    /// [`SealedError::NotHosted`]; those of the store.
    pub fn with_certificates<T>(
        &self,
        f: impl FnOnce(&Certificates) -> T,
    ) -> Result<T, SealedError> {
        let mut writer = self.writer()?;
        let trust = match writer.trust.take() {
            Some(trust) => trust,
            None => Trust::load(&*self.snapshot()?, self.digest, self.state().row.number)?,
        };
        let out = f(trust.set());
        if self.sessions.load(Ordering::Relaxed) > 0 {
            writer.trust = Some(trust);
        }
        self.weigh(&writer);
        Ok(out)
    }

    /// Adds what is new in a device log that somebody shows.
    ///
    /// # Errors
    /// [`SealedError::OtherPod`]; those of the store.
    pub fn add_log(&self, log: &Log, now: u64) -> Result<usize, SealedError> {
        if log.did() != self.did {
            return Err(SealedError::OtherPod {
                found: log.did(),
                expected: self.did,
            });
        }
        let fates = self.certify(None, now, Certificate::of_log(log))?;
        let taken = |f: &&rhizome_sync::CertificateFate| {
            matches!(f, rhizome_sync::CertificateFate::Taken(_))
        };
        Ok(fates.iter().filter(taken).count())
    }

    /// Notes that somebody was here at `now`, in milliseconds. On stable storage some time later.
    ///
    /// # Errors
    /// Those of the store.
    pub fn touch(&self, now: u64) -> Result<(), SealedError> {
        let mut writer = self.writer()?;
        let mut next = State::clone(&self.state());
        next.row.last_activity = now.max(next.row.last_activity);
        self.save(&mut writer, next, Batch::new(), Durability::Relaxed)
    }

    pub(crate) fn set_quota(&self, quota: u64) -> Result<(), SealedError> {
        if let Some(sponsor) = self.sponsor() {
            return Err(SealedError::Sponsored(sponsor));
        }
        let mut writer = self.writer()?;
        let mut next = State::clone(&self.state());
        next.row.quota = quota;
        self.save(&mut writer, next, Batch::new(), Durability::Durable)?;
        self.purse.set_quota(quota);
        Ok(())
    }

    /// The pod as one session with a peer sees it. There can be any number of them at a time; `now` is the time in milliseconds, which
    /// [`SealedStore::set_now`] moves on.
    pub fn store(self: &Arc<Self>, now: u64) -> SealedStore {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        SealedStore::new(Arc::clone(self), number, now)
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Calls `listener` with all that is new from now on, once it is on stable storage. It must be quick.
    pub fn listen(
        self: &Arc<Self>,
        listener: impl Fn(News) + Send + Sync + 'static,
    ) -> crate::Listening {
        crate::Listening::new(self, None, listener)
    }

    pub(crate) fn session_ended(&self) {
        if self.sessions.fetch_sub(1, Ordering::Relaxed) == 1
            && let Some(mut writer) = self.writer.try_lock()
        {
            writer.forget();
            self.weigh(&writer);
        }
    }

    /// The state, to be changed by whoever has the right to write.
    pub(crate) fn draft(&self) -> State {
        let mut next = State::clone(&self.state());
        next.allowed = self.purse.allowed(next.row.used());
        next
    }

    pub(crate) fn purse(&self) -> &Arc<Purse> {
        &self.purse
    }

    /// As [`Self::sponsor`].
    pub(crate) fn sponsor_digest(&self) -> Option<[u8; 32]> {
        self.sponsor
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read())
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(crate) fn snapshot(&self) -> Result<Arc<dyn Snap>, SealedError> {
        Ok(self.host.kv.snapshot()?)
    }

    /// Whether it is still hosted.
    pub(crate) fn hosted(&self) -> Result<(), SealedError> {
        if self.gone.load(Ordering::Acquire) {
            return Err(SealedError::NotHosted(self.did));
        }
        Ok(())
    }

    /// The right to write. The state is that of the store.
    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Writer>, SealedError> {
        let mut writer = self.writer.lock();
        self.hosted()?;
        if writer.stale {
            let Some(state) = State::load(&*self.host.kv, &self.digest)? else {
                self.gone.store(true, Ordering::Release);
                return Err(SealedError::NotHosted(self.did));
            };
            let before = self.state().row.used();
            self.purse.change(before, state.row.used());
            *self.state.write() = Arc::new(state);
            writer.stale = false;
            self.weigh(&writer);
        }
        Ok(writer)
    }

    /// Writes a batch together with the row; then everybody sees the new state. If it fails nothing has changed, or the state is read
    /// again before the next write.
    pub(crate) fn save(
        &self,
        writer: &mut Writer,
        next: State,
        mut batch: Batch,
        durability: Durability,
    ) -> Result<(), SealedError> {
        batch.put(PODS, self.digest, next.row.encode());
        let saved = match durability {
            Durability::Durable => self.host.group.commit(batch),
            Durability::Relaxed => self.host.kv.commit(batch, durability),
        };
        match saved {
            Ok(()) => {
                let before = self.state().row.used();
                self.purse.change(before, next.row.used());
                *self.state.write() = Arc::new(next);
            }
            Err(error) => {
                writer.forget();
                writer.stale = matches!(error, StorageError::InDoubt(_));
                self.weigh(writer);
                return Err(error.into());
            }
        }
        self.weigh(writer);
        Ok(())
    }

    /// Ends it, if `write` can write that down.
    pub(crate) fn end(
        &self,
        write: impl FnOnce(&PodRow, &Group) -> Result<(), SealedError>,
    ) -> Result<(), SealedError> {
        let mut writer = self.writer()?;
        let ended = write(&self.state().row, &self.host.group);
        match &ended {
            Ok(()) => {
                self.gone.store(true, Ordering::Release);
                self.purse.change(self.state().row.used(), 0);
            }
            Err(SealedError::Storage(StorageError::InDoubt(_))) => writer.stale = true,
            Err(_) => {}
        }
        writer.forget();
        ended
    }

    /// Drops what a failed write may have left in memory.
    pub(crate) fn abandon(&self, writer: &mut Writer) {
        writer.forget();
        self.weigh(writer);
    }

    fn weigh(&self, writer: &Writer) {
        let now = self.state().weight() + writer.weight() + self.listeners.len() * 64;
        let before = self.weight.swap(now, Ordering::Relaxed);
        self.host.weight.fetch_add(now, Ordering::Relaxed);
        self.host.weight.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Drop for SealedPod {
    fn drop(&mut self) {
        let weight = self.weight.load(Ordering::Relaxed);
        self.host.weight.fetch_sub(weight, Ordering::Relaxed);
    }
}
