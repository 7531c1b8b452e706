//! Who may write and who may read: the pod's certificates, kept beside its tuples.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use rhizome_identity::{Genesis, IdentityError, KeyStore, Random, RecoveryWords, Secret};
use rhizome_ipld::Verified;
use rhizome_replica::Authors;
use rhizome_share::{Added, Certificate, Certificates, Commitment, Epoch, Key, Owed, ShareError};
use rhizome_storage::{Batch, Durability, Kv};
use rhizome_tuple::EpochSecret;

use crate::MemberError;

/// The keyspace of the certificates: id → bytes. The replica uses those below.
const CERTIFICATES: u8 = 4;

/// Most certificates that a device makes at a time.
const MOST_AT_ONCE: usize = 16;

/// The certificates of a pod, in memory and in its store.
pub struct Trust {
    kv: Arc<dyn Kv>,
    set: Certificates,
    /// In memory, and perhaps not in the store, which did not answer.
    unsaved: Batch,
}

/// Those in a store.
fn read(kv: &dyn Kv, genesis: Genesis) -> Result<Certificates, MemberError> {
    let mut set = Certificates::new(genesis)?;
    let mut stored: Vec<Certificate> = Vec::new();
    let mut bad = None;
    let snap = kv.snapshot()?;
    snap.scan(
        CERTIFICATES,
        &[],
        None,
        false,
        &mut |_, bytes| match Certificate::from_bytes(bytes) {
            Ok(certificate) => {
                stored.push(certificate);
                ControlFlow::Continue(())
            }
            Err(error) => {
                bad = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    if let Some(error) = bad {
        return Err(error.into());
    }
    // operations first: the others are judged by the log
    let (operations, others): (Vec<_>, Vec<_>) = stored
        .into_iter()
        .partition(|c| matches!(c, Certificate::Operation(_)));
    for certificate in operations.into_iter().chain(others) {
        set.add(certificate)?;
    }
    Ok(set)
}

impl Trust {
    /// Reads them, and adds those of this device's own processes if they are not there yet.
    ///
    /// # Errors
    /// Those of the store; [`IdentityError::NoIdentity`].
    pub fn load(kv: Arc<dyn Kv>, keys: &KeyStore) -> Result<Self, MemberError> {
        let genesis = keys.genesis().ok_or(IdentityError::NoIdentity)?;
        let set = read(&*kv, genesis.clone())?;
        let mut trust = Self {
            kv,
            set,
            unsaved: Batch::new(),
        };
        let own: Vec<Certificate> = keys
            .processes()
            .filter_map(|(name, _)| keys.process(name))
            .map(|process| Certificate::Enrol(Box::new(process.enrol)))
            .collect();
        for result in trust.add(own)? {
            result?;
        }
        Ok(trust)
    }

    /// What they say.
    pub fn set(&self) -> &Certificates {
        &self.set
    }

    /// Adds certificates, durably; says for each what became of it.
    pub fn add(
        &mut self,
        certificates: Vec<Certificate>,
    ) -> Result<Vec<Result<Added, ShareError>>, MemberError> {
        let mut batch = self.unsaved.clone();
        let mut out = Vec::with_capacity(certificates.len());
        for certificate in certificates {
            let (id, bytes) = (certificate.id(), certificate.to_bytes()?);
            let added = self.set.add(certificate);
            // one that waits is kept as well: what it waits for is on its way
            if matches!(added, Ok(Added::New | Added::Waiting)) {
                batch.put(CERTIFICATES, id, bytes);
            }
            out.push(added);
        }
        if batch.is_empty() {
            return Ok(out);
        }
        if let Err(error) = self.kv.commit(batch.clone(), Durability::Durable) {
            // what is in memory alone must not be built upon: what follows it would be stored without it
            match read(&*self.kv, self.set.log().genesis().clone()) {
                Ok(set) => self.set = set,
                Err(_) => self.unsaved = batch,
            }
            return Err(error.into());
        }
        self.unsaved = Batch::new();
        Ok(out)
    }

    /// Who may write, or might once.
    pub fn authors(&self) -> Authors {
        rhizome_sealed::authors(&self.set)
    }

    /// The secrets at hand, that of the current epoch last.
    pub fn epochs(&self, keys: &KeyStore) -> Vec<EpochSecret> {
        let current = self.set.current().map(|c| c.epoch);
        let mut out: Vec<EpochSecret> = keys
            .epochs()
            .map(|(_, secret)| EpochSecret::new(secret.expose()))
            .collect();
        out.sort_by_key(|e| Some(e.id()) == current);
        out
    }

    /// Opens what this device can open, and makes what it owes the others: a fresh epoch, a wrap for who lacks one, an older secret that the current epoch does not lead to. Saves the
    /// keys when there are new ones. Returns the certificates made.
    pub fn settle(
        &mut self,
        keys: &mut KeyStore,
        random: Random<'_>,
    ) -> Result<Vec<Certificate>, MemberError> {
        let device = keys.device();
        if let Some(member) = self.set.resolution().device(&device.public())
            && keys.incarnation() != Some(member.incarnation)
        {
            keys.join(self.set.log())?;
            keys.save(random)?;
        }
        let mut known = known(keys);
        let (kem, words) = (keys.kem(), keys.unconfirmed_words().map(RecoveryWords::kem));
        let mut own = vec![Key::Device(device.public(), &kem)];
        own.extend(words.as_ref().map(Key::Words));
        if self.set.open(&own, &mut known) > 0 {
            for secret in known.values() {
                keep(keys, secret)?;
            }
            keys.save(random)?;
        }
        let mut made = Vec::new();
        // more than one if there are more older secrets than a certificate holds
        while made.len() < MOST_AT_ONCE {
            let epoch = match self.set.owed(&device.public(), &known) {
                None => break,
                Some(Owed::More {
                    secret,
                    lacking,
                    past,
                }) => {
                    let plan = self.set.plan(&device.public(), Some(lacking), None)?;
                    Epoch::sign(plan, secret, &past, &device, random)?
                }
                Some(Owed::Epoch { past }) => {
                    let first = self.set.current().is_none() && known.len() == 1;
                    let secret = match known.values().next() {
                        Some(secret) if first => copy(secret),
                        _ => Secret::random(random),
                    };
                    let epoch = self.next(keys, &secret, &past, random)?;
                    known.insert(rhizome_share::commitment(&secret), secret);
                    epoch
                }
            };
            let certificate = Certificate::Epoch(Box::new(epoch));
            for result in self.add(vec![certificate.clone()])? {
                result?;
            }
            made.push(certificate);
        }
        Ok(made)
    }
}

impl Trust {
    /// A new epoch, although the current one would do.
    pub fn renew(
        &mut self,
        keys: &mut KeyStore,
        random: Random<'_>,
    ) -> Result<Certificate, MemberError> {
        let known = known(keys);
        let past = self.set.unreachable(None, &known);
        let epoch = self.next(keys, &Secret::random(random), &past, random)?;
        let certificate = Certificate::Epoch(Box::new(epoch));
        for result in self.add(vec![certificate.clone()])? {
            result?;
        }
        Ok(certificate)
    }

    /// An epoch for all members, whose secret is in the key store before anything is sealed with it.
    fn next(
        &self,
        keys: &mut KeyStore,
        secret: &Secret,
        past: &[&Secret],
        random: Random<'_>,
    ) -> Result<Verified<Epoch>, MemberError> {
        let device = keys.device();
        // the words are at hand until they are on paper
        let words = keys.unconfirmed_words().map(|w| vec![w.kem().public()]);
        let plan = self.set.plan(&device.public(), None, words)?;
        let epoch = Epoch::sign(plan, secret, past, &device, random)?;
        keep(keys, secret)?;
        keys.save(random)?;
        Ok(epoch)
    }
}

/// The secrets in the key store.
fn known(keys: &KeyStore) -> BTreeMap<Commitment, Secret> {
    let secrets = keys.epochs().map(|(_, secret)| copy(secret));
    secrets
        .map(|secret| (rhizome_share::commitment(&secret), secret))
        .collect()
}

fn copy(secret: &Secret) -> Secret {
    Secret::take(&mut { *secret.expose() })
}

fn keep(keys: &mut KeyStore, secret: &Secret) -> Result<(), MemberError> {
    let name = EpochSecret::new(secret.expose()).id().0;
    keys.add_epoch(name, copy(secret))?;
    Ok(())
}
