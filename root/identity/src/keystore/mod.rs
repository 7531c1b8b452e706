//! The keys of one device at rest: a directory that only its owner can enter, with one encrypted file.
//!
//! What is in it: the device's signing and receiving keys, the genesis, the epoch secrets of the pod, the key and certificate of
//! every process that writes, and the recovery words until their owner has confirmed that they are written down.
//!
//! The file is sealed under a passphrase (Argon2id, XChaCha20-Poly1305). With an empty passphrase the format is the same, but only
//! the file's permissions protect it, and [`KeyStore::protection`] says so. A save writes a new file beside the old one, makes it
//! durable and renames it: at any moment one of the two is there, whole.

mod contents;
mod directory;
mod envelope;
mod place;

use std::path::Path;

use rhizome_ipld::{PublicKey, SigningKey, Verified};

use crate::{
    Did, Enrol, Genesis, IdentityError, Incarnation, KemSecret, Log, Random, RecoveryWords, Secret,
    Standing,
};
use contents::Contents;
use directory::{Directory, Version};
use envelope::Wrapping;
use place::Place;

pub use contents::{MAX_EPOCHS, MAX_PROCESSES};
pub use place::KeyFile;

/// The name of an epoch secret: 8 bytes, derived from it.
pub type EpochName = [u8; 8];

/// What keeps others from the keys at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Only the permissions of the file: who gets the disk, a backup or the account, gets the keys.
    PermissionsOnly,
    /// A passphrase.
    Passphrase,
}

/// A process of this device: its key and the device's certificate for it.
pub struct Process {
    /// The key it writes with.
    pub key: SigningKey,
    /// The certificate that lets others accept what it writes.
    pub enrol: Verified<Enrol>,
}

/// The open key store of one device. Changes are in memory until [`KeyStore::save`].
pub struct KeyStore {
    place: Place,
    version: Version,
    wrapping: Wrapping,
    contents: Contents,
}

impl KeyStore {
    /// Whether there is a key store in `directory`.
    pub fn exists(directory: &Path) -> bool {
        Directory::at(directory).has_file()
    }

    /// Whether the key store in `directory` needs a passphrase, without opening it.
    ///
    /// # Errors
    /// As [`Self::open`], but for the passphrase.
    pub fn protection_of(directory: &Path) -> Result<Protection, IdentityError> {
        let directory = Directory::at(directory);
        let (file, _) = directory.read()?;
        Ok(envelope::open_header(&file, &directory.file())?.protection)
    }

    /// Makes a key store with new device keys, and saves it. The directory is made if need be. An empty passphrase means
    /// [`Protection::PermissionsOnly`].
    ///
    /// # Errors
    /// [`IdentityError::Exists`], [`IdentityError::TooOpen`], [`IdentityError::Io`].
    pub fn create(
        directory: &Path,
        passphrase: &str,
        random: Random<'_>,
    ) -> Result<Self, IdentityError> {
        let directory = Directory::at(directory);
        if directory.has_file() {
            return Err(IdentityError::Exists(directory.path().into()));
        }
        directory.make()?;
        Self::make(Place::Disk(directory), passphrase, random)
    }

