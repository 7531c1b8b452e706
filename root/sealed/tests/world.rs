//! People, devices and commits for tests.

use rhizome_identity::{
    Create, Device, Enrol, Genesis, KemSecret, Operation, Proposal, RecoveryWords, Role,
    SealedHead, Secret,
};
use rhizome_ipld::{PublicKey, SigningKey, Verified};
use rhizome_replica::{LeafBytes, Record};
use rhizome_share::{Certificate, Certificates, Epoch};
use rhizome_storage::conformance::Random;
use rhizome_tuple::{
    Commit, CommitId, EntityId, EpochSecret, Hlc, Leaf, Op, leaf_hash, merkle_root,
};
use std::collections::BTreeSet;

/// Random enough for tests, and the same every time.
pub fn random(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut n = 0u64;
    move |out| {
        n += 1;
        let mut hash = blake3::Hasher::new();
        hash.update(&seed.to_be_bytes()).update(&n.to_be_bytes());
        hash.finalize_xof().fill(out);
    }
}

pub const SECRET: [u8; 32] = [77; 32];

pub fn epoch() -> EpochSecret {
    EpochSecret::new(&SECRET)
}

/// A device.
pub struct Machine {
    pub key: SigningKey,
    pub kem: KemSecret,
    seed: u64,
}

