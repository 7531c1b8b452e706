//! All views of a home.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use rhizome_identity::{Did, IdentityError, Log, Role, Secret};
use rhizome_ipld::PublicKey;
use rhizome_member::{Entropy, Member};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::{
    Seed, View,
    row::{Mask, Row},
    store::Store,
    view::Signal,
};
use crate::{
    PodError,
    home::{entropy, random_bytes},
    lock::WriterLock,
};

/// Views that one home holds at most.
const MAX_VIEWS: usize = 10_000;

/// The views that a home holds, in one store beside its pod: `views.redb`, and a key store each in `views/`. Every method may be called
/// from any thread.
pub struct Views {
    store: Arc<Store>,
    all: Mutex<BTreeMap<Did, Arc<View>>>,
    /// One is made at a time, so that none is made twice.
    making: Mutex<()>,
    /// Held by who writes to one that others share, so that it does not come to be acted in by another key in between.
    acting: RwLock<()>,
    /// Counts what happens to any of them.
    signal: Signal,
    /// Another one in every process.
    process: u64,
}

/// Whether the word of a key counts in a view.
fn counts(member: &Member, key: &PublicKey) -> bool {
    let trust = member.trust();
    let device = trust.set().resolution().device(key);
    device.is_some_and(|active| matches!(active.device.role, Role::Admin | Role::Member))
}

impl Views {
    /// Whether a home ever had one.
    pub(crate) fn exist(home: &Path) -> bool {
        home.join("views.redb").exists()
    }

    /// Opens those of a home whose key store has this secret; none of them itself.
    pub(crate) fn open(
        home: &Path,
        passphrase: &Zeroizing<String>,
        secret: &[u8; 32],
        lock: &Arc<WriterLock>,
    ) -> Result<Self, PodError> {
        let mask = Mask::new(secret);
        let store = Store::open(home, passphrase.clone(), mask, Arc::clone(lock))?;
        let store = Arc::new(store);
        let signal = Signal::default();
        let mut all = BTreeMap::new();
        for (did, row) in store.rows()? {
            all.insert(did, Arc::new(View::new(&store, did, row, &signal)?));
        }
        let mut process = [0; 8];
        random_bytes()?(&mut process);
        Ok(Self {
            store,
            all: Mutex::new(all),
            making: Mutex::default(),
            signal,
            acting: RwLock::default(),
            process: u64::from_be_bytes(process),
        })
    }

    /// Makes a new one, whose admin acts by a new seed ([`View::seed`]).
    ///
    /// # Errors
    /// Those of the stores.
    pub fn create(&self) -> Result<Arc<View>, PodError> {
        self.create_by(&Seed::generate()?)
    }

