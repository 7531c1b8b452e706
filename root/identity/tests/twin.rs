//! One history twice: as real signed operations in a log, and as symbols in the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rhizome_identity::{
    Action, Create, Device, DeviceAdd, DeviceRemove, Endpoint, Genesis, IdentityError, Incarnation,
    Inserted, KemKey, Log, Operation, Policy, Recover, Resolution, Reveal, Role, ServiceSet,
};
use rhizome_ipld::{Cid, SigningKey};

use crate::oracle::{Act, Id, Inc, Key, Model, Op, State};

/// Numbers that look random and are the same every time.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.roll(i as u64 + 1) as usize);
        }
    }
}

/// The signing key of a device that has a number.
pub fn signing(key: Key) -> &'static SigningKey {
    static KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| (0..=255).map(|i| SigningKey::from_seed([i; 32])).collect());
    &keys[usize::from(key)]
}

/// A device that has a number, an admin.
pub fn device(key: Key) -> Device {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    let devices = DEVICES.get_or_init(|| {
        (0..=255)
            .map(|i| Device {
                key: signing(i).public(),
                kem: KemKey::X25519([i; 32]),
                role: Role::Admin,
            })
            .collect()
    });
    devices[usize::from(key)].clone()
}

pub fn number(key: rhizome_ipld::PublicKey) -> Key {
    static NUMBERS: OnceLock<BTreeMap<rhizome_ipld::PublicKey, Key>> = OnceLock::new();
    NUMBERS.get_or_init(|| (0..=255).map(|i| (signing(i).public(), i)).collect())[&key]
}

/// The keys behind a secret: two of three friends for 100 to 199, one key for all others.
pub fn keys_of(secret: u64) -> Vec<SigningKey> {
    let count = if (100..200).contains(&secret) { 3 } else { 1 };
    (0..count)
        .map(|i| {
            SigningKey::from_seed(blake3::derive_key(
                "test",
                &[secret.to_be_bytes(), [i; 8]].concat(),
            ))
        })
        .collect()
}

fn reveals(secret: u64) -> Vec<Reveal> {
    let mut reveals: Vec<Reveal> = keys_of(secret)
        .iter()
        .map(|key| Reveal {
            salt: [secret as u8; 32],
            key: key.public(),
        })
        .collect();
    reveals.sort_by_key(|r| r.key);
    reveals
}

pub fn policy(secret: u64) -> Policy {
    let all = reveals(secret);
    Policy::of(all.len().min(2) as u8, &all)
}

/// What shows a secret: as many keys as are needed, ascending, and the keys themselves.
pub fn shown(secret: u64) -> (Vec<Reveal>, Vec<SigningKey>) {
    let mut reveals = reveals(secret);
    reveals.truncate(2);
    let mut keys = keys_of(secret);
    keys.retain(|key| reveals.iter().any(|r| r.key == key.public()));
    (reveals, keys)
}

pub fn policies(secrets: &[u64]) -> Vec<Policy> {
    secrets.iter().map(|s| policy(*s)).collect()
}

pub fn digest(cid: &Cid) -> Id {
    cid.hash().digest().try_into().unwrap()
}

pub fn cid(id: &Id) -> Cid {
    let bytes = [&[0x01, 0x71, 0x12, 0x20][..], id].concat();
    rhizome_ipld::cid_from_bytes(&bytes).unwrap()
}

pub fn incarnation(inc: Inc) -> Incarnation {
    Incarnation {
        key: signing(inc.key).public(),
        add: cid(&inc.by),
    }
}

fn service_of(value: u64) -> Endpoint {
    Endpoint {
        kind: "Test".into(),
        endpoint: format!("https://test.example/{value}"),
    }
}

/// Signs, and reads back from bytes, so that every signature is verified.
pub fn sealed(action: Action, keys: &[&SigningKey]) -> Operation {
    let mut keys = keys.to_vec();
    keys.sort_by_key(|k| k.public());
    keys.dedup_by_key(|k| k.public());
    let operation = Operation::sign(action, &keys).unwrap();
    let signatures = operation.signature_block().unwrap();
    Operation::verify(operation.payload_bytes(), &signatures).unwrap()
}

#[derive(Clone)]
pub struct Twin {
    pub log: Log,
    pub model: Model,
}

impl Twin {
    pub fn new(devices: &[Key], secrets: &[u64], nonce: u64) -> Self {
        let create = Create {
            devices: devices.iter().map(|k| device(*k)).collect(),
            policies: policies(secrets),
            services: vec![],
            nonce: [nonce.to_be_bytes(), [0; 8]].concat().try_into().unwrap(),
        };
        let keys: Vec<&SigningKey> = devices.iter().map(|k| signing(*k)).collect();
        let genesis = Genesis::create(create, &keys).unwrap();
        let id = digest(&genesis.operation().id());
        let op = Op {
            author: None,
            act: Act::Create(devices.to_vec(), secrets.to_vec()),
            prevs: BTreeSet::new(),
        };
        Self {
            log: Log::new(genesis).unwrap(),
            model: Model {
                ops: BTreeMap::from([(id, op)]),
                genesis: id,
            },
        }
    }

