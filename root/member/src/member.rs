//! A device of a pod with all that makes it one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use rhizome_identity::{
    Create, Did, Genesis, IdentityError, KeyStore, Log, Operation, RecoveryWords, SealedHead,
    Secret,
};
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_replica::{Author, Authors, Epochs, Replica, ReplicaError};
use rhizome_share::{Added, Certificate, ShareError};
use rhizome_storage::Kv;
use rhizome_sync::set::Id;
use rhizome_tuple::EpochSecret;

use crate::{
    Chains, MemberError, News, Trust,
    hollow::Hollow,
    news::Listeners,
    saved::{self, Saved},
    store::name,
    told,
};

/// Where randomness comes from: fills a buffer with bytes that nobody can guess.
pub type Entropy = Box<dyn Fn(&mut [u8]) + Send + Sync>;

/// How a replica is opened: [`Replica::open`] or [`Replica::rebuild`].
pub type OpenReplica = fn(Arc<dyn Kv>, Epochs, Authors) -> Result<Replica, ReplicaError>;

/// One device of a pod: its keys, its certificates and its replica. Whatever changes what the certificates say changes with it who may
/// write, under which epoch is sealed, and what this device owes to the others. Every method may be called from any thread.
pub struct Member {
    replica: Arc<Replica>,
    // taken before `trust` by who takes both
    keys: Mutex<KeyStore>,
    trust: Mutex<Trust>,
    pub(crate) chains: Arc<Mutex<Chains>>,
    kv: Arc<dyn Kv>,
    hollow: Arc<Hollow>,
    news: Arc<Listeners>,
    authors: Mutex<BTreeMap<String, Arc<Author>>>,
    random: Entropy,
}

/// Makes the DID of a new pod: one device, recovery by 24 words, and the first epoch. Saved as one step.
///
/// # Errors
/// Those of the key store.
pub fn found(keys: &mut KeyStore, random: &Entropy) -> Result<(), MemberError> {
    let mut nonce = [0; 16];
    random(&mut nonce);
    let words = RecoveryWords::generate(&mut |out: &mut [u8]| {
        random(out);
    });
    begin(keys, Some(words), nonce, random)
}

/// As [`found`], without recovery: for a pod whose keys are kept in another one. Its DID follows from the keys and the nonce.
///
/// # Errors
/// Those of the key store.
pub fn found_within(
    keys: &mut KeyStore,
    nonce: [u8; 16],
    random: &Entropy,
) -> Result<(), MemberError> {
    begin(keys, None, nonce, random)
}

fn begin(
    keys: &mut KeyStore,
    words: Option<RecoveryWords>,
    nonce: [u8; 16],
    random: &Entropy,
) -> Result<(), MemberError> {
    let mut random = |out: &mut [u8]| random(out);
    let device = keys.device();
    let create = Create::one_device(
        device.public(),
        keys.kem().public(),
        words.iter().map(RecoveryWords::policy).collect(),
        Vec::new(),
        &mut |out: &mut [u8]| out.copy_from_slice(&nonce),
    );
    keys.set_genesis(Genesis::create(create, &[&device])?)?;
    if let Some(words) = words {
        keys.keep_words(words);
    }
    let secret = Secret::random(&mut random);
    keys.add_epoch(EpochSecret::new(secret.expose()).id().0, secret)?;
    keys.save(&mut random)?;
    Ok(())
}

/// All leaves that are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasures {
    /// Their places, by their commits.
    pub leaves: BTreeMap<Id, BTreeSet<u32>>,
    mark: [u8; 32],
}

impl Member {
    /// Makes the replica, without tuples, of a pod that the keys belong to ([`found`]).
    ///
    /// # Errors
    /// [`ReplicaError::Exists`] if there is one in the store; [`IdentityError::NoIdentity`].
    pub fn create(kv: Arc<dyn Kv>, keys: KeyStore, random: Entropy) -> Result<Self, MemberError> {
        let trust = Trust::load(Arc::clone(&kv), &keys)?;
        Self::fresh(kv, keys, trust, random)
    }

    /// Makes the replica, without tuples, of a pod whose device log lists this device.
    ///
    /// # Errors
    /// [`ReplicaError::Exists`] if there is one in the store; [`IdentityError::NotADevice`].
    pub fn join(
        kv: Arc<dyn Kv>,
        mut keys: KeyStore,
        log: &Log,
        random: Entropy,
    ) -> Result<Self, MemberError> {
        keys.join(log)?;
        keys.save(&mut |out: &mut [u8]| random(out))?;
        let mut trust = Trust::load(Arc::clone(&kv), &keys)?;
        for result in trust.add(Certificate::of_log(log))? {
            result?;
        }
        Self::fresh(kv, keys, trust, random)
    }

