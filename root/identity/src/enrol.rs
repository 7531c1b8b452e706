//! Certificates for process keys.
//!
//! Every process that writes (tab, app, daemon) has a key of its own, so that two writers never share a hash chain. A device says
//! which keys write for it.

use rhizome_ipld::{Cid, HashKind, Payload, PublicKey, SigningKey, Verified};
use serde::{Deserialize, Serialize};

use crate::action::digest;
use crate::{Did, IdentityError, Incarnation, Random};

/// Longest name of a process in bytes.
pub const MAX_NAME: usize = 64;

/// "This process writes for me", signed by a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The pod it may write to.
    pub pod: Did,
    /// The device that delegates.
    pub device: PublicKey,
    /// The operation that made the device a member; absent if it is of the genesis. With `device`, the incarnation that delegates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Cid>,
    /// The process key.
    pub process: PublicKey,
    /// What the process was called, in enrolments of before this was left to the pod's own tuples: everybody who keeps a pod sealed can
    /// read an enrolment. Read and passed on, never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Random.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
}

impl Payload for Enrol {
    const DOMAIN: &'static str = "rhizome/enrol@1";
    const MAX_LEN: usize = 512;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.device
    }
}

impl Enrol {
    /// Enrols a process key with the device's key. `add` is the operation that made the device a member; the genesis may be left
    /// out.
    ///
    /// # Errors
    /// [`IdentityError::Enrolment`] for the device's own key.
    pub fn sign(
        pod: Did,
        device: &SigningKey,
        add: Option<Cid>,
        process: PublicKey,
        random: Random<'_>,
    ) -> Result<Verified<Self>, IdentityError> {
        let mut nonce = [0; 16];
        random(&mut nonce);
        let enrol = Self {
            pod,
            device: device.public(),
            add: add.filter(|add| digest(add).as_ref() != pod.genesis_digest()),
            process,
            name: None,
            nonce,
        };
        enrol.check()?;
        Ok(Verified::sign(enrol, device)?)
    }

    /// The incarnation that delegates; none if the pod is no did:rhizome.
    pub fn incarnation(&self) -> Option<Incarnation> {
        let genesis = || self.pod.genesis_cid();
        let add = self.add.or_else(genesis)?;
        Some(Incarnation {
            key: self.device,
            add,
        })
    }

    /// Checks what its type leaves open. Whether the device belongs to the pod is [`crate::Resolution::admit`]'s question.
    ///
    /// # Errors
    /// [`IdentityError::Enrolment`].
    pub fn check(&self) -> Result<(), IdentityError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        if let Some(add) = &self.add
            && (digest(add).is_none() || digest(add).as_ref() == self.pod.genesis_digest())
        {
            return Err(IdentityError::Enrolment(
                "what made the device a member is no operation, or the genesis, which is left out",
            ));
        }
        if self.process == self.device {
            return Err(IdentityError::Enrolment(
                "the process key is the device's key",
            ));
        }
        Ok(())
    }
}

/// Whether a process may be called that.
pub(crate) fn check_name(name: &str) -> Result<(), IdentityError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(IdentityError::Enrolment("the name must have 1 to 64 bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err(IdentityError::Enrolment("the name has control characters"));
    }
    Ok(())
}
