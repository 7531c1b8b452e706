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
//!
//! Without a camera the code may be an address alone, and go over a channel that nobody trusts. Then it is the person who looks at both
//! screens that knows the two devices to be on the same link:
//!
//! ```text
//! new   [4, key for receiving secrets, name, commitment]   commitment = derived(link and devices, nonce of the new device)
//! old   [5, nonce]                                         or [0, why]: no
//! new   [6, nonce]                                         both show derived(link and devices, both nonces) as seven pictures
//! both  [7, same: bool]                                    what the person says, as soon as they do
//! ```
//!
//! and after two yeses as above, from the device log on. Who sits in between shows other pictures on each screen, unless one guess in 2^42
//! is right: it is bound to the nonce it has committed itself to before it sees the other. A device that waits for a proof takes no
//! comparison, and the other way round.

use std::{fmt, future::Future, pin::pin, str::FromStr, time::Duration};

use data_encoding::BASE32_NOPAD;
use rhizome_identity::{Device, Inserted, KemKey, KemSecret, Log, Operation, Proposal, Role};
use rhizome_ipld::{PublicKey, SigningKey, codec};
use rhizome_network::{Link, MAX_MESSAGE, PeerAddress};
use serde_bytes::{ByteArray, ByteBuf};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    Grant, PodError,
    emoji::{self, COMPARED, Emoji},
    sync::hello::{self, encode},
};

/// Longest name of a device in bytes.
pub const MAX_DEVICE_NAME: usize = 64;
/// How long the other device may take for a message that waits for no person.
const STEP: Duration = Duration::from_secs(15);
/// Characters of a reason that are shown.
const MAX_REASON: usize = 300;

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

/// What a proof or a comparison holds for: this link and these devices, and no others.
struct Bond<'a> {
    keying: [u8; 32],
    old: &'a PublicKey,
    new: &'a PublicKey,
    kem: &'a KemKey,
    name: &'a str,
}

impl<'a> Bond<'a> {
    fn new(
        link: &Link,
        old: &'a PublicKey,
        new: &'a PublicKey,
        kem: &'a KemKey,
        name: &'a str,
    ) -> Self {
        Self {
            keying: link.keying(),
            old,
            new,
            kem,
            name,
        }
    }

    fn write(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&self.keying);
        for part in [
            &self.old.to_bytes(),
            &self.new.to_bytes(),
            &self.kem.to_bytes(),
            &self.name.as_bytes().to_vec(),
        ] {
            hasher
                .update(&(part.len() as u64).to_be_bytes())
                .update(part);
        }
    }

    /// Proof that the secret of a code is known.
    fn proof(&self, secret: &[u8; 32]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher.update(b"rhizome pair v1\0");
        self.write(&mut hasher);
        hasher.finalize()
    }

    /// What binds the new device to its nonce before it sees the other.
    fn commitment(&self, nonce: &[u8; 32]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome pair commitment v1");
        self.write(&mut hasher);
        hasher.update(nonce).finalize()
    }

    /// What both devices show.
    fn emoji(&self, nonce_old: &[u8; 32], nonce_new: &[u8; 32]) -> [Emoji; COMPARED] {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome pair emoji v1");
        self.write(&mut hasher);
        emoji::of(&hasher.update(nonce_old).update(nonce_new).finalize())
    }
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

/// A new device.
pub(crate) struct Newcomer {
    pub device: Device,
    pub name: String,
}

impl Newcomer {
    fn bond<'a>(&'a self, link: &Link, own: &'a PublicKey) -> Bond<'a> {
        Bond::new(link, own, &self.device.key, &self.device.kem, &self.name)
    }
}

/// Reads a first message with this number: who comes, and 32 bytes.
async fn first(
    link: &mut Link,
    number: u8,
    role: Role,
) -> Result<Option<(Newcomer, [u8; 32])>, PodError> {
    type First = (u8, KemKey, String, ByteArray<32>);
    let bytes = next(link).await?;
    let (given, kem, name, hash): First =
        codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?;
    if given != number {
        return Ok(None);
    }
    check_name(&name)?;
    let device = Device {
        key: link.peer(),
        kem,
        role,
    };
    Ok(Some((Newcomer { device, name }, hash.into_array())))
}

