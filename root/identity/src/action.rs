//! What an operation of the device log says, and which keys have to have signed it. Both follow from the payload alone.

use std::collections::BTreeSet;

use rhizome_ipld::{Cid, DAG_CBOR, HashKind, MultiPayload, PublicKey, SHA2_256};
use serde::{Deserialize, Serialize};

use crate::device::{MAX_DEVICES, check_devices};
use crate::policy::{MAX_POLICIES, MAX_POLICY_KEYS, check_policies, check_reveals};
use crate::seal::check_seal;
use crate::service::{check_aka, check_service};
use crate::{Create, Device, Endpoint, IdentityError, Incarnation, KemKey, Policy, Reveal};
use crate::{Role, SealedHead};

/// Most operations that one names as those it follows.
pub const MAX_PREV: usize = 32;

/// An operation of the device log. All but `create` name in `prev` the operations they follow (payload CIDs, ascending, 1 to 32);
/// those by a device name in `by` the incarnation that acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Makes the identity.
    #[serde(rename = "create")]
    Create(Create),
    /// An admin adds a device, which signs too.
    #[serde(rename = "device.add")]
    DeviceAdd(DeviceAdd),
    /// A more senior admin removes a device, or the device resigns.
    #[serde(rename = "device.remove")]
    DeviceRemove(DeviceRemove),
    /// A device changes its own key for receiving secrets.
    #[serde(rename = "device.update")]
    DeviceUpdate(DeviceUpdate),
    /// An admin sets or takes away a service.
    #[serde(rename = "service.set")]
    ServiceSet(ServiceSet),
    /// An admin sets the other names of the identity.
    #[serde(rename = "aka.set")]
    AkaSet(AkaSet),
    /// A policy replaces itself and the weaker ones.
    #[serde(rename = "policy.set")]
    PolicySet(PolicySet),
    /// A policy makes a new list of devices.
    #[serde(rename = "recover")]
    Recover(Recover),
    /// A more senior admin keeps a device whose adder was removed.
    #[serde(rename = "endorse")]
    Endorse(Endorse),
    /// The strongest policy ends the identity.
    #[serde(rename = "deactivate")]
    Deactivate(Deactivate),
}

/// Fields of `device.add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceAdd {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The admin.
    pub by: Incarnation,
    /// The new device. Its signature over this payload proves that it holds the key and wants to be here.
    pub device: Device,
}

/// Fields of `device.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRemove {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The more senior admin, or the target itself.
    pub by: Incarnation,
    /// Which membership ends.
    pub target: Incarnation,
    /// How far the target's writes go on counting.
    pub seal: Vec<SealedHead>,
}

/// Fields of `device.update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceUpdate {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The device.
    pub by: Incarnation,
    /// Its new key for receiving secrets.
    pub kem: KemKey,
}

/// Fields of `service.set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSet {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The admin.
    pub by: Incarnation,
    /// The name of the service.
    pub id: String,
    /// What it is from now on; null takes it away.
    pub service: Option<Endpoint>,
}

/// Fields of `aka.set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AkaSet {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The admin.
    pub by: Incarnation,
    /// All other names: URIs.
    pub aka: Vec<String>,
}

/// Fields of `policy.set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The policy that decides. The stronger ones (before it) are carried over unchanged.
    pub index: u8,
    /// All policies from now on.
    pub policies: Vec<Policy>,
    /// The keys of the policy that sign, ascending.
    pub reveals: Vec<Reveal>,
}

/// Fields of `recover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The policy that decides. The stronger ones (before it) are carried over unchanged.
    pub index: u8,
    /// The keys of the policy that sign, ascending.
    pub reveals: Vec<Reveal>,
    /// All devices from now on, the most senior first. All of them sign.
    pub devices: Vec<Device>,
    /// All policies from now on.
    pub policies: Vec<Policy>,
    /// How far the writes of devices that are not kept go on counting.
    pub seal: Vec<SealedHead>,
}

/// Fields of `endorse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorse {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The more senior admin.
    pub by: Incarnation,
    /// The `device.add` it vouches for.
    pub target: Cid,
}

/// Fields of `deactivate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deactivate {
    /// What it follows.
    pub prev: Vec<Cid>,
    /// The keys of the strongest policy that sign, ascending.
    pub reveals: Vec<Reveal>,
}

impl Action {
    /// The operations it follows.
    pub fn prev(&self) -> &[Cid] {
        match self {
            Self::Create(_) => &[],
            Self::DeviceAdd(a) => &a.prev,
            Self::DeviceRemove(a) => &a.prev,
            Self::DeviceUpdate(a) => &a.prev,
            Self::ServiceSet(a) => &a.prev,
            Self::AkaSet(a) => &a.prev,
            Self::PolicySet(a) => &a.prev,
            Self::Recover(a) => &a.prev,
            Self::Endorse(a) => &a.prev,
            Self::Deactivate(a) => &a.prev,
        }
    }

