//! The directory of a pod: keys, tuples, blobs, and the right to write to them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rhizome_blob::BlobStore;
use rhizome_identity::{Device, KemSecret, KeyStore, Log, RecoveryWords, Role};
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_member::{Entropy, Member, MemberError, OpenReplica};
use rhizome_network::{Admission, Link, Node, NodeConfig, PeerAddress, Protocol, Services};
use rhizome_replica::{Replica, ReplicaError};
use rhizome_storage::{Kv, RedbKv};

use crate::{
    COMPARED, Emoji, PAIRING_TIME, PairingCode, Pod, PodError, Running, cloud::found,
    lock::WriterLock, pairing,
};

/// Where a pod lives on disk:
///
/// ```text
/// keys/          the key store (mode 0700)
/// pod.redb       commits and indexes
/// blobs/         files by hash
/// views.redb     views, if there are any, and views/ with a key store each
/// search/        the search index; it can be deleted (mode 0700)
/// incoming/      uploads that are being looked at
/// writer.lock    held by the one process that writes; says which
/// running.json   how to reach `rhizome up`, while it runs (mode 0600)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodHome {
    directory: PathBuf,
}

/// What a new pod needs to know.
#[derive(Clone, Default)]
pub struct Opening {
    /// Protects the keys at rest; empty: only the file's permissions do.
    pub passphrase: String,
    /// What this process is, for people: `rhizome up`.
    pub what: String,
}

impl Opening {
    /// For a process of this name, keys without a passphrase.
    pub fn by(what: &str) -> Self {
        Self {
            passphrase: String::new(),
            what: what.to_owned(),
        }
    }

    /// The keys in a directory: those that are there, or new ones.
    pub(crate) fn keys(&self, directory: &Path) -> Result<KeyStore, PodError> {
        if KeyStore::exists(directory) {
            Ok(KeyStore::open(directory, &self.passphrase)?)
        } else {
            let random = &mut random_bytes()?;
            Ok(KeyStore::create(directory, &self.passphrase, random)?)
        }
    }
}

impl PodHome {
    /// The home in `directory`, which need not exist yet.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a pod was made here.
    pub fn exists(&self) -> bool {
        KeyStore::exists(&self.keys()) && self.tuples().exists()
    }

    /// The node that runs this pod now, if one says so. It may have died without taking its note back: whoever connects finds out.
    pub fn running(&self) -> Option<Running> {
        Running::read(&self.running_file())
    }

