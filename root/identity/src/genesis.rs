//! The operation that makes an identity.
//!
//! Payload `P = {"rhizome/did@1": {"create": {…}}}`, signatures `S = {"p": CID(P), "s": [[multikey, varsig header, sig], …]}`; the
//! DID is `did:rhizome:` and the CID of `P` (dag-cbor, sha2-256, base32).

use std::ops::Deref;

use rhizome_ipld::{PublicKey, SigningKey, Verified, car, cid_sha256};
use serde::{Deserialize, Serialize};

use crate::device::check_devices;
use crate::policy::check_policies;
use crate::service::check_services;
use crate::{
    Action, Device, Did, Enrol, IdentityError, KemKey, Operation, Policy, Random, Role, Service,
};

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

    pub(crate) fn check(&self) -> Result<(), IdentityError> {
        check_devices(&self.devices)
            .and_then(|()| check_policies(&self.policies))
            .and_then(|()| check_services(&self.services))
            .map_err(IdentityError::Genesis)
    }
}

/// A verified genesis: every listed device signed it. Dereferences to its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    operation: Operation,
    create: Create,
    did: Did,
}

impl Genesis {
    /// Makes an identity. `keys` are the signing keys of all devices in `create`, in any order.
    ///
    /// # Errors
    /// [`IdentityError::Genesis`] if the fields break a rule, [`IdentityError::Signature`] if the keys are not those of the devices.
    pub fn create(create: Create, keys: &[&SigningKey]) -> Result<Self, IdentityError> {
        Self::of(Operation::sign(Action::Create(create), keys)?)
    }

    /// Verifies the two blocks of a genesis.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] for anything wrong with form or signatures, [`IdentityError::Genesis`] for its rules and for
    /// another operation.
    pub fn verify(payload: &[u8], signatures: &[u8]) -> Result<Self, IdentityError> {
        Self::of(Operation::verify(payload, signatures)?)
    }

    /// The identity that a `create` makes.
    ///
    /// # Errors
    /// [`IdentityError::Genesis`] for any other operation.
    pub fn of(operation: Operation) -> Result<Self, IdentityError> {
        let Action::Create(create) = operation.action() else {
            return Err(IdentityError::Genesis(
                "it is another operation of a device log",
            ));
        };
        Ok(Self {
            did: Did::from_genesis(&operation.id())?,
            create: create.clone(),
            operation,
        })
    }

    /// The operation itself.
    pub fn operation(&self) -> &Operation {
        &self.operation
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
        self.operation.signature_block()
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
            block: Operation::MAX_PAYLOAD,
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

    /// Checks that an enrolment is of this identity and by one of its first devices. What became of the device since, a
    /// [`crate::Resolution`] knows.
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
        if enrol.add.is_some() || self.device(&enrol.device).is_none() {
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
        &self.create
    }
}