    /// As [`Self::create`], with keys that are known already: of a device that several homes act as.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_with(
        directory: &Path,
        passphrase: &str,
        device: Secret,
        kem: Secret,
        random: Random<'_>,
    ) -> Result<Self, IdentityError> {
        let directory = Directory::at(directory);
        if directory.has_file() {
            return Err(IdentityError::Exists(directory.path().into()));
        }
        directory.make()?;
        let contents = Contents::of(device, kem);
        Self::fill(Place::Disk(directory), passphrase, contents, random)
    }

    fn make(place: Place, passphrase: &str, random: Random<'_>) -> Result<Self, IdentityError> {
        let contents = Contents::new(random);
        Self::fill(place, passphrase, contents, random)
    }

    fn fill(
        place: Place,
        passphrase: &str,
        contents: Contents,
        random: Random<'_>,
    ) -> Result<Self, IdentityError> {
        let mut store = Self {
            place,
            version: Version::None,
            wrapping: Wrapping::new(passphrase, random)?,
            contents,
        };
        store.save(random)?;
        Ok(store)
    }

    /// As [`Self::create`], in memory.
    ///
    /// # Errors
    /// [`IdentityError::Exists`].
    pub fn create_in_memory(file: &KeyFile, random: Random<'_>) -> Result<Self, IdentityError> {
        Self::make(Place::Memory(file.clone()), "", random)
    }

    /// As [`Self::open`], in memory.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub fn open_in_memory(file: &KeyFile) -> Result<Self, IdentityError> {
        Self::open_at(Place::Memory(file.clone()), "")
    }

    /// Opens a key store.
    ///
    /// # Errors
    /// [`IdentityError::Missing`], [`IdentityError::TooOpen`], [`IdentityError::WrongPassphrase`], [`IdentityError::NoPassphrase`],
    /// [`IdentityError::Truncated`], [`IdentityError::Damaged`], [`IdentityError::NotAKeyStore`], [`IdentityError::Version`],
    /// [`IdentityError::Costs`], [`IdentityError::Io`].
    pub fn open(directory: &Path, passphrase: &str) -> Result<Self, IdentityError> {
        Self::open_at(Place::Disk(Directory::at(directory)), passphrase)
    }

    fn open_at(place: Place, passphrase: &str) -> Result<Self, IdentityError> {
        let (file, version) = place.read()?;
        let header = envelope::open_header(&file, &place.file())?;
        let (wrapping, plain) = envelope::open(&header, &file, passphrase)?;
        Ok(Self {
            place,
            version,
            wrapping,
            contents: Contents::decode(&plain, header.version)?,
        })
    }

    /// Writes all changes; once it returns they survive a crash and a power cut. Before that, the old state does.
    ///
    /// # Errors
    /// [`IdentityError::Changed`] if another process saved meanwhile, [`IdentityError::Io`].
    pub fn save(&mut self, random: Random<'_>) -> Result<(), IdentityError> {
        let plain = self.contents.encode()?;
        let file = self.wrapping.seal(plain, random)?;
        self.version = self.place.replace(&file, &self.version)?;
        Ok(())
    }

    /// What protects the keys at rest.
    pub fn protection(&self) -> Protection {
        self.wrapping.protection()
    }

    /// Sets, changes or (empty) takes away the passphrase, from the next [`Self::save`] on.
    ///
    /// # Errors
    /// [`IdentityError::Io`] if there is not enough memory for the key derivation.
    pub fn set_passphrase(
        &mut self,
        passphrase: &str,
        random: Random<'_>,
    ) -> Result<(), IdentityError> {
        self.wrapping = Wrapping::new(passphrase, random)?;
        Ok(())
    }

    /// The device's signing key.
    pub fn device(&self) -> SigningKey {
        SigningKey::from_seed(*self.contents.device.expose())
    }

    /// The device's key for receiving secrets.
    pub fn kem(&self) -> KemSecret {
        KemSecret::from_seed(self.contents.kem.duplicate())
    }

    /// The identity this device belongs to, once [`Self::set_genesis`] was called.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.contents.genesis.as_ref()
    }

    /// Its DID.
    pub fn did(&self) -> Option<Did> {
        self.genesis().map(Genesis::did)
    }

    /// Remembers the identity this device belongs to.
    ///
    /// # Errors
    /// [`IdentityError::NotADevice`] if this device is not in it; [`IdentityError::OtherDid`] if there is another one already.
    pub fn set_genesis(&mut self, genesis: Genesis) -> Result<(), IdentityError> {
        let device = self.device().public();
        let did = genesis.did();
        if genesis.device(&device).is_none() {
            return Err(IdentityError::NotADevice { device, did });
        }
        match self.did() {
            Some(expected) if expected != did => Err(IdentityError::OtherDid {
                expected,
                found: did,
            }),
            _ => {
                self.contents.genesis = Some(genesis);
                Ok(())
            }
        }
    }

    /// Remembers the identity this device was added to, or by which of its operations it is a member now: after it was added, and
    /// after a recovery that lists it. New enrolments name that incarnation. If it was removed in between, its processes are
    /// forgotten, and get new keys.
    ///
    /// # Errors
    /// [`IdentityError::NotADevice`] if this device is no member now; [`IdentityError::OtherDid`] if there is another identity
    /// already.
    pub fn join(&mut self, log: &Log) -> Result<(), IdentityError> {
        let device = self.device().public();
        let found = log.did();
        if let Some(expected) = self.did().filter(|did| *did != found) {
            return Err(IdentityError::OtherDid { expected, found });
        }
        let now = log.resolve();
        let active = now.device(&device);
        let Some(active) = active else {
            return Err(IdentityError::NotADevice { device, did: found });
        };
        let genesis = log.genesis();
        if let Some(before) = self.incarnation()
            && before != active.incarnation
            && now.standing(&before) != Some(&Standing::Whole)
        {
            // Cut off as they are, the old processes must not be certified anew: that would bring back what was cut.
            self.contents.processes.clear();
        }
        self.contents.add =
            Some(active.incarnation.add).filter(|add| *add != genesis.operation().id());
        self.contents.genesis = Some(genesis.clone());
        Ok(())
    }

    /// The membership of this device in whose name it enrols processes.
    pub fn incarnation(&self) -> Option<Incarnation> {
        let genesis = self.genesis()?;
        Some(Incarnation {
            key: self.device().public(),
            add: self.contents.add.unwrap_or(genesis.operation().id()),
        })
    }

    /// The epoch secrets of the pod, in order of their names. A name is short: whoever takes the trouble makes two secrets of one name.
    pub fn epochs(&self) -> impl Iterator<Item = (EpochName, &Secret)> {
        self.contents.epochs.iter().map(|(name, s)| (*name, s))
    }

    /// Keeps an epoch secret, beside others of that name. Says whether it is new.
    ///
    /// # Errors
    /// [`IdentityError::Full`] beyond [`MAX_EPOCHS`].
    pub fn add_epoch(&mut self, name: EpochName, secret: Secret) -> Result<bool, IdentityError> {
        let all = &mut self.contents.epochs;
        let place = all.partition_point(|(n, _)| *n < name);
        let same = all.iter().skip(place).take_while(|(n, _)| *n == name);
        if same.into_iter().any(|(_, s)| s.expose() == secret.expose()) {
            return Ok(false);
        }
        if all.len() >= MAX_EPOCHS {
            return Err(IdentityError::Full("4,096 epochs"));
        }
        all.insert(place, (name, secret));
        Ok(true)
    }

    /// The names of the enrolled processes, with their keys.
    pub fn processes(&self) -> impl Iterator<Item = (&str, PublicKey)> {
        self.contents
            .processes
            .iter()
            .map(|(name, process)| (name.as_str(), process.enrol.process))
    }

    /// An enrolled process by its name.
    pub fn process(&self, name: &str) -> Option<Process> {
        let process = self.contents.processes.get(name)?;
        Some(Process {
            key: SigningKey::from_seed(*process.seed.expose()),
            enrol: process.enrol.clone(),
        })
    }

    /// The process of that name, enrolled with a new key if there is none.
    ///
    /// # Errors
    /// [`IdentityError::NoIdentity`] before [`Self::set_genesis`], [`IdentityError::Enrolment`] for an unacceptable name,
    /// [`IdentityError::Full`] beyond [`MAX_PROCESSES`].
    pub fn enrol(&mut self, name: &str, random: Random<'_>) -> Result<Process, IdentityError> {
        if let Some(process) = self.process(name) {
            return Ok(process);
        }
        if self.contents.processes.len() >= MAX_PROCESSES {
            return Err(IdentityError::Full("256 processes"));
        }
        crate::enrol::check_name(name)?;
        let did = self.did().ok_or(IdentityError::NoIdentity)?;
        let seed = Secret::random(random);
        let key = SigningKey::from_seed(*seed.expose());
        let enrol = Enrol::sign(did, &self.device(), self.contents.add, key.public(), random)?;
        self.contents.processes.insert(
            name.into(),
            contents::Process {
                seed,
                enrol: enrol.clone(),
            },
        );
        Ok(Process { key, enrol })
    }

    /// Forgets a process and its key. What it wrote stays valid.
    pub fn forget_process(&mut self, name: &str) -> bool {
        self.contents.processes.remove(name).is_some()
    }

    /// The recovery words, as long as nobody confirmed that they are written down: the identity is not backed up yet.
    pub fn unconfirmed_words(&self) -> Option<&RecoveryWords> {
        self.contents.words.as_ref()
    }

    /// Keeps recovery words until [`Self::confirm_words`].
    pub fn keep_words(&mut self, words: RecoveryWords) {
        self.contents.words = Some(words);
    }

    /// Checks words as their owner typed them from paper, and forgets the kept ones: from the next save on they are only on paper.
    ///
    /// # Errors
    /// [`IdentityError::NoIdentity`] before [`Self::set_genesis`], [`IdentityError::OtherWords`].
    pub fn confirm_words(&mut self, entered: &RecoveryWords) -> Result<(), IdentityError> {
        let genesis = self.genesis().ok_or(IdentityError::NoIdentity)?;
        match &self.contents.words {
            // After a recovery the words in force are not those of the genesis.
            Some(kept) if kept.policy() == entered.policy() => {}
            Some(_) => return Err(IdentityError::OtherWords),
            None => {
                entered.verify(&genesis.policies)?;
            }
        }
        self.contents.words = None;
        Ok(())
    }
}
