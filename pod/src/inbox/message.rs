//! A message: who it is for, who sends it and by which right of knowing them, and what only the devices of the pod can read.

use std::fmt;

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rhizome_identity::{Did, KemSecret, Log, Random, Resolution, Role};
use rhizome_ipld::{HashKind, Payload, PublicKey, Signed, SigningKey, Verified};
use rhizome_share::wrap;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use super::{InboxError, proof};

/// Most bytes of a message, with everything in it.
pub const MAX_MESSAGE: usize = 256 << 10;
/// Most bytes of what a message says.
pub const MAX_CONTENT: usize = 200 << 10;
/// How long a message is kept for the devices of the pod, in milliseconds: 90 days.
pub(crate) const KEPT_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Devices that one message is sealed for.
const MAX_WRAPS: usize = 64;
const NONCE: usize = 24;
const TAG: usize = 16;
const WRAP_INFO: &[u8] = b"rhizome inbox wrap v1";

/// The name of a message: BLAKE3 of what is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl MessageId {
    pub(crate) fn of(message: &Verified<Message>) -> Self {
        // the hash of a message has 32 bytes
        let cid = message.id();
        Self(cid.hash().digest().try_into().unwrap_or_default())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message for a pod, as its sender's device signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The pod that it is for.
    pub to: Did,
    /// Who sends it.
    pub from: Did,
    /// The device of the sender that signs.
    pub device: PublicKey,
    /// When, by that device's clock, in milliseconds since 1970.
    pub at: i64,
    /// Makes it unique.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; NONCE],
    /// The sender's device log as a CAR file, in which `device` is one.
    pub log: ByteBuf,
    /// A container of delegations that lead from the pod's owner to the sender.
    pub proof: ByteBuf,
    /// `derive_key("rhizome inbox commitment v1", secret)`: which secret the content is sealed under.
    pub commitment: ByteArray<32>,
    /// The secret, wrapped for each device of the pod, in ascending order of their keys.
    pub wraps: Vec<(PublicKey, ByteBuf)>,
    /// The content, sealed.
    pub sealed: ByteBuf,
}

impl Payload for Message {
    const DOMAIN: &'static str = "rhizome/inbox-message@1";
    const MAX_LEN: usize = MAX_MESSAGE - 128;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.device
    }
}

/// Who sends a message, from which device and when.
pub(super) struct Sender<'a> {
    pub log: &'a Log,
    pub key: &'a SigningKey,
    pub at: i64,
    /// A container of delegations.
    pub proof: &'a [u8],
}

impl Message {
    /// Seals and signs `content` for the devices of `to` that are not guests'.
    pub(super) fn seal(
        to: &Resolution,
        sender: &Sender<'_>,
        content: &[u8],
        random: Random<'_>,
    ) -> Result<Verified<Self>, InboxError> {
        if content.len() > MAX_CONTENT {
            return Err(InboxError::Content(content.len()));
        }
        let mut secret = Zeroizing::new([0; 32]);
        random(&mut *secret);
        let mut message = Self {
            to: to.did,
            from: sender.log.did(),
            device: sender.key.public(),
            at: sender.at,
            nonce: [0; NONCE],
            log: ByteBuf::from(sender.log.to_car().map_err(unreadable)?),
            proof: ByteBuf::from(sender.proof),
            commitment: ByteArray::new(commitment(&secret)),
            wraps: Vec::new(),
            sealed: ByteBuf::from(content),
        };
        random(&mut message.nonce);
        let context = message.context();
        let devices = to.devices.iter().map(|active| &active.device);
        let readers = devices.filter(|d| matches!(d.role, Role::Admin | Role::Member));
        for device in readers.take(MAX_WRAPS) {
            let wrapped = wrap::seal(&device.kem, WRAP_INFO, &context, &secret, random);
            // one whose key is none cannot read; the others can
            if let Ok(wrapped) = wrapped {
                message.wraps.push((device.key, ByteBuf::from(wrapped)));
            }
        }
        if message.wraps.is_empty() {
            return Err(InboxError::Nobody(to.did));
        }
        message.wraps.sort_by_key(|(key, _)| key.to_bytes());
        let text = message.sealed.as_mut_slice();
        let tag = cipher(&secret)
            .encrypt_inout_detached(&XNonce::from(message.nonce), &context, text.into())
            .map_err(|_| InboxError::Content(content.len()))?;
        message.sealed.extend_from_slice(&tag);
        let size = message.size();
        if size > MAX_MESSAGE {
            return Err(InboxError::TooLarge(size));
        }
        Ok(Verified::sign(message, sender.key)?)
    }

