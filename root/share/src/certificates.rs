//! The certificates of a pod as a set, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhizome_identity::{
    Did, Enrol, Genesis, Incarnation, Inserted, KemKey, KemSecret, Log, Resolution, Role,
    SealedHead, Secret, Standing,
};
use rhizome_ipld::{Cid, PublicKey, Verified};
use rhizome_tuple::EpochId;
use serde_bytes::ByteArray;

use crate::certificate::digest;
use crate::{Certificate, CertificateId, Epoch, EpochCertId, MAX_BEFORE, Plan, ShareError};

/// Most enrolments by one membership of a device.
pub const MAX_ENROLMENTS: usize = 1024;
/// Most epoch certificates by one membership of a device.
pub const MAX_EPOCHS_EACH: usize = 1024;
/// Most bytes of epoch certificates by one membership of a device.
pub const MAX_EPOCH_BYTES: usize = 16 << 20;

/// 32 bytes that say which secret an epoch has.
pub type Commitment = [u8; 32];

/// A grow-only set of certificates of one pod. Everything it says is a function of the set, whatever the order of arrival.
pub struct Certificates {
    log: Log,
    resolution: Arc<Resolution>,
    enrols: BTreeMap<CertificateId, Verified<Enrol>>,
    epochs: BTreeMap<CertificateId, Verified<Epoch>>,
    room: BTreeMap<Incarnation, Room>,
}

#[derive(Default)]
struct Room {
    enrolments: usize,
    epochs: usize,
    epoch_bytes: usize,
}

/// What became of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It was there.
    Known,
    /// It follows an operation that is not there yet, and is kept in memory until that comes.
    Waiting,
}

/// How far what a process key writes counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The name in its certificate; empty in all but old ones.
    pub name: String,
    /// The device that enrolled it.
    pub device: PublicKey,
    /// The highest role of a membership that enrolled this key.
    pub role: Role,
    /// For each enrolment that counts at all, the seals it is limited by; none of them: no limit.
    pub terms: Vec<Vec<Arc<[SealedHead]>>>,
}

/// The epoch under which to seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its name in leaves.
    pub epoch: EpochId,
    /// Which secret it is.
    pub commitment: Commitment,
    /// False if somebody who is no member any more can read it: an admin device is to make a new one at once.
    pub fresh: bool,
    /// Members whose keys it is not wrapped for yet.
    pub lacking: Vec<(PublicKey, KemKey)>,
}

impl Certificates {
    /// The genesis alone.
    ///
    /// # Errors
    /// Those of [`Log::new`].
    pub fn new(genesis: Genesis) -> Result<Self, ShareError> {
        let log = Log::new(genesis)?;
        Ok(Self {
            resolution: Arc::new(log.resolve()),
            log,
            enrols: BTreeMap::new(),
            epochs: BTreeMap::new(),
            room: BTreeMap::new(),
        })
    }

    /// Whose pod.
    pub fn did(&self) -> Did {
        self.log.did()
    }

    /// The device log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What the device log comes to.
    pub fn resolution(&self) -> &Arc<Resolution> {
        &self.resolution
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.log.len() + self.enrols.len() + self.epochs.len()
    }

    /// Never: there is always a genesis.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The names of all, operations of the device log first, each after those it follows.
    pub fn ids(&self) -> impl Iterator<Item = CertificateId> {
        let operations = self.log.operations().map(|o| digest(&o.id()));
        let enrols = self.enrols.keys().copied();
        operations.chain(enrols).chain(self.epochs.keys().copied())
    }

    /// The certificate of that name.
    pub fn get(&self, id: &CertificateId) -> Option<Certificate> {
        if let Some(enrol) = self.enrols.get(id) {
            return Some(Certificate::Enrol(Box::new(enrol.clone())));
        }
        if let Some(epoch) = self.epochs.get(id) {
            return Some(Certificate::Epoch(Box::new(epoch.clone())));
        }
        let operation = self
            .log
            .operation(&rhizome_ipld::HashKind::Sha256.cid_of(*id))?;
        Some(Certificate::Operation(Box::new(operation.clone())))
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`ShareError::OtherPod`]; [`ShareError::Identity`] if it cannot belong to this device log, or is by a device that the log does
    /// not know (its operation may be on its way: try again when it is there); [`ShareError::Full`].
    pub fn add(&mut self, certificate: Certificate) -> Result<Added, ShareError> {
        match certificate {
            Certificate::Operation(operation) => match self.log.insert(*operation)? {
                Inserted::Added(_) => {
                    self.resolution = Arc::new(self.log.resolve());
                    Ok(Added::New)
                }
                Inserted::Known => Ok(Added::Known),
                Inserted::Waiting => Ok(Added::Waiting),
            },
            Certificate::Enrol(enrol) => self.add_enrol(*enrol),
            Certificate::Epoch(epoch) => self.add_epoch(*epoch),
        }
    }

