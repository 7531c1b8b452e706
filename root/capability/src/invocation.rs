//! Invocations: somebody asks that something be done, and says by what right.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use rhizome_ipld::{Cid, PublicKey};

use crate::chain::MAX_CHAIN;
use crate::envelope::{Envelope, Fields, Kind, Unsigned, check_time};
use crate::{CapabilityError, Command, Principal, Resolver, Signer};

/// An invocation, well-formed. Whether it may be executed says [`crate::Context::verify`].
#[derive(Debug)]
pub struct Invocation {
    envelope: Envelope,
    issuer: Principal,
    subject: Principal,
    audience: Option<Principal>,
    command: Command,
    /// Always a map.
    arguments: Ipld,
    proofs: Vec<Cid>,
    nonce: Vec<u8>,
    meta: BTreeMap<String, Ipld>,
    expires: Option<u64>,
    issued_at: Option<u64>,
    cause: Option<Cid>,
}

impl Invocation {
    /// Begins an invocation of `command` on what belongs to `subject`.
    pub fn on(subject: Principal, command: Command) -> InvocationBuilder {
        InvocationBuilder {
            subject,
            audience: None,
            command,
            arguments: BTreeMap::new(),
            proofs: Vec::new(),
            meta: BTreeMap::new(),
            expires: None,
            issued_at: None,
            cause: None,
        }
    }

    /// Reads an invocation of at most [`crate::MAX_TOKEN`] bytes.
    ///
    /// # Errors
    /// What is wrong with its form. The signature is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, CapabilityError> {
        match Envelope::open(bytes)? {
            (envelope, Kind::Invocation, fields) => Self::read(envelope, fields),
            _ => Err(CapabilityError::Kind),
        }
    }

    pub(crate) fn read(envelope: Envelope, mut fields: Fields) -> Result<Self, CapabilityError> {
        let invocation = Self {
            envelope,
            issuer: fields.principal("iss")?,
            subject: fields.principal("sub")?,
            audience: fields.optional_principal("aud")?,
            command: fields.command()?,
            arguments: match fields.required("args")? {
                map @ Ipld::Map(_) => map,
                _ => {
                    return Err(CapabilityError::Claim {
                        field: "args",
                        reason: "must be a map",
                    });
                }
            },
            proofs: proofs(&fields.list("prf")?)?,
            nonce: fields.bytes("nonce")?,
            meta: fields.optional_map("meta")?,
            expires: fields.time_or_null("exp")?,
            issued_at: fields.optional_time("iat")?,
            cause: fields.optional_link("cause")?,
        };
        fields.end()?;
        Ok(invocation)
    }

    /// The token as bytes.
    pub fn bytes(&self) -> &[u8] {
        self.envelope.bytes()
    }

    /// The token's name.
    pub fn cid(&self) -> &Cid {
        self.envelope.cid()
    }

    /// The name of the payload alone.
    pub fn payload_cid(&self) -> &Cid {
        self.envelope.payload()
    }

    /// Who asks.
    pub fn issuer(&self) -> &Principal {
        &self.issuer
    }

    /// Whose things these are.
    pub fn subject(&self) -> &Principal {
        &self.subject
    }

    /// Who is to do it: the subject if nobody else is named.
    pub fn audience(&self) -> &Principal {
        self.audience.as_ref().unwrap_or(&self.subject)
    }

    /// What to do.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// With what: a map.
    pub fn arguments(&self) -> &Ipld {
        &self.arguments
    }

    /// One of the arguments.
    pub fn argument(&self, name: &str) -> Option<&Ipld> {
        match &self.arguments {
            Ipld::Map(map) => map.get(name),
            _ => None,
        }
    }

    /// By what right: delegations, from that of the subject to that for the issuer.
    pub fn proofs(&self) -> &[Cid] {
        &self.proofs
    }

    /// Makes it unique.
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    /// What the issuer says besides.
    pub fn meta(&self) -> &BTreeMap<String, Ipld> {
        &self.meta
    }

    /// The last second of its validity, if it has an end.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// When the issuer says that it was made. Only a claim.
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// The receipt that asked for this.
    pub fn cause(&self) -> Option<&Cid> {
        self.cause.as_ref()
    }

    /// Whether it is valid at this second.
    ///
    /// # Errors
    /// [`CapabilityError::Expired`].
    pub fn check_time(&self, now: u64) -> Result<(), CapabilityError> {
        check_time(None, self.expires, now)
    }

    /// Whether the issuer signed this. It says nothing about what he may do.
    ///
    /// # Errors
    /// [`CapabilityError::IssuerKey`], [`CapabilityError::Signature`].
    pub fn verify_signature(&self, resolver: &dyn Resolver) -> Result<(), CapabilityError> {
        self.envelope.verify(&self.issuer, resolver)
    }
}

