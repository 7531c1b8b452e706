//! What the pod itself says of its devices, of what writes for them and of the peers that keep it: names, addresses. Tuples like all others, so every device knows.

use std::collections::BTreeMap;

use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::{Value as Json, json};

use crate::{
    App, PeerState, Pod, PodError,
    home::{now_ms, random_bytes},
};

const NAME: &str = "device/name";
const ADDED: &str = "device/added";
const PROCESS: &str = "process/name";
const DEVICE: &str = "process/device";
const ADDRESS: &str = "peer/address";
const PLACE: &str = "device/address";
pub(crate) const KIND: &str = "rhizome/type";

/// A peer that the pod is kept with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its key.
    pub key: PublicKey,
    /// Where it is, as text.
    pub address: String,
}

impl Peer {
    /// As commands and the API print it, with what a running node knows of the exchange.
    pub fn to_json(&self, state: Option<&PeerState>) -> Json {
        let mut out = json!({ "key": self.key.to_did_key(), "address": self.address });
        if let Some(state) = state {
            out["connected"] = state.connected.into();
            out["equal"] = state.equal.into();
            out["synced_ms"] = state.synced_ms.into();
            out["received"] = state.received.into();
            out["delivered"] = state.delivered.into();
            out["pending"] = state.pending.into();
            out["error"] = state.error.clone().into();
        }
        out
    }
}

pub(crate) fn attribute(name: &str) -> Result<Attribute, PodError> {
    Attribute::new(name).map_err(|e| PodError::Replica(e.into()))
}

fn entity(did: &str, kind: &str, key: &PublicKey) -> (EntityId, Vec<u8>) {
    let nonce = [kind.as_bytes(), b":", &key.to_bytes()].concat();
    (EntityId::derive(did, &nonce), nonce)
}

pub(crate) fn text(now: &Snapshot, entity: &EntityId, name: &str) -> Option<String> {
    let (e, a) = (now.eid(entity)?, now.aid(name)?);
    let (lo, hi) = key::eav_ea(e, a);
    let first = now.eav().range(lo, hi).next()?;
    match now.value(key::un_eav(first).v)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

impl Pod {
    /// What the person calls a device.
    pub fn device_name(&self, key: &PublicKey) -> Option<String> {
        let (entity, _) = entity(self.did(), "device", key);
        text(&self.replica().snapshot(), &entity, NAME)
    }

    /// Names a device.
    ///
    /// # Errors
    /// [`PodError::Request`] for a name that is none.
    pub fn name_device(&self, key: &PublicKey, name: &str) -> Result<(), PodError> {
        crate::pairing::check_name(name)?;
        let added = Value::Time(now_ms());
        self.describe("device", key, &[(NAME, name.into())], &[(ADDED, added)])?;
        self.name_processes()
    }

    /// What a process of any device is called, as far as its device has said.
    pub fn process_name(&self, key: &PublicKey) -> Option<String> {
        self.process_name_in(&self.replica().snapshot(), key)
    }

    pub(crate) fn process_name_in(&self, now: &Snapshot, key: &PublicKey) -> Option<String> {
        let (entity, _) = entity(self.did(), "process", key);
        text(now, &entity, PROCESS)
    }

    /// What the processes of this device are called.
    pub(crate) fn process_names(&self) -> BTreeMap<PublicKey, String> {
        let all = self.member().processes().into_iter();
        all.map(|(name, key)| (key, name)).collect()
    }

    /// Says what the processes of this device are called, once it has a name itself: then there is more than one.
    pub(crate) fn name_processes(&self) -> Result<(), PodError> {
        if self.device_name(&self.signing_key().public()).is_none() {
            return Ok(());
        }
        for (name, key) in self.member().processes() {
            if self.process_name(&key).is_none() {
                let (device, _) = entity(self.did(), "device", &self.signing_key().public());
                let of = [(PROCESS, name.into()), (DEVICE, Value::Ref(device))];
                self.describe("process", &key, &of, &[])?;
            }
        }
        Ok(())
    }

    /// Where a device said it can be reached while it runs.
    pub fn device_address(&self, key: &PublicKey) -> Option<String> {
        let (entity, _) = entity(self.did(), "device", key);
        text(&self.replica().snapshot(), &entity, PLACE)
    }

    /// Says where a device can be reached, to all devices.
    pub(crate) fn set_device_address(
        &self,
        key: &PublicKey,
        address: &str,
    ) -> Result<(), PodError> {
        // whoever let the device in describes it; one that has just joined does not have that yet
        let (entity, _) = entity(self.did(), "device", key);
        self.write_own(vec![Edit::Assert(
            entity,
            attribute(PLACE)?,
            address.into(),
        )])
    }

    /// The peers that the pod is kept with, in order of their keys.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn peers(&self) -> Result<Vec<Peer>, PodError> {
        let now = self.replica().snapshot();
        let mut out = Vec::new();
        if let Some(a) = now.aid(ADDRESS) {
            let (lo, hi) = key::aev_a(a);
            for k in now.aev().range(lo, hi) {
                let value = now.value(key::un_aev(k).v);
                if let Some(Value::Text(address)) = value
                    && let Ok(at) = address.parse::<rhizome_network::PeerAddress>()
                {
                    out.push(Peer {
                        key: at.key(),
                        address,
                    });
                }
            }
        }
        now.fault()?;
        out.sort_by_key(|p| p.key);
        out.dedup_by_key(|p| p.key);
        Ok(out)
    }

    /// Remembers a peer, on all devices.
    ///
    /// # Errors
    /// Those of writing.
    pub fn remember_peer(&self, address: &rhizome_network::PeerAddress) -> Result<(), PodError> {
        let at = [(ADDRESS, Value::Text(address.to_string()))];
        self.describe("peer", &address.key(), &at, &[])
    }

    /// Forgets a peer. What it holds it keeps; it gets nothing new.
    ///
    /// # Errors
    /// Those of writing.
    pub fn forget_peer(&self, key: &PublicKey) -> Result<(), PodError> {
        let (entity, _) = entity(self.did(), "peer", key);
        self.write_own(vec![Edit::Retract(entity, attribute(ADDRESS)?, None)])
    }

    /// Sets attributes of the entity of a key; `once` only if they are not set yet.
    fn describe(
        &self,
        kind: &str,
        key: &PublicKey,
        set: &[(&str, Value)],
        once: &[(&str, Value)],
    ) -> Result<(), PodError> {
        let (entity, nonce) = entity(self.did(), kind, key);
        let now = self.replica().snapshot();
        let is_new = now.eid(&entity).is_none();
        let mut edits = Vec::new();
        if is_new {
            edits.push(Edit::Create(entity, nonce));
            edits.push(Edit::Assert(entity, attribute(KIND)?, kind.into()));
        }
        let once = if is_new { once } else { &[] };
        for (name, value) in set.iter().chain(once) {
            edits.push(Edit::Assert(entity, attribute(name)?, value.clone()));
        }
        self.write_own(edits)
    }

    pub(crate) fn write_own(&self, edits: Vec<Edit>) -> Result<(), PodError> {
        let mut nonce = [0; 16];
        random_bytes()?(&mut nonce);
        let author = self.author(App::Devices)?;
        self.replica()
            .write(&author, edits, now_ms(), nonce, Durability::Durable)?;
        Ok(())
    }
}
