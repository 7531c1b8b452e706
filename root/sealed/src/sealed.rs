//! All hosted pods, and those of them that are in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use rhizome_identity::{Did, Log};
use rhizome_ipld::{HashKind, PublicKey};
use rhizome_storage::{Batch, Durability, Kv};

use crate::{
    SealedError, SealedPod,
    group::Group,
    keys::{GONE, META, OF_PODS, PODS, POLICIES, PodNo, VIEWS, id_of, u32_at, u64_at},
    pod::Host,
    purse,
    row::PodRow,
    view::View,
};

/// Most views that one pod has kept.
pub const MAX_VIEWS: usize = 10_000;
/// The format of the store.
const FORMAT: u32 = 1;
const HEAD: &[u8] = b"sealed";
/// Pods that are named for one hidden key.
const MAX_FOUND: usize = 64;
/// Rows and bytes deleted in one batch.
const SWEEP: (usize, usize) = (4096, 4 << 20);

/// How to open [`Sealed`].
#[derive(Clone, Copy, Debug)]
pub struct SealedOptions {
    /// Bytes of memory for pods that nobody uses at the moment. What is used longest ago goes first.
    pub loaded_bytes: usize,
}

impl Default for SealedOptions {
    /// 64 MiB.
    fn default() -> Self {
        Self {
            loaded_bytes: 64 << 20,
        }
    }
}

/// What became of a pod that somebody wants hosted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hosted {
    /// It is hosted from now on.
    New,
    /// It was; what is new in its device log was added. Its quota is what it was.
    Already,
}

/// What a pod takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Whose.
    pub did: Did,
    /// The pod whose view it is, and in whose quota it counts.
    pub sponsor: Option<Did>,
    /// Bytes it may take, with its views; of a view what its sponsor might when it was first hosted.
    pub quota: u64,
    /// Commits, void ones included.
    pub commits: u64,
    /// Their bytes in the log.
    pub commit_bytes: u64,
    /// Certificates, waiting ones included.
    pub certificates: u64,
    /// Their bytes.
    pub certificate_bytes: u64,
    /// When it was first hosted, as the caller's clock had it.
    pub since: u64,
    /// When something was last written, or [`SealedPod::touch`]ed.
    pub last_activity: u64,
}

impl Usage {
    pub(crate) fn of(did: Did, sponsor: Option<Did>, row: &PodRow) -> Self {
        Self {
            did,
            sponsor,
            quota: row.quota,
            commits: row.commits,
            commit_bytes: row.commit_bytes,
            certificates: row.certificates,
            certificate_bytes: row.certificate_bytes,
            since: row.since,
            last_activity: row.last_activity,
        }
    }
}

/// The commits and certificates of many pods in one store, without any key. Every method may be called from any thread.
pub struct Sealed {
    host: Arc<Host>,
    options: SealedOptions,
    loaded: Mutex<Loaded>,
    /// Of a pod, by the first byte of its name: whoever loads, hosts or removes it.
    doors: [Mutex<()>; 64],
    /// Whoever gives out a number.
    numbers: Mutex<()>,
}

#[derive(Default)]
struct Loaded {
    clock: u64,
    pods: HashMap<[u8; 32], (u64, Arc<SealedPod>)>,
    /// By when they were last asked for.
    order: BTreeMap<u64, [u8; 32]>,
}

impl Sealed {
    /// Opens the pods in a store, which nothing else may use. Costs the same however many there are.
    ///
    /// # Errors
    /// [`SealedError::Foreign`], [`SealedError::Version`], those of the store.
    pub fn open(kv: Arc<dyn Kv>, options: SealedOptions) -> Result<Self, SealedError> {
        let snap = kv.snapshot()?;
        match snap.get(META, HEAD)? {
            Some(head) if head.len() == 12 && u32_at(&head, 0) == FORMAT => {}
            Some(head) => return Err(SealedError::Version(u32_at(&head, 0))),
            None => {
                let mut foreign = false;
                for keyspace in 0..rhizome_storage::KEYSPACES {
                    snap.scan(keyspace, &[], None, false, &mut |_, _| {
                        foreign = true;
                        ControlFlow::Break(())
                    })?;
                }
                if foreign {
                    return Err(SealedError::Foreign);
                }
                let mut batch = Batch::new();
                batch.put(META, HEAD, head(0));
                kv.commit(batch, Durability::Durable)?;
            }
        }
        Ok(Self {
            host: Arc::new(Host {
                group: Group::new(Arc::clone(&kv)),
                kv,
                weight: AtomicUsize::new(0),
                purses: purse::Purses::default(),
            }),
            options,
            loaded: Mutex::default(),
            doors: std::array::from_fn(|_| Mutex::default()),
            numbers: Mutex::default(),
        })
    }