/// Says why not, in place of the next message of the old device.
async fn refuse(link: &mut Link, why: &str) -> PodError {
    let said = match encode(&(0u8, why)) {
        Ok(message) => link.send(message).await.map_err(PodError::from),
        Err(error) => Err(error),
    };
    said.err()
        .unwrap_or_else(|| PodError::Refused(why.to_owned()))
}

/// The old device's side, first half: who comes, and does it know the secret?
pub(crate) async fn greet(
    link: &mut Link,
    own: &PublicKey,
    secret: &[u8; 32],
    role: Role,
) -> Result<Newcomer, PodError> {
    let Some((newcomer, given)) = first(link, 1, role).await? else {
        return Err(refuse(link, "its code has a secret: copy all of it, to the end").await);
    };
    let want = newcomer.bond(link, own).proof(secret);
    // a comparison of hashes takes the same time wherever they differ
    if want != blake3::Hash::from_bytes(given) {
        return Err(PodError::Refused(
            "the code is not the one on the screen".into(),
        ));
    }
    Ok(newcomer)
}

/// A new device that wants to be compared, and what it has committed itself to.
pub(crate) struct Comparing {
    pub newcomer: Newcomer,
    commitment: [u8; 32],
}

/// The old device's side without a secret: who comes?
pub(crate) async fn hear(link: &mut Link, role: Role) -> Result<Comparing, PodError> {
    let Some((newcomer, commitment)) = first(link, 4, role).await? else {
        let why = "it compares pictures now: use the code on its screen";
        return Err(refuse(link, why).await);
    };
    Ok(Comparing {
        newcomer,
        commitment,
    })
}

/// There is one screen.
pub(crate) async fn busy(link: &mut Link) -> PodError {
    refuse(link, "it is comparing with another device now").await
}

/// What the old device is to show. `nonce` is for this one comparison.
pub(crate) async fn reveal(
    link: &mut Link,
    own: &PublicKey,
    comparing: &Comparing,
    nonce: [u8; 32],
) -> Result<[Emoji; COMPARED], PodError> {
    link.send(encode(&(5u8, ByteArray::new(nonce)))?).await?;
    let bytes = soon(link).await?;
    let (6u8, theirs): (u8, ByteArray<32>) =
        codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?
    else {
        return Err(unclear());
    };
    let bond = comparing.newcomer.bond(link, own);
    if bond.commitment(&theirs) != blake3::Hash::from_bytes(comparing.commitment) {
        return Err(PodError::Refused(
            "the new device has shown another number than the one it was bound to".into(),
        ));
    }
    Ok(bond.emoji(&nonce, &theirs))
}

/// The next message, which nobody has to think about.
async fn soon(link: &mut Link) -> Result<Vec<u8>, PodError> {
    let late = || PodError::Peer("the other device says nothing: try again with a new code".into());
    tokio::time::timeout(STEP, next(link))
        .await
        .map_err(|_| late())?
}

