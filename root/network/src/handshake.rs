//! The handshake of a link over a WebSocket, and the seal of its messages, without any input or output. A WebSocket may be plain TCP,
//! or TLS that ends at somebody's proxy: neither proves keys, so this does, and what follows is sealed between the two keys.

use bytes::{Bytes, BytesMut};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce, Tag};
use rhizome_ipld::{HashKind, Payload, PublicKey, Signed, SigningKey, Verified};
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey as Ephemeral, StaticSecret};
use zeroize::Zeroizing;

use crate::error::HandshakeError;
use crate::protocol::Protocol;

const VERSION: u8 = 1;
const EPHEMERAL: usize = 32;
const TAG: usize = 16;

/// Longest greeting in bytes.
pub const MAX_GREETING: usize = 2 + 255 + EPHEMERAL;
/// Longest answer or proof in bytes.
pub const MAX_ANSWER: usize = EPHEMERAL + Signed::<Proof>::MAX_LEN + TAG;
/// What sealing adds to a message, in bytes: its kind and the tag.
pub const OVERHEAD: usize = 1 + TAG;

/// What one side signs: its key, and a hash of all that was said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    key: PublicKey,
    #[serde(with = "serde_bytes")]
    transcript: [u8; 32],
}

impl Payload for Proof {
    const DOMAIN: &'static str = "rhizome/link@1";
    const MAX_LEN: usize = 128;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.key
    }
}

fn prove(key: &SigningKey, transcript: [u8; 32]) -> Result<Vec<u8>, HandshakeError> {
    let proof = Proof {
        key: key.public(),
        transcript,
    };
    let signed = Verified::sign(proof, key).map_err(|_| HandshakeError::Proof)?;
    Ok(signed.to_bytes())
}

fn check(proof: &[u8], transcript: &[u8; 32]) -> Result<PublicKey, HandshakeError> {
    let proof = Signed::<Proof>::from_bytes(proof)
        .and_then(Signed::verify)
        .map_err(|_| HandshakeError::Proof)?;
    if proof.transcript != *transcript {
        return Err(HandshakeError::Proof);
    }
    Ok(proof.key)
}

/// What a sealed message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message.
    Message,
    /// Nothing more comes.
    End,
    /// The peer is not let in; the body says why.
    Refusal,
    /// Part of the handshake.
    Proof,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Message, Self::End, Self::Refusal, Self::Proof];
}

/// Seals messages, each with the next number.
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    next: u64,
}

/// Opens what a [`Sealer`] sealed, in its order only.
pub struct Opener {
    cipher: ChaCha20Poly1305,
    next: u64,
}

fn cipher(context: &str, secret: &[u8; 32]) -> ChaCha20Poly1305 {
    let key = Zeroizing::new(blake3::derive_key(context, secret));
    ChaCha20Poly1305::new((&*key).into())
}

fn nonce(next: &mut u64) -> Nonce {
    let mut nonce = Nonce::default();
    if let Some(number) = nonce.last_chunk_mut::<8>() {
        *number = next.to_le_bytes();
    }
    *next += 1; // 2⁶⁴ messages cannot be sent
    nonce
}

impl Sealer {
    /// Seals a message.
    ///
    /// # Errors
    /// [`HandshakeError::Sealed`] if it has more than 256 GiB.
    pub fn seal(&mut self, kind: Kind, body: &[u8]) -> Result<Bytes, HandshakeError> {
        let mut out = BytesMut::with_capacity(body.len() + OVERHEAD);
        out.extend_from_slice(&[kind as u8]);
        out.extend_from_slice(body);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(&mut self.next), &[], out.as_mut().into())
            .map_err(|_| HandshakeError::Sealed)?;
        out.extend_from_slice(&tag);
        Ok(out.freeze())
    }
}

impl Opener {
    /// Opens a message.
    ///
    /// # Errors
    /// [`HandshakeError::Sealed`] if it is not the next message of the other side.
    pub fn open(&mut self, sealed: Bytes) -> Result<(Kind, Bytes), HandshakeError> {
        let mut plain = BytesMut::from(sealed); // no copy: nobody else holds it
        let at = plain
            .len()
            .checked_sub(TAG)
            .filter(|at| *at > 0)
            .ok_or(HandshakeError::Sealed)?;
        let tag = plain.split_off(at);
        let tag = Tag::try_from(tag.as_ref()).map_err(|_| HandshakeError::Sealed)?;
        self.cipher
            .decrypt_inout_detached(&nonce(&mut self.next), &[], plain.as_mut().into(), &tag)
            .map_err(|_| HandshakeError::Sealed)?;
        let kind = plain.split_to(1);
        let kind = Kind::ALL
            .into_iter()
            .find(|k| kind.first() == Some(&(*k as u8)))
            .ok_or(HandshakeError::Sealed)?;
        Ok((kind, plain.freeze()))
    }

    fn open_proof(&mut self, sealed: &[u8]) -> Result<Bytes, HandshakeError> {
        match self.open(Bytes::copy_from_slice(sealed))? {
            (Kind::Proof, proof) => Ok(proof),
            _ => Err(HandshakeError::Sealed),
        }
    }
}

/// What both sides have after a handshake.
pub struct Session {
    /// The key the other side has proved.
    pub peer: PublicKey,
    /// Secret bytes that both have, bound to both keys.
    pub keying: [u8; 32],
    /// For what is sent.
    pub sealer: Sealer,
    /// For what is received.
    pub opener: Opener,
}

/// Secrets of a handshake under way.
struct Agreement {
    transcript: [u8; 32],
    secret: Zeroizing<[u8; 32]>,
    dialler: ChaCha20Poly1305,
    listener: ChaCha20Poly1305,
}

