//! An invitation to have a pod kept: delegations of the peer (UCAN) for `/pod/host/store`, and the key they are for.
//!
//! Made for nobody in particular it carries a key of its own, and whoever has it can use it. Made for a device it carries none, and is of no
//! use to others. Either way its holder can pass on a part of it without asking the peer, and it never goes over a link: what does is an
//! invocation for one device of one pod.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::BASE32_NOPAD;
use rhizome_capability::{
    Command, Container, Context, Delegation, Invocation, Ipld, Policy, Principal, Signer,
    container::{self, Framing, Limits},
};
use rhizome_identity::Did;
use rhizome_ipld::{PublicKey, SigningKey, codec};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use crate::{Pod, PodError, home::random_bytes};

/// What is delegated.
const STORE: &str = "/pod/host/store";
/// Of what goes over a link, and of what stands behind an address.
const LIMITS: Limits = Limits {
    bytes: 48 << 10,
    tokens: 40,
};
const QUOTA: &str = ".quota";

/// For whom a part of an invitation is to be, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The one device that may use it; without it whoever has it.
    pub to: Option<PublicKey>,
    /// Bytes that a pod may take.
    pub quota: Option<u64>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
}

/// An invitation.
pub struct Grant {
    /// The one it is for, unless it is for a device.
    key: Option<SigningKey>,
    /// From the peer's on.
    chain: Vec<Arc<Delegation>>,
}

/// Who has it can use it.
#[derive(Serialize, Deserialize)]
struct Kept(Option<ByteArray<32>>, Vec<ByteBuf>);

/// What a device asks for, as far as the peer can tell from what it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The CID of the delegation that the peer made.
    pub root: String,
    /// Bytes, if it was said how many.
    pub quota: Option<u64>,
}

fn wrong(what: impl fmt::Display) -> PodError {
    PodError::Request(format!("this is not an invitation: {what}"))
}

fn store() -> Result<Command, PodError> {
    STORE.parse().map_err(wrong)
}

fn nonce() -> Result<[u8; 12], PodError> {
    let mut nonce = [0; 12];
    random_bytes()?(&mut nonce);
    Ok(nonce)
}

impl Grant {
    /// One that a peer makes.
    ///
    /// # Errors
    /// Those of randomness.
    pub fn new(peer: &SigningKey, part: &Part) -> Result<Self, PodError> {
        Self::append(Vec::new(), peer, peer.public(), part)
    }

    /// Whether it is for one device: of no use to others.
    pub fn is_for_a_device(&self) -> bool {
        self.key.is_none()
    }

    /// A part of it for somebody else, made by whoever has it. What it says beyond what there is has no effect.
    ///
    /// # Errors
    /// [`PodError::Refused`] if it is for one device: [`Pod::pass_on`] there.
    pub fn pass_on(&self, part: &Part) -> Result<Self, PodError> {
        match &self.key {
            Some(key) => self.pass_on_by(key, part),
            None => Err(PodError::Refused("the invitation is for one device".into())),
        }
    }

    fn pass_on_by(&self, own: &SigningKey, part: &Part) -> Result<Self, PodError> {
        let peer = self.peer().ok_or_else(|| wrong("it is empty"))?;
        Self::append(self.chain.clone(), self.holder(own)?, peer, part)
    }

    fn append(
        mut chain: Vec<Arc<Delegation>>,
        signer: &SigningKey,
        peer: PublicKey,
        part: &Part,
    ) -> Result<Self, PodError> {
        let mut key = None;
        if part.to.is_none() {
            let mut seed = Zeroizing::new([0; 32]);
            random_bytes()?(&mut *seed);
            key = Some(SigningKey::from_seed(*seed));
        }
        let to = part.to.or(key.as_ref().map(SigningKey::public));
        let to = to.ok_or_else(|| wrong("it is for nobody"))?;
        let mut grant = Delegation::to(Principal::of(&to), store()?).subject(Principal::of(&peer));
        if let Some(quota) = part.quota {
            let quota = i64::try_from(quota).map_err(wrong)?;
            let policy = Policy::default().at_most(QUOTA, quota).map_err(wrong)?;
            grant = grant.policy(policy);
        }
        if let Some(end) = part.expires {
            grant = grant.expires(end);
        }
        let grant = grant.sign(signer, &nonce()?).map_err(wrong)?;
        chain.push(Arc::new(grant));
        Ok(Self { key, chain })
    }

    /// Whose it is: the key of the peer.
    pub fn peer(&self) -> Option<PublicKey> {
        self.chain.first()?.issuer().key().copied()
    }

    /// The CID of the delegation that the peer made.
    pub fn root(&self) -> Option<String> {
        Some(self.chain.first()?.cid().to_string())
    }

