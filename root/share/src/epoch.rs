//! Encryption epochs: who may read what is written from now on.
//!
//! Everything in a pod is sealed under the secret of an epoch. A certificate, signed by an admin device, names an epoch and wraps its
//! secret for each device and for the recovery words; the secrets of the epochs before it lie in it, sealed under the new one, so that
//! whoever can open the newest can open all. A removed device is not among the recipients of the next epoch.

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rhizome_identity::{Did, KemKey, KemSecret, Random, Secret};
use rhizome_ipld::{Cid, HashKind, Payload, PublicKey, SigningKey, Verified};
use rhizome_tuple::{EpochId, EpochSecret};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use crate::{ShareError, wrap};

/// Most recipients in one certificate.
pub const MAX_WRAPS: usize = 256;
/// Most recovery keys in one certificate.
pub const MAX_RECOVERY: usize = 8;
/// Most certificates that one follows, and most heads of the device log.
pub const MAX_BEFORE: usize = 64;
/// Most older secrets in one certificate.
pub const MAX_PAST: usize = 64;

const WRAP_INFO: &[u8] = b"rhizome epoch wrap v1";
const SEALED_SECRET: usize = 32 + 16;

/// The id of an epoch certificate: BLAKE3 of its payload.
pub type EpochCertId = ByteArray<32>;

/// "This is an epoch of the pod, and these may read it", signed by an admin device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// The pod.
    pub pod: Did,
    /// The admin device that signs.
    pub device: PublicKey,
    /// The operation that added that device; the genesis for the first ones.
    pub add: Cid,
    /// The heads of the device log that it has seen, ascending.
    pub log: Vec<Cid>,
    /// The certificates it follows, ascending; none for the first.
    pub before: Vec<EpochCertId>,
    /// The epoch's name, which stands in every leaf sealed under it.
    pub epoch: EpochId,
    /// `derive_key("rhizome epoch commitment v1", secret)`: which secret it is.
    #[serde(with = "serde_bytes")]
    pub commitment: [u8; 32],
    /// The secret, wrapped for devices, in ascending order of their keys.
    pub wraps: Vec<(PublicKey, ByteBuf)>,
    /// The secret, wrapped for keys that come from recovery words. Those keys stand here in full, for whoever makes the next epoch.
    pub recovery: Vec<(KemKey, ByteBuf)>,
    /// Secrets of epochs before, sealed under this one's, in ascending order of their names.
    pub past: Vec<(EpochId, ByteBuf)>,
}

impl Payload for Epoch {
    const DOMAIN: &'static str = "rhizome/epoch@1";
    const MAX_LEN: usize = 512 << 10;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.device
    }
}

/// To whom an epoch's secret goes, and what it follows: everything in a certificate but the secrets.
#[derive(Debug, Clone)]
pub struct Plan {
    /// See [`Epoch::pod`].
    pub pod: Did,
    /// See [`Epoch::add`].
    pub add: Cid,
    /// See [`Epoch::log`].
    pub log: Vec<Cid>,
    /// See [`Epoch::before`].
    pub before: Vec<EpochCertId>,
    /// Devices and their keys for receiving secrets.
    pub devices: Vec<(PublicKey, KemKey)>,
    /// Keys that come from recovery words.
    pub recovery: Vec<KemKey>,
}

impl Epoch {
    /// Wraps `secret` as planned, with the secrets of older epochs in it, and signs.
    ///
    /// # Errors
    /// [`ShareError::Epoch`] beyond the limits, [`ShareError::Wrap`] if a recipient's key is none.
    pub fn sign(
        mut plan: Plan,
        secret: &Secret,
        past: &[&Secret],
        device: &SigningKey,
        random: Random<'_>,
    ) -> Result<Verified<Self>, ShareError> {
        plan.log.sort_unstable();
        plan.before.sort_unstable();
        plan.devices.sort_by_key(|(key, _)| key.to_bytes());
        plan.recovery.sort_by_key(KemKey::to_bytes);
        let epoch = EpochSecret::new(secret.expose()).id();
        let commitment = commitment(secret);
        let context = context(&plan.pod, &commitment);
        let mut wraps = Vec::with_capacity(plan.devices.len());
        for (key, kem) in plan.devices {
            let wrapped = wrap::seal(&kem, WRAP_INFO, &context, secret.expose(), random)?;
            wraps.push((key, ByteBuf::from(wrapped)));
        }
        let mut recovery = Vec::with_capacity(plan.recovery.len());
        for kem in plan.recovery {
            let wrapped = wrap::seal(&kem, WRAP_INFO, &context, secret.expose(), random)?;
            recovery.push((kem, ByteBuf::from(wrapped)));
        }
        let mut old: Vec<(EpochId, ByteBuf)> = past
            .iter()
            .map(|s| (EpochSecret::new(s.expose()).id(), seal_past(secret, s)))
            .filter(|(id, _)| *id != epoch)
            .collect();
        old.sort_by_key(|(id, _)| *id);
        old.dedup_by_key(|(id, _)| *id);
        let certificate = Self {
            pod: plan.pod,
            device: device.public(),
            add: plan.add,
            log: plan.log,
            before: plan.before,
            epoch,
            commitment,
            wraps,
            recovery,
            past: old,
        };
        certificate.check()?;
        Ok(Verified::sign(certificate, device)?)
    }