    fn add_enrol(&mut self, enrol: Verified<Enrol>) -> Result<Added, ShareError> {
        let id = digest(&enrol.id());
        if self.enrols.contains_key(&id) {
            return Ok(Added::Known);
        }
        self.resolution.admit(&enrol)?;
        if let Some(by) = enrol.incarnation() {
            self.check_follows(&by)?;
            let room = self.room.entry(by).or_default();
            if room.enrolments >= MAX_ENROLMENTS {
                return Err(ShareError::Full("1,024 processes of one device"));
            }
            room.enrolments += 1;
        }
        self.enrols.insert(id, enrol);
        Ok(Added::New)
    }

    fn add_epoch(&mut self, epoch: Verified<Epoch>) -> Result<Added, ShareError> {
        let id = digest(&epoch.id());
        if self.epochs.contains_key(&id) {
            return Ok(Added::Known);
        }
        epoch.check()?;
        if epoch.pod != self.did() {
            return Err(ShareError::OtherPod {
                found: epoch.pod.to_string(),
                expected: self.did().to_string(),
            });
        }
        let by = incarnation(&epoch);
        if self.resolution.standing(&by).is_none() {
            return Err(rhizome_identity::IdentityError::NotADevice {
                device: by.key,
                did: self.did(),
            }
            .into());
        }
        self.check_follows(&by)?;
        let room = self.room.entry(by).or_default();
        let bytes = epoch.payload_bytes().len();
        if room.epochs >= MAX_EPOCHS_EACH || room.epoch_bytes + bytes > MAX_EPOCH_BYTES {
            return Err(ShareError::Full(
                "1,024 or 16 MiB of epoch certificates by one device",
            ));
        }
        room.epochs += 1;
        room.epoch_bytes += bytes;
        self.epochs.insert(id, epoch);
        Ok(Added::New)
    }

    /// Every process key that was ever enrolled, with how far what it writes counts.
    pub fn writers(&self) -> BTreeMap<PublicKey, Writer> {
        let mut out: BTreeMap<PublicKey, Writer> = BTreeMap::new();
        for enrol in self.enrols.values() {
            let Ok(standing) = self.resolution.admit(enrol) else {
                continue;
            };
            let writer = out.entry(enrol.process).or_insert_with(|| Writer {
                name: enrol.name.clone().unwrap_or_default(),
                device: enrol.device,
                role: Role::Follower,
                terms: Vec::new(),
            });
            writer.role = writer.role.min(self.role_of(enrol));
            match standing {
                Standing::Whole => {
                    // of several certificates the one that lets it write says its name
                    writer.name = enrol.name.clone().unwrap_or_default();
                    writer.device = enrol.device;
                    writer.terms.push(Vec::new());
                }
                Standing::Within(seals) => writer.terms.push(seals),
                Standing::Never => (),
            }
        }
        out
    }

    /// The role of the membership that enrolled a key.
    fn role_of(&self, enrol: &Enrol) -> Role {
        let by = enrol.incarnation();
        by.and_then(|by| self.role(&by)).unwrap_or(Role::Follower)
    }

    fn role(&self, by: &Incarnation) -> Option<Role> {
        let listed = self.log.operation(&by.add)?.action().devices();
        let own = listed.iter().find(|device| device.key == by.key)?;
        Some(own.role)
    }

    /// Nobody who only follows certifies anything: his key may be known to everybody.
    fn check_follows(&self, by: &Incarnation) -> Result<(), ShareError> {
        match self.role(by) {
            Some(Role::Follower) => Err(ShareError::Follows(by.key)),
            _ => Ok(()),
        }
    }

