//! The operation that makes an identity, and the frame for those that change it later.
//!
//! Payload `P = {"rhizome/did@1": {"create": {…}}}`, signatures `S = {"p": CID(P), "s": [[multikey, varsig header, sig], …]}`; the
//! DID is `did:rhizome:` and the CID of `P` (dag-cbor, sha2-256, base32). The other operations of the device log are further
//! entries beside `create`; adding them changes neither these bytes nor the reading of them.

use std::collections::BTreeSet;
use std::ops::Deref;

use rhizome_ipld::{
    HashKind, MultiPayload, MultiSigned, MultiVerified, PublicKey, SigningKey, car, cid_sha256,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{Did, Enrol, IdentityError, KemKey, Random};
use rhizome_ipld::Verified;

/// Most devices in one genesis.
pub const MAX_DEVICES: usize = 32;
/// Most recovery policies.
pub const MAX_POLICIES: usize = 8;
/// Most keys in one recovery policy.
pub const MAX_POLICY_KEYS: usize = 32;
/// Most services.
pub const MAX_SERVICES: usize = 16;
/// Longest name, type or endpoint of a service in bytes.
pub const MAX_SERVICE_TEXT: usize = 1024;

/// What a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May change the identity: add devices, remove junior ones, set services.
    Admin,
    /// May write to the pod.
    Member,
}

/// A device of the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Signs.
    pub key: PublicKey,
    /// Receives secrets.
    pub kem: KemKey,
    /// What it may do.
    pub role: Role,
}

/// Who may take the identity back: `k` of these keys. The keys are hidden until used: each is `SHA2-256(salt ‖ multikey)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How many of the keys have to sign.
    pub k: u8,
    /// The hidden keys, in ascending order.
    pub keys: Vec<ByteArray<32>>,
}

/// An entry point of the identity, as in DID Core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The fragment that names it, without `#`: `pod` is where the pod answers.
    pub id: String,
    /// Its type, for example `RhizomePod`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A URL.
    pub endpoint: String,
}

/// The fields of a genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The first devices, the most senior first; all of them sign.
    pub devices: Vec<Device>,
    /// Recovery policies, the strongest first.
    pub policies: Vec<Policy>,
    /// Entry points.
    pub services: Vec<Service>,
    /// Random, so that two identities of one device have nothing in common.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
}

impl Create {
    /// An identity with one device, which is its admin.
    pub fn one_device(
        key: PublicKey,
        kem: KemKey,
        policies: Vec<Policy>,
        services: Vec<Service>,
        random: Random<'_>,
    ) -> Self {
        let mut nonce = [0; 16];
        random(&mut nonce);
        Self {
            devices: vec![Device {
                key,
                kem,
                role: Role::Admin,
            }],
            policies,
            services,
            nonce,
        }
    }

    fn check(&self) -> Result<(), IdentityError> {
        let wrong = |what| Err(IdentityError::Genesis(what));
        if self.devices.is_empty() || self.devices.len() > MAX_DEVICES {
            return wrong("it must have between 1 and 32 devices");
        }
        if !self.devices.iter().any(|d| d.role == Role::Admin) {
            return wrong("no device is an admin");
        }
        let keys: BTreeSet<_> = self.devices.iter().map(|d| d.key).collect();
        if keys.len() != self.devices.len() {
            return wrong("a device is listed twice");
        }
        if self.policies.len() > MAX_POLICIES {
            return wrong("more than 8 recovery policies");
        }
        for policy in &self.policies {
            if policy.keys.is_empty() || policy.keys.len() > MAX_POLICY_KEYS {
                return wrong("a recovery policy must have between 1 and 32 keys");
            }
            if policy.k == 0 || usize::from(policy.k) > policy.keys.len() {
                return wrong("a recovery policy asks for no key or for more than it has");
            }
            if !policy.keys.is_sorted_by(|a, b| a < b) {
                return wrong("the keys of a recovery policy are not in ascending order");
            }
        }
        if self.services.len() > MAX_SERVICES {
            return wrong("more than 16 services");
        }
        let mut ids = BTreeSet::new();
        for service in &self.services {
            if !service.is_well_formed() {
                return wrong(
                    "a service has an empty or too long field, or a name that is no URL fragment",
                );
            }
            if !ids.insert(&service.id) {
                return wrong("two services have one name");
            }
        }
        Ok(())
    }
}

impl Service {
    fn is_well_formed(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let visible = |c: char| !c.is_control() && !c.is_whitespace();
        self.id.chars().all(plain)
            && self.kind.chars().all(visible)
            && self.endpoint.chars().all(visible)
            && [&self.id, &self.kind, &self.endpoint]
                .iter()
                .all(|text| !text.is_empty() && text.len() <= MAX_SERVICE_TEXT)
    }
}

/// An operation of the device log. One so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    #[serde(rename = "create")]
    Create(Create),
}

/// The payload of an operation: its format, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    #[serde(rename = "rhizome/did@1")]
    action: Action,
}

impl MultiPayload for Operation {
    const DOMAIN: &'static str = "rhizome/did@1";
    const MAX_LEN: usize = 128 << 10;
    const MAX_SIGNATURES: usize = MAX_DEVICES;
    const HASH: HashKind = HashKind::Sha256;