impl Machine {
    pub fn new(seed: u64) -> Self {
        let mut fill = random(seed);
        let mut bytes = [0; 32];
        fill(&mut bytes);
        Self {
            key: SigningKey::from_seed(bytes),
            kem: KemSecret::from_seed(Secret::random(&mut fill)),
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
}

/// The key of a process.
pub fn process(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

/// A pod as its owner has it: certificates, and what the processes have written last.
pub struct Owner {
    pub set: Certificates,
    pub laptop: Machine,
    pub words: RecoveryWords,
    salt: u64,
}

impl Owner {
    /// A pod of one device, with recovery words and the first epoch.
    pub fn new(seed: u64) -> Self {
        let laptop = Machine::new(seed);
        let words = RecoveryWords::generate(&mut random(seed ^ 0xF00D));
        let create = Create::one_device(
            laptop.public(),
            laptop.kem.public(),
            vec![words.policy()],
            vec![],
            &mut random(seed ^ 0xBEEF),
        );
        let genesis = Genesis::create(create, &[&laptop.key]).unwrap();
        let mut owner = Self {
            set: Certificates::new(genesis).unwrap(),
            laptop,
            words,
            salt: seed << 16,
        };
        owner.epoch();
        owner
    }

    pub fn did(&self) -> String {
        self.set.did().to_string()
    }

    fn salt(&mut self) -> u64 {
        self.salt += 1;
        self.salt
    }

    pub fn add(&mut self, certificate: Certificate) -> Vec<u8> {
        let bytes = certificate.to_bytes().unwrap();
        self.set.add(certificate).unwrap();
        bytes
    }

    /// A further epoch, for all devices and the words.
    pub fn epoch(&mut self) -> Vec<u8> {
        let recovery = Some(vec![self.words.kem().public()]);
        let plan = self
            .set
            .plan(&self.laptop.public(), None, recovery)
            .unwrap();
        let mut random = random(self.salt());
        let secret = Secret::random(&mut random);
        let epoch = Epoch::sign(plan, &secret, &[], &self.laptop.key, &mut random).unwrap();
        self.add(Certificate::Epoch(Box::new(epoch)))
    }

    /// A device lets a process write.
    pub fn enrol(&mut self, by: &Machine, n: u8) -> Vec<u8> {
        let enrol = self.enrolment(by, n);
        self.add(Certificate::Enrol(Box::new(enrol)))
    }

    pub fn enrolment(&mut self, by: &Machine, n: u8) -> Verified<Enrol> {
        let add = self.set.resolution().device(&by.public());
        let add = add.map(|a| a.incarnation.add);
        let salt = self.salt();
        let key = process(n).public();
        Enrol::sign(self.set.did(), &by.key, add, key, &mut random(salt)).unwrap()
    }

    /// The laptop lets a process write.
    pub fn enrol_own(&mut self, n: u8) -> Vec<u8> {
        let laptop = Machine::new(self.laptop.seed);
        self.enrol(&laptop, n)
    }

    pub fn join(&mut self, new: &Machine, role: Role) -> Vec<u8> {
        let log = self.set.log();
        let proposal = log
            .add_device(&self.laptop.public(), new.device(role))
            .unwrap();
        let operation = signed(proposal, &[&self.laptop.key, &new.key]);
        self.add(Certificate::Operation(Box::new(operation)))
    }

    pub fn remove(&mut self, gone: &Machine, mut seal: Vec<SealedHead>) -> Vec<u8> {
        seal.sort_unstable();
        seal.dedup();
        let target = self.set.resolution().device(&gone.public()).unwrap();
        let target = target.incarnation;
        let log = self.set.log();
        let proposal = log
            .remove_device(&self.laptop.public(), target, seal)
            .unwrap();
        let operation = signed(proposal, &[&self.laptop.key]);
        self.add(Certificate::Operation(Box::new(operation)))
    }

    /// All certificates as bytes.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        let ids = self.set.ids();
        ids.map(|id| self.set.get(&id).unwrap().to_bytes().unwrap())
            .collect()
    }
}

pub fn signed(mut proposal: Proposal, keys: &[&SigningKey]) -> Operation {
    for key in keys {
        proposal.sign(key).unwrap();
    }
    proposal.complete().unwrap()
}

/// A commit that somebody made.
#[derive(Clone, Debug)]
pub struct Said {
    pub key: PublicKey,
    pub seq: u64,
    pub id: CommitId,
    pub record: Record,
}

impl Said {
    pub fn commit(&self) -> rhizome_sync::Commit {
        commit(&self.record)
    }

    pub fn bytes(&self, leaf: usize) -> &[u8] {
        match &self.record.leaves[leaf] {
            LeafBytes::Sealed(bytes) => bytes,
            LeafBytes::Erased(_) => panic!("no bytes"),
        }
    }

    /// Without the bytes of these leaves.
    pub fn without(&self, leaves: &[usize]) -> Record {
        let mut record = self.record.clone();
        for leaf in leaves {
            record.leaves[*leaf] = LeafBytes::Erased(record.leaves[*leaf].hash());
        }
        record
    }
}

pub fn commit(record: &Record) -> rhizome_sync::Commit {
    let leaf = |l: &LeafBytes| match l {
        LeafBytes::Sealed(bytes) => rhizome_sync::Leaf::Sealed(bytes.clone()),
        LeafBytes::Erased(hash) => rhizome_sync::Leaf::Erased(*hash),
    };
    rhizome_sync::Commit {
        envelope: record.envelope.clone(),
        leaves: record.leaves.iter().map(leaf).collect(),
    }
}

pub fn entity(pod: &str, n: u64) -> EntityId {
    EntityId::derive(pod, &n.to_be_bytes())
}

/// Writes a commit at any place of a chain, one set element in each leaf.
pub fn say(
    pod: &str,
    who: u8,
    (seq, prev): (u64, Option<CommitId>),
    texts: &[String],
    nonce: u64,
) -> Said {
    let key = process(who);
    let mut header = Commit {
        v: 1,
        pod: pod.into(),
        device: key.public(),
        seq,
        prev,
        frontier: vec![],
        hlc: Hlc((1 << 20) + nonce),
        cap: None,
        nonce: u128::from(nonce).to_be_bytes(),
        root: [0; 32],
        leaves: texts.len() as u32,
    };
    let mut entities: Vec<EntityId> = (0..texts.len() as u64).map(|n| entity(pod, n)).collect();
    entities.sort_unstable();
    let sealed: Vec<Vec<u8>> = (0..)
        .zip(entities.iter().zip(texts))
        .map(|(i, (entity, text))| {
            let ops = vec![Op::Insert {
                attribute: rhizome_tuple::Attribute::new("tag").unwrap(),
                value: text.clone().into(),
            }];
            let plaintext = Leaf::encode(&ops).unwrap();
            let sealed = epoch()
                .seal(entity, &header.address(i), &plaintext)
                .unwrap();
            sealed.to_bytes().unwrap()
        })
        .collect();
    let hashes: Vec<_> = sealed.iter().map(|b| leaf_hash(b)).collect();
    header.root = merkle_root(&hashes).unwrap();
    let verified = Verified::sign(header, &key).unwrap();
    Said {
        key: key.public(),
        seq,
        id: CommitId::from_cid(&verified.id()).unwrap(),
        record: Record {
            envelope: verified.to_bytes(),
            leaves: sealed.into_iter().map(LeafBytes::Sealed).collect(),
        },
    }
}

/// An honest chain of `n` commits with one leaf each.
pub fn chain(pod: &str, who: u8, n: u64) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for seq in 0..n {
        let prev = out.last().map(|s| s.id);
        let text = format!("{who} says {seq}");
        out.push(say(
            pod,
            who,
            (seq, prev),
            &[text],
            u64::from(who) << 32 | seq,
        ));
    }
    out
}

/// Commits of authors who keep to no rule: forks, gaps, second beginnings, places that do not ascend, predecessors of others.
pub fn wild(pod: &str, authors: &[u8], n: usize, r: &mut Random) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for nonce in 0..n as u64 {
        let who = authors[r.below(authors.len())];
        let own: Vec<&Said> = out
            .iter()
            .filter(|s| s.key == process(who).public())
            .collect();
        let last = own.last().map(|s| (s.seq.saturating_add(1), Some(s.id)));
        let place = match r.below(12) {
            0 => (0, None),
            1 | 2 if !own.is_empty() => {
                let from = own[r.below(own.len())];
                (from.seq.saturating_add(1), Some(from.id))
            }
            3 if !own.is_empty() => {
                let from = own[r.below(own.len())];
                (1 + r.below(9) as u64, Some(from.id))
            }
            4 if !out.is_empty() => {
                let from = &out[r.below(out.len())];
                (from.seq.saturating_add(1), Some(from.id))
            }
            5 => (
                1 + r.below(5) as u64,
                Some(CommitId([r.below(3) as u8; 32])),
            ),
            6 => (u64::MAX, last.and_then(|l| l.1).or(Some(CommitId([9; 32])))),
            _ => last.filter(|l| l.0 < 1 << 40).unwrap_or((0, None)),
        };
        let texts: Vec<String> = (0..=r.below(3))
            .map(|i| format!("{who}.{nonce}.{i}"))
            .collect();
        out.push(say(pod, who, place, &texts, 1 << 40 | nonce));
    }
    out
}

pub fn shuffle<T>(list: &mut [T], r: &mut Random) {
    for i in (1..list.len()).rev() {
        list.swap(i, r.below(i + 1));
    }
}

/// Heads as a remover may name them: right ones, and some that are wrong.
pub fn seal(said: &[Said], keys: &[PublicKey], r: &mut Random) -> Vec<SealedHead> {
    let mut out = BTreeSet::new();
    for _ in 0..r.below(6) {
        let s = &said[r.below(said.len())];
        if keys.contains(&s.key) || r.one_in(6) {
            let seq = if r.one_in(10) {
                r.below(9) as u64
            } else {
                s.seq
            };
            let process = if r.one_in(10) {
                keys[r.below(keys.len())]
            } else {
                s.key
            };
            out.insert((process, seq, s.id.0));
        }
    }
    out.into_iter()
        .map(|(process, seq, commit)| SealedHead {
            process,
            seq,
            commit,
        })
        .collect()
}