    /// Whether all that a certificate follows is there: it would not have to wait.
    pub fn is_due(&self, certificate: &Certificate) -> bool {
        match certificate {
            Certificate::Operation(operation) => {
                let mut prev = operation.prev().iter();
                prev.all(|id| self.log.operation(id).is_some())
            }
            Certificate::Enrol(_) | Certificate::Epoch(_) => true,
        }
    }

    /// The enrolments.
    pub fn enrolments(&self) -> impl Iterator<Item = &Verified<Enrol>> {
        self.enrols.values()
    }

    /// Opens all secrets that this device, its recovery words, or what it holds already can open. `known` are secrets at hand, by
    /// commitment; those found are added. Returns how many.
    pub fn open(&self, keys: &[Key<'_>], known: &mut BTreeMap<Commitment, Secret>) -> usize {
        let before = known.len();
        for epoch in self.epochs.values() {
            if known.contains_key(&epoch.commitment) {
                continue;
            }
            let opened = keys.iter().find_map(|key| match key {
                Key::Device(device, kem) => epoch.open(device, kem).ok(),
                Key::Words(kem) => epoch.open_recovery(kem).ok(),
            });
            if let Some(secret) = opened {
                known.insert(epoch.commitment, secret);
            }
        }
        // what is inside one may open another
        loop {
            let mut found = Vec::new();
            for epoch in self.epochs.values() {
                if let Some(secret) = known.get(&epoch.commitment) {
                    found.extend(epoch.open_past(secret).into_iter().map(|(_, s)| s));
                }
            }
            let count = known.len();
            for secret in found {
                known
                    .entry(crate::epoch::commitment(&secret))
                    .or_insert(secret);
            }
            if known.len() == count {
                return count - before;
            }
        }
    }

    /// The epoch under which to seal: of those that admins of now certified, and that nobody can read who is no member any more, one
    /// that no other follows; of several the one with the smallest commitment. If there is none like that, one that is not fresh.
    pub fn current(&self) -> Option<Current> {
        let authorised: Vec<&Verified<Epoch>> = self
            .epochs
            .values()
            .filter(|e| self.is_authorised(e))
            .collect();
        let mut views: BTreeMap<&[Cid], bool> = BTreeMap::new();
        let mut fresh: BTreeMap<Commitment, bool> = BTreeMap::new();
        for epoch in &authorised {
            let good = *views
                .entry(&epoch.log)
                .or_insert_with(|| self.saw_no_one_else(&epoch.log));
            let all = fresh.entry(epoch.commitment).or_insert(true);
            *all = *all && good;
        }
        let any_fresh = fresh.values().any(|f| *f);
        let candidates: BTreeSet<Commitment> = fresh
            .iter()
            .filter(|(_, f)| **f == any_fresh)
            .map(|(c, _)| *c)
            .collect();
        let followed = self.followed(&authorised, &candidates);
        let commitment = *candidates
            .iter()
            .find(|c| !followed.contains(*c))
            .or_else(|| candidates.first())?;
        let of_it = || authorised.iter().filter(|e| e.commitment == commitment);
        let epoch = of_it().next()?.epoch;
        let wrapped: BTreeSet<PublicKey> = of_it()
            .flat_map(|e| e.wraps.iter().map(|(key, _)| *key))
            .collect();
        let devices = self.resolution.devices.iter().map(|a| &a.device);
        Some(Current {
            epoch,
            commitment,
            fresh: any_fresh,
            lacking: devices
                .filter(|d| !wrapped.contains(&d.key))
                .map(|d| (d.key, d.kem.clone()))
                .collect(),
        })
    }

    /// Whether nobody can read what is sealed under an epoch who is no member any more, as far as its certificates by admins of now say. `false` without one.
    pub fn is_fresh(&self, epoch: &EpochId) -> bool {
        let certified = self.epochs.values().filter(|e| e.epoch == *epoch);
        let mut certified = certified.filter(|e| self.is_authorised(e)).peekable();
        certified.peek().is_some() && certified.all(|e| self.saw_no_one_else(&e.log))
    }

    /// Signed by a device that is an admin now, in the same membership.
    fn is_authorised(&self, epoch: &Epoch) -> bool {
        let by = incarnation(epoch);
        let mut devices = self.resolution.devices.iter();
        devices.any(|a| a.incarnation == by && a.device.role == Role::Admin)
    }

    /// Whether everybody who was a member as of these heads of the device log is one now.
    fn saw_no_one_else(&self, heads: &[Cid]) -> bool {
        let Ok(mut seen) = Log::new(self.log.genesis().clone()) else {
            return false;
        };
        for head in heads {
            let Some(version) = self.log.version(head) else {
                return false;
            };
            for operation in version.operations() {
                if seen.insert(operation.clone()).is_err() {
                    return false;
                }
            }
        }
        let members: BTreeSet<Incarnation> = self
            .resolution
            .devices
            .iter()
            .map(|a| a.incarnation)
            .collect();
        let then = seen.resolve();
        then.devices
            .iter()
            .all(|a| members.contains(&a.incarnation))
    }

    /// The candidates that another candidate follows, over any number of steps.
    fn followed(
        &self,
        authorised: &[&Verified<Epoch>],
        candidates: &BTreeSet<Commitment>,
    ) -> BTreeSet<Commitment> {
        let mut out = BTreeSet::new();
        for start in authorised {
            if !candidates.contains(&start.commitment) {
                continue;
            }
            let mut seen: BTreeSet<EpochCertId> = BTreeSet::new();
            let mut next: Vec<EpochCertId> = start.before.clone();
            while let Some(id) = next.pop() {
                if !seen.insert(id) {
                    continue;
                }
                if let Some(epoch) = self.epochs.get(&id.into_array()) {
                    if epoch.commitment != start.commitment {
                        out.insert(epoch.commitment);
                    }
                    next.extend(epoch.before.iter().copied());
                }
            }
        }
        out
    }

    /// What a certificate by this admin device would say now: for a new secret, or, with `only`, for further devices of an epoch there
    /// is. `recovery` are keys of recovery words; without them those of the newest certificates are taken over.
    ///
    /// # Errors
    /// [`ShareError::NotAnAdmin`]; a certificate for no device may come from any member.
    pub fn plan(
        &self,
        by: &PublicKey,
        only: Option<Vec<(PublicKey, KemKey)>>,
        recovery: Option<Vec<KemKey>>,
    ) -> Result<Plan, ShareError> {
        let for_none = only.as_ref().is_some_and(Vec::is_empty);
        let member = self.resolution.device(by).map(|a| a.incarnation);
        let member = member
            .filter(|_| {
                let is_admin = self.resolution.is_admin(by);
                is_admin || (for_none && !self.resolution.only_follows(by))
            })
            .ok_or(ShareError::NotAnAdmin)?;
        let heads = self.heads();
        let for_all = only.is_none();
        let recovery = match (recovery, for_all) {
            (Some(keys), _) => keys,
            (None, true) => self.recovery_keys(&heads),
            (None, false) => Vec::new(),
        };
        let mut devices = only.unwrap_or_else(|| {
            let members = self.resolution.devices.iter();
            members
                .map(|a| (a.device.key, a.device.kem.clone()))
                .collect()
        });
        devices.sort_by_key(|(key, _)| key.to_bytes());
        devices.dedup_by_key(|(key, _)| *key);
        let mut log = self.log.heads();
        log.truncate(MAX_BEFORE);
        let mut before: Vec<EpochCertId> = heads.into_iter().map(ByteArray::new).collect();
        before.truncate(MAX_BEFORE);
        Ok(Plan {
            pod: self.did(),
            add: member.add,
            log,
            before,
            devices,
            recovery,
        })
    }

    /// The epoch certificates that no other follows.
    fn heads(&self) -> Vec<CertificateId> {
        let followed: BTreeSet<CertificateId> = self
            .epochs
            .values()
            .flat_map(|e| e.before.iter().map(|id| id.into_array()))
            .collect();
        let heads = self.epochs.keys().filter(|id| !followed.contains(*id));
        heads.copied().collect()
    }

    /// The keys of recovery words in these certificates, or in those they follow.
    fn recovery_keys(&self, from: &[CertificateId]) -> Vec<KemKey> {
        let mut seen = BTreeSet::new();
        let mut next = from.to_vec();
        let mut keys: BTreeMap<Vec<u8>, KemKey> = BTreeMap::new();
        while let Some(id) = next.pop() {
            let Some(epoch) = self.epochs.get(&id).filter(|_| seen.insert(id)) else {
                continue;
            };
            if epoch.recovery.is_empty() {
                next.extend(epoch.before.iter().map(|id| id.into_array()));
            }
            for (key, _) in &epoch.recovery {
                keys.insert(key.to_bytes(), key.clone());
            }
        }
        keys.into_values().take(crate::MAX_RECOVERY).collect()
    }

    /// What a member owes the others as things stand, with the secrets it knows. Several may find the same at once; that does no harm.
    pub fn owed<'a>(
        &self,
        by: &PublicKey,
        known: &'a BTreeMap<Commitment, Secret>,
    ) -> Option<Owed<'a>> {
        self.resolution.device(by)?;
        if self.resolution.only_follows(by) {
            return None;
        }
        let is_admin = self.resolution.is_admin(by);
        match self.current() {
            Some(now) if now.fresh => {
                // who cannot read it yet leaves it to the others
                let secret = known.get(&now.commitment)?;
                let lacking = if is_admin { now.lacking } else { Vec::new() };
                let past = self.unreachable(Some(secret), known);
                let all_is_well = lacking.is_empty() && past.is_empty();
                (!all_is_well).then_some(Owed::More {
                    secret,
                    lacking,
                    past,
                })
            }
            _ if !is_admin => None,
            // a device that has just joined waits for what the others have
            None if known.is_empty() => None,
            _ => Some(Owed::Epoch {
                past: self.unreachable(None, known),
            }),
        }
    }

    /// The secrets at hand that a new epoch, or that with the secret `from`, must carry so that whoever can open it can open all: those
    /// that are not inside it yet, nor inside another that is. As many as a certificate holds.
    pub fn unreachable<'a>(
        &self,
        from: Option<&'a Secret>,
        known: &'a BTreeMap<Commitment, Secret>,
    ) -> Vec<&'a Secret> {
        let mut inside: BTreeMap<Commitment, Vec<&Epoch>> = BTreeMap::new();
        for epoch in self.epochs.values() {
            inside.entry(epoch.commitment).or_default().push(epoch);
        }
        let mut reached: BTreeSet<Commitment> = BTreeSet::new();
        let reach = |reached: &mut BTreeSet<Commitment>, secret: &Secret| {
            let mut next = vec![Secret::take(&mut { *secret.expose() })];
            while let Some(secret) = next.pop() {
                let commitment = crate::epoch::commitment(&secret);
                if reached.insert(commitment) {
                    let epochs = inside.get(&commitment).into_iter().flatten();
                    next.extend(epochs.flat_map(|e| e.open_past(&secret)).map(|(_, s)| s));
                }
            }
        };
        if let Some(secret) = from {
            reach(&mut reached, secret);
        }
        // the newest first: the others are likely inside
        let heads = self.heads();
        let heads = heads.iter().filter_map(|id| self.epochs.get(id));
        let heads: BTreeSet<Commitment> = heads.map(|e| e.commitment).collect();
        let others = inside.keys().filter(|c| !heads.contains(*c));
        let mut out = Vec::new();
        for commitment in heads.iter().chain(others) {
            if out.len() < crate::MAX_PAST
                && !reached.contains(commitment)
                && let Some(secret) = known.get(commitment)
            {
                reach(&mut reached, secret);
                out.push(secret);
            }
        }
        out
    }
}

/// What a member is to certify ([`Certificates::owed`]).
pub enum Owed<'a> {
    /// A new epoch for all.
    Epoch {
        /// The secrets it must carry.
        past: Vec<&'a Secret>,
    },
    /// More about the current epoch.
    More {
        /// Its secret.
        secret: &'a Secret,
        /// Members without a wrap of it.
        lacking: Vec<(PublicKey, KemKey)>,
        /// The secrets it must carry besides.
        past: Vec<&'a Secret>,
    },
}

fn incarnation(epoch: &Epoch) -> Incarnation {
    Incarnation {
        key: epoch.device,
        add: epoch.add,
    }
}

/// What opens an epoch.
pub enum Key<'a> {
    /// A device: its signing key and its key for receiving secrets.
    Device(PublicKey, &'a KemSecret),
    /// The key of recovery words.
    Words(&'a KemSecret),
}