    /// Whoever may use it.
    fn holder<'k>(&'k self, own: &'k SigningKey) -> Result<&'k SigningKey, PodError> {
        let key = self.key.as_ref().unwrap_or(own);
        let last = self.chain.last().map(|d| d.audience());
        if last != Some(&key.issuer()) {
            return Err(PodError::Refused(
                "the invitation is for another device".into(),
            ));
        }
        Ok(key)
    }

    /// The least of what its parts say that a pod may take.
    fn quota(&self) -> Option<i128> {
        let statements = self.chain.iter().flat_map(|d| d.policy().to_ipld());
        let most = statements.filter_map(|statement| match statement {
            Ipld::List(parts) => match parts.as_slice() {
                [Ipld::String(op), Ipld::String(of), Ipld::Integer(most)]
                    if op == "<=" && of == QUOTA =>
                {
                    Some(*most)
                }
                _ => None,
            },
            _ => None,
        });
        most.min()
    }

    /// What this device of this pod brings to the peer: nobody else can use it.
    ///
    /// # Errors
    /// [`PodError::Refused`] if the invitation is for another device.
    pub(crate) fn invoke(&self, own: &SigningKey, did: &Did) -> Result<Vec<u8>, PodError> {
        let peer = self.peer().ok_or_else(|| wrong("it is empty"))?;
        let mut call = Invocation::on(Principal::of(&peer), store()?)
            .argument("pod", did.to_string())
            .argument("device", own.public().to_did_key())
            .proofs(self.chain.iter().map(|d| *d.cid()));
        if let Some(quota) = self.quota() {
            call = call.argument("quota", Ipld::Integer(quota));
        }
        let call = call.sign(self.holder(own)?, &nonce()?).map_err(wrong)?;
        let tokens = self.chain.iter().map(|d| d.bytes());
        container::write(Framing::Raw, tokens.chain([call.bytes()])).map_err(wrong)
    }

    /// For a file, or behind an address.
    ///
    /// # Errors
    /// The codec's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PodError> {
        let key = self.key.as_ref().map(|key| ByteArray::new(*key.seed()));
        let chain = self.chain.iter().map(|d| ByteBuf::from(d.bytes()));
        codec::encode(&Kept(key, chain.collect())).map_err(wrong)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`PodError::Request`] if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PodError> {
        let Kept(key, chain) = codec::decode(bytes, LIMITS.bytes).map_err(wrong)?;
        if chain.is_empty() || chain.len() >= LIMITS.tokens {
            return Err(wrong("it has no delegation, or too many"));
        }
        let chain = chain.iter();
        let chain = chain.map(|d| Delegation::decode(d).map(Arc::new).map_err(wrong));
        Ok(Self {
            key: key.map(|seed| SigningKey::from_seed(seed.into_array())),
            chain: chain.collect::<Result<_, _>>()?,
        })
    }
}

