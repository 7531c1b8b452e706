//! What can be wrong with a token, a container or a chain of proofs.

use rhizome_ipld::{Cid, CodecError};

use crate::policy::PolicyError;

/// Why a token, a container or an invocation is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The bytes are not canonical DAG-CBOR, or too long.
    #[error("not canonical DAG-CBOR: {0}")]
    Codec(#[from] CodecError),
    /// The bytes are not `[signature, {"h": header, tag: payload}]`.
    #[error("not a UCAN envelope")]
    Envelope,
    /// The type tag is of no kind or version that is accepted.
    #[error("{0:?} is not the type tag of a delegation or invocation of UCAN 1.0")]
    Tag(String),
    /// The token is of another kind than the one asked for.
    #[error("a token of another kind is needed here")]
    Kind,
    /// The varsig header is none of the accepted ones.
    #[error("the signature is none of Ed25519, P-256 and secp256k1 over DAG-CBOR")]
    Algorithm,
    /// A field is absent, has the wrong type or a value out of its bounds.
    #[error("field {field}: {reason}")]
    Claim {
        /// Its name in the payload.
        field: &'static str,
        /// What it has to be.
        reason: &'static str,
    },
    /// A field that this kind of token does not have.
    #[error("this kind of token has no field {0:?}")]
    UnknownField(String),
    /// Text that is no DID, with or without a fragment.
    #[error("not a DID")]
    Did,
    /// Text that is no command: `/`, or segments in lower case, each after a slash.
    #[error("not a command: `/`, or lower case segments that each follow a slash")]
    Command,
    /// The policy cannot be read, or must not be minted.
    #[error("policy: {0}")]
    Policy(#[from] PolicyError),
    /// The signature is not that of the issuer's key.
    #[error("the signature is not that of the issuer")]
    Signature,
    /// The issuer names no key, or one that is not his now.
    #[error("the issuer {0} names no key that is his now")]
    IssuerKey(String),
    /// A signer gave a signature that does not verify under its own key.
    #[error("the signer's signature does not verify under its key")]
    Signer,
    /// The invocation has no proofs, and its issuer is not the subject.
    #[error("an invocation without proofs must be issued by its subject")]
    NoProof,
    /// A proof is not among those given.
    #[error("proof {0} is not there")]
    UnavailableProof(Box<Cid>),
    /// One proof is named twice.
    #[error("proof {0} is named twice")]
    RepeatedProof(Box<Cid>),
    /// The first proof has no subject: nobody's authority begins there.
    #[error("a chain cannot begin with a powerline")]
    RootPowerline,
    /// The first proof is not issued by the subject.
    #[error("the first proof must be issued by the subject")]
    RootIssuer,
    /// A proof's audience is not the issuer of what follows it.
    #[error("the audience of a proof is not the issuer of what follows")]
    Alignment,
    /// The invocation is addressed to somebody else.
    #[error("the invocation is addressed to somebody else")]
    Audience,
    /// A proof is about another subject.
    #[error("proof {0} is about another subject")]
    Subject(Box<Cid>),
    /// The invocation is about somebody for whom the executor does nothing.
    #[error("the invocation is about a subject that is not served here")]
    ForeignSubject,
    /// A command is not under that of the proof before it.
    #[error("{0} is not under the command that was delegated")]
    Escalation(String),
    /// The arguments do not satisfy the policy of a proof.
    #[error("the arguments do not satisfy the policy of proof {0}")]
    PolicyMismatch(Box<Cid>),
    /// A token's time has passed.
    #[error("expired at {0} seconds since 1970")]
    Expired(u64),
    /// A token's time has not come.
    #[error("not valid before {0} seconds since 1970")]
    TooEarly(u64),
    /// A proof was revoked by somebody before it in the chain.
    #[error("proof {0} was revoked")]
    Revoked(Box<Cid>),
    /// The invocation was executed before.
    #[error("this invocation was executed before")]
    Replayed,
    /// An invocation that cannot be remembered until it expires.
    #[error("an invocation must expire, at most {0} seconds from now")]
    Lifetime(u64),
    /// A bounded memory is full. Nothing in it may be forgotten yet.
    #[error("the memory of {0} is full")]
    Full(&'static str),
    /// The container's first byte names none of the framings.
    #[error("the container's framing is not known")]
    Framing,
    /// The container's text or compression is damaged, or bytes follow it.
    #[error("the container's base64 or gzip is damaged")]
    Encoding,
    /// The container holds more bytes or tokens than the limits allow.
    #[error("the container is larger than the limits allow")]
    TooLarge,
    /// The container must hold exactly one invocation.
    #[error("the container must hold exactly one invocation")]
    OneInvocation,
    /// A revocation by somebody who has no say over the delegation, or of one that is not with it.
    #[error("the revocation does not come with the delegation, or is not by an issuer before it")]
    Standing,
}

/// The kinds of errors that UCAN implementations agree on, by the names of the official vectors, and some more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not a token, or not a container.
    Malformed,
    /// A field, or the lack of proof, makes the claim impossible.
    InvalidClaim,
    /// A signature does not verify, or the issuer has no such key.
    InvalidSignature,
    /// A proof is not there.
    UnavailableProof,
    /// Too late.
    Expired,
    /// Too early.
    TooEarly,
    /// Audiences and issuers do not make a chain, or the invocation is for somebody else.
    InvalidAudience,
    /// A proof is about another subject.
    InvalidSubject,
    /// The command is wider than what was delegated.
    CommandEscalation,
    /// The arguments do not satisfy a policy.
    MatchError,
    /// A proof was revoked.
    Revoked,
    /// Executed before.
    Replayed,
    /// A bound was met.
    Limit,
}

impl ErrorKind {
    /// Its name, as the official vectors spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed",
            Self::InvalidClaim => "InvalidClaim",
            Self::InvalidSignature => "InvalidSignature",
            Self::UnavailableProof => "UnavailableProof",
            Self::Expired => "Expired",
            Self::TooEarly => "TooEarly",
            Self::InvalidAudience => "InvalidAudience",
            Self::InvalidSubject => "InvalidSubject",
            Self::CommandEscalation => "CommandEscalation",
            Self::MatchError => "MatchError",
            Self::Revoked => "Revoked",
            Self::Replayed => "Replayed",
            Self::Limit => "Limit",
        }
    }
}