    /// As [`Self::create`], whose admin acts by a seed that is known already: noted before, say, where it cannot get lost. The DID follows from the seed, so two homes that do it
    /// with the same seed make the same view.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_by(&self, seed: &Seed) -> Result<Arc<View>, PodError> {
        self.make(seed, |number, random| {
            let mut keys = self.store.make_keys(number, seed)?;
            rhizome_member::found_within(&mut keys, seed.nonce(), &random)?;
            let member = Member::create(self.store.tuples(number)?, keys, random)?;
            Ok((member, true))
        })
    }

    /// Takes part in one whose device log lists the key of a seed. What it holds is not here yet afterwards. If it is here already, that is
    /// the one.
    ///
    /// # Errors
    /// [`PodError::Identity`] if the log does not list the key; [`PodError::Request`] if this home acts in it by another one already.
    pub fn join(&self, seed: &Seed, log: &Log) -> Result<Arc<View>, PodError> {
        let did = log.did();
        if let Some(view) = self.get(&did) {
            return if view.key() == seed.public() {
                Ok(view)
            } else {
                Err(PodError::Request(format!(
                    "this home acts in the view {did} by another key already: remove it first"
                )))
            };
        }
        self.make(seed, |number, random| {
            let keys = self.store.make_keys(number, seed)?;
            let member = Member::join(self.store.tuples(number)?, keys, log, random)?;
            let own = counts(&member, &seed.public());
            Ok((member, own))
        })
    }

    /// Has this home act in a view by another seed from now on, whose key the view's device log lists; what is here stays. `None` if somebody has the view open: then it
    /// is to be tried again.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such view; [`PodError::Identity`] if its log does not list the key; those of the stores.
    pub fn act_by(&self, did: &Did, seed: &Seed) -> Result<Option<Arc<View>>, PodError> {
        let _alone = self.making.lock();
        let _nobody = self.acting.write();
        let view = self
            .get(did)
            .ok_or_else(|| PodError::Request(format!("there is no view {did} in this home")))?;
        if view.key() == seed.public() {
            return Ok(Some(view));
        }
        let member = view.member()?;
        let (_, log) = member.device_log();
        let device = seed.public();
        if !member.is_device(&device) {
            return Err(IdentityError::NotADevice { device, did: *did }.into());
        }
        let number = self.store.number()?;
        let prepared = self.prepare(number, seed, &member, &log);
        let wrote: Vec<_> = member.processes().into_iter().map(|(_, key)| key).collect();
        let own = counts(&member, &device);
        drop(member);
        let row = view.row();
        let next = row.acting_by((number, own), did, seed, &self.store.mask, wrote);
        if let Err(error) = prepared {
            let _ = self.store.sweep(number);
            return Err(error);
        }
        if !view.give_way()? {
            self.store.sweep(number)?;
            return Ok(None);
        }
        let stored = self.store.put(did, &next);
        let now = if stored.is_ok() { next } else { row.clone() };
        let view = Arc::new(View::new(&self.store, *did, now, &self.signal)?);
        self.all.lock().insert(*did, Arc::clone(&view));
        self.signal.tell();
        stored?;
        self.store.drop_keys(row.keys());
        Ok(Some(view))
    }

    /// A key store for another seed, that opens what is open already.
    fn prepare(
        &self,
        number: u64,
        seed: &Seed,
        member: &Member,
        log: &Log,
    ) -> Result<(), PodError> {
        let mut keys = self.store.make_keys(number, seed)?;
        keys.join(log)?;
        for (name, secret) in member.keys().epochs() {
            keys.add_epoch(name, Secret::take(&mut { *secret.expose() }))?;
        }
        Ok(keys.save(&mut random_bytes()?)?)
    }

    /// Keeps every view acted in by the key that it is acted in by now.
    pub(crate) fn acting(&self) -> RwLockReadGuard<'_, ()> {
        self.acting.read()
    }

    fn make(
        &self,
        seed: &Seed,
        make: impl FnOnce(u64, Entropy) -> Result<(Member, bool), PodError>,
    ) -> Result<Arc<View>, PodError> {
        let _alone = self.making.lock();
        if self.all.lock().len() >= MAX_VIEWS {
            return Err(PodError::Request(format!(
                "this home holds {MAX_VIEWS} views: remove some that nobody needs"
            )));
        }
        let number = self.store.number()?;
        let (member, own) = match make(number, entropy()?) {
            Ok(made) => made,
            Err(error) => {
                // if that fails too, the next opening sees to it
                let _ = self.store.sweep(number);
                return Err(error);
            }
        };
        let (did, _) = member.device_log();
        if let Some(view) = self.get(&did) {
            // somebody joined it just now
            drop(member);
            self.store.sweep(number)?;
            return Ok(view);
        }
        let row = Row::new(number, &did, seed, own, &self.store.mask);
        // its first words are to be there if its row is
        member.replica().flush()?;
        self.store.put(&did, &row)?;
        let view = Arc::new(View::new(&self.store, did, row, &self.signal)?);
        view.adopt(member);
        self.all.lock().insert(did, Arc::clone(&view));
        view.rest()?;
        self.signal.happened(did);
        Ok(view)
    }

    /// One of them.
    pub fn get(&self, did: &Did) -> Option<Arc<View>> {
        self.all.lock().get(did).cloned()
    }

    /// All of them, in order of their DIDs.
    pub fn list(&self) -> Vec<Arc<View>> {
        self.all.lock().values().cloned().collect()
    }

    /// Those that are somebody else's, or were before this person got another key.
    pub(crate) fn of_others(&self) -> Vec<Arc<View>> {
        let all = self.all.lock();
        all.values()
            .filter(|view| view.may_move())
            .cloned()
            .collect()
    }

    /// Removes one from this home, and deletes its data here; files stay. Whether there was one. Whoever still has its device keeps that
    /// from being deleted before the home is opened again.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn remove(&self, did: &Did) -> Result<bool, PodError> {
        let _alone = self.making.lock();
        let Some(view) = self.get(did) else {
            return Ok(false);
        };
        self.store.forget(did, view.number())?;
        self.all.lock().remove(did);
        self.signal.tell();
        let keys = view.row().keys();
        if let Some(number) = view.end() {
            self.store.sweep(number)?;
            self.store.drop_keys(keys);
        }
        Ok(true)
    }

    /// To which of them something happened since this was asked last: for one who asks.
    pub(crate) fn take_happened(&self) -> BTreeSet<Did> {
        self.signal.take()
    }

    /// Told whenever something happens to any of them.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }

    pub(super) fn process(&self) -> u64 {
        self.process
    }
}
