//! An open pod: what a person's programs do with it, in process.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use rhizome_blob::BlobStore;
use rhizome_identity::{Did, Log, RecoveryWords};
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_member::{Member, Trust};
use rhizome_replica::{Author, Replica};
use rhizome_share::{Added, Certificate, ShareError};
use rhizome_tuple::EntityId;
use zeroize::Zeroizing;

use crate::{
    EntityDetail, PodError, PodHome, Views, entity,
    feeds::Followings,
    home::{now_ms, random_bytes},
    inbox::Desk,
    live::Hub,
    lock::WriterLock,
    past::Past,
    search::Keeper,
    sharing::{Kept, Moving},
    storage::Used,
};

/// A pod that this process reads and writes. Cheap to share behind an [`Arc`]; every method may be called from any thread.
pub struct Pod {
    home: PodHome,
    did: String,
    replica: Arc<Replica>,
    blobs: Arc<BlobStore>,
    member: Arc<Member>,
    hub: Hub,
    importing: Mutex<()>,
    blob_figures: Mutex<Option<(BlobFigures, Instant)>>,
    search: OnceLock<Keeper>,
    /// Held while the search index is opened.
    opening_search: Mutex<()>,
    inbox: Desk,
    apps: crate::apps::Desk,
    views: OnceLock<Views>,
    /// Held while they are opened.
    opening_views: Mutex<()>,
    /// Held while a view of the person's own is tended.
    tending: Mutex<()>,
    /// How far each of the person's own views was tended.
    tended: Mutex<Kept>,
    /// What is known of views of others that moved.
    moving: Mutex<Moving>,
    /// Held while something is followed that is not noted yet.
    following: tokio::sync::Mutex<()>,
    /// What is followed, as one.
    followings: Followings,
    past: Past,
    used: Used,
    passphrase: Zeroizing<String>,
    // last: everything above is done before another process may write
    lock: Arc<WriterLock>,
}

/// In whose name something is written. Each has a key and a chain of commits of its own, so that provenance says which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum App {
    /// The page.
    Console,
    /// `rhizome tx` and whoever else calls the API.
    CommandLine,
    /// What the pod says of its own devices and peers.
    Devices,
    /// What guests said and was admitted, and proposals that were adopted.
    Sharing,
    /// An importer, by its name.
    Importer(&'static str),
}

impl App {
    /// What its process is called, in the key store and, where there are several devices, in a tuple; in no certificate.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Console => "console".into(),
            Self::CommandLine => "command line".into(),
            Self::Devices => "devices".into(),
            Self::Sharing => "sharing".into(),
            Self::Importer(name) => format!("{name} import").into(),
        }
    }
}

/// Figures about a pod's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobFigures {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Figures about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Current tuples.
    pub tuples: u64,
    /// Entities ever named.
    pub entities: u64,
    /// Commits.
    pub commits: u64,
    /// Whether the recovery words were written down.
    pub recovery_confirmed: bool,
}

impl Pod {
    pub(crate) fn new(
        home: PodHome,
        lock: WriterLock,
        member: Member,
        blobs: BlobStore,
        passphrase: &str,
    ) -> Result<Self, PodError> {
        crate::room::prepare(&home, &blobs)?;
        let replica = Arc::clone(member.replica());
        let hub = Hub::start(Arc::<Replica>::clone(&replica))?;
        Ok(Self {
            did: replica.pod().to_owned(),
            home,
            hub,
            replica,
            blobs: Arc::new(blobs),
            member: Arc::new(member),
            importing: Mutex::default(),
            following: tokio::sync::Mutex::default(),
            followings: Followings::default(),
            past: Past::default(),
            used: Used::default(),
            blob_figures: Mutex::default(),
            search: OnceLock::new(),
            opening_search: Mutex::default(),
            inbox: Desk::default(),
            apps: crate::apps::Desk::default(),
            views: OnceLock::new(),
            opening_views: Mutex::default(),
            tending: Mutex::default(),
            tended: Mutex::default(),
            moving: Mutex::default(),
            passphrase: Zeroizing::new(passphrase.to_owned()),
            lock: Arc::new(lock),
        })
    }

    /// Where it lives.
    pub fn home(&self) -> &PodHome {
        &self.home
    }

    /// Whose it is.
    pub fn did(&self) -> &str {
        &self.did
    }

