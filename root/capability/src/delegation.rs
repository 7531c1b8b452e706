//! Delegations: somebody lets somebody do something to a subject.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use rhizome_ipld::{Cid, PublicKey};

use crate::envelope::{Envelope, Fields, Kind, Unsigned, check_time};
use crate::{CapabilityError, Command, Policy, Principal, Resolver, Signer};

/// A delegation, well-formed. Whether it is signed by its issuer is asked when a chain is verified, or with
/// [`verify_signature`](Self::verify_signature).
#[derive(Debug)]
pub struct Delegation {
    envelope: Envelope,
    issuer: Principal,
    audience: Principal,
    subject: Option<Principal>,
    command: Command,
    policy: Policy,
    nonce: Vec<u8>,
    meta: BTreeMap<String, Ipld>,
    not_before: Option<u64>,
    expires: Option<u64>,
}

impl Delegation {
    /// Begins a delegation to `audience`. Its subject is the issuer unless another is named.
    pub fn to(audience: Principal, command: Command) -> DelegationBuilder {
        DelegationBuilder {
            audience,
            subject: Subject::Issuer,
            command,
            policy: Policy::new(),
            meta: BTreeMap::new(),
            not_before: None,
            expires: None,
        }
    }

    /// Reads a delegation of at most [`crate::MAX_TOKEN`] bytes.
    ///
    /// # Errors
    /// What is wrong with its form. The signature is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, CapabilityError> {
        match Envelope::open(bytes)? {
            (envelope, Kind::Delegation, fields) => Self::read(envelope, fields),
            _ => Err(CapabilityError::Kind),
        }
    }

    pub(crate) fn read(envelope: Envelope, mut fields: Fields) -> Result<Self, CapabilityError> {
        let delegation = Self {
            envelope,
            issuer: fields.principal("iss")?,
            audience: fields.principal("aud")?,
            subject: fields.principal_or_null("sub")?,
            command: fields.command()?,
            policy: Policy::from_ipld(&fields.list("pol")?)?,
            nonce: fields.bytes("nonce")?,
            meta: fields.optional_map("meta")?,
            not_before: fields.optional_time("nbf")?,
            expires: fields.time_or_null("exp")?,
        };
        fields.end()?;
        Ok(delegation)
    }

    /// The token as bytes.
    pub fn bytes(&self) -> &[u8] {
        self.envelope.bytes()
    }

    /// The token's name.
    pub fn cid(&self) -> &Cid {
        self.envelope.cid()
    }

    /// The name of the payload alone, which the same grant has under every tag and signature.
    pub fn payload_cid(&self) -> &Cid {
        self.envelope.payload()
    }

    /// Who delegates.
    pub fn issuer(&self) -> &Principal {
        &self.issuer
    }

    /// To whom.
    pub fn audience(&self) -> &Principal {
        &self.audience
    }

    /// Whose things these are; `None` is a powerline: whatever the issuer may do to any subject.
    pub fn subject(&self) -> Option<&Principal> {
        self.subject.as_ref()
    }

    /// What may be done.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Of which arguments.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes it unique.
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    /// What the issuer says besides. It has no effect.
    pub fn meta(&self) -> &BTreeMap<String, Ipld> {
        &self.meta
    }

    /// The first second of its validity, if it has a beginning.
    pub fn not_before(&self) -> Option<u64> {
        self.not_before
    }

    /// The last second of its validity, if it has an end.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// Whether it is valid at this second.
    ///
    /// # Errors
    /// [`CapabilityError::Expired`], [`CapabilityError::TooEarly`].
    pub fn check_time(&self, now: u64) -> Result<(), CapabilityError> {
        check_time(self.not_before, self.expires, now)
    }

    /// Whether the issuer signed this.
    ///
    /// # Errors
    /// [`CapabilityError::IssuerKey`], [`CapabilityError::Signature`].
    pub fn verify_signature(&self, resolver: &dyn Resolver) -> Result<(), CapabilityError> {
        self.envelope.verify(&self.issuer, resolver)
    }
}

impl PartialEq for Delegation {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// A delegation in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct DelegationBuilder {
    audience: Principal,
    subject: Subject,
    command: Command,
    policy: Policy,
    meta: BTreeMap<String, Ipld>,
    not_before: Option<u64>,
    expires: Option<u64>,
}

#[derive(Debug, Clone)]
enum Subject {
    Issuer,
    Named(Principal),
    Powerline,
}

impl DelegationBuilder {
    /// Passes on what is somebody else's.
    pub fn subject(mut self, subject: Principal) -> Self {
        self.subject = Subject::Named(subject);
        self
    }

    /// Passes on whatever the issuer is delegated for any subject, now and later: for one's own devices.
    pub fn powerline(mut self) -> Self {
        self.subject = Subject::Powerline;
        self
    }

    /// What the arguments must satisfy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Something to say besides.
    pub fn meta(mut self, name: &str, value: impl Into<Ipld>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }

    /// The first second of its validity.
    pub fn not_before(mut self, time: u64) -> Self {
        self.not_before = Some(time);
        self
    }

    /// The last second of its validity. Without it the delegation has no end.
    pub fn expires(mut self, time: u64) -> Self {
        self.expires = Some(time);
        self
    }

    /// Signs it. `nonce`: 12 random bytes or more, so that two equal grants are two.
    ///
    /// # Errors
    /// [`CapabilityError::Policy`] for what is not portable, [`CapabilityError::Claim`] for times out of bounds,
    /// [`CapabilityError::Codec`] for what cannot be encoded or is too long.
    pub fn sign(
        self,
        signer: &(impl Signer + ?Sized),
        nonce: &[u8],
    ) -> Result<Delegation, CapabilityError> {
        self.unsigned(&signer.issuer(), &signer.key(), nonce)?
            .sign(signer)
    }

    /// The same for a key that signs elsewhere.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn unsigned(
        self,
        issuer: &Principal,
        key: &PublicKey,
        nonce: &[u8],
    ) -> Result<Unsigned<Delegation>, CapabilityError> {
        self.policy.check_portable()?;
        let subject = match &self.subject {
            Subject::Issuer => Ipld::from(issuer.did()),
            Subject::Named(subject) => Ipld::from(subject.did()),
            Subject::Powerline => Ipld::Null,
        };
        let expires = self.expires.map_or(Ipld::Null, Ipld::from);
        let mut payload = BTreeMap::from(
            [
                ("iss", Ipld::from(issuer.as_str())),
                ("aud", Ipld::from(self.audience.as_str())),
                ("sub", subject),
                ("cmd", Ipld::from(self.command.as_str())),
                ("pol", Ipld::List(self.policy.to_ipld())),
                ("nonce", Ipld::Bytes(nonce.to_vec())),
                ("exp", expires),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if let Some(time) = self.not_before {
            payload.insert("nbf".to_owned(), Ipld::from(time));
        }
        if !self.meta.is_empty() {
            payload.insert("meta".to_owned(), Ipld::Map(self.meta));
        }
        Unsigned::new(Kind::Delegation, key, payload, Delegation::decode)
    }
}