impl Agreement {
    fn new(
        greeting: &[u8],
        answer: &[u8; EPHEMERAL],
        mine: &StaticSecret,
        theirs: &[u8; EPHEMERAL],
    ) -> Result<Self, HandshakeError> {
        let shared = mine.diffie_hellman(&Ephemeral::from(*theirs));
        if !shared.was_contributory() {
            return Err(HandshakeError::Agreement);
        }
        let transcript =
            blake3::derive_key("rhizome link greeting v1", &[greeting, answer].concat());
        let secret = Zeroizing::new(*blake3::keyed_hash(&transcript, shared.as_bytes()).as_bytes());
        Ok(Self {
            transcript,
            dialler: cipher("rhizome link dialler v1", &secret),
            listener: cipher("rhizome link listener v1", &secret),
            secret,
        })
    }

    /// What the dialler signs: all that was said, the listener's proof included.
    fn after(&self, proof: &[u8]) -> [u8; 32] {
        blake3::derive_key(
            "rhizome link answer v1",
            &[self.transcript.as_slice(), proof].concat(),
        )
    }

    fn keying(&self, listener: &PublicKey, dialler: &PublicKey) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome link keying v1");
        hasher.update(self.secret.as_slice());
        hasher.update(&listener.to_bytes());
        hasher.update(&dialler.to_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// The side that dials, while it waits for the answer.
pub struct Dialler {
    greeting: Vec<u8>,
    ephemeral: StaticSecret,
}

impl Dialler {
    /// Begins a handshake; the second value is the greeting to be sent. `random` must be fresh from a cryptographic source.
    pub fn new(protocol: Protocol, random: [u8; 32]) -> (Self, Vec<u8>) {
        let ephemeral = StaticSecret::from(random);
        let name = protocol.name().as_bytes();
        let mut greeting = vec![VERSION, name.len() as u8];
        greeting.extend_from_slice(name);
        greeting.extend_from_slice(Ephemeral::from(&ephemeral).as_bytes());
        (
            Self {
                greeting: greeting.clone(),
                ephemeral,
            },
            greeting,
        )
    }

    /// Takes the answer and proves `key`, if it was `expected` who answered; the second value is the proof to be sent.
    ///
    /// # Errors
    /// Any [`HandshakeError`] but [`HandshakeError::Protocol`].
    pub fn answered(
        self,
        answer: &[u8],
        expected: &PublicKey,
        key: &SigningKey,
    ) -> Result<(Session, Bytes), HandshakeError> {
        let (theirs, proof) = answer
            .split_first_chunk::<EPHEMERAL>()
            .filter(|_| answer.len() <= MAX_ANSWER)
            .ok_or(HandshakeError::Greeting)?;
        let agreement = Agreement::new(&self.greeting, theirs, &self.ephemeral, theirs)?;
        let mut opener = Opener {
            cipher: agreement.listener.clone(),
            next: 0,
        };
        let peer = check(&opener.open_proof(proof)?, &agreement.transcript)?;
        if peer != *expected {
            return Err(HandshakeError::Identity {
                expected: *expected,
                found: peer,
            });
        }
        let mut sealer = Sealer {
            cipher: agreement.dialler.clone(),
            next: 0,
        };
        let mine = sealer.seal(Kind::Proof, &prove(key, agreement.after(proof))?)?;
        let session = Session {
            peer,
            keying: agreement.keying(&peer, &key.public()),
            sealer,
            opener,
        };
        Ok((session, mine))
    }
}

/// The side that is dialled, while it waits for the dialler's proof.
pub struct Listener {
    agreement: Agreement,
    sealer: Sealer,
    expected: [u8; 32],
    key: PublicKey,
    protocol: Protocol,
}

impl Listener {
    /// Answers a greeting; the second value is the answer to be sent. `random` must be fresh from a cryptographic source.
    ///
    /// # Errors
    /// [`HandshakeError::Greeting`], [`HandshakeError::Protocol`], [`HandshakeError::Agreement`].
    pub fn greeted(
        greeting: &[u8],
        key: &SigningKey,
        random: [u8; 32],
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let [VERSION, length, rest @ ..] = greeting else {
            return Err(HandshakeError::Greeting);
        };
        let (name, theirs) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(HandshakeError::Greeting)?;
        let theirs = theirs.try_into().map_err(|_| HandshakeError::Greeting)?;
        let protocol = Protocol::from_name(name).ok_or(HandshakeError::Protocol)?;
        let ephemeral = StaticSecret::from(random);
        let mine = Ephemeral::from(&ephemeral);
        let agreement = Agreement::new(greeting, mine.as_bytes(), &ephemeral, theirs)?;
        let mut sealer = Sealer {
            cipher: agreement.listener.clone(),
            next: 0,
        };
        let proof = sealer.seal(Kind::Proof, &prove(key, agreement.transcript)?)?;
        let answer = [mine.as_bytes().as_slice(), &proof].concat();
        Ok((
            Self {
                expected: agreement.after(&proof),
                agreement,
                sealer,
                key: key.public(),
                protocol,
            },
            answer,
        ))
    }

    /// What is asked for.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Takes the dialler's proof.
    ///
    /// # Errors
    /// [`HandshakeError::Sealed`], [`HandshakeError::Proof`].
    pub fn proved(self, proof: &[u8]) -> Result<Session, HandshakeError> {
        if proof.len() > MAX_ANSWER {
            return Err(HandshakeError::Sealed);
        }
        let mut opener = Opener {
            cipher: self.agreement.dialler.clone(),
            next: 0,
        };
        let peer = check(&opener.open_proof(proof)?, &self.expected)?;
        Ok(Session {
            peer,
            keying: self.agreement.keying(&self.key, &peer),
            sealer: self.sealer,
            opener,
        })
    }
}