impl CapabilityError {
    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Codec(CodecError::TooLong { .. }) | Self::TooLarge | Self::Full(_) => {
                ErrorKind::Limit
            }
            Self::Codec(_)
            | Self::Envelope
            | Self::Tag(_)
            | Self::Kind
            | Self::Framing
            | Self::Encoding
            | Self::OneInvocation => ErrorKind::Malformed,
            Self::Claim { .. }
            | Self::UnknownField(_)
            | Self::Did
            | Self::Command
            | Self::Policy(_)
            | Self::NoProof
            | Self::RepeatedProof(_)
            | Self::RootPowerline
            | Self::RootIssuer
            | Self::Lifetime(_)
            | Self::Standing => ErrorKind::InvalidClaim,
            Self::Algorithm | Self::Signature | Self::IssuerKey(_) | Self::Signer => {
                ErrorKind::InvalidSignature
            }
            Self::UnavailableProof(_) => ErrorKind::UnavailableProof,
            Self::Alignment | Self::Audience => ErrorKind::InvalidAudience,
            Self::Subject(_) | Self::ForeignSubject => ErrorKind::InvalidSubject,
            Self::Escalation(_) => ErrorKind::CommandEscalation,
            Self::PolicyMismatch(_) => ErrorKind::MatchError,
            Self::Expired(_) => ErrorKind::Expired,
            Self::TooEarly(_) => ErrorKind::TooEarly,
            Self::Revoked(_) => ErrorKind::Revoked,
            Self::Replayed => ErrorKind::Replayed,
        }
    }
}