    fn fresh(
        kv: Arc<dyn Kv>,
        mut keys: KeyStore,
        mut trust: Trust,
        random: Entropy,
    ) -> Result<Self, MemberError> {
        let did = keys.did().ok_or(IdentityError::NoIdentity)?;
        let mut salt = [0; 32];
        random(&mut salt);
        trust.settle(&mut keys, &mut |out: &mut [u8]| random(out))?;
        let epochs = Epochs::new(trust.epochs(&keys));
        let hollow = Hollow::load(Arc::clone(&kv))?;
        let stored = Arc::clone(&kv);
        let replica = Replica::create(kv, &did.to_string(), salt, epochs, trust.authors())?;
        Self::new(stored, keys, trust, replica, hollow, random)
    }

    /// Opens what a store holds.
    ///
    /// # Errors
    /// [`ReplicaError::Missing`] if it holds no replica.
    pub fn open(
        kv: Arc<dyn Kv>,
        mut keys: KeyStore,
        open: OpenReplica,
        random: Entropy,
    ) -> Result<Self, MemberError> {
        let mut trust = Trust::load(Arc::clone(&kv), &keys)?;
        trust.settle(&mut keys, &mut |out: &mut [u8]| random(out))?;
        let hollow = Hollow::load(Arc::clone(&kv))?;
        let stored = Arc::clone(&kv);
        let replica = open(kv, Epochs::new(trust.epochs(&keys)), trust.authors())?;
        hollow.search(&replica.snapshot())?;
        Self::new(stored, keys, trust, replica, hollow, random)
    }

    fn new(
        kv: Arc<dyn Kv>,
        keys: KeyStore,
        trust: Trust,
        replica: Replica,
        hollow: Hollow,
        random: Entropy,
    ) -> Result<Self, MemberError> {
        let news = Arc::new(Listeners::default());
        let chains = Chains::restore(Saved::load(&*kv)?, &replica.snapshot())?;
        let (chains, told) = (Arc::new(Mutex::new(chains)), Arc::clone(&news));
        let restarted = Arc::clone(&chains);
        let hollow = Arc::new(hollow);
        let searched = Arc::clone(&hollow);
        replica.listen(move |change| {
            let count = change.before.commit_count();
            let (old, beyond) = (change.before.beyond(), change.after.beyond());
            let others = !Arc::ptr_eq(old, beyond) && !old.iter().eq(beyond.range(..count));
            if change.reset {
                restarted.lock().forget();
                // if it cannot be searched now, it is when somebody is to be asked
                drop(searched.search(&change.after));
            }
            if change.reset || others {
                told.tell(News::Judged);
            }
            for number in count..change.after.commit_count() {
                // one that cannot be read now is found when the chains are compared
                if !beyond.contains(&number)
                    && let Ok(Some((link, _))) = change.after.link(number)
                {
                    told.tell(News::Commit(name(&link)));
                }
            }
        });
        Ok(Self {
            replica: Arc::new(replica),
            keys: Mutex::new(keys),
            trust: Mutex::new(trust),
            chains,
            kv,
            hollow,
            news,
            authors: Mutex::default(),
            random,
        })
    }

