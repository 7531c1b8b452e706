//! A new device becomes one of the person's devices.
//!
//! The old device shows a code: where it is, its key, and a secret that is good once and for a short time. The new device dials it, and
//! the two of them sign the operation that adds it:
//!
//! ```text
//! new   [1, key for receiving secrets, name, proof]       proof = keyed(secret, what the link and both devices are)
//! old   the device log in parts, with the operation to sign
//! new   [2, operation with its signature]
//! old   [3, payload, signatures]                           the operation, complete
//! ```
//!
//! The new device knows whom it talks to by the key in the code; the old one by the proof, which is bound to this connection. What the pod
//! holds comes afterwards, in an ordinary session.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use rhizome_identity::{Device, Inserted, KemKey, KemSecret, Log, Operation, Proposal, Role};
use rhizome_ipld::{PublicKey, SigningKey, codec};
use rhizome_network::{Link, MAX_MESSAGE, PeerAddress};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use crate::{PodError, sync::hello};

/// Longest name of a device in bytes.
pub const MAX_DEVICE_NAME: usize = 64;

/// What the old device shows and the new one is given: an address and a secret.
#[derive(Clone)]
pub struct PairingCode {
    /// Where the old device waits.
    pub address: PeerAddress,
    /// Good for one device.
    pub secret: Zeroizing<[u8; 32]>,
}

/// Between the two in the text. It is in neither.
const BORDER: char = '.';

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = BASE32_NOPAD.encode(&*self.secret).to_ascii_lowercase();
        write!(f, "{}{BORDER}{secret}", self.address)
    }
}

impl FromStr for PairingCode {
    type Err = PodError;

    fn from_str(text: &str) -> Result<Self, PodError> {
        let wrong = |what: &str| PodError::Request(format!("this is not a pairing code: {what}"));
        let (address, secret) = text
            .trim()
            .rsplit_once(BORDER)
            .ok_or_else(|| wrong("copy all of it, from `rhizome:` to the end"))?;
        let address = address
            .parse()
            .map_err(|e: rhizome_network::AddressError| wrong(&e.to_string()))?;
        let secret = Zeroizing::new(secret.to_ascii_uppercase());
        let decoded = BASE32_NOPAD.decode(secret.as_bytes()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| wrong("its second half is mistyped"))?;
        let secret = <[u8; 32]>::try_from(decoded.as_slice());
        let secret = secret.map_err(|_| wrong("its second half is incomplete"))?;
        Ok(Self {
            address,
            secret: Zeroizing::new(secret),
        })
    }
}

fn unclear() -> PodError {
    PodError::Peer("the other device does not speak this protocol, or another version of it".into())
}

async fn next(link: &mut Link) -> Result<Vec<u8>, PodError> {
    match link.receive().await? {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(PodError::Peer("the other device hung up".into())),
    }
}

fn encode<T: serde::Serialize>(message: &T) -> Result<Vec<u8>, PodError> {
    codec::encode(message).map_err(|e| PodError::Peer(e.to_string()))
}

/// Proof that the secret of a code is known, on this link, for these devices.
fn proof(
    secret: &[u8; 32],
    keying: &[u8; 32],
    old: &PublicKey,
    new: &PublicKey,
    kem: &KemKey,
    name: &str,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(b"rhizome pair v1\0").update(keying);
    for part in [
        &old.to_bytes(),
        &new.to_bytes(),
        &kem.to_bytes(),
        &name.as_bytes().to_vec(),
    ] {
        hasher
            .update(&(part.len() as u64).to_be_bytes())
            .update(part);
    }
    *hasher.finalize().as_bytes()
}

/// A name as people see it: 1 to 64 bytes without control characters.
pub(crate) fn check_name(name: &str) -> Result<(), PodError> {
    if name.is_empty() || name.len() > MAX_DEVICE_NAME || name.chars().any(char::is_control) {
        return Err(PodError::Request(
            "the name of a device has 1 to 64 bytes and no control characters".into(),
        ));
    }
    Ok(())
}

/// A new device that has proved to know the secret.
pub(crate) struct Newcomer {
    pub device: Device,
    pub name: String,
}