    /// Makes a pod: device keys, a DID with recovery words, an epoch secret, an empty store. What an interrupted `init` left is
    /// completed.
    ///
    /// # Errors
    /// [`PodError::Exists`] if there is one.
    pub fn init(&self, opening: &Opening) -> Result<Pod, PodError> {
        make_private(&self.directory)?;
        let lock = self.lock(opening)?;
        let mut keys = opening.keys(&self.keys())?;
        if keys.genesis().is_none() {
            rhizome_member::found(&mut keys, &entropy()?)?;
        }
        let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(self.tuples())?);
        self.fresh(opening, lock, Member::create(kv, keys, entropy()?))
    }

    /// Makes this device one of those of a pod, with the code that another device of it shows. What the pod holds is not here yet
    /// afterwards: exchange with the address in the code. What an interrupted attempt left is used again.
    ///
    /// # Errors
    /// [`PodError::Exists`] if there is a pod here; [`PodError::Network`], [`PodError::Refused`] if the other device cannot be reached or
    /// does not take the code.
    pub async fn join(
        &self,
        opening: &Opening,
        code: &PairingCode,
        name: &str,
        listen: Vec<SocketAddr>,
    ) -> Result<Pod, PodError> {
        let dialled = async |link: &mut Link, key: &SigningKey, kem: &KemSecret| {
            pairing::prove(link, key, kem, name, &code.secret).await
        };
        self.pair(opening, &code.address, listen, dialled).await
    }

    /// As [`Self::join`], with a code that is an address alone. `ask` gets what both devices show, and asks the person whether it is the
    /// same; the other device has two minutes for all of it.
    ///
    /// # Errors
    /// As [`Self::join`]; [`PodError::NotConfirmed`] if the person on either device says that it is not the same.
    pub async fn compare<F: Future<Output = bool>>(
        &self,
        opening: &Opening,
        address: &PeerAddress,
        name: &str,
        listen: Vec<SocketAddr>,
        ask: impl FnOnce([Emoji; COMPARED]) -> F,
    ) -> Result<Pod, PodError> {
        let mut nonce = [0; 32];
        random_bytes()?(&mut nonce);
        let dialled = async |link: &mut Link, key: &SigningKey, kem: &KemSecret| {
            let emoji = pairing::commit(link, key, kem, name, nonce).await?;
            let until = tokio::time::Instant::now() + PAIRING_TIME;
            pairing::agree(link, ask(emoji), until).await
        };
        self.pair(opening, address, listen, dialled).await
    }

    /// Makes this device one of those of a pod, once `known` has seen to it that both devices know each other.
    async fn pair(
        &self,
        opening: &Opening,
        address: &PeerAddress,
        listen: Vec<SocketAddr>,
        known: impl AsyncFnOnce(&mut Link, &SigningKey, &KemSecret) -> Result<(), PodError>,
    ) -> Result<Pod, PodError> {
        make_private(&self.directory)?;
        let lock = self.lock(opening)?;
        let keys = self.new_keys(opening)?;
        let (key, kem) = (keys.device(), keys.kem());
        let node = dialler(keys.device(), listen).await?;
        let joined = async {
            let mut link = node.dial(address, Protocol::Pair).await?;
            let joined = match known(&mut link, &key, &kem).await {
                Ok(()) => pairing::join(&mut link, &key, &kem).await,
                Err(error) => Err(error),
            };
            // also after a no: the other device is to hear it
            let _ = link.close().await;
            joined
        };
        let joined = joined.await;
        node.shutdown().await?;
        self.take_part(opening, lock, keys, &joined?)
    }

    /// Takes a pod back on an empty machine, with its recovery words and a peer that keeps it. All other devices are out; what they wrote
    /// counts as far as that peer has it.
    ///
    /// # Errors
    /// [`PodError::Exists`] if there is a pod here; [`PodError::Refused`] if the peer keeps no pod of these words.
    pub async fn recover(
        &self,
        opening: &Opening,
        words: RecoveryWords,
        address: &PeerAddress,
        listen: Vec<SocketAddr>,
    ) -> Result<Pod, PodError> {
        make_private(&self.directory)?;
        let lock = self.lock(opening)?;
        let mut keys = self.new_keys(opening)?;
        let hidden = words.policy().keys.first().map(|k| k.into_array());
        let node = dialler(keys.device(), listen).await?;
        let found = async {
            let mut link = node.dial(address, Protocol::Rpc).await?;
            let found = found::ask(&mut link, hidden.unwrap_or_default()).await?;
            let _ = link.close().await;
            Ok::<_, PodError>(found)
        };
        let found = found.await;
        node.shutdown().await?;
        let ours = found?
            .into_values()
            .find(|(log, _)| words.verify(&log.resolve().policies).is_ok());
        let Some((mut log, heads)) = ours else {
            return Err(PodError::Refused("it keeps no pod of these words".into()));
        };
        let device = Device {
            key: keys.device().public(),
            kem: keys.kem().public(),
            role: Role::Admin,
        };
        let mut proposal = log.recover_with_words(&words, vec![device], heads)?;
        proposal.sign(&words.key())?;
        proposal.sign(&keys.device())?;
        log.insert(proposal.complete()?)?;
        // they open what the pod holds, once it is here
        keys.keep_words(words);
        self.take_part(opening, lock, keys, &log)
    }

    /// The keys of a device that has no pod yet.
    fn new_keys(&self, opening: &Opening) -> Result<KeyStore, PodError> {
        if self.exists() {
            return Err(PodError::Exists(self.directory.clone()));
        }
        opening.keys(&self.keys())
    }

    /// Makes the pod of a device log that lists this device.
    fn take_part(
        &self,
        opening: &Opening,
        lock: WriterLock,
        keys: KeyStore,
        log: &Log,
    ) -> Result<Pod, PodError> {
        let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(self.tuples())?);
        self.fresh(opening, lock, Member::join(kv, keys, log, entropy()?))
    }

    /// A pod without tuples.
    fn fresh(
        &self,
        opening: &Opening,
        lock: WriterLock,
        member: Result<Member, MemberError>,
    ) -> Result<Pod, PodError> {
        let member = match member {
            Ok(member) => member,
            Err(MemberError::Replica(ReplicaError::Exists)) => {
                return Err(PodError::Exists(self.directory.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let blobs = BlobStore::in_directory(self.blobs())?;
        Pod::new(self.clone(), lock, member, blobs, &opening.passphrase)
    }

    /// Opens the pod for reading and writing. One process at a time.
    ///
    /// # Errors
    /// [`PodError::NoPod`], [`PodError::InUse`], and those of the key store.
    pub fn open(&self, opening: &Opening) -> Result<Pod, PodError> {
        self.open_by(opening, Replica::open)
    }

    /// Opens a pod whose indexes are damaged: makes them anew from the log.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn rebuild(&self, opening: &Opening) -> Result<Pod, PodError> {
        self.open_by(opening, Replica::rebuild)
    }

    fn open_by(&self, opening: &Opening, open: OpenReplica) -> Result<Pod, PodError> {
        if !self.exists() {
            return Err(PodError::NoPod(self.directory.clone()));
        }
        let lock = self.lock(opening)?;
        let keys = KeyStore::open(&self.keys(), &opening.passphrase)?;
        let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(self.tuples())?);
        let member = match Member::open(kv, keys, open, entropy()?) {
            Ok(member) => member,
            Err(MemberError::Replica(ReplicaError::Missing)) => {
                return Err(PodError::NoPod(self.directory.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let blobs = BlobStore::in_directory(self.blobs())?;
        Pod::new(self.clone(), lock, member, blobs, &opening.passphrase)
    }

    fn lock(&self, opening: &Opening) -> Result<WriterLock, PodError> {
        WriterLock::take(&self.directory.join("writer.lock"), &opening.what, now_ms())
    }

    fn keys(&self) -> PathBuf {
        self.directory.join("keys")
    }

    fn tuples(&self) -> PathBuf {
        self.directory.join("pod.redb")
    }

    fn blobs(&self) -> PathBuf {
        self.directory.join("blobs")
    }

    pub(crate) fn search(&self) -> PathBuf {
        self.directory.join("search")
    }

    pub(crate) fn incoming(&self) -> PathBuf {
        self.directory.join("incoming")
    }

    pub(crate) fn limits(&self) -> PathBuf {
        self.directory.join("limits.json")
    }

    pub(crate) fn running_file(&self) -> PathBuf {
        self.directory.join("running.json")
    }
}

/// On the network, to dial and for nothing else.
async fn dialler(key: SigningKey, listen: Vec<SocketAddr>) -> Result<Node, PodError> {
    let nobody = |_, _: &PublicKey| Admission::Reject("this device serves nothing yet".into());
    let config = NodeConfig {
        bind: listen,
        ..NodeConfig::default()
    };
    Ok(Node::start(Services::builder(Arc::new(key), nobody).build(), config).await?)
}

pub(crate) fn make_private(directory: &Path) -> Result<(), PodError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|e| PodError::file(directory, e))
}

/// Replaces a file that only its owner may read: all of it, on stable storage, or nothing.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), PodError> {
    let new = path.with_extension("new");
    let io = |error| PodError::file(&new, error);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new).map_err(io)?;
    std::io::Write::write_all(&mut file, bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    drop(file);
    fs::rename(&new, path).map_err(io)?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let synced = fs::File::open(directory).and_then(|d| d.sync_all());
        synced.map_err(|e| PodError::file(directory, e))?;
    }
    Ok(())
}

/// A source of randomness for the crates below, which draw none themselves. It fails here, before anything is made, if the system has
/// none; one that works once does not stop working.
pub(crate) fn random_bytes() -> Result<impl FnMut(&mut [u8]), PodError> {
    getrandom::fill(&mut [0; 1])?;
    Ok(|buffer: &mut [u8]| {
        while getrandom::fill(buffer).is_err() {
            std::thread::yield_now();
        }
    })
}

/// As [`random_bytes`], to be kept.
pub(crate) fn entropy() -> Result<Entropy, PodError> {
    getrandom::fill(&mut [0; 1])?;
    Ok(Box::new(|buffer: &mut [u8]| {
        while getrandom::fill(buffer).is_err() {
            std::thread::yield_now();
        }
    }))
}

/// The wall clock in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}