    /// Hosts a pod, of which this is the device log; `now` in milliseconds. May be said again.
    ///
    /// # Errors
    /// [`SealedError::Share`] if the log is not acceptable; those of the store.
    pub fn host(&self, log: &Log, quota: u64, now: u64) -> Result<Hosted, SealedError> {
        let digest = digest(&log.did())?;
        let _door = self.door(&digest).lock();
        if let Some(pod) = self.load(&digest)? {
            pod.add_log(log, now)?;
            return Ok(Hosted::Already);
        }
        let (row, batch, _numbers) = self.row(quota, now)?;
        SealedPod::begin(&self.host, digest, log, row, quota, batch)?;
        Ok(Hosted::New)
    }

    /// The row of a new pod; whoever has it is the only one to make any.
    fn row(
        &self,
        quota: u64,
        now: u64,
    ) -> Result<(PodRow, Batch, MutexGuard<'_, ()>), SealedError> {
        let numbers = self.numbers.lock();
        let next = self.next_number()?;
        let mut batch = Batch::new();
        batch.put(META, HEAD, head(next + 1));
        let row = PodRow {
            number: PodNo(next),
            quota,
            since: now,
            last_activity: now,
            commits: 0,
            commit_bytes: 0,
            certificates: 0,
            certificate_bytes: 0,
            next_commit: 0,
            next_author: 0,
        };
        Ok((row, batch, numbers))
    }

    /// Hosts a view of a pod that is hosted already: what it takes counts in the quota of that one, which is forgotten with it. May be
    /// said again; a pod that is hosted already stays whose it is.
    ///
    /// # Errors
    /// [`SealedError::NoSponsor`] if the sponsor is a view itself, or has [`MAX_VIEWS`]; otherwise as [`Self::host`].
    pub fn host_view(
        &self,
        log: &Log,
        sponsor: &SealedPod,
        now: u64,
    ) -> Result<Hosted, SealedError> {
        sponsor.hosted()?;
        let digest = digest(&log.did())?;
        let _door = self.door(&digest).lock();
        if let Some(pod) = self.load(&digest)? {
            pod.add_log(log, now)?;
            return Ok(Hosted::Already);
        }
        let of = sponsor.digest();
        let views = purse::views_of(&*self.host.kv.snapshot()?, &of, MAX_VIEWS)?;
        if views.len() >= MAX_VIEWS || sponsor.sponsor().is_some() {
            return Err(SealedError::NoSponsor(sponsor.did()));
        }
        let (row, mut batch, _numbers) = self.row(sponsor.usage().quota, now)?;
        purse::put(&mut batch, &of, &digest);
        let allowed = sponsor.purse().allowed(0);
        let used = SealedPod::begin(&self.host, digest, log, row, allowed, batch)?;
        sponsor.purse().change(0, used);
        Ok(Hosted::New)
    }

    /// The views that a pod has hosted.
    ///
    /// # Errors
    /// Those of the store.
    pub fn views(&self, did: &Did) -> Result<Vec<Did>, SealedError> {
        let Some(digest) = did.genesis_digest() else {
            return Ok(Vec::new());
        };
        let found = purse::views_of(&*self.host.kv.snapshot()?, digest, MAX_VIEWS)?;
        found.into_iter().map(crate::sealed::did).collect()
    }

    /// The views that a pod has hosted, each with its devices.
    ///
    /// # Errors
    /// Those of the store.
    pub fn views_with_devices(
        &self,
        did: &Did,
    ) -> Result<Vec<(Did, BTreeSet<PublicKey>)>, SealedError> {
        let Some(digest) = did.genesis_digest() else {
            return Ok(Vec::new());
        };
        let snap = self.host.kv.snapshot()?;
        let mut out = Vec::new();
        for view in purse::views_of(&*snap, digest, MAX_VIEWS)? {
            let Some(row) = snap.get(PODS, &view)? else {
                continue;
            };
            let number = PodRow::decode(&row)?.number;
            if let Some(certified) = snap.get(VIEWS, &number.key())? {
                let devices = View::decode(&certified)?.devices;
                out.push((crate::sealed::did(view)?, devices));
            }
        }
        Ok(out)
    }

