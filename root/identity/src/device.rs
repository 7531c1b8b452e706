//! Devices and the lists of them.

use std::collections::BTreeSet;

use rhizome_ipld::{Cid, PublicKey};
use serde::{Deserialize, Serialize};

use crate::KemKey;

/// Most devices in one list.
pub const MAX_DEVICES: usize = 32;

/// What a device may do, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May change the identity: add devices, remove junior ones, set services.
    Admin,
    /// May write to the pod.
    Member,
    /// Somebody else's: may read and write, and what it writes is weighed by those who own the pod.
    Guest,
    /// Somebody else's: may read, and leave notes.
    Reader,
    /// Anybody's: may read. Its key may be known to everybody, so whatever is signed by it, or by a process that it enrols, is refused.
    Follower,
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

/// One membership of a device: its key, and the operation that made it a member. A device that was removed and added again is a
/// new incarnation, out of reach of old removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incarnation {
    /// The device's key.
    pub key: PublicKey,
    /// The payload CID of the `create`, `device.add` or `recover` that lists it.
    pub add: Cid,
}

/// The rules of a whole list: of a genesis, or of a recovery.
pub(crate) fn check_devices(devices: &[Device]) -> Result<(), &'static str> {
    if devices.is_empty() || devices.len() > MAX_DEVICES {
        return Err("it must have between 1 and 32 devices");
    }
    if !devices.iter().any(|d| d.role == Role::Admin) {
        return Err("no device is an admin");
    }
    let keys: BTreeSet<_> = devices.iter().map(|d| d.key).collect();
    if keys.len() != devices.len() {
        return Err("a device is listed twice");
    }
    Ok(())
}
