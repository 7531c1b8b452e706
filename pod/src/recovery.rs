//! Recovery with friends: people who together may decide who you are, when the words are lost or stolen, or a thief's device stands above
//! your own. They sign; nothing is split, and none of them can read anything.
//!
//! Each friend gives you a *card* once. Cards and words make the policies. Later a device of yours makes a *request*, the friends look at
//! it and sign, each a copy, and with enough of the answers the request takes effect: from then on that device is your only one, and new
//! words replace the old.

use data_encoding::BASE32_NOPAD;
use rhizome_identity::{
    Action, Device, Did, Log, Policy, Proposal, Recovery, RecoveryWords, Reveal, Role,
};
use rhizome_ipld::{PublicKey, codec};
use serde_bytes::ByteBuf;
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use crate::{Pod, PodError, home::random_bytes};

/// What a card begins with.
const CARD: &str = "rhizome-friend:";
/// Bytes of a card.
const MAX_CARD: usize = 128;
/// Bytes of a request or an answer that are read.
pub const MAX_RECOVERY_FILE: usize = 8 << 20;

/// A friend's request, verified as far as it can be.
#[derive(Clone, Debug)]
pub struct FriendRequest {
    /// Who asks to be recovered.
    pub did: Did,
    /// The only devices from then on.
    pub devices: Vec<PublicKey>,
    /// How many friends have to sign.
    pub need: usize,
    log: Log,
    proposal: Proposal,
}

fn wrong(what: &str) -> PodError {
    PodError::Request(what.into())
}

fn parse_card(text: &str) -> Result<Reveal, PodError> {
    let bad =
        || wrong("this is not a friend's card: copy all of it, from `rhizome-friend:` to the end");
    let text = text.trim().strip_prefix(CARD).ok_or_else(bad)?;
    let bytes = BASE32_NOPAD
        .decode(text.to_ascii_uppercase().as_bytes())
        .map_err(|_| bad())?;
    codec::decode(&bytes, MAX_CARD).map_err(|_| bad())
}

fn parse_cards(texts: &[String]) -> Result<Vec<Reveal>, PodError> {
    texts.iter().map(|text| parse_card(text)).collect()
}

impl FriendRequest {
    /// Reads a request or an answer.
    ///
    /// # Errors
    /// [`PodError::Request`] if it is none, or does not follow from the device log in it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PodError> {
        let bad = |_| wrong("this is not a request for recovery");
        let (log, proposal): (ByteBuf, ByteBuf) =
            codec::decode(bytes, MAX_RECOVERY_FILE).map_err(bad)?;
        let log = Log::from_car(&log)?;
        let proposal = Proposal::from_bytes(&proposal)?;
        let Action::Recover(recover) = proposal.action() else {
            return Err(wrong("it asks for something else than a recovery"));
        };
        Ok(Self {
            did: log.did(),
            devices: recover.devices.iter().map(|d| d.key).collect(),
            need: recover.reveals.len(),
            log,
            proposal,
        })
    }

    /// For the way to a friend, or back.
    ///
    /// # Errors
    /// The codec's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PodError> {
        let log = ByteBuf::from(self.log.to_car()?);
        let proposal = ByteBuf::from(self.proposal.to_bytes()?);
        codec::encode(&(log, proposal)).map_err(|e| PodError::Peer(e.to_string()))
    }

    /// As commands print it.
    pub fn to_json(&self) -> Json {
        json!({
            "did": self.did.to_string(),
            "devices": self.devices.iter().map(PublicKey::to_did_key).collect::<Vec<_>>(),
            "need": self.need,
            "missing": self.proposal.missing().count(),
        })
    }
}

impl Pod {
    /// A card for a friend to put among those who may recover the friend's identity. It is about this device's key, and tells nobody
    /// anything but that.
    ///
    /// # Errors
    /// The codec's.
    pub fn friend_card(&self) -> Result<String, PodError> {
        let bytes = codec::encode(&self.reveal()).map_err(|e| PodError::Peer(e.to_string()))?;
        Ok(format!(
            "{CARD}{}",
            BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
        ))
    }

    /// How this device stands in the policies of others. The salt comes from the key, so nothing has to be kept.
    fn reveal(&self) -> Reveal {
        let key = self.signing_key();
        let mark = key.sign(b"rhizome friend card v1");
        Reveal {
            salt: blake3::derive_key("rhizome friend card salt v1", &mark),
            key: key.public(),
        }
    }

    /// Who may take this identity back, the strongest first: `[{"need", "of"}…]`.
    pub fn recovery_policies(&self) -> Json {
        let trust = self.trust();
        let policies = trust.set().resolution().policies.iter();
        policies
            .map(|p| json!({ "need": p.k, "of": p.keys.len() }))
            .collect()
    }

