//! A verified operation of the device log.

use std::ops::Deref;

use rhizome_ipld::{Cid, MultiPayload, MultiSigned, MultiVerified, SigningKey};

use crate::IdentityError;
use crate::action::{Action, Frame};

/// An operation whose form and signatures were checked. Whether it counts is a question to the [`crate::Log`]. Dereferences to what
/// it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation(MultiVerified<Frame>);

impl Operation {
    /// Longest payload block in bytes.
    pub const MAX_PAYLOAD: usize = Frame::MAX_LEN;
    /// Longest signature block in bytes.
    pub const MAX_SIGNATURES: usize = MultiSigned::<Frame>::MAX_BLOCK_LEN;

    /// Makes and signs an operation at once, where all keys are at hand; elsewhere see [`crate::Proposal`].
    ///
    /// # Errors
    /// [`IdentityError::Operation`], [`IdentityError::Genesis`] if it breaks a rule of its format, [`IdentityError::Signature`] if
    /// the keys are not exactly those that have to sign.
    pub fn sign(action: Action, keys: &[&SigningKey]) -> Result<Self, IdentityError> {
        action.check()?;
        Ok(Self(MultiVerified::sign(Frame { action }, keys)?))
    }

    /// Verifies the two blocks of an operation.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] for anything wrong with form or signatures, [`IdentityError::Operation`] or
    /// [`IdentityError::Genesis`] for a broken rule.
    pub fn verify(payload: &[u8], signatures: &[u8]) -> Result<Self, IdentityError> {
        let operation = Self(MultiSigned::from_blocks(payload, signatures)?.verify()?);
        operation.check()?;
        Ok(operation)
    }

    /// The CID of the payload, which is the name of the operation.
    pub fn id(&self) -> Cid {
        self.0.id()
    }

    /// What it says.
    pub fn action(&self) -> &Action {
        &self.0.action
    }

    /// The payload block `P`.
    pub fn payload_bytes(&self) -> &[u8] {
        self.0.payload_bytes()
    }

    /// The signature block `S`.
    ///
    /// # Errors
    /// The codec's, none of which a verified operation causes.
    pub fn signature_block(&self) -> Result<Vec<u8>, IdentityError> {
        Ok(self.0.signature_block()?)
    }
}

impl Deref for Operation {
    type Target = Action;

    fn deref(&self) -> &Action {
        self.action()
    }
}
