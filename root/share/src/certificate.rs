//! What a pod's certificates are, one by one.

use rhizome_identity::{Enrol, Log, Operation};
use rhizome_ipld::{Cid, Signed, Verified, codec};
use serde_bytes::{ByteBuf, Bytes};

use crate::{Epoch, ShareError};

/// The digest in the CID of a certificate's payload.
pub type CertificateId = [u8; 32];

/// Something small, signed and public that says who may write or read. Verified: it exists only with valid signatures.
#[derive(Debug, Clone)]
pub enum Certificate {
    /// An operation of the device log.
    Operation(Box<Operation>),
    /// A device lets a process write.
    Enrol(Box<Verified<Enrol>>),
    /// Who may read.
    Epoch(Box<Verified<Epoch>>),
}

const OPERATION: u8 = 0;
const ENROL: u8 = 1;
const EPOCH: u8 = 2;

impl Certificate {
    /// Longest encoding in bytes that is read.
    pub const MAX_LEN: usize = 1 << 20;

    /// What a device log consists of, in its order: the genesis is the first.
    pub fn of_log(log: &Log) -> Vec<Self> {
        let operations = log.operations().cloned();
        operations
            .map(|operation| Self::Operation(Box::new(operation)))
            .collect()
    }

    /// Reads and verifies `[kind, bytes…]`.
    ///
    /// # Errors
    /// [`ShareError::Codec`], [`ShareError::Certificate`], and those of the thing itself.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let (kind, first, second) = parts(bytes)?;
        match (kind, second) {
            (OPERATION, Some(signatures)) => {
                let operation = Operation::verify(&first, &signatures)?;
                Ok(Self::Operation(Box::new(operation)))
            }
            (ENROL, None) => {
                let enrol = Signed::<Enrol>::from_bytes(&first)?.verify()?;
                enrol.check()?;
                Ok(Self::Enrol(Box::new(enrol)))
            }
            (EPOCH, None) => {
                let epoch = Signed::<Epoch>::from_bytes(&first)?.verify()?;
                epoch.check()?;
                Ok(Self::Epoch(Box::new(epoch)))
            }
            _ => Err(ShareError::Certificate(
                "unknown kind, or another number of parts",
            )),
        }
    }

    /// The bytes [`Self::from_bytes`] reads.
    ///
    /// # Errors
    /// The codec's, none of which a verified certificate causes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ShareError> {
        Ok(match self {
            Self::Operation(operation) => codec::encode(&(
                OPERATION,
                Bytes::new(operation.payload_bytes()),
                Bytes::new(&operation.signature_block()?),
            ))?,
            Self::Enrol(enrol) => codec::encode(&(ENROL, Bytes::new(&enrol.to_bytes())))?,
            Self::Epoch(epoch) => codec::encode(&(EPOCH, Bytes::new(&epoch.to_bytes())))?,
        })
    }

    /// Its name, whoever signed it in whatever encoding: that of the payload.
    pub fn id(&self) -> CertificateId {
        digest(&match self {
            Self::Operation(operation) => operation.id(),
            Self::Enrol(enrol) => enrol.id(),
            Self::Epoch(epoch) => epoch.id(),
        })
    }
}

pub(crate) fn digest(id: &Cid) -> CertificateId {
    // both hashes in use have 32 bytes
    id.hash().digest().try_into().unwrap_or_default()
}

fn parts(bytes: &[u8]) -> Result<(u8, ByteBuf, Option<ByteBuf>), ShareError> {
    // the first byte of an array of two or of three
    if bytes.first() == Some(&0x83) {
        let (kind, first, second) = codec::decode(bytes, Certificate::MAX_LEN)?;
        Ok((kind, first, Some(second)))
    } else {
        let (kind, first) = codec::decode(bytes, Certificate::MAX_LEN)?;
        Ok((kind, first, None))
    }
}