    /// The pod, if it is hosted.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pod(&self, did: &Did) -> Result<Option<Arc<SealedPod>>, SealedError> {
        let Some(digest) = did.genesis_digest() else {
            return Ok(None);
        };
        if let Some(pod) = self.in_memory(digest) {
            return Ok(Some(pod));
        }
        let _door = self.door(digest).lock();
        self.load(digest)
    }

    /// What all pods take, in no particular order.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pods(&self) -> Result<Vec<Usage>, SealedError> {
        let mut rows = Vec::new();
        let snap = self.host.kv.snapshot()?;
        snap.scan(PODS, &[], None, false, &mut |key, row| {
            rows.push((id_of(key), PodRow::decode(row)));
            ControlFlow::Continue(())
        })?;
        let sponsors = purse::sponsors(&*snap)?;
        let usage = |(digest, row): ([u8; 32], Result<PodRow, _>)| {
            let sponsor = sponsors.get(&digest).copied().map(did).transpose()?;
            Ok(Usage::of(did(digest)?, sponsor, &row?))
        };
        rows.into_iter().map(usage).collect()
    }

    /// The pods whose device log has this hidden key in a recovery policy in force; at most 64, those hosted longest first. Anybody can
    /// put any hidden key into a policy of his: what is found is a place to look, not a proof.
    ///
    /// # Errors
    /// Those of the store.
    pub fn find_by_policy_key(&self, hidden: &[u8; 32]) -> Result<Vec<Did>, SealedError> {
        let mut found = Vec::new();
        let snap = self.host.kv.snapshot()?;
        snap.scan(POLICIES, hidden, None, false, &mut |key, digest| {
            if !key.starts_with(hidden) || found.len() == MAX_FOUND {
                return ControlFlow::Break(());
            }
            found.push(did(id_of(digest)));
            ControlFlow::Continue(())
        })?;
        found.into_iter().collect()
    }

    /// Changes how much a pod may take. What is there already stays.
    ///
    /// # Errors
    /// [`SealedError::NotHosted`]; those of the store.
    pub fn set_quota(&self, did: &Did, quota: u64) -> Result<(), SealedError> {
        let pod = self.pod(did)?.ok_or(SealedError::NotHosted(*did))?;
        pod.set_quota(quota)
    }

    /// Stops hosting a pod and its views, and deletes all of them. From the first durable step on it is not hosted any more; then its rows are deleted in
    /// batches. If that is interrupted, [`Self::sweep`] goes on. Returns whether it was hosted.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remove(&self, did: &Did) -> Result<bool, SealedError> {
        for view in self.views(did)? {
            self.remove_one(&view)?;
        }
        if !self.remove_one(did)? {
            return Ok(false);
        }
        // those that came meanwhile
        for view in self.views(did)? {
            self.remove_one(&view)?;
        }
        while !self.sweep()? {}
        Ok(true)
    }

    fn remove_one(&self, did: &Did) -> Result<bool, SealedError> {
        let Some(digest) = did.genesis_digest() else {
            return Ok(false);
        };
        {
            let _door = self.door(digest).lock();
            let Some(pod) = self.load(digest)? else {
                return Ok(false);
            };
            pod.end(|row, group| {
                let snap = self.host.kv.snapshot()?;
                let mut batch = Batch::new();
                batch.delete(PODS, digest);
                batch.put(GONE, row.number.key(), []);
                if let Some(sponsor) = pod.sponsor_digest() {
                    purse::delete(&mut batch, &sponsor, digest);
                }
                if let Some(view) = snap.get(VIEWS, &row.number.key())? {
                    for hidden in View::decode(&view)?.policies {
                        batch.delete(POLICIES, [&hidden[..], &row.number.key()].concat());
                    }
                }
                Ok(group.commit(batch)?)
            })?;
            self.host.purses.forget(digest);
            let mut loaded = self.loaded.lock();
            if let Some((at, _)) = loaded.pods.remove(digest) {
                loaded.order.remove(&at);
            }
        }
        Ok(true)
    }

    /// Deletes a batch of rows of removed pods; true when there are none left. Call it after opening, until it says so: a removal may have
    /// been interrupted.
    ///
    /// # Errors
    /// Those of the store.
    pub fn sweep(&self) -> Result<bool, SealedError> {
        let snap = self.host.kv.snapshot()?;
        let mut gone = None;
        snap.scan(GONE, &[], None, false, &mut |key, _| {
            gone = Some(PodNo(u64_at(key, 0)));
            ControlFlow::Break(())
        })?;
        let Some(pod) = gone else { return Ok(true) };
        let mut batch = Batch::new();
        let mut bytes = 0;
        for keyspace in OF_PODS {
            crate::keys::scan_pod(&*snap, keyspace, pod, &mut |key, value| {
                if batch.len() >= SWEEP.0 || bytes >= SWEEP.1 {
                    return ControlFlow::Break(());
                }
                bytes += value.len();
                batch.delete(keyspace, key);
                ControlFlow::Continue(())
            })?;
        }
        let durability = if batch.is_empty() {
            batch.delete(GONE, pod.key());
            Durability::Durable
        } else {
            // what is deleted twice is deleted
            Durability::Relaxed
        };
        self.host.kv.commit(batch, durability)?;
        Ok(false)
    }

    /// How many sessions with a pod there are. It is not loaded for this.
    pub fn sessions(&self, did: &Did) -> usize {
        let loaded = self.loaded.lock();
        let pod = did.genesis_digest().and_then(|d| loaded.pods.get(d));
        pod.map_or(0, |(_, pod)| pod.sessions())
    }

    /// How many pods are in memory, and the bytes they take, about.
    pub fn in_use(&self) -> (usize, usize) {
        let pods = self.loaded.lock().pods.len();
        (pods, self.host.weight.load(Ordering::Relaxed))
    }

    fn door(&self, digest: &[u8; 32]) -> &Mutex<()> {
        &self.doors[usize::from(digest[0]) % self.doors.len()]
    }

    fn next_number(&self) -> Result<u64, SealedError> {
        let head = self.host.kv.snapshot()?.get(META, HEAD)?;
        let head = head.ok_or(SealedError::Corrupt("its head is missing"))?;
        Ok(u64_at(&head, 4))
    }

    fn in_memory(&self, digest: &[u8; 32]) -> Option<Arc<SealedPod>> {
        let mut loaded = self.loaded.lock();
        let loaded = &mut *loaded;
        let (at, pod) = loaded.pods.get_mut(digest)?;
        loaded.order.remove(at);
        loaded.clock += 1;
        *at = loaded.clock;
        loaded.order.insert(loaded.clock, *digest);
        Some(Arc::clone(pod))
    }

    /// The pod, from memory or from the store. The door must be held.
    fn load(&self, digest: &[u8; 32]) -> Result<Option<Arc<SealedPod>>, SealedError> {
        if let Some(pod) = self.in_memory(digest) {
            return Ok(Some(pod));
        }
        let Some(pod) = SealedPod::load(&self.host, *digest)? else {
            return Ok(None);
        };
        let pod = Arc::new(pod);
        let mut loaded = self.loaded.lock();
        self.evict(&mut loaded);
        loaded.clock += 1;
        let now = loaded.clock;
        loaded.pods.insert(*digest, (now, Arc::clone(&pod)));
        loaded.order.insert(now, *digest);
        Ok(Some(pod))
    }

    /// Lets go of pods that nobody holds, until the others fit.
    fn evict(&self, loaded: &mut Loaded) {
        let mut tries = loaded.order.len();
        while self.host.weight.load(Ordering::Relaxed) > self.options.loaded_bytes && tries > 0 {
            tries -= 1;
            let Some((_, digest)) = loaded.order.pop_first() else {
                return;
            };
            // only this map gives out pods: nobody can come by one while it is locked
            let held = |(_, pod): &(u64, Arc<SealedPod>)| Arc::strong_count(pod) > 1;
            if loaded.pods.get(&digest).is_some_and(held) {
                loaded.clock += 1;
                let now = loaded.clock;
                if let Some((at, _)) = loaded.pods.get_mut(&digest) {
                    *at = now;
                }
                loaded.order.insert(now, digest);
            } else {
                loaded.pods.remove(&digest);
            }
        }
    }
}

fn head(next: u64) -> Vec<u8> {
    [&FORMAT.to_be_bytes()[..], &next.to_be_bytes()].concat()
}

pub(crate) fn digest(did: &Did) -> Result<[u8; 32], SealedError> {
    did.genesis_digest()
        .copied()
        .ok_or(SealedError::NotHosted(*did))
}

pub(crate) fn did(digest: [u8; 32]) -> Result<Did, SealedError> {
    Ok(Did::from_genesis(&HashKind::Sha256.cid_of(digest))?)
}