    /// Checks what its type leaves open. Whether its signer may say so is a question to the device log.
    ///
    /// # Errors
    /// [`ShareError::Epoch`].
    pub fn check(&self) -> Result<(), ShareError> {
        let wrong = |what| Err(ShareError::Epoch(what));
        if self.log.is_empty() || self.log.len() > MAX_BEFORE || self.before.len() > MAX_BEFORE {
            return wrong(
                "it follows none or more than 64 operations, or more than 64 certificates",
            );
        }
        if !self.log.is_sorted_by(|a, b| a < b) || !self.before.is_sorted_by(|a, b| a < b) {
            return wrong("what it follows is not in ascending order");
        }
        if self.wraps.len() > MAX_WRAPS || self.recovery.len() > MAX_RECOVERY {
            return wrong("more than 256 devices or 8 recovery keys");
        }
        let keys: Vec<_> = self.wraps.iter().map(|(key, _)| key.to_bytes()).collect();
        let recovery: Vec<_> = self
            .recovery
            .iter()
            .map(|(key, _)| key.to_bytes())
            .collect();
        if !keys.is_sorted_by(|a, b| a < b) || !recovery.is_sorted_by(|a, b| a < b) {
            return wrong("its recipients are not in ascending order");
        }
        let mut wraps = self.wraps.iter().map(|(_, w)| w);
        let mut recovery = self.recovery.iter().map(|(_, w)| w);
        if wraps.any(|w| w.len() > wrap::MAX_WRAP) || recovery.any(|w| w.len() > wrap::MAX_WRAP) {
            return wrong("a wrapped secret is too long");
        }
        if self.past.len() > MAX_PAST || !self.past.is_sorted_by(|a, b| a.0 < b.0) {
            return wrong("more than 64 older secrets, or not in ascending order");
        }
        if self.past.iter().any(|(_, s)| s.len() != SEALED_SECRET) {
            return wrong("an older secret has another length than a sealed one");
        }
        Ok(())
    }

    /// The secret, if it was wrapped for this device.
    ///
    /// # Errors
    /// [`ShareError::Wrap`] if there is no wrap for it, or one that holds something else.
    pub fn open(&self, device: &PublicKey, kem: &KemSecret) -> Result<Secret, ShareError> {
        let (_, wrapped) = self
            .wraps
            .iter()
            .find(|(key, _)| key == device)
            .ok_or(ShareError::Wrap)?;
        self.opened(kem, wrapped)
    }

    /// The secret, if it was wrapped for this recovery key.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_recovery(&self, kem: &KemSecret) -> Result<Secret, ShareError> {
        let public = kem.public();
        let (_, wrapped) = self
            .recovery
            .iter()
            .find(|(key, _)| *key == public)
            .ok_or(ShareError::Wrap)?;
        self.opened(kem, wrapped)
    }

    fn opened(&self, kem: &KemSecret, wrapped: &[u8]) -> Result<Secret, ShareError> {
        let context = context(&self.pod, &self.commitment);
        let mut plain = wrap::open(kem, WRAP_INFO, &context, wrapped)?;
        let secret = Secret::take(&mut plain);
        if self.is_of(&secret) {
            Ok(secret)
        } else {
            Err(ShareError::Wrap)
        }
    }

    /// Whether `secret` is the secret of this epoch.
    pub fn is_of(&self, secret: &Secret) -> bool {
        commitment(secret) == self.commitment
            && EpochSecret::new(secret.expose()).id() == self.epoch
    }

    /// The older secrets in it that open. `secret` is this epoch's.
    pub fn open_past(&self, secret: &Secret) -> Vec<(EpochId, Secret)> {
        let open = |(id, sealed): &(EpochId, ByteBuf)| {
            let old = open_past(secret, *id, sealed)?;
            (EpochSecret::new(old.expose()).id() == *id).then_some((*id, old))
        };
        self.past.iter().filter_map(open).collect()
    }
}

/// Which secret an epoch has, without giving it away.
pub fn commitment(secret: &Secret) -> [u8; 32] {
    blake3::derive_key("rhizome epoch commitment v1", secret.expose())
}

fn context(pod: &Did, commitment: &[u8; 32]) -> Vec<u8> {
    [pod.to_string().as_bytes(), &[0], commitment].concat()
}

/// The key under which one older secret lies in an epoch. It is used for that secret alone, so the nonce can be fixed.
fn past_key(secret: &Secret, id: EpochId) -> Zeroizing<[u8; 32]> {
    let key = Zeroizing::new(blake3::derive_key(
        "rhizome epoch history v1",
        secret.expose(),
    ));
    Zeroizing::new(*blake3::keyed_hash(&key, &id.0).as_bytes())
}

fn seal_past(secret: &Secret, old: &Secret) -> ByteBuf {
    let id = EpochSecret::new(old.expose()).id();
    let cipher = XChaCha20Poly1305::new((&*past_key(secret, id)).into());
    let mut bytes = old.expose().to_vec();
    // 32 bytes are never too many for the cipher
    if let Ok(tag) =
        cipher.encrypt_inout_detached(&XNonce::default(), &id.0, bytes.as_mut_slice().into())
    {
        bytes.extend_from_slice(&tag);
    }
    ByteBuf::from(bytes)
}

fn open_past(secret: &Secret, id: EpochId, sealed: &[u8]) -> Option<Secret> {
    let cipher = XChaCha20Poly1305::new((&*past_key(secret, id)).into());
    let (bytes, tag) = sealed.split_at_checked(32)?;
    let mut plain = Zeroizing::new([0; 32]);
    plain.copy_from_slice(bytes);
    let tag = Tag::try_from(tag).ok()?;
    cipher
        .decrypt_inout_detached(&XNonce::default(), &id.0, plain.as_mut_slice().into(), &tag)
        .ok()?;
    Some(Secret::take(&mut plain))
}