/// The old device's side, first half: who comes, and does it know the secret?
pub(crate) async fn greet(
    link: &mut Link,
    own: &PublicKey,
    secret: &[u8; 32],
    role: Role,
) -> Result<Newcomer, PodError> {
    type First = (u8, KemKey, String, ByteArray<32>);
    let bytes = next(link).await?;
    let (1, kem, name, given): First = codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?
    else {
        return Err(unclear());
    };
    check_name(&name)?;
    let key = link.peer();
    let want = proof(secret, &link.keying(), own, &key, &kem, &name);
    // a comparison of hashes takes the same time wherever they differ
    if blake3::Hash::from_bytes(want) != blake3::Hash::from_bytes(given.into_array()) {
        return Err(PodError::Refused(
            "the code is not the one on the screen".into(),
        ));
    }
    Ok(Newcomer {
        device: Device { key, kem, role },
        name,
    })
}

/// The old device's side, second half: both sign. `sign` completes the proposal and takes the operation in.
pub(crate) async fn admit(
    link: &mut Link,
    log: &Log,
    proposal: &Proposal,
    complete: impl FnOnce(Proposal) -> Result<Operation, PodError>,
) -> Result<(), PodError> {
    hello::show(link, log, Some(&proposal.to_bytes()?)).await?;
    let bytes = next(link).await?;
    let (2u8, signed): (u8, ByteBuf) = codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?
    else {
        return Err(unclear());
    };
    let mut all = proposal.clone();
    all.merge(&Proposal::from_bytes(&signed)?)?;
    let operation = complete(all)?;
    let payload = ByteBuf::from(operation.payload_bytes());
    let signatures = ByteBuf::from(operation.signature_block()?);
    link.send(encode(&(3u8, payload, signatures))?).await?;
    Ok(())
}

/// The new device's side: what it is now a member of.
pub(crate) async fn join(
    link: &mut Link,
    key: &SigningKey,
    kem: &KemSecret,
    name: &str,
    secret: &[u8; 32],
) -> Result<Log, PodError> {
    check_name(name)?;
    let public = kem.public();
    let proof = proof(
        secret,
        &link.keying(),
        &link.peer(),
        &key.public(),
        &public,
        name,
    );
    link.send(encode(&(1u8, &public, name, ByteArray::new(proof)))?)
        .await?;
    let (mut log, proposal) = hello::shown(link).await?;
    let mut proposal = Proposal::from_bytes(&proposal.ok_or_else(unclear)?)?;
    let adds_us = matches!(proposal.action(),
        rhizome_identity::Action::DeviceAdd(add) if add.device.key == key.public() && add.device.kem == public);
    if !adds_us {
        return Err(PodError::Peer(
            "the other device wants something else signed".into(),
        ));
    }
    proposal.sign(key)?;
    link.send(encode(&(2u8, ByteBuf::from(proposal.to_bytes()?)))?)
        .await?;
    let bytes = next(link).await?;
    let (3u8, payload, signatures): (u8, ByteBuf, ByteBuf) =
        codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?
    else {
        return Err(unclear());
    };
    let operation = Operation::verify(&payload, &signatures)?;
    if operation.id() != proposal.id() || !matches!(log.insert(operation)?, Inserted::Added(_)) {
        return Err(unclear());
    }
    Ok(log)
}

/// The address of a peer that keeps pods, and the token it gave, as one text.
///
/// # Errors
/// [`PodError::Request`] if it is no address.
pub fn parse_peer(text: &str) -> Result<(PeerAddress, Option<Vec<u8>>), PodError> {
    let wrong =
        |what: String| PodError::Request(format!("this is not the address of a peer: {what}"));
    let (address, token) = match text.trim().split_once(BORDER) {
        Some((address, token)) => (address, Some(token)),
        None => (text.trim(), None),
    };
    let address = address
        .parse()
        .map_err(|e: rhizome_network::AddressError| wrong(e.to_string()))?;
    let token = token.map(|t| {
        let token = BASE32_NOPAD.decode(t.to_ascii_uppercase().as_bytes());
        token.map_err(|_| wrong("its second half is mistyped".into()))
    });
    Ok((address, token.transpose()?))
}