/// Both people look, and each device tells the other what is said to it. None signs before both have said yes.
pub(crate) async fn agree(
    link: &mut Link,
    person: impl Future<Output = bool>,
    until: Instant,
) -> Result<(), PodError> {
    let mut person = pin!(person);
    let (mut here, mut there) = (false, false);
    while !(here && there) {
        let no = tokio::select! {
            same = &mut person, if !here => {
                here = same;
                link.send(encode(&(7u8, same))?).await?;
                (!same).then_some(PodError::NotConfirmed)
            }
            said = next(link), if !there => {
                let (7u8, same): (u8, bool) = codec::decode(&said?, MAX_MESSAGE).map_err(|_| unclear())? else {
                    return Err(unclear());
                };
                there = same;
                (!same).then_some(PodError::NotConfirmed)
            }
            () = tokio::time::sleep_until(until) => {
                link.send(encode(&(7u8, false))?).await?;
                Some(PodError::Request(
                    "the two minutes are over, and not both have said yes: make a new code".into(),
                ))
            }
        };
        if let Some(no) = no {
            return Err(no);
        }
    }
    Ok(())
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

/// The new device's side, first half: it knows the secret.
pub(crate) async fn prove(
    link: &mut Link,
    key: &SigningKey,
    kem: &KemSecret,
    name: &str,
    secret: &[u8; 32],
) -> Result<(), PodError> {
    check_name(name)?;
    let (old, new, kem) = (link.peer(), key.public(), kem.public());
    let bond = Bond::new(link, &old, &new, &kem, name);
    let proof = ByteArray::new(*bond.proof(secret).as_bytes());
    link.send(encode(&(1u8, &kem, name, proof))?).await?;
    Ok(())
}

/// The new device's side without a secret: what it is to show. `nonce` is for this one comparison.
pub(crate) async fn commit(
    link: &mut Link,
    key: &SigningKey,
    kem: &KemSecret,
    name: &str,
    nonce: [u8; 32],
) -> Result<[Emoji; COMPARED], PodError> {
    check_name(name)?;
    let (old, new, kem) = (link.peer(), key.public(), kem.public());
    let bond = Bond::new(link, &old, &new, &kem, name);
    let commitment = ByteArray::new(*bond.commitment(&nonce).as_bytes());
    link.send(encode(&(4u8, &kem, name, commitment))?).await?;
    let bytes = soon(link).await?;
    if let Ok((0u8, why)) = codec::decode::<(u8, String)>(&bytes, MAX_MESSAGE) {
        let shown = why.chars().filter(|c| !c.is_control()).take(MAX_REASON);
        return Err(PodError::Refused(shown.collect()));
    }
    let (5u8, theirs): (u8, ByteArray<32>) =
        codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?
    else {
        return Err(unclear());
    };
    link.send(encode(&(6u8, ByteArray::new(nonce)))?).await?;
    Ok(bond.emoji(&theirs, &nonce))
}

/// The new device's side, second half: what it is now a member of.
pub(crate) async fn join(
    link: &mut Link,
    key: &SigningKey,
    kem: &KemSecret,
) -> Result<Log, PodError> {
    let public = kem.public();
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

/// The address of a peer that keeps pods, and the invitation behind it, from one text.
///
/// # Errors
/// [`PodError::Request`] if it is no address.
pub fn parse_peer(text: &str) -> Result<(PeerAddress, Option<Grant>), PodError> {
    let (address, grant) = match text.trim().split_once(BORDER) {
        Some((address, grant)) => (address, Some(grant.parse()?)),
        None => (text.trim(), None),
    };
    let wrong = |e: rhizome_network::AddressError| {
        PodError::Request(format!("this is not the address of a peer: {e}"))
    };
    Ok((address.parse().map_err(wrong)?, grant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_identity::Secret;
    use rhizome_network::memory;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed([n; 32])
    }

    fn kem() -> KemSecret {
        KemSecret::from_seed(Secret::take(&mut [9; 32]))
    }

    /// Both ends of a link: what `new` holds, and what `old` does.
    fn link(old: &SigningKey, new: &SigningKey, keying: u8) -> (Link, Link) {
        memory::pair(new.public(), old.public(), [keying; 32], 1 << 16)
    }

    async fn say(link: &mut Link, message: &impl serde::Serialize) {
        link.send(encode(message).unwrap()).await.unwrap();
    }

    async fn show(
        link: &mut Link,
        own: &SigningKey,
        nonce: u8,
    ) -> Result<[Emoji; COMPARED], PodError> {
        let comparing = hear(link, Role::Admin).await?;
        reveal(link, &own.public(), &comparing, [nonce; 32]).await
    }

    #[tokio::test]
    async fn both_devices_show_the_same() {
        let (old, new) = (key(1), key(2));
        let mut all = Vec::new();
        for (keying, nonce_old, nonce_new) in [(0, 3, 4), (0, 5, 4), (0, 3, 6), (7, 3, 4)] {
            let (mut there, mut here) = link(&old, &new, keying);
            let kem = kem();
            let (a, b) = tokio::join!(
                show(&mut here, &old, nonce_old),
                commit(&mut there, &new, &kem, "phone", [nonce_new; 32])
            );
            all.push(a.unwrap());
            assert_eq!(all.last().unwrap(), &b.unwrap());
        }
        // another nonce or another link, and they are others
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one));
        }
    }

    #[test]
    fn all_that_is_bound_changes_what_is_shown() {
        let (keys, kems) = ([key(1).public(), key(2).public()], [kem().public()]);
        let bond = || Bond {
            keying: [1; 32],
            old: &keys[0],
            new: &keys[1],
            kem: &kems[0],
            name: "phone",
        };
        let other_kem = KemSecret::from_seed(Secret::take(&mut [8; 32])).public();
        let mut changed = [bond(), bond(), bond(), bond(), bond(), bond()];
        changed[1].keying[31] ^= 1;
        changed[2].old = &keys[1];
        changed[3].new = &keys[0];
        changed[4].kem = &other_kem;
        changed[5].name = "phones";
        for (i, one) in changed.iter().enumerate() {
            for other in &changed[i + 1..] {
                assert_ne!(one.commitment(&[2; 32]), other.commitment(&[2; 32]));
                assert_ne!(
                    one.emoji(&[3; 32], &[2; 32]),
                    other.emoji(&[3; 32], &[2; 32])
                );
                assert_ne!(one.proof(&[4; 32]), other.proof(&[4; 32]));
            }
            // nor is one the other
            assert_ne!(one.commitment(&[2; 32]), one.proof(&[2; 32]));
        }
        assert_ne!(
            bond().emoji(&[3; 32], &[2; 32]),
            bond().emoji(&[2; 32], &[3; 32])
        );
    }

    #[tokio::test]
    async fn who_sits_in_between_shows_other_pictures() {
        let (old, new, middle) = (key(1), key(2), key(3));
        // the best one can do: the same nonces, as far as one is free to choose, on two links that have the same keying
        let (mut there, mut to_new) = link(&middle, &new, 0);
        let (mut to_old, mut here) = link(&old, &middle, 0);
        let between = async {
            let comparing = hear(&mut to_new, Role::Admin).await.unwrap();
            let (public, name) = (kem().public(), "phone");
            // its own commitment to a number that it does not know yet is not possible: it takes the one it was given
            say(
                &mut to_old,
                &(4u8, &public, name, ByteArray::new(comparing.commitment)),
            )
            .await;
            let answer = next(&mut to_old).await.unwrap();
            to_new.send(answer).await.unwrap();
            let revealed = next(&mut to_new).await.unwrap();
            to_old.send(revealed).await.unwrap();
        };
        let kem_of_new = kem();
        let (shown, by_new, ()) = tokio::join!(
            show(&mut here, &old, 4),
            commit(&mut there, &new, &kem_of_new, "phone", [5; 32]),
            between
        );
        // a commitment that is passed on is for another key
        assert!(matches!(shown, Err(PodError::Refused(_))), "{shown:?}");
        assert!(by_new.is_ok());

        // with nonces of its own both go through, and show what one guess in 2^42 makes the same
        for guess in 0..32u8 {
            let (mut there, mut to_new) = link(&middle, &new, 0);
            let (mut to_old, mut here) = link(&old, &middle, 0);
            let kem = kem();
            let (shown, to_it, by_it, by_new) = tokio::join!(
                show(&mut here, &old, 4),
                commit(&mut to_old, &middle, &kem, "phone", [guess; 32]),
                show(&mut to_new, &middle, guess),
                commit(&mut there, &new, &kem, "phone", [5; 32]),
            );
            assert_eq!(shown.as_ref().unwrap(), &to_it.unwrap());
            assert_eq!(by_it.unwrap(), *by_new.as_ref().unwrap());
            assert_ne!(shown.unwrap(), by_new.unwrap());
        }
    }

    #[tokio::test]
    async fn nothing_but_the_number_of_the_commitment_is_taken() {
        let (old, new) = (key(1), key(2));
        let public = kem().public();
        let (mut there, mut here) = link(&old, &new, 0);
        let lie = async {
            say(
                &mut there,
                &(4u8, &public, "phone", ByteArray::new([1; 32])),
            )
            .await;
            next(&mut there).await.unwrap();
            say(&mut there, &(6u8, ByteArray::new([1u8; 32]))).await;
        };
        let (shown, ()) = tokio::join!(show(&mut here, &old, 4), lie);
        assert!(matches!(shown, Err(PodError::Refused(_))), "{shown:?}");
    }

    #[tokio::test]
    async fn other_messages_than_the_next_are_refused() {
        let (old, new) = (key(1), key(2));
        let public = kem().public();
        let hash = || ByteArray::new([1u8; 32]);
        // at the beginning
        for number in [0u8, 2, 3, 5, 6, 7] {
            let (mut there, mut here) = link(&old, &new, 0);
            say(&mut there, &(number, &public, "phone", hash())).await;
            assert!(show(&mut here, &old, 4).await.is_err(), "{number}");
        }
        let (mut there, mut here) = link(&old, &new, 0);
        say(&mut there, &(6u8, hash())).await;
        assert!(matches!(
            show(&mut here, &old, 4).await,
            Err(PodError::Peer(_))
        ));
        // after the commitment
        for number in [0u8, 1, 4, 5, 7] {
            let (mut there, mut here) = link(&old, &new, 0);
            say(&mut there, &(4u8, &public, "phone", hash())).await;
            say(&mut there, &(number, hash())).await;
            let shown = show(&mut here, &old, 4).await;
            assert!(
                matches!(shown, Err(PodError::Peer(_))),
                "{number}: {shown:?}"
            );
        }
        // at the new device, which then has told nobody its number
        for number in [1u8, 2, 4, 6, 7] {
            let (mut there, mut here) = link(&old, &new, 0);
            say(&mut here, &(number, hash())).await;
            let shown = commit(&mut there, &new, &kem(), "phone", [5; 32]).await;
            assert!(
                matches!(shown, Err(PodError::Peer(_))),
                "{number}: {shown:?}"
            );
            next(&mut here).await.unwrap();
            drop(there);
            assert!(next(&mut here).await.is_err());
        }
        // what a person says, before or in place of it
        for message in [
            encode(&(7u8,)),
            encode(&(6u8, true)),
            encode(&(2u8, hash())),
        ] {
            let (mut there, mut here) = link(&old, &new, 0);
            there.send(message.unwrap()).await.unwrap();
            let agreed = agree(&mut here, std::future::pending(), soon_over()).await;
            assert!(matches!(agreed, Err(PodError::Peer(_))), "{agreed:?}");
        }
        // names are as those that prove something
        let (mut there, mut here) = link(&old, &new, 0);
        say(&mut there, &(4u8, &public, "a\nb", hash())).await;
        assert!(show(&mut here, &old, 4).await.is_err());
    }

    #[tokio::test]
    async fn neither_side_takes_the_other_way() {
        let (old, new) = (key(1), key(2));
        // the code had a secret, and the new device was given none of it
        let (mut there, mut here) = link(&old, &new, 0);
        let (kem, own) = (kem(), old.public());
        let (greeted, compared) = tokio::join!(
            greet(&mut here, &own, &[7; 32], Role::Admin),
            commit(&mut there, &new, &kem, "phone", [5; 32]),
        );
        assert!(matches!(greeted.err(), Some(PodError::Refused(_))));
        let why = compared.unwrap_err();
        assert!(why.to_string().contains("copy all of it"), "{why}");
        // the code has no secret, and the new device believes to know it
        let (mut there, mut here) = link(&old, &new, 0);
        let (heard, proved) = tokio::join!(
            hear(&mut here, Role::Admin),
            prove(&mut there, &new, &kem, "phone", &[7; 32]),
        );
        assert!(matches!(heard.err(), Some(PodError::Refused(_))));
        proved.unwrap();
    }

    fn soon_over() -> Instant {
        Instant::now() + Duration::from_millis(200)
    }

    #[tokio::test]
    async fn two_yeses_it_takes_in_time() {
        let (old, new) = (key(1), key(2));
        for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
            let (mut there, mut here) = link(&old, &new, 0);
            let until = Instant::now() + STEP;
            let (one, other) = tokio::join!(
                agree(&mut here, async { a }, until),
                agree(&mut there, async { b }, until)
            );
            for agreed in [one, other] {
                match agreed {
                    Ok(()) => assert!(a && b),
                    Err(PodError::NotConfirmed) => assert!(!a || !b),
                    // its own no could not be told any more
                    Err(error) => assert!(!a && !b, "{error}"),
                }
            }
        }
        // a no is heard by who still looks
        let (mut there, mut here) = link(&old, &new, 0);
        let (one, other) = tokio::join!(
            agree(&mut here, async { false }, Instant::now() + STEP),
            agree(&mut there, std::future::pending(), Instant::now() + STEP)
        );
        assert!(matches!(
            (one, other),
            (Err(PodError::NotConfirmed), Err(PodError::NotConfirmed))
        ));
        // and so is the end of the time, also by who has said yes
        let (mut there, mut here) = link(&old, &new, 0);
        let (one, other) = tokio::join!(
            agree(&mut here, std::future::pending(), soon_over()),
            agree(&mut there, async { true }, Instant::now() + STEP)
        );
        assert!(matches!(
            (one, other),
            (Err(PodError::Request(_)), Err(PodError::NotConfirmed))
        ));
    }
}
