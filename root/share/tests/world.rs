//! People and devices for tests.

use rhizome_identity::{
    Create, Device, Enrol, Genesis, KemSecret, Log, Operation, Proposal, RecoveryWords, Role,
    Secret,
};
use rhizome_ipld::{PublicKey, SigningKey, Verified};
use rhizome_share::{Certificate, Certificates, Commitment, Epoch, Key, Owed};
use std::collections::BTreeMap;

/// Random enough for tests, and the same every time.
pub fn random(seed: u8) -> impl FnMut(&mut [u8]) {
    let mut n = 0u64;
    move |out| {
        n += 1;
        let mut hash = blake3::Hasher::new();
        hash.update(&[seed]).update(&n.to_be_bytes());
        hash.finalize_xof().fill(out);
    }
}

/// A device and the secrets that it could open.
pub struct Machine {
    pub key: SigningKey,
    pub kem: KemSecret,
    pub secrets: BTreeMap<Commitment, Secret>,
    seed: u8,
}

impl Machine {
    pub fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_seed([seed; 32]),
            kem: KemSecret::from_seed(Secret::random(&mut random(seed))),
            secrets: BTreeMap::new(),
            seed,
        }
    }

    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    pub fn device(&self, role: Role) -> Device {
        Device {
            key: self.public(),
            kem: self.kem.public(),
            role,
        }
    }

    /// Opens what it can of a set.
    pub fn open(&mut self, set: &Certificates) {
        let keys = [Key::Device(self.key.public(), &self.kem)];
        set.open(&keys, &mut self.secrets);
    }

    /// The certificate that an admin device owes to this set: a new epoch if the current one is not fresh, a wrap for those who lack
    /// one; none if all is well.
    pub fn owed(&mut self, set: &Certificates, salt: u8) -> Option<Verified<Epoch>> {
        self.open(set);
        let mut random = random(self.seed ^ salt);
        let epoch = match set.owed(&self.public(), &self.secrets)? {
            Owed::More {
                secret,
                lacking,
                past,
            } => {
                let plan = set.plan(&self.public(), Some(lacking), None).unwrap();
                Epoch::sign(plan, secret, &past, &self.key, &mut random)
            }
            Owed::Epoch { past } => {
                let plan = set.plan(&self.public(), None, None).unwrap();
                let secret = Secret::random(&mut random);
                Epoch::sign(plan, &secret, &past, &self.key, &mut random)
            }
        };
        Some(epoch.unwrap())
    }

    pub fn enrol(&self, log: &Log, process: u8) -> Verified<Enrol> {
        let process = SigningKey::from_seed([process; 32]).public();
        let now = log.resolve();
        let add = now.device(&self.public()).map(|a| a.incarnation.add);
        Enrol::sign(log.did(), &self.key, add, process, &mut random(self.seed)).unwrap()
    }
}

/// A pod of one device and recovery words, with its first epoch.
pub fn pod(laptop: &mut Machine, words: &RecoveryWords) -> Certificates {
    let create = Create::one_device(
        laptop.public(),
        laptop.kem.public(),
        vec![words.policy()],
        vec![],
        &mut random(laptop.seed),
    );
    let genesis = Genesis::create(create, &[&laptop.key]).unwrap();
    let mut set = Certificates::new(genesis).unwrap();
    let recovery = Some(vec![words.kem().public()]);
    let plan = set.plan(&laptop.public(), None, recovery).unwrap();
    let secret = Secret::random(&mut random(99));
    let first = Epoch::sign(plan, &secret, &[], &laptop.key, &mut random(98)).unwrap();
    add_epoch(&mut set, first);
    laptop.open(&set);
    set
}

pub fn add_epoch(set: &mut Certificates, epoch: Verified<Epoch>) {
    set.add(Certificate::Epoch(Box::new(epoch))).unwrap();
}

pub fn signed(mut proposal: Proposal, keys: &[&SigningKey]) -> Operation {
    for key in keys {
        proposal.sign(key).unwrap();
    }
    proposal.complete().unwrap()
}

pub fn add_operation(set: &mut Certificates, operation: Operation) {
    set.add(Certificate::Operation(Box::new(operation)))
        .unwrap();
}

pub fn join(set: &mut Certificates, by: &Machine, new: &Machine, role: Role) {
    let proposal = set
        .log()
        .add_device(&by.public(), new.device(role))
        .unwrap();
    add_operation(set, signed(proposal, &[&by.key, &new.key]));
}

pub fn remove(set: &mut Certificates, by: &Machine, gone: &Machine) {
    let operation = removal(set, by, gone);
    add_operation(set, operation);
}

pub fn removal(set: &Certificates, by: &Machine, gone: &Machine) -> Operation {
    let target = set.resolution().device(&gone.public()).unwrap().incarnation;
    let proposal = set
        .log()
        .remove_device(&by.public(), target, vec![])
        .unwrap();
    signed(proposal, &[&by.key])
}

/// The same certificates in another order; what comes too early comes again.
pub fn shuffled(set: &Certificates, order: &mut dyn FnMut(usize) -> usize) -> Certificates {
    let mut all: Vec<Vec<u8>> = set
        .ids()
        .map(|id| set.get(&id).unwrap().to_bytes().unwrap())
        .collect();
    for i in (1..all.len()).rev() {
        all.swap(i, order(i + 1));
    }
    let mut out = Certificates::new(set.log().genesis().clone()).unwrap();
    while !all.is_empty() {
        let before = all.len();
        all.retain(|bytes| out.add(Certificate::from_bytes(bytes).unwrap()).is_err());
        assert!(all.len() < before, "something is never taken");
    }
    out
}