    /// The tuples.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// The keys. Whoever holds them keeps everybody else from them.
    pub fn keys(&self) -> MutexGuard<'_, KeyStore> {
        self.keys.lock()
    }

    /// The certificates. Whoever holds them does not ask for the keys.
    pub fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock()
    }

    /// What there is of each author's chain, as of now.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn chains(&self) -> Result<MutexGuard<'_, Chains>, MemberError> {
        let mut chains = self.chains.lock();
        let now = self.replica.snapshot();
        chains.update(&now)?;
        let Some(draft) = chains.draft(&now)? else {
            return Ok(chains);
        };
        // whoever throws memory away, because the disk refuses, needs the chains while it holds up who flushes
        drop(chains);
        self.replica.flush()?;
        let mut chains = self.chains.lock();
        if chains.keep(&draft) {
            // nothing rests on it
            let _ = saved::store(&*self.kv, draft.bytes);
        }
        chains.update(&self.replica.snapshot())?;
        Ok(chains)
    }

    /// Commits to ask others for bytes of.
    pub(crate) fn hollow(&self) -> &Hollow {
        &self.hollow
    }

    /// Calls `listener` with all that is new from now on; it must be quick. Returns a number for [`Self::unlisten`].
    pub fn listen(&self, listener: impl Fn(News) + Send + Sync + 'static) -> u64 {
        self.news.add(listener)
    }

    /// Ends it.
    pub fn unlisten(&self, number: u64) {
        self.news.remove(number);
    }

    /// Takes certificates from elsewhere, durably, and does what follows from them: who may write, which epoch is current, and what this
    /// device owes to the others. Says for each what became of it.
    ///
    /// # Errors
    /// Those of the store and of the key store.
    pub fn take_certificates(
        &self,
        certificates: Vec<Certificate>,
    ) -> Result<Vec<Result<Added, ShareError>>, MemberError> {
        let ids: Vec<_> = certificates.iter().map(Certificate::id).collect();
        let results = self.trust.lock().add(certificates)?;
        if results.iter().any(|r| matches!(r, Ok(Added::New))) {
            self.settle()?;
        }
        for (id, result) in ids.into_iter().zip(&results) {
            if matches!(result, Ok(Added::New)) {
                self.news.tell(News::Certificate(id));
            }
        }
        Ok(results)
    }

    /// Makes what is written and read agree with the certificates.
    ///
    /// # Errors
    /// Those of the store and of the key store.
    pub fn settle(&self) -> Result<(), MemberError> {
        let mut keys = self.keys.lock();
        let mut trust = self.trust.lock();
        let made = trust.settle(&mut keys, &mut |out: &mut [u8]| (self.random)(out))?;
        self.replica.set_epochs(trust.epochs(&keys));
        self.replica.set_authors(trust.authors())?;
        drop(trust);
        drop(keys);
        // an app's key of before a removal writes no more
        self.authors.lock().clear();
        for certificate in made {
            self.news.tell(News::Certificate(certificate.id()));
        }
        Ok(())
    }

    /// The device's signing key.
    pub fn signing_key(&self) -> SigningKey {
        self.keys.lock().device()
    }

    /// The DID and the device log, to be shown.
    pub fn device_log(&self) -> (Did, Log) {
        let trust = self.trust.lock();
        (trust.set().did(), trust.set().log().clone())
    }

    /// Whether this key is one of the pod's devices now.
    pub fn is_device(&self, key: &PublicKey) -> bool {
        self.trust.lock().set().resolution().device(key).is_some()
    }

    /// Whether this key, now one of the pod's, is one that only follows.
    pub fn only_follows(&self, key: &PublicKey) -> bool {
        self.trust.lock().set().resolution().only_follows(key)
    }

    /// Whether this device may add and remove others.
    pub fn is_admin(&self) -> bool {
        let own = self.keys.lock().device().public();
        self.trust.lock().set().resolution().is_admin(&own)
    }

    /// Whether a process of this device writes with this key.
    pub fn is_own(&self, key: &PublicKey) -> bool {
        self.keys.lock().processes().any(|(_, own)| own == *key)
    }

    /// The processes that write for this device: what each is called here, and its key. The names are in this device's key store only.
    pub fn processes(&self) -> Vec<(String, PublicKey)> {
        let keys = self.keys.lock();
        let all = keys.processes();
        all.map(|(name, key)| (name.to_owned(), key)).collect()
    }

    /// The key that writes under this name, enrolled when it first writes.
    ///
    /// # Errors
    /// Those of the store and of the key store.
    pub fn author(&self, name: &str) -> Result<Arc<Author>, MemberError> {
        let mut authors = self.authors.lock();
        if let Some(author) = authors.get(name) {
            return Ok(Arc::clone(author));
        }
        let mut keys = self.keys.lock();
        let own = keys.device().public();
        if self.trust.lock().set().resolution().only_follows(&own) {
            // an enrolment that nobody takes must not get into the key store
            return Err(ShareError::Follows(own).into());
        }
        let is_new = keys.process(name).is_none();
        let mut random = |out: &mut [u8]| (self.random)(out);
        let process = keys.enrol(name, &mut random)?;
        if is_new {
            keys.save(&mut random)?;
            let certificate = Certificate::Enrol(Box::new(process.enrol));
            let id = certificate.id();
            let mut trust = self.trust.lock();
            for result in trust.add(vec![certificate])? {
                result?;
            }
            self.replica.set_authors(trust.authors())?;
            drop(trust);
            self.news.tell(News::Certificate(id));
        }
        let author = Arc::new(Author { key: process.key });
        authors.insert(name.to_owned(), Arc::clone(&author));
        Ok(author)
    }

    /// Takes a device out. What it wrote and is here by now goes on counting; what it writes from now on does not, anywhere; and what is
    /// written from now on it cannot read.
    ///
    /// # Errors
    /// [`MemberError::Identity`] if there is no such device, or this one may not remove it.
    pub fn remove_device(&self, key: &PublicKey) -> Result<(), MemberError> {
        let own = self.signing_key();
        let (_, log) = self.device_log();
        let resolution = log.resolve();
        let target = resolution
            .device(key)
            .ok_or(IdentityError::NotADevice {
                device: *key,
                did: log.did(),
            })?
            .incarnation;
        // what the seal names must still be here after a crash: nobody else may have it, and the device is not asked any more
        self.replica.flush()?;
        let seal = self.heads_where(|device| device == key)?;
        let mut proposal = log.remove_device(&own.public(), target, seal)?;
        proposal.sign(&own)?;
        self.take_operation(proposal.complete()?)
    }

    /// Takes an operation of the device log, durably.
    ///
    /// # Errors
    /// If it is not taken; those of the store and of the key store.
    pub fn take_operation(&self, operation: Operation) -> Result<(), MemberError> {
        let certificate = Certificate::Operation(Box::new(operation));
        for result in self.take_certificates(vec![certificate])? {
            result?;
        }
        Ok(())
    }

    /// The heads of what all other devices wrote, as far as it is here, on stable storage.
    ///
    /// # Errors
    /// Those of the log.
    pub fn heads_of_others(&self) -> Result<Vec<SealedHead>, MemberError> {
        self.replica.flush()?;
        let own = self.signing_key().public();
        self.heads_where(|device| *device != own)
    }

    /// A new epoch, although the current one would do: for whoever may have got hold of what opens it.
    ///
    /// # Errors
    /// Those of the store and of the key store.
    pub fn renew(&self) -> Result<(), MemberError> {
        let mut keys = self.keys.lock();
        let mut trust = self.trust.lock();
        let made = trust.renew(&mut keys, &mut |out: &mut [u8]| (self.random)(out))?;
        drop(trust);
        drop(keys);
        self.news.tell(News::Certificate(made.id()));
        self.settle()
    }

    /// What is erased here, if a peer without keys that has the same commits was not told yet.
    ///
    /// # Errors
    /// Those of the log.
    pub fn erasures_for(&self, peer: &PublicKey) -> Result<Option<Erasures>, MemberError> {
        let now = self.replica.snapshot();
        let (any, erased) = now.erasures();
        let (version, any) = {
            let trust = self.trust.lock();
            let who = trust.set().resolution();
            // a device that was taken out may have told it what does not hold
            (who.version, any || who.anybody_removed())
        };
        let mut mark = blake3::Hasher::new_derive_key("rhizome member erasures v1");
        let mark = mark.update(&erased).update(&version.to_bytes()).finalize();
        let mark = *mark.as_bytes();
        match told::load(&*self.kv, peer)? {
            None if !any => return Ok(None),
            Some(told) if told == mark => return Ok(None),
            _ => (),
        }
        let leaves = now.erased()?.into_iter().map(|(id, places)| (id.0, places));
        Ok(Some(Erasures {
            leaves: leaves.collect(),
            mark,
        }))
    }

    /// Notes that a peer was told.
    ///
    /// # Errors
    /// Those of the store.
    pub fn told(&self, peer: &PublicKey, erasures: &Erasures) -> Result<(), MemberError> {
        told::save(&*self.kv, peer, erasures.mark)
    }

    /// The heads of what these devices wrote, as far as it is here.
    fn heads_where(
        &self,
        devices: impl Fn(&PublicKey) -> bool,
    ) -> Result<Vec<SealedHead>, MemberError> {
        let writers = self.trust.lock().set().writers();
        let chains = self.chains()?;
        let mut out = Vec::new();
        for (process, chain) in chains.iter() {
            if writers.get(process).is_some_and(|w| devices(&w.device)) {
                out.extend(chain.heads().map(|(seq, commit)| SealedHead {
                    process: *process,
                    seq,
                    commit,
                }));
            }
        }
        Ok(out)
    }
}