    /// Its bytes when it is signed, at most.
    fn size(&self) -> usize {
        let wraps = self.wraps.iter().map(|(_, wrapped)| wrapped.len() + 64);
        wraps.sum::<usize>() + self.log.len() + self.proof.len() + self.sealed.len() + 640
    }

    /// What the content is bound to.
    fn context(&self) -> Vec<u8> {
        let mut out = format!("{}\0{}\0", self.to, self.from).into_bytes();
        out.extend_from_slice(&self.device.to_bytes());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&*self.commitment);
        out
    }

    /// Checks what its type leaves open.
    fn check(&self) -> Result<(), InboxError> {
        let wrong = |what| Err(InboxError::Malformed(what));
        if self.to.genesis_digest().is_none() || self.from.genesis_digest().is_none() {
            return wrong("it is not from a did:rhizome to a did:rhizome");
        }
        if self.wraps.is_empty() || self.wraps.len() > MAX_WRAPS {
            return wrong("it is sealed for no device, or for more than 64");
        }
        let keys: Vec<_> = self.wraps.iter().map(|(key, _)| key.to_bytes()).collect();
        if !keys.is_sorted_by(|a, b| a < b) {
            return wrong("the devices that it is sealed for are not in ascending order");
        }
        if self.wraps.iter().any(|(_, w)| w.len() > wrap::MAX_WRAP) {
            return wrong("a wrapped secret is too long");
        }
        if self.sealed.len() < TAG || self.sealed.len() > MAX_CONTENT + TAG {
            return wrong("its content is too long, or not sealed");
        }
        Ok(())
    }

    /// What it says, if it was sealed for this device.
    ///
    /// # Errors
    /// [`InboxError::NotForThisDevice`].
    pub(super) fn open(&self, device: &PublicKey, kem: &KemSecret) -> Result<Vec<u8>, InboxError> {
        let opened = || {
            let context = self.context();
            let (_, wrapped) = self.wraps.iter().find(|(key, _)| key == device)?;
            let secret = wrap::open(kem, WRAP_INFO, &context, wrapped).ok()?;
            // no ciphertext opens under two secrets
            if commitment(&secret) != *self.commitment {
                return None;
            }
            let (text, tag) = self.sealed.split_last_chunk::<TAG>()?;
            let mut out = text.to_vec();
            let (nonce, tag) = (XNonce::from(self.nonce), Tag::from(*tag));
            cipher(&secret)
                .decrypt_inout_detached(&nonce, &context, out.as_mut_slice().into(), &tag)
                .ok()?;
            Some(out)
        };
        opened().ok_or(InboxError::NotForThisDevice)
    }
}

fn unreadable(error: impl fmt::Display) -> InboxError {
    InboxError::Log(error.to_string())
}

fn commitment(secret: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("rhizome inbox commitment v1", secret)
}

fn cipher(secret: &[u8; 32]) -> XChaCha20Poly1305 {
    let key = Zeroizing::new(blake3::derive_key("rhizome inbox key v1", secret));
    XChaCha20Poly1305::new((&*key).into())
}

/// Who looks at a message.
pub(crate) struct Judge<'a> {
    /// The pod's own devices, as they are known here.
    pub to: &'a Resolution,
    /// A device of the pod that was taken out may have given the first delegation.
    pub once: bool,
    /// Milliseconds since 1970; `None`: its time was asked when it was taken.
    pub now_ms: Option<i64>,
}