    /// The tuples.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// The files.
    pub fn blobs(&self) -> &Arc<BlobStore> {
        &self.blobs
    }

    /// Live queries and live entities.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The device's public key.
    pub fn device(&self) -> String {
        self.member.keys().device().public().to_string()
    }

    /// How much there is.
    pub fn figures(&self) -> Figures {
        let now = self.replica.snapshot();
        Figures {
            tuples: now.len(),
            entities: u64::from(now.entity_count()),
            commits: u64::from(now.commit_count()),
            recovery_confirmed: self.member.keys().unconfirmed_words().is_none(),
        }
    }

    /// Everything about one entity.
    pub fn entity(&self, id: &EntityId) -> Result<EntityDetail, PodError> {
        let now = self.replica.snapshot();
        entity::detail(self, (&now, &now), id, now_ms())
    }

    /// Where two devices wrote different values at once: `{"conflicts": [{"entity", "attribute", "values"}…], "total"}`, the first 200.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn conflicts(&self) -> Result<serde_json::Value, PodError> {
        entity::conflicts(self, &self.replica.snapshot(), now_ms())
    }

    /// The current tuples of an entity as one JSON object: a value, or an array for sets and lists. `None` if it has none.
    pub fn state(&self, id: &EntityId) -> Result<Option<serde_json::Value>, PodError> {
        entity::state(&self.replica.snapshot(), id)
    }

    /// The recovery words, as long as nobody confirmed that they are written down.
    pub fn recovery_words(&self) -> Option<Vec<String>> {
        let keys = self.member.keys();
        let phrase = keys.unconfirmed_words()?.phrase();
        Some(phrase.split(' ').map(str::to_owned).collect())
    }

    /// Takes some of the words (by position, from 1), as read from paper, as proof that all were written down, and forgets them here.
    ///
    /// # Errors
    /// [`PodError::Request`] for a wrong word, or fewer than three.
    pub fn confirm_recovery(&self, answers: &BTreeMap<usize, String>) -> Result<(), PodError> {
        const LEAST: usize = 3;
        let mut keys = self.member.keys();
        let Some(words) = keys.unconfirmed_words() else {
            return Ok(());
        };
        let phrase = words.phrase();
        let all: Vec<&str> = phrase.split(' ').collect();
        if answers.len() < LEAST {
            return Err(PodError::Request(format!(
                "at least {LEAST} words are needed"
            )));
        }
        for (position, word) in answers {
            let right = position
                .checked_sub(1)
                .and_then(|i| all.get(i))
                .is_some_and(|w| w.eq_ignore_ascii_case(word.trim()));
            if !right {
                return Err(PodError::Request(format!(
                    "word {position} is another one: look at the paper again"
                )));
            }
        }
        let entered = RecoveryWords::parse(&phrase)?;
        keys.confirm_words(&entered)?;
        keys.save(&mut random_bytes()?)?;
        self.hub.figures_changed();
        Ok(())
    }

    /// Checks that recovery words, typed from paper, would take this identity back, at any time. Nothing is kept of them. Says which of
    /// the identity's policies they satisfy, and how many there are.
    ///
    /// # Errors
    /// [`PodError::Identity`] for a typing error, or words of another identity.
    pub fn test_recovery(&self, words: &str) -> Result<(usize, usize), PodError> {
        let words = RecoveryWords::parse(words)?;
        let trust = self.trust();
        let policies = &trust.set().resolution().policies;
        Ok((words.verify(policies)?, policies.len()))
    }

    /// The device: its keys, its certificates and its replica.
    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Messages from others.
    pub(crate) fn inbox(&self) -> &Desk {
        &self.inbox
    }

    /// Apps that wait, and those that are here.
    pub(crate) fn desk(&self) -> &crate::apps::Desk {
        &self.apps
    }

    /// The certificates.
    pub(crate) fn trust(&self) -> MutexGuard<'_, Trust> {
        self.member.trust()
    }

    /// Takes certificates from elsewhere, durably, and does what follows from them. Says for each what became of it.
    pub(crate) fn take_certificates(
        &self,
        certificates: Vec<Certificate>,
    ) -> Result<Vec<Result<Added, ShareError>>, PodError> {
        Ok(self.member.take_certificates(certificates)?)
    }

    /// The device's signing key.
    pub(crate) fn signing_key(&self) -> SigningKey {
        self.member.signing_key()
    }

    /// The DID and the device log, to be shown: whoever has it can seal messages for this pod's devices.
    pub fn device_log(&self) -> (Did, Log) {
        self.member.device_log()
    }

    /// Whether this key is one of the pod's devices now.
    pub(crate) fn is_device(&self, key: &PublicKey) -> bool {
        self.member.is_device(key)
    }

    /// Whether this device may add and remove others.
    pub fn is_admin(&self) -> bool {
        self.member.is_admin()
    }

    /// Forgets recovery words that were read from paper and have done their work.
    pub(crate) fn words_used(&self) -> Result<(), PodError> {
        let mut keys = self.member.keys();
        if let Some(words) = keys.unconfirmed_words() {
            let again = RecoveryWords::parse(&words.phrase())?;
            keys.confirm_words(&again)?;
            keys.save(&mut random_bytes()?)?;
        }
        Ok(())
    }

    /// The views that this home holds beside the pod. Opened when they are first asked for.
    ///
    /// # Errors
    /// Those of the store.
    pub fn views(&self) -> Result<&Views, PodError> {
        let _alone = self.opening_views.lock();
        if let Some(views) = self.views.get() {
            return Ok(views);
        }
        let views = {
            let keys = self.member.keys();
            let secret = keys.kem();
            Views::open(
                self.home.directory(),
                &self.passphrase,
                secret.seed().expose(),
                &self.lock,
            )?
        };
        Ok(self.views.get_or_init(|| views))
    }

    /// The search index. Opened when it is first asked for.
    pub(crate) fn searching(&self) -> Result<&Keeper, PodError> {
        let _alone = self.opening_search.lock();
        if let Some(search) = self.search.get() {
            return Ok(search);
        }
        let keeper = Keeper::open(&self.home.search(), &self.replica)?;
        Ok(self.search.get_or_init(|| keeper))
    }

    /// As [`Self::views`], if there ever was one.
    pub(crate) fn any_views(&self) -> Result<Option<&Views>, PodError> {
        if self.views.get().is_some() || Views::exist(self.home.directory()) {
            self.views().map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn tending(&self) -> &Mutex<()> {
        &self.tending
    }

    pub(crate) fn followings(&self) -> &Followings {
        &self.followings
    }

    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    pub(crate) fn used(&self) -> &Used {
        &self.used
    }

    pub(crate) fn following_now(&self) -> &tokio::sync::Mutex<()> {
        &self.following
    }

    pub(crate) fn tended(&self) -> &Mutex<Kept> {
        &self.tended
    }

    pub(crate) fn moving(&self) -> &Mutex<Moving> {
        &self.moving
    }

    /// Held while an import writes.
    pub(crate) fn importing(&self) -> MutexGuard<'_, ()> {
        self.importing.lock()
    }

    /// The key that writes for an app, enrolled when it first writes. If there is more than one device, the others are told its name.
    ///
    /// # Errors
    /// Those of the store and of the key store.
    pub fn author(&self, app: App) -> Result<Arc<Author>, PodError> {
        self.author_named(&app.name())
    }

    /// As [`Self::author`], by the name of the process.
    pub(crate) fn author_named(&self, name: &str) -> Result<Arc<Author>, PodError> {
        let known = self.member.processes().len();
        let author = self.member.author(name)?;
        if self.member.processes().len() > known {
            self.name_processes()?;
        }
        Ok(author)
    }

    /// How many files there are and how large they are, at most five seconds old.
    pub fn blob_figures(&self) -> Result<BlobFigures, PodError> {
        const FRESH: Duration = Duration::from_secs(5);
        let mut known = self.blob_figures.lock();
        if let Some((figures, at)) = *known
            && at.elapsed() < FRESH
        {
            return Ok(figures);
        }
        let mut figures = BlobFigures::default();
        for entry in self.blobs.iter() {
            figures.count += 1;
            figures.bytes += entry?.1;
        }
        *known = Some((figures, Instant::now()));
        Ok(figures)
    }

    /// Makes everything durable and the next opening quick.
    pub fn checkpoint(&self) -> Result<(), PodError> {
        Ok(self.replica.checkpoint()?)
    }
}

/// Set by whoever wants a query, an import or a check to stop.
pub type Stop = AtomicBool;