    fn accepts_signers(&self, signers: &[PublicKey]) -> bool {
        let Action::Create(create) = &self.action;
        let devices: BTreeSet<_> = create.devices.iter().map(|d| d.key).collect();
        devices.len() == signers.len() && signers.iter().all(|s| devices.contains(s))
    }
}

/// A verified genesis: every listed device signed it. Dereferences to its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    operation: MultiVerified<Operation>,
    did: Did,
}

impl Genesis {
    /// Makes an identity. `keys` are the signing keys of all devices in `create`, in any order.
    ///
    /// # Errors
    /// [`IdentityError::Genesis`] if the fields break a rule, [`IdentityError::Signature`] if the keys are not those of the devices.
    pub fn create(create: Create, keys: &[&SigningKey]) -> Result<Self, IdentityError> {
        create.check()?;
        let operation = Operation {
            action: Action::Create(create),
        };
        Self::checked(MultiVerified::sign(operation, keys)?)
    }

    /// Verifies the two blocks of a genesis.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] for anything wrong with form or signatures, [`IdentityError::Genesis`] for its rules.
    pub fn verify(payload: &[u8], signatures: &[u8]) -> Result<Self, IdentityError> {
        Self::checked(MultiSigned::from_blocks(payload, signatures)?.verify()?)
    }

    fn checked(operation: MultiVerified<Operation>) -> Result<Self, IdentityError> {
        let Action::Create(create) = &operation.action;
        create.check()?;
        Ok(Self {
            did: Did::from_genesis(&operation.id())?,
            operation,
        })
    }

    /// The identity it makes.
    pub fn did(&self) -> Did {
        self.did
    }

    /// The payload block `P`; its CID is in the DID.
    pub fn payload_bytes(&self) -> &[u8] {
        self.operation.payload_bytes()
    }

    /// The signature block `S`.
    ///
    /// # Errors
    /// The codec's, none of which a verified genesis causes.
    pub fn signature_block(&self) -> Result<Vec<u8>, IdentityError> {
        Ok(self.operation.signature_block()?)
    }

    /// Both blocks as a CAR, the payload as its root: what can be pinned anywhere.
    ///
    /// # Errors
    /// The codec's, none of which a verified genesis causes.
    pub fn to_car(&self) -> Result<Vec<u8>, IdentityError> {
        let signatures = self.signature_block()?;
        let mut writer = car::Writer::new(Vec::new(), &[self.operation.id()])?;
        writer.write(&self.operation.id(), self.payload_bytes())?;
        writer.write(&cid_sha256(&signatures), &signatures)?;
        Ok(writer.finish()?)
    }

    /// Reads what [`Self::to_car`] writes, and verifies it.
    ///
    /// # Errors
    /// [`IdentityError::Car`], and those of [`Self::verify`].
    pub fn from_car(bytes: &[u8]) -> Result<Self, IdentityError> {
        let limits = car::Limits {
            header: 1024,
            block: Operation::MAX_LEN,
        };
        let mut reader = car::Reader::new(bytes, limits)?;
        let (Some(payload), Some(signatures), None) = (
            reader.next().transpose()?,
            reader.next().transpose()?,
            reader.next().transpose()?,
        ) else {
            return Err(IdentityError::Genesis(
                "its CAR file must have two blocks, payload and signatures",
            ));
        };
        if reader.roots() != [payload.0] {
            return Err(IdentityError::Genesis(
                "the root of its CAR file is not the payload",
            ));
        }
        Self::verify(&payload.1, &signatures.1)
    }

    /// Refuses the genesis of another identity.
    ///
    /// # Errors
    /// [`IdentityError::OtherDid`].
    pub fn expect(self, did: Did) -> Result<Self, IdentityError> {
        if self.did == did {
            Ok(self)
        } else {
            Err(IdentityError::OtherDid {
                expected: did,
                found: self.did,
            })
        }
    }

    /// The device with this key.
    pub fn device(&self, key: &PublicKey) -> Option<&Device> {
        self.devices.iter().find(|d| d.key == *key)
    }

    /// Checks that an enrolment is of this identity and by one of its devices: from then on the process key may write.
    ///
    /// # Errors
    /// [`IdentityError::Enrolment`], [`IdentityError::OtherDid`], [`IdentityError::NotADevice`].
    pub fn admit(&self, enrol: &Verified<Enrol>) -> Result<(), IdentityError> {
        enrol.check()?;
        if enrol.pod != self.did {
            return Err(IdentityError::OtherDid {
                expected: self.did,
                found: enrol.pod,
            });
        }
        if self.device(&enrol.device).is_none() {
            return Err(IdentityError::NotADevice {
                device: enrol.device,
                did: self.did,
            });
        }
        if self.device(&enrol.process).is_some() {
            return Err(IdentityError::Enrolment(
                "the process key is a device's key",
            ));
        }
        Ok(())
    }
}

impl Deref for Genesis {
    type Target = Create;

    fn deref(&self) -> &Create {
        let Action::Create(create) = &self.operation.action;
        create
    }
}
