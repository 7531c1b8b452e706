//! The person's devices: which there are, what they are called, and taking one out.

use rhizome_identity::Role;
use rhizome_ipld::PublicKey;
use rhizome_tuple::CommitId;
use serde_json::{Value as Json, json};

use crate::{Pod, PodError};

/// A device of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceDetail {
    /// Its key.
    pub key: PublicKey,
    /// What the person calls it.
    pub name: Option<String>,
    /// Whether it may add and remove others.
    pub admin: bool,
    /// Whether it is this one.
    pub this: bool,
    /// The time of the newest thing it wrote that is here, by its own clock, in milliseconds since 1970.
    pub last_seen_ms: Option<i64>,
}

impl DeviceDetail {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "key": self.key.to_did_key(),
            "name": self.name,
            "role": if self.admin { "admin" } else { "member" },
            "this": self.this,
            "last_seen_ms": self.last_seen_ms,
        })
    }
}

/// What the machine calls itself.
pub fn host_name() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| {
        let text = std::fs::read_to_string("/etc/hostname").ok()?;
        Some(text.trim().to_owned())
    });
    name.filter(|n| crate::pairing::check_name(n).is_ok())
        .unwrap_or_else(|| "a device".to_owned())
}

impl Pod {
    /// The devices, the most senior first.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn devices(&self) -> Result<Vec<DeviceDetail>, PodError> {
        let own = self.signing_key().public();
        let (resolution, writers) = {
            let trust = self.trust();
            (trust.set().resolution().clone(), trust.set().writers())
        };
        let now = self.replica().snapshot();
        let heads = now.heads();
        let mut out: Vec<DeviceDetail> = Vec::new();
        for active in &resolution.devices {
            let key = active.device.key;
            if out.iter().any(|d| d.key == key) {
                continue;
            }
            let mut last = None;
            for (author, _, id) in &heads {
                if writers.get(author).is_some_and(|w| w.device == key)
                    && let Some((header, _)) = now.commit(id)?
                {
                    last = last.max(Some(header.hlc.ms()));
                }
            }
            out.push(DeviceDetail {
                key,
                name: self.device_name(&key),
                admin: active.device.role == Role::Admin,
                this: key == own,
                last_seen_ms: last,
            });
        }
        Ok(out)
    }

    /// The device of this key, as a did:key or without the prefix, or of this name if only one is called that.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is none, or more than one.
    pub fn device_by_name(&self, text: &str) -> Result<PublicKey, PodError> {
        let devices = self.devices()?;
        let is_key = |d: &&DeviceDetail| {
            let did = d.key.to_did_key();
            did == text || did.strip_prefix("did:key:") == Some(text)
        };
        if let Some(device) = devices.iter().find(is_key) {
            return Ok(device.key);
        }
        let mut named = devices.iter().filter(|d| d.name.as_deref() == Some(text));
        match (named.next(), named.next()) {
            (Some(device), None) => Ok(device.key),
            (None, _) => Err(PodError::Request(format!(
                "{text} is none of the pod's devices"
            ))),
            _ => Err(PodError::Request(format!(
                "several devices are called {text}: give the key"
            ))),
        }
    }

    /// Takes a device out. What it wrote and is here by now goes on counting; what it writes from now on does not, anywhere; and what is
    /// written from now on it cannot read.
    ///
    /// # Errors
    /// [`PodError::Identity`] if there is no such device, or this one may not remove it.
    pub fn remove_device(&self, key: &PublicKey) -> Result<(), PodError> {
        self.member().remove_device(key)?;
        // the device is out already; if this fails it is done with the next tending
        if let Err(error) = self.move_views(usize::MAX) {
            tracing::warn!(%error, "what is shared has not moved yet to where that device cannot read it");
        }
        Ok(())
    }

    /// The device that wrote a commit, if the commit is here and it is known whose key signed it.
    pub(crate) fn writer_of(&self, commit: &CommitId) -> Option<PublicKey> {
        let (_, author, _) = self.replica().snapshot().known(commit)?;
        let writers = self.trust().set().writers();
        writers.get(&author).map(|w| w.device)
    }

    /// A hash of the full current state: equal on equal replicas.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn digest(&self) -> Result<Json, PodError> {
        let now = self.replica().snapshot();
        Ok(json!({
            "did": self.did(),
            "digest": data_encoding::HEXLOWER.encode(&now.digest()?),
            "tuples": now.len(),
            "commits": now.commit_count(),
        }))
    }
}
