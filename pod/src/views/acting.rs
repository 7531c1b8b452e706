//! A link's keys are those of devices; in a view one acts by another. Whoever does signs what only this link has, so that a recorded
//! signature is of no use on any other.

use rhizome_identity::Did;
use rhizome_ipld::{HashKind, Payload, PublicKey, Signed, SigningKey, Verified, codec, varsig};
use rhizome_network::Link;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};

use crate::PodError;

/// What one who acts says. The number is that of the message it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// Who dials: let me in.
    Enter = 3,
    /// Who dials: show me the device log.
    ShowLog = 4,
    /// Who dials: tell me when there is something new.
    Watch = 5,
    /// Who was dialled: I have the keys too.
    Here = 6,
}

/// What is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    /// Which link: what both its ends have and nobody else.
    link: ByteArray<32>,
    pod: Did,
    /// Who acts.
    key: PublicKey,
    /// The key of the end that dialled.
    from: PublicKey,
    /// The key of the end that was dialled.
    to: PublicKey,
    say: u8,
}

impl Payload for Act {
    const DOMAIN: &'static str = "rhizome/act@1";
    const MAX_LEN: usize = 512;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.key
    }
}

/// A link between two devices, as both its ends name it.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    link: [u8; 32],
    from: PublicKey,
    to: PublicKey,
}

impl Ends {
    /// Of a link that this device, whose key it is, has dialled.
    pub fn dialled(link: &Link, own: PublicKey) -> Self {
        Self {
            link: link.keying(),
            from: own,
            to: link.peer(),
        }
    }

    /// Of a link that came to this device.
    pub fn answered(link: &Link, own: PublicKey) -> Self {
        Self {
            link: link.keying(),
            from: link.peer(),
            to: own,
        }
    }

    fn act(&self, pod: Did, key: PublicKey, say: Say) -> Act {
        Act {
            link: ByteArray::new(self.link),
            pod,
            key,
            from: self.from,
            to: self.to,
            say: say as u8,
        }
    }
}

/// A claim to act in a view: not to be believed before [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acting {
    pub did: Did,
    pub key: PublicKey,
    signature: ByteArray<64>,
}

impl Acting {
    /// For this link.
    pub fn sign(ends: &Ends, did: Did, key: &SigningKey, say: Say) -> Result<Self, PodError> {
        let act = ends.act(did, key.public(), say);
        let signed = Verified::sign(act, key).map_err(|e| PodError::Peer(e.to_string()))?;
        Ok(Self {
            did,
            key: key.public(),
            signature: ByteArray::new(*signed.signature().1),
        })
    }

    /// The key, if this was signed by it, for this link and to say that.
    pub fn verify(&self, ends: &Ends, say: Say) -> Option<PublicKey> {
        let payload = codec::encode(&ends.act(self.did, self.key, say)).ok()?;
        let header = varsig::Algorithm::of(&self.key).header();
        let envelope = codec::encode(&(
            Bytes::new(&payload),
            Bytes::new(header),
            Bytes::new(&*self.signature),
        ));
        let signed = Signed::<Act>::from_bytes(&envelope.ok()?).ok()?;
        Some(signed.verify().ok()?.key)
    }

    /// As it is in a message.
    pub fn parts(&self) -> (Did, PublicKey, ByteArray<64>) {
        (self.did, self.key, self.signature)
    }

    /// As it was in one.
    pub fn of((did, key, signature): (Did, PublicKey, ByteArray<64>)) -> Self {
        Self {
            did,
            key,
            signature,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_one_link_one_view_one_side_and_one_thing() {
        let key = |n| SigningKey::from_seed([n; 32]);
        let did = |n| Did::from_key(key(n).public());
        let ends = Ends {
            link: [1; 32],
            from: key(1).public(),
            to: key(2).public(),
        };
        let act = Acting::sign(&ends, did(8), &key(3), Say::Enter).unwrap();
        assert_eq!(act.verify(&ends, Say::Enter), Some(key(3).public()));
        assert_eq!(Acting::of(act.parts()), act);
        // recorded, and used elsewhere
        let other = Ends {
            link: [2; 32],
            ..ends
        };
        assert_eq!(act.verify(&other, Say::Enter), None);
        let back = Ends {
            from: ends.to,
            to: ends.from,
            ..ends
        };
        assert_eq!(act.verify(&back, Say::Enter), None);
        for say in [Say::ShowLog, Say::Watch, Say::Here] {
            assert_eq!(act.verify(&ends, say), None);
        }
        let elsewhere = Acting {
            did: did(9),
            ..act.clone()
        };
        assert_eq!(elsewhere.verify(&ends, Say::Enter), None);
        let somebody = Acting {
            key: key(4).public(),
            ..act
        };
        assert_eq!(somebody.verify(&ends, Say::Enter), None);
    }
}
