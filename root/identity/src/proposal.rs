//! An operation on its way to being signed by everybody who has to.

use std::collections::{BTreeMap, BTreeSet};

use rhizome_ipld::varsig::{self, Algorithm, SIGNATURE_LEN};
use rhizome_ipld::{Cid, MultiPayload, PublicKey, SigningKey, cid_sha256, codec};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::action::Frame;
use crate::{Action, IdentityError, Operation};

/// An operation with the signatures gathered so far. A new device signs it while pairing; friends sign it one after the other or each
/// a copy, which [`Proposal::merge`] unites. Whoever signs looks at [`Proposal::action`] first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    action: Action,
    payload: Vec<u8>,
    signers: BTreeSet<PublicKey>,
    signatures: BTreeMap<PublicKey, [u8; SIGNATURE_LEN]>,
}

/// As the signature block of an operation: `[multikey, varsig header, signature]`, ascending by key.
type Signature = (PublicKey, ByteBuf, ByteBuf);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    p: Cid,
    s: Vec<Signature>,
}

impl Proposal {
    /// Longest form in bytes.
    pub const MAX_LEN: usize = Operation::MAX_PAYLOAD + Operation::MAX_SIGNATURES + 16;

    /// An operation nobody has signed yet. [`crate::Log`] makes those that fit it.
    ///
    /// # Errors
    /// [`IdentityError::Operation`] or [`IdentityError::Genesis`] if it breaks a rule of its format, [`IdentityError::Codec`] if it is
    /// too long.
    pub fn new(action: Action) -> Result<Self, IdentityError> {
        action.check()?;
        let signers = action.signers();
        let frame = Frame { action };
        let payload = codec::encode(&frame)?;
        if payload.len() > Frame::MAX_LEN {
            return Err(IdentityError::Operation(
                "its payload has more than 128 KiB; name fewer devices or heads",
            ));
        }
        Ok(Self {
            action: frame.action,
            payload,
            signers,
            signatures: BTreeMap::new(),
        })
    }

    /// The name it will have in the log.
    pub fn id(&self) -> Cid {
        cid_sha256(&self.payload)
    }

    /// What is to be signed.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The keys whose signatures are still missing, ascending.
    pub fn missing(&self) -> impl Iterator<Item = PublicKey> {
        let has = |key: &&PublicKey| !self.signatures.contains_key(key);
        self.signers.iter().filter(has).copied()
    }

    fn input(&self) -> Vec<u8> {
        [Frame::DOMAIN.as_bytes(), &[0], &self.payload].concat()
    }

    /// Adds the signature of a key.
    ///
    /// # Errors
    /// [`IdentityError::NotASigner`] if it does not have to sign.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), IdentityError> {
        let public = key.public();
        if !self.signers.contains(&public) {
            return Err(IdentityError::NotASigner(public));
        }
        self.signatures.insert(public, key.sign(&self.input()));
        Ok(())
    }

    /// Takes over the signatures of another copy.
    ///
    /// # Errors
    /// [`IdentityError::Operation`] if it is of another operation.
    pub fn merge(&mut self, other: &Self) -> Result<(), IdentityError> {
        if self.payload != other.payload {
            return Err(IdentityError::Operation(
                "the two proposals are of different operations",
            ));
        }
        self.signatures.extend(&other.signatures);
        Ok(())
    }

    /// The operation, once everybody has signed.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] while signatures are missing.
    pub fn complete(&self) -> Result<Operation, IdentityError> {
        Operation::verify(&self.payload, &self.signature_block()?)
    }

    fn signature_block(&self) -> Result<Vec<u8>, IdentityError> {
        let signature = |(key, bytes): (&PublicKey, &[u8; SIGNATURE_LEN])| {
            let header = Algorithm::of(key).header();
            (*key, ByteBuf::from(header), ByteBuf::from(bytes.as_slice()))
        };
        Ok(codec::encode(&Block {
            p: self.id(),
            s: self.signatures.iter().map(signature).collect(),
        })?)
    }

    /// For the way to somebody else: `[payload, signature block]`, the block with the signatures gathered so far.
    ///
    /// # Errors
    /// The codec's, none of which a proposal causes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, IdentityError> {
        let block = ByteBuf::from(self.signature_block()?);
        Ok(codec::encode(&(
            ByteBuf::from(self.payload.as_slice()),
            block,
        ))?)
    }

    /// Reads what [`Self::to_bytes`] writes. Every signature in it is checked.
    ///
    /// # Errors
    /// [`IdentityError::Codec`], [`IdentityError::Operation`], [`IdentityError::NotASigner`] also for a signature that is not valid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        let (payload, block): (ByteBuf, ByteBuf) = codec::decode_exact(bytes, Self::MAX_LEN)?;
        let frame: Frame = codec::decode_exact(&payload, Frame::MAX_LEN)?;
        let block: Block = codec::decode_exact(&block, Operation::MAX_SIGNATURES)?;
        let mut proposal = Self::new(frame.action)?;
        if block.p != proposal.id() || !block.s.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(IdentityError::Operation(
                "the signatures of the proposal are of another, or not in ascending order",
            ));
        }
        let input = proposal.input();
        for (key, header, signature) in block.s {
            let algorithm = Algorithm::from_header(&header);
            let signature: [u8; SIGNATURE_LEN] = signature
                .as_slice()
                .try_into()
                .map_err(|_| IdentityError::NotASigner(key))?;
            if !proposal.signers.contains(&key)
                || algorithm != Some(Algorithm::of(&key))
                || !varsig::verify(&key, &input, &signature)
            {
                return Err(IdentityError::NotASigner(key));
            }
            proposal.signatures.insert(key, signature);
        }
        Ok(proposal)
    }
}
