//! Revocations: a delegation counts no more, for ever.

use std::collections::{BTreeSet, HashMap};

use ipld_core::ipld::Ipld;
use rhizome_ipld::{Cid, PublicKey};

use crate::envelope::Unsigned;
use crate::{CapabilityError, Command, Context, Delegation, Invocation, Principal, Proofs, Signer};

/// The argument that names the token.
const TOKEN: &str = "ucan";
/// The argument that names its payload.
const PAYLOAD: &str = "payload";

/// A verified revocation: an invocation of `/ucan/revoke` whose subject is who revokes. It names the delegation by its CID and by that
/// of its payload, so that the same grant under another signature or tag is revoked with it.
///
/// It has an effect in the chains in which the revoker is the issuer of the delegation or stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    revoker: String,
    token: Cid,
    payload: Option<Cid>,
}

impl Revocation {
    /// Signs a revocation of `delegation`, in the name of the signer's DID.
    ///
    /// # Errors
    /// [`CapabilityError::Signer`].
    pub fn sign(
        delegation: &Delegation,
        signer: &(impl Signer + ?Sized),
    ) -> Result<Invocation, CapabilityError> {
        Self::unsigned(delegation, &signer.issuer(), &signer.key())?.sign(signer)
    }

    /// The same for a key that signs elsewhere.
    ///
    /// # Errors
    /// [`CapabilityError::Did`], [`CapabilityError::Codec`].
    pub fn unsigned(
        delegation: &Delegation,
        issuer: &Principal,
        key: &PublicKey,
    ) -> Result<Unsigned<Invocation>, CapabilityError> {
        // To revoke twice is to revoke once: no nonce is needed, and there is no end.
        Invocation::on(issuer.did().parse()?, Command::REVOKE.parse()?)
            .argument(TOKEN, *delegation.cid())
            .argument(PAYLOAD, *delegation.payload_cid())
            .unsigned(issuer, key, &[])
    }

    /// Reads and verifies a revocation: the signature of the revoker, or of somebody to whom the revoker delegated `/ucan/revoke` with
    /// proofs that are valid now.
    ///
    /// # Errors
    /// [`CapabilityError::Kind`] if it is another invocation, and those of [`Context::verify`].
    pub fn verify(
        invocation: &Invocation,
        proofs: &Proofs,
        context: &Context<'_>,
    ) -> Result<Self, CapabilityError> {
        if invocation.command().as_str() != Command::REVOKE {
            return Err(CapabilityError::Kind);
        }
        let claim = CapabilityError::Claim {
            field: "args",
            reason: "a revocation has a link `ucan`, perhaps a link `payload`, and nothing else",
        };
        let Ipld::Map(arguments) = invocation.arguments() else {
            return Err(claim);
        };
        let (token, payload) = match (arguments.get(TOKEN), arguments.get(PAYLOAD)) {
            (Some(Ipld::Link(token)), None) if arguments.len() == 1 => (*token, None),
            (Some(Ipld::Link(token)), Some(Ipld::Link(payload))) if arguments.len() == 2 => {
                (*token, Some(*payload))
            }
            _ => return Err(claim),
        };
        context.verify(invocation, proofs)?;
        Ok(Self {
            revoker: invocation.subject().did().to_owned(),
            token,
            payload,
        })
    }

    /// Who revokes: a DID.
    pub fn revoker(&self) -> &str {
        &self.revoker
    }

    /// The CID of what is revoked.
    pub fn token(&self) -> &Cid {
        &self.token
    }

    /// Says which payload the token has, if the revocation itself does not, as those of other implementations.
    pub fn complete(&mut self, delegation: &Delegation) {
        if *delegation.cid() == self.token && self.payload.is_none() {
            self.payload = Some(*delegation.payload_cid());
        }
    }
}

/// The revocations that are known: a set that only grows, and in which the order makes no difference. Bounded; when it is full it
/// takes no more and says so, because to forget one would be to grant again.
#[derive(Debug, Clone)]
pub struct Revocations {
    /// Who revoked the token or payload of this name. The two do not meet: a payload is no envelope.
    revokers: HashMap<Cid, BTreeSet<String>>,
    len: usize,
    most: usize,
}

impl Revocations {
    /// An empty set of at most that many entries, two for each revocation.
    pub fn new(most: usize) -> Self {
        Self {
            revokers: HashMap::new(),
            len: 0,
            most,
        }
    }

    /// Takes in a revocation. Whether the revoker has a say over the token shows only in a chain, so whoever takes revocations from
    /// anybody fills this with what has no effect; see [`crate::Executor::revoke`].
    ///
    /// # Errors
    /// [`CapabilityError::Full`].
    pub fn insert(&mut self, revocation: &Revocation) -> Result<(), CapabilityError> {
        let names = [Some(revocation.token), revocation.payload];
        let new = |name: &Cid| {
            let known = self.revokers.get(name);
            !known.is_some_and(|revokers| revokers.contains(&revocation.revoker))
        };
        let new: Vec<Cid> = names.into_iter().flatten().filter(new).collect();
        if new.len() > self.most.saturating_sub(self.len) {
            return Err(CapabilityError::Full("revocations"));
        }
        for name in new {
            let revokers = self.revokers.entry(name).or_default();
            self.len += usize::from(revokers.insert(revocation.revoker.clone()));
        }
        Ok(())
    }

    /// Who revoked this delegation: DIDs, some perhaps twice. Those count who issued it or a proof before it in a chain.
    pub fn revokers(&self, delegation: &Delegation) -> impl Iterator<Item = &str> {
        [delegation.cid(), delegation.payload_cid()]
            .into_iter()
            .filter_map(|name| self.revokers.get(name))
            .flatten()
            .map(String::as_str)
    }

    /// Whether this delegation was revoked by somebody (a DID) who counts.
    pub fn contains(&self, delegation: &Delegation, counts: impl Fn(&str) -> bool) -> bool {
        !self.is_empty() && self.revokers(delegation).any(counts)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was revoked.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Revocations {
    /// A set of at most 65,536 entries.
    fn default() -> Self {
        Self::new(1 << 16)
    }
}