    /// Puts friends above the recovery words: `need` of them together decide, also against whoever has the words.
    ///
    /// # Errors
    /// [`PodError::Request`] for a card that is none or stands there twice; [`PodError::Identity`] if the words are not the strongest policy
    /// now.
    pub fn set_friends(&self, words: &str, need: u8, cards: &[String]) -> Result<(), PodError> {
        let words = RecoveryWords::parse(words)?;
        let reveals = parse_cards(cards)?;
        let friends = Policy::of(need, &reveals);
        if friends.keys.len() < reveals.len() {
            return Err(wrong("one of the cards is there twice"));
        }
        let (_, log) = self.device_log();
        let policies = log.resolve().policies;
        let index = words.verify(&policies)?;
        let others = policies
            .iter()
            .filter(|p| **p != words.policy() && **p != friends);
        let mut all = vec![friends.clone(), words.policy()];
        all.extend(others.cloned());
        let mut proposal = log.set_policies(index, vec![words.reveal()], all)?;
        proposal.sign(&words.key())?;
        Ok(self.member().take_operation(proposal.complete()?)?)
    }

    /// Makes a request to friends, by their cards: that this device be the only one. Also gives new words, to be written down now; they
    /// are in force when the request is, and come in place of those of now.
    ///
    /// # Errors
    /// [`PodError::Request`] if these friends are too few.
    pub fn ask_friends(
        &self,
        cards: &[String],
    ) -> Result<(FriendRequest, Zeroizing<String>), PodError> {
        let mut reveals = parse_cards(cards)?;
        let (did, log) = self.device_log();
        let policies = log.resolve().policies;
        let listed = |p: &Policy, r: &Reveal| p.keys.iter().any(|k| **k == r.hidden());
        let index = policies
            .iter()
            .position(|p| reveals.iter().filter(|r| listed(p, r)).count() >= usize::from(p.k));
        let Some((index, policy)) = index.and_then(|i| Some((i, policies.get(i)?))) else {
            return Err(wrong(
                "these cards are too few, or not those of the friends you chose: `rhizome recovery` says how many are needed",
            ));
        };
        reveals.retain(|r| listed(policy, r));
        reveals.truncate(policy.k.into());
        let words = RecoveryWords::generate(&mut random_bytes()?);
        // the stronger ones cannot be changed; the weaker ones, the words of now among them, end
        let mut after = policies.get(..=index).unwrap_or_default().to_vec();
        after.push(words.policy());
        let own = self.signing_key();
        let device = Device {
            key: own.public(),
            kem: self.member().keys().kem().public(),
            role: Role::Admin,
        };
        let mut proposal = log.recover(Recovery {
            index,
            reveals,
            devices: vec![device],
            policies: after,
            seal: self.member().heads_of_others()?,
        })?;
        proposal.sign(&own)?;
        let request = FriendRequest {
            did,
            devices: vec![own.public()],
            need: policy.k.into(),
            log,
            proposal,
        };
        Ok((request, words.phrase()))
    }

    /// Signs a friend's request. Whoever does should have heard from the friend, in their voice, that it is theirs.
    ///
    /// # Errors
    /// [`PodError::Identity`] if this device is not among those asked.
    pub fn help_friend(&self, mut request: FriendRequest) -> Result<FriendRequest, PodError> {
        request.proposal.sign(&self.signing_key())?;
        Ok(request)
    }

    /// Puts a request into force, with the answers of the friends and the new words as read from paper.
    ///
    /// # Errors
    /// [`PodError::Identity`] if signatures are missing, or the words are not those of the request.
    pub fn finish_recovery(
        &self,
        answers: Vec<FriendRequest>,
        words: &str,
    ) -> Result<(), PodError> {
        let words = RecoveryWords::parse(words)?;
        let mut answers = answers.into_iter().map(|a| a.proposal);
        let mut all = answers.next().ok_or_else(|| wrong("no answer was given"))?;
        for answer in answers {
            all.merge(&answer)?;
        }
        let Action::Recover(recover) = all.action() else {
            return Err(wrong("it asks for something else than a recovery"));
        };
        words.verify(&recover.policies)?;
        let operation = all.complete()?;
        // before the operation, so that what is sealed because of it is sealed for the new words
        let typed = RecoveryWords::parse(&words.phrase())?;
        {
            let mut keys = self.member().keys();
            keys.keep_words(words);
            keys.save(&mut random_bytes()?)?;
        }
        self.member().take_operation(operation)?;
        // whoever has the old words can open the epochs of before
        self.member().renew()?;
        let mut keys = self.member().keys();
        keys.confirm_words(&typed)?;
        keys.save(&mut random_bytes()?)?;
        Ok(())
    }
}