    pub fn root(&self) -> Id {
        self.model.genesis
    }

    /// The incarnation of a first device.
    pub fn first(&self, key: Key) -> Inc {
        Inc {
            key,
            by: self.root(),
        }
    }

    pub fn ids(&self) -> Vec<Id> {
        self.model.ops.keys().copied().collect()
    }

    pub fn heads(&self) -> BTreeSet<Id> {
        let mut heads: BTreeSet<Id> = self.model.ops.keys().copied().collect();
        for op in self.model.ops.values() {
            for prev in &op.prevs {
                heads.remove(prev);
            }
        }
        heads
    }

    /// Does it in both worlds. None if the door of the log does not let it in: then the model never hears of it.
    pub fn act(&mut self, author: Option<Inc>, act: Act, prevs: BTreeSet<Id>) -> Option<Id> {
        let prev: Vec<Cid> = prevs.iter().map(cid).collect();
        let by = author.map(incarnation);
        let mut friends = Vec::new();
        let mut keys: Vec<&SigningKey> = author.iter().map(|a| signing(a.key)).collect();
        let action = match (&act, by) {
            (Act::Add(key), Some(by)) => {
                keys.push(signing(*key));
                Action::DeviceAdd(DeviceAdd {
                    prev,
                    by,
                    device: device(*key),
                })
            }
            (Act::Remove(inc), Some(by)) => Action::DeviceRemove(DeviceRemove {
                prev,
                by,
                target: incarnation(*inc),
                seal: vec![],
            }),
            (Act::Service(value), Some(by)) => Action::ServiceSet(ServiceSet {
                prev,
                by,
                id: "x".into(),
                service: Some(service_of(*value)),
            }),
            (Act::Recover(index, secret, devices, secrets), None) => {
                let (reveals, signers) = shown(*secret);
                friends = signers;
                keys.extend(devices.iter().map(|k| signing(*k)));
                Action::Recover(Recover {
                    prev,
                    index: *index as u8,
                    reveals,
                    devices: devices.iter().map(|k| device(*k)).collect(),
                    policies: policies(secrets),
                    seal: vec![],
                })
            }
            other => unreachable!("{other:?}"),
        };
        keys.extend(&friends);
        let operation = sealed(action, &keys);
        let id = digest(&operation.id());
        match self.log.insert(operation) {
            Ok(Inserted::Added(ids)) => assert_eq!(ids.len(), 1),
            Ok(Inserted::Known) => assert!(self.model.ops.contains_key(&id)),
            Err(IdentityError::Refused(_)) => return None,
            other => panic!("{other:?}"),
        }
        self.model.ops.insert(id, Op { author, act, prevs });
        Some(id)
    }

    pub fn does(&mut self, author: Inc, act: Act, prevs: impl IntoIterator<Item = Id>) -> Id {
        self.act(Some(author), act, prevs.into_iter().collect())
            .expect("the log takes it in")
    }

    pub fn recover(
        &mut self,
        index: usize,
        secret: u64,
        devices: &[Key],
        secrets: &[u64],
        prevs: impl IntoIterator<Item = Id>,
    ) -> Option<Id> {
        let act = Act::Recover(index, secret, devices.to_vec(), secrets.to_vec());
        self.act(None, act, prevs.into_iter().collect())
    }

    /// What both worlds agree on.
    pub fn state(&self) -> State {
        let model = self.model.state();
        assert_eq!(state_of(&self.log.resolve()), model);
        model
    }
}

/// The secret behind a policy, of those that the tests use.
fn secret_of(policy: &Policy) -> u64 {
    static KNOWN: OnceLock<Vec<(u64, Policy)>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let all = [100, 101, 200, 201, 202, 300, 777].into_iter();
        all.chain(900..1000).map(|s| (s, self::policy(s))).collect()
    });
    known.iter().find(|(_, p)| p == policy).unwrap().0
}

/// A resolution in the model's words.
fn state_of(resolution: &Resolution) -> State {
    let value = |endpoint: &str| endpoint.rsplit('/').next().unwrap().parse().unwrap();
    let actives = &resolution.devices;
    State {
        devices: actives.iter().map(|a| number(a.device.key)).collect(),
        incs: actives
            .iter()
            .filter(|_| !resolution.contested)
            .map(|a| Inc {
                key: number(a.incarnation.key),
                by: digest(&a.incarnation.add),
            })
            .collect(),
        service: resolution.services.first().map(|s| value(&s.endpoint)),
        policies: resolution.policies.iter().map(secret_of).collect(),
        epoch: resolution.epoch,
        contested: resolution.contested,
    }
}