    /// The incarnation that acts, unless policies do.
    pub fn by(&self) -> Option<&Incarnation> {
        match self {
            Self::DeviceAdd(a) => Some(&a.by),
            Self::DeviceRemove(a) => Some(&a.by),
            Self::DeviceUpdate(a) => Some(&a.by),
            Self::ServiceSet(a) => Some(&a.by),
            Self::AkaSet(a) => Some(&a.by),
            Self::Endorse(a) => Some(&a.by),
            Self::Create(_) | Self::PolicySet(_) | Self::Recover(_) | Self::Deactivate(_) => None,
        }
    }

    /// The devices that it makes members.
    pub fn devices(&self) -> &[Device] {
        match self {
            Self::Create(a) => &a.devices,
            Self::Recover(a) => &a.devices,
            Self::DeviceAdd(a) => std::slice::from_ref(&a.device),
            _ => &[],
        }
    }

    /// The policies in force after it, if it decides about them.
    pub(crate) fn policies(&self) -> Option<&[Policy]> {
        match self {
            Self::Create(a) => Some(&a.policies),
            Self::PolicySet(a) => Some(&a.policies),
            Self::Recover(a) => Some(&a.policies),
            _ => None,
        }
    }

    /// For an operation by a policy: which, and the keys that sign for it.
    pub(crate) fn authority(&self) -> Option<(usize, &[Reveal])> {
        match self {
            Self::PolicySet(a) => Some((usize::from(a.index), &a.reveals)),
            Self::Recover(a) => Some((usize::from(a.index), &a.reveals)),
            Self::Deactivate(a) => Some((0, &a.reveals)),
            _ => None,
        }
    }

    /// The keys that have to sign, and no other.
    pub fn signers(&self) -> BTreeSet<PublicKey> {
        let author = self.by().map(|by| by.key);
        let devices = self.devices().iter().map(|device| device.key);
        let reveals = self.authority().map_or(&[][..], |(_, reveals)| reveals);
        author
            .into_iter()
            .chain(devices)
            .chain(reveals.iter().map(|reveal| reveal.key))
            .collect()
    }

    /// Checks what the types leave open, as far as the payload by itself shows it.
    pub(crate) fn check(&self) -> Result<(), IdentityError> {
        if let Self::Create(create) = self {
            return create.check();
        }
        self.check_fields().map_err(IdentityError::Operation)
    }

    fn check_fields(&self) -> Result<(), &'static str> {
        let prev = self.prev();
        if prev.is_empty() || prev.len() > MAX_PREV {
            return Err("it must follow between 1 and 32 operations");
        }
        if !prev.is_sorted_by(|a, b| a < b) {
            return Err("the operations it follows are not in ascending order");
        }
        let named = self.by().map(|by| &by.add);
        let target = match self {
            Self::DeviceRemove(a) => Some(&a.target.add),
            Self::Endorse(a) => Some(&a.target),
            _ => None,
        };
        if !prev.iter().chain(named).chain(target).all(is_operation_id) {
            return Err("it names something that cannot be an operation");
        }
        if let Some((index, reveals)) = self.authority() {
            if index >= MAX_POLICIES {
                return Err("there are never more than 8 policies");
            }
            check_reveals(reveals)?;
        }
        match self {
            Self::DeviceRemove(a) => check_seal(&a.seal),
            Self::ServiceSet(a) => check_service(&a.id, a.service.as_ref()),
            Self::AkaSet(a) => check_aka(&a.aka),
            Self::PolicySet(a) => check_policies(&a.policies),
            Self::Recover(a) => {
                check_devices(&a.devices)?;
                check_policies(&a.policies)?;
                check_seal(&a.seal)
            }
            _ => Ok(()),
        }
    }

    /// Whether only an admin may do it.
    pub(crate) fn needs_admin(&self) -> bool {
        match self {
            Self::DeviceRemove(a) => a.by != a.target,
            Self::DeviceUpdate(_) => false,
            _ => self.by().is_some(),
        }
    }
}

/// `CIDv1`, dag-cbor, sha2-256: what the payload of an operation is called.
fn is_operation_id(cid: &Cid) -> bool {
    digest(cid).is_some()
}

/// The SHA2-256 in the CID of an operation.
pub(crate) fn digest(cid: &Cid) -> Option<[u8; 32]> {
    let is_ours = cid.version() == rhizome_ipld::cid_sha256(&[]).version()
        && cid.codec() == DAG_CBOR
        && cid.hash().code() == SHA2_256;
    cid.hash().digest().try_into().ok().filter(|_| is_ours)
}

/// The list of a `device.add`, as the operations that list several have it.
pub(crate) fn role_of(devices: &[Device], key: &PublicKey) -> Option<(usize, Role)> {
    devices
        .iter()
        .enumerate()
        .find(|(_, device)| device.key == *key)
        .map(|(at, device)| (at, device.role))
}

/// The payload of an operation: its format, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    #[serde(rename = "rhizome/did@1")]
    pub action: Action,
}

impl MultiPayload for Frame {
    const DOMAIN: &'static str = "rhizome/did@1";
    const MAX_LEN: usize = 128 << 10;
    const MAX_SIGNATURES: usize = MAX_DEVICES + MAX_POLICY_KEYS;
    const HASH: HashKind = HashKind::Sha256;

    fn accepts_signers(&self, signers: &[PublicKey]) -> bool {
        self.action.signers().iter().eq(signers)
    }
}