fn proofs(list: &[Ipld]) -> Result<Vec<Cid>, CapabilityError> {
    let error = |reason| CapabilityError::Claim {
        field: "prf",
        reason,
    };
    if list.len() > MAX_CHAIN {
        return Err(error("must have at most 32 proofs"));
    }
    let link = |value: &Ipld| match value {
        Ipld::Link(cid) => Ok(*cid),
        _ => Err(error("must be a list of links")),
    };
    list.iter().map(link).collect()
}

impl PartialEq for Invocation {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// An invocation in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct InvocationBuilder {
    subject: Principal,
    audience: Option<Principal>,
    command: Command,
    arguments: BTreeMap<String, Ipld>,
    proofs: Vec<Cid>,
    meta: BTreeMap<String, Ipld>,
    expires: Option<u64>,
    issued_at: Option<u64>,
    cause: Option<Cid>,
}

impl InvocationBuilder {
    /// Who is to do it, unless that is the subject.
    pub fn audience(mut self, audience: Principal) -> Self {
        self.audience = Some(audience);
        self
    }

    /// An argument.
    pub fn argument(mut self, name: &str, value: impl Into<Ipld>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }

    /// By what right: delegations, from that of the subject to that for the issuer, as [`crate::Proofs::search`] finds them.
    pub fn proofs(mut self, proofs: impl IntoIterator<Item = Cid>) -> Self {
        self.proofs.extend(proofs);
        self
    }

    /// Something to say besides.
    pub fn meta(mut self, name: &str, value: impl Into<Ipld>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }

    /// The last second of its validity. Without it no [`crate::Executor`] takes it; a few minutes are usual.
    pub fn expires(mut self, time: u64) -> Self {
        self.expires = Some(time);
        self
    }

    /// When it is made.
    pub fn issued_at(mut self, time: u64) -> Self {
        self.issued_at = Some(time);
        self
    }

    /// The receipt that asked for this.
    pub fn cause(mut self, receipt: Cid) -> Self {
        self.cause = Some(receipt);
        self
    }

    /// Signs it. `nonce`: 12 random bytes or more, so that the same may be asked twice.
    ///
    /// # Errors
    /// [`CapabilityError::Claim`] for times and proofs out of bounds, [`CapabilityError::Codec`] for what cannot be encoded or is too
    /// long.
    pub fn sign(
        self,
        signer: &(impl Signer + ?Sized),
        nonce: &[u8],
    ) -> Result<Invocation, CapabilityError> {
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
    ) -> Result<Unsigned<Invocation>, CapabilityError> {
        let mut payload = BTreeMap::from(
            [
                ("iss", Ipld::from(issuer.as_str())),
                ("sub", Ipld::from(self.subject.did())),
                ("cmd", Ipld::from(self.command.as_str())),
                ("args", Ipld::Map(self.arguments)),
                (
                    "prf",
                    self.proofs
                        .into_iter()
                        .map(Ipld::Link)
                        .collect::<Vec<_>>()
                        .into(),
                ),
                ("nonce", Ipld::Bytes(nonce.to_vec())),
                ("exp", self.expires.map_or(Ipld::Null, Ipld::from)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let mut optional = |name: &str, value: Option<Ipld>| {
            if let Some(value) = value {
                payload.insert(name.to_owned(), value);
            }
        };
        optional(
            "aud",
            self.audience.map(|audience| audience.as_str().into()),
        );
        optional("iat", self.issued_at.map(Ipld::from));
        optional("cause", self.cause.map(Ipld::Link));
        optional(
            "meta",
            (!self.meta.is_empty()).then_some(Ipld::Map(self.meta)),
        );
        Unsigned::new(Kind::Invocation, key, payload, Invocation::decode)
    }
}