impl Pod {
    /// A part of an invitation for somebody else; it may be one for this device.
    ///
    /// # Errors
    /// [`PodError::Refused`] if it is for another device.
    pub fn pass_on(&self, grant: &Grant, part: &Part) -> Result<Grant, PodError> {
        grant.pass_on_by(&self.signing_key(), part)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes().map_err(|_| fmt::Error)?;
        f.write_str(&BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for Grant {
    type Err = PodError;

    fn from_str(text: &str) -> Result<Self, PodError> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        Self::from_bytes(&bytes.map_err(|_| wrong("it is mistyped or incomplete"))?)
    }
}

/// A device by its did:key, with or without the prefix.
///
/// # Errors
/// [`PodError::Request`] if it is none.
pub fn parse_device(text: &str) -> Result<PublicKey, PodError> {
    let wrong = |_| PodError::Request(format!("{text:.80} is no device: give its did:key"));
    let key = text.trim();
    let key = key.strip_prefix("did:key:").unwrap_or(key);
    key.parse().map_err(wrong)
}

/// At the peer: what a device brings, if it is an invocation for that device of that pod by somebody to whom this peer delegated. Which
/// delegations still hold is the caller's question. The same may be brought again: it is good for nothing else.
pub(crate) fn judge(
    peer: &PublicKey,
    device: &PublicKey,
    did: &Did,
    token: &[u8],
    now: u64,
) -> Option<Asked> {
    let tokens = Container::decode(token, LIMITS).ok()?;
    let [call] = tokens.invocations.as_slice() else {
        return None;
    };
    let text = |name| match call.argument(name) {
        Some(Ipld::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let about = *call.subject() == Principal::of(peer)
        && store().is_ok_and(|store| *call.command() == store)
        && text("pod") == Some(&did.to_string())
        && text("device") == Some(&device.to_did_key());
    if !about {
        return None;
    }
    let quota = match call.argument("quota") {
        Some(Ipld::Integer(quota)) => Some(u64::try_from(*quota).ok()?),
        _ => None,
    };
    let chain = Context::at(now).verify(call, &tokens.proofs).ok()?;
    Some(Asked {
        root: chain.first()?.to_string(),
        quota,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed([n; 32])
    }

    fn did(n: u8) -> Did {
        let mut random = |out: &mut [u8]| out.fill(n);
        let kem =
            rhizome_identity::KemSecret::from_seed(rhizome_identity::Secret::take(&mut [n; 32]));
        let words = rhizome_identity::RecoveryWords::generate(&mut random);
        let create = rhizome_identity::Create::one_device(
            key(n).public(),
            kem.public(),
            vec![words.policy()],
            vec![],
            &mut random,
        );
        let genesis = rhizome_identity::Genesis::create(create, &[&key(n)]).unwrap();
        rhizome_identity::Log::new(genesis).unwrap().did()
    }

    fn part(quota: Option<u64>, expires: Option<u64>) -> Part {
        Part {
            to: None,
            quota,
            expires,
        }
    }

    #[test]
    fn what_a_device_brings_is_good_for_it_and_its_pod_at_that_peer() {
        let (peer, device, pod) = (key(1), key(2), did(2));
        let grant = Grant::new(&peer, &part(Some(1000), Some(NOW + 10))).unwrap();
        let grant: Grant = grant.to_string().parse().unwrap();
        let token = grant.invoke(&device, &pod).unwrap();
        let judged = |peer: &SigningKey, device: &SigningKey, pod: &Did, now| {
            judge(&peer.public(), &device.public(), pod, &token, now)
        };
        let asked = judged(&peer, &device, &pod, NOW).unwrap();
        assert_eq!((Some(asked.root), asked.quota), (grant.root(), Some(1000)));
        assert_eq!(judged(&key(9), &device, &pod, NOW), None);
        assert_eq!(judged(&peer, &key(9), &pod, NOW), None);
        assert_eq!(judged(&peer, &device, &did(9), NOW), None);
        assert_eq!(judged(&peer, &device, &pod, NOW + 5000), None);
        // nobody learns the key of the invitation from it
        let seed = grant.key.as_ref().unwrap().seed();
        assert!(!token.windows(32).any(|w| w == seed.as_slice()));
    }

    #[test]
    fn a_part_is_less_and_never_more() {
        let (peer, anna, bela) = (key(1), key(2), key(3));
        let all = Grant::new(&peer, &part(Some(1000), None)).unwrap();
        let quota = |grant: &Grant, own: &SigningKey, now| {
            let token = grant.invoke(own, &did(3)).unwrap();
            judge(&peer.public(), &own.public(), &did(3), &token, now).map(|a| a.quota)
        };
        let less = all.pass_on(&part(Some(10), Some(NOW + 5))).unwrap();
        assert_eq!(quota(&less, &bela, NOW), Some(Some(10)));
        assert_eq!(quota(&less, &bela, NOW + 5000), None);
        assert_eq!(less.root(), all.root());
        let more = less.pass_on(&part(Some(5000), None)).unwrap();
        assert_eq!(quota(&more, &bela, NOW), Some(Some(10)));
        assert_eq!(quota(&more, &bela, NOW + 5000), None);
        // for one device it is a secret no longer
        let to = Part {
            to: Some(bela.public()),
            ..Part::default()
        };
        let only = all.pass_on(&to).unwrap();
        assert!(only.key.is_none());
        assert_eq!(quota(&only, &bela, NOW), Some(Some(1000)));
        assert!(matches!(
            only.invoke(&anna, &did(2)),
            Err(PodError::Refused(_))
        ));
        assert!(only.pass_on(&to).is_err() && only.pass_on_by(&anna, &to).is_err());
        assert!(only.pass_on_by(&bela, &to).is_ok());
    }

    #[test]
    fn what_is_forged_or_no_invocation_is_nothing() {
        let (peer, device, pod) = (key(1), key(2), did(2));
        let judged = |token: &[u8]| judge(&peer.public(), &device.public(), &pod, token, NOW);
        // by a peer that is another
        let forged = Grant::append(vec![], &key(8), peer.public(), &part(None, None)).unwrap();
        assert_eq!(judged(&forged.invoke(&device, &pod).unwrap()), None);
        // nobody asks for himself
        let own = Grant::new(&device, &part(None, None)).unwrap();
        assert_eq!(judged(&own.invoke(&device, &pod).unwrap()), None);
        let good = Grant::new(&peer, &part(None, None)).unwrap();
        let token = good.invoke(&device, &pod).unwrap();
        assert!(judged(&token).is_some());
        for at in 0..token.len() {
            let mut bad = token.clone();
            bad[at] ^= 1;
            assert_eq!(judged(&bad), None, "{at}");
            assert_eq!(judged(&token[..at]), None);
        }
        let bytes = good.to_bytes().unwrap();
        assert_eq!(judged(&bytes), None);
        for at in 0..bytes.len() {
            assert!(Grant::from_bytes(&bytes[..at]).is_err());
        }
    }
}