impl Judge<'_> {
    /// Reads a message and says whether it is to be taken: whole, for this pod, signed by a device of its sender, and by somebody to whom
    /// the pod's owner once gave something.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, bytes: &[u8]) -> Result<Verified<Message>, InboxError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(InboxError::TooLarge(bytes.len()));
        }
        let message = Signed::<Message>::from_bytes(bytes)?.verify()?;
        self.weigh(&message)?;
        Ok(message)
    }

    /// All but the signature.
    fn weigh(&self, message: &Message) -> Result<(), InboxError> {
        message.check()?;
        if message.to != self.to.did {
            return Err(InboxError::OtherPod(message.to));
        }
        let age = self.now_ms.map(|now| now.saturating_sub(message.at));
        if age.is_some_and(|age| !(-DAY_MS..=KEPT_MS).contains(&age)) {
            return Err(InboxError::Time);
        }
        let log = Log::from_car(&message.log).map_err(unreadable)?;
        let from = log.resolve();
        if log.did() != message.from || !proof::signs(&from, &message.device, false) {
            return Err(InboxError::Sender {
                from: message.from,
                device: message.device,
            });
        }
        proof::check(&message.proof, self.to, &from, self.once)
    }
}

/// Reads bytes as what would be signed: what is read has one spelling, is weighed without its signature by the pod whose log it brings
/// along, and is not sealed for a device that nobody has. Whether it was read.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) -> bool {
    use rhizome_ipld::codec;
    let Ok(message) = codec::decode_exact::<Message>(bytes, Message::MAX_LEN) else {
        return false;
    };
    let seed = rhizome_identity::Secret::take(&mut [0xfe; 32]);
    let kem = KemSecret::from_seed(seed);
    assert!(message.open(&message.device, &kem).is_err());
    if let Ok(log) = Log::from_car(&message.log) {
        let judge = Judge {
            to: &log.resolve(),
            once: true,
            now_ms: None,
        };
        if judge.weigh(&message).is_ok() {
            assert_eq!(message.to, message.from);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_capability::{
        Delegation, Device, Principal,
        container::{self, Framing},
    };
    use rhizome_identity::{Create, Genesis, RecoveryWords, Secret};

    const NOW: i64 = 1_800_000_000_000;

    struct Person {
        key: SigningKey,
        kem: KemSecret,
        log: Log,
    }

    fn person(n: u8) -> Person {
        let mut random = |out: &mut [u8]| out.fill(n);
        let (key, kem) = (
            SigningKey::from_seed([n; 32]),
            KemSecret::from_seed(Secret::take(&mut [n; 32])),
        );
        let words = RecoveryWords::generate(&mut random);
        let create = Create::one_device(
            key.public(),
            kem.public(),
            vec![words.policy()],
            vec![],
            &mut random,
        );
        let log = Log::new(Genesis::create(create, &[&key]).unwrap()).unwrap();
        Person { key, kem, log }
    }

    fn proof(alice: &Person, bob: &Person) -> Vec<u8> {
        let [owner, to] =
            [alice, bob].map(|p| p.log.did().to_string().parse::<Principal>().unwrap());
        let device = Device::new(&owner, &alice.key).unwrap();
        let grant = Delegation::to(to, "/pod/tuple/read".parse().unwrap())
            .sign(&device, b"12 random bytes")
            .unwrap();
        container::write(Framing::Gzip, [grant.bytes()]).unwrap()
    }

    fn seal(alice: &Person, bob: &Person, content: &[u8], proof: &[u8]) -> Verified<Message> {
        let sender = Sender {
            log: &bob.log,
            key: &bob.key,
            at: NOW,
            proof,
        };
        let mut n = 1u8;
        let mut random = |out: &mut [u8]| {
            for byte in out {
                n = n.wrapping_mul(5).wrapping_add(17);
                *byte = n;
            }
        };
        Message::seal(&alice.log.resolve(), &sender, content, &mut random).unwrap()
    }

    #[test]
    fn only_a_device_of_the_pod_reads_it_and_nothing_of_it_can_be_changed() {
        let [alice, bob, carol] = [1, 2, 3].map(person);
        let signed = seal(&alice, &bob, b"a proposal", &proof(&alice, &bob));
        let bytes = signed.to_bytes();
        let to = alice.log.resolve();
        let judge = Judge {
            to: &to,
            once: false,
            now_ms: Some(NOW),
        };
        let message = judge.judge(&bytes).unwrap();
        let open = |m: &Message, who: &Person| m.open(&who.key.public(), &who.kem);
        assert_eq!(open(&message, &alice).unwrap(), b"a proposal");
        for (key, kem) in [(&carol, &carol), (&alice, &carol), (&carol, &alice)] {
            let refused = message.open(&key.key.public(), &kem.kem);
            assert!(matches!(refused, Err(InboxError::NotForThisDevice)));
        }
        assert!(!bytes.windows(10).any(|w| w == b"a proposal"));
        for at in (0..bytes.len()).step_by(7) {
            let mut torn = bytes.clone();
            torn[at] ^= 1;
            assert!(judge.judge(&torn).is_err(), "byte {at}");
            assert!(judge.judge(&bytes[..at]).is_err());
        }
        // it is bound to all that stands around it
        let changes: [fn(&mut Message, &Person); 6] = [
            |m, carol| m.to = carol.log.did(),
            |m, carol| m.from = carol.log.did(),
            |m, carol| m.device = carol.key.public(),
            |m, _| m.nonce[0] ^= 1,
            |m, _| m.commitment[0] ^= 1,
            |m, _| m.sealed[0] ^= 1,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut changed = signed.clone().into_payload();
            change(&mut changed, &carol);
            assert!(open(&changed, &alice).is_err(), "change {n}");
        }
        for (once, now_ms, taken) in [
            (true, None, true),
            (false, Some(NOW - 2 * DAY_MS), false),
            (false, Some(NOW + KEPT_MS), true),
            (false, Some(NOW + KEPT_MS + 1), false),
        ] {
            let to = &to;
            let judge = Judge { to, once, now_ms };
            assert_eq!(judge.judge(&bytes).is_ok(), taken);
        }
    }

    #[test]
    fn what_a_device_opens_is_under_the_secret_that_the_message_names() {
        let [alice, bob] = [1, 2].map(person);
        let signed = seal(&alice, &bob, b"for everybody the same", &[]);
        let mut message = signed.into_payload();
        // another secret for this device, which would open another text
        let (secret, context) = ([8; 32], message.context());
        let wrapped = wrap::seal(
            &alice.kem.public(),
            WRAP_INFO,
            &context,
            &secret,
            &mut |b| b.fill(3),
        );
        message.wraps[0].1 = ByteBuf::from(wrapped.unwrap());
        let mut text = b"for her alone".to_vec();
        let tag = cipher(&secret)
            .encrypt_inout_detached(
                &XNonce::from(message.nonce),
                &context,
                text.as_mut_slice().into(),
            )
            .unwrap();
        text.extend_from_slice(&tag);
        message.sealed = ByteBuf::from(text);
        let refused = message.open(&alice.key.public(), &alice.kem);
        assert!(matches!(refused, Err(InboxError::NotForThisDevice)));
    }

    #[test]
    fn the_largest_content_goes_with_many_devices_or_says_that_it_does_not() {
        let [alice, bob] = [1, 2].map(person);
        let long = vec![7; MAX_CONTENT];
        let signed = seal(&alice, &bob, &long, &proof(&alice, &bob));
        assert!(signed.to_bytes().len() <= MAX_MESSAGE);
        let sender = Sender {
            log: &bob.log,
            key: &bob.key,
            at: NOW,
            proof: &vec![1; 56 << 10],
        };
        let mut random = |out: &mut [u8]| out.fill(4);
        let to = alice.log.resolve();
        let refused = Message::seal(&to, &sender, &long, &mut random);
        assert!(matches!(refused, Err(InboxError::TooLarge(_))));
        let refused = Message::seal(&to, &sender, &[&long[..], &[1]].concat(), &mut random);
        assert!(matches!(refused, Err(InboxError::Content(_))));
    }
}
