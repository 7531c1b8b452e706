//! What can go wrong with identities and their keys.

use std::path::PathBuf;

use rhizome_ipld::{CodecError, PublicKey, SignatureError, car::CarError};

use crate::Did;

/// Why an identity, a certificate or a key store was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Text or bytes that are not a well-formed did:rhizome or did:key.
    #[error("not a well-formed did:rhizome or did:key")]
    Did,
    /// A key for receiving secrets that is neither X-Wing nor X25519, or has the wrong length.
    #[error("the key for receiving secrets is neither X-Wing nor X25519, or has the wrong length")]
    KemKey,
    /// A signed object whose form or signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Bytes that are not canonical, or a value that cannot be encoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A CAR file that is malformed or damaged.
    #[error(transparent)]
    Car(#[from] CarError),
    /// A genesis that breaks a rule of its format.
    #[error("the genesis is not acceptable: {0}")]
    Genesis(&'static str),
    /// An operation of the device log that breaks a rule of its format.
    #[error("the operation of the device log is not acceptable: {0}")]
    Operation(&'static str),
    /// An operation that cannot belong to this device log.
    #[error("the operation does not belong to this device log: {0}")]
    Refused(&'static str),
    /// A device log would hold more than it takes in.
    #[error("the device log has no room for more {0}")]
    LogFull(&'static str),
    /// A change of the identity that would be without effect.
    #[error("this change of the identity would be without effect: {0}")]
    NotAllowed(&'static str),
    /// A signature under a proposal by a key that does not have to sign it, or that is not valid.
    #[error("{0} does not have to sign this proposal, or its signature is not valid")]
    NotASigner(PublicKey),
    /// A snapshot of a device log that is not one.
    #[error("the snapshot of the device log is not acceptable: {0}")]
    Snapshot(&'static str),
    /// A genesis of another DID than expected.
    #[error("this is the genesis of {found}, not of {expected}")]
    OtherDid {
        /// The DID asked for.
        expected: Did,
        /// The DID of the genesis at hand.
        found: Did,
    },
    /// An enrolment that breaks a rule of its format.
    #[error("the enrolment is not acceptable: {0}")]
    Enrolment(&'static str),
    /// An enrolment by a key that is not a device of the identity.
    #[error("{device} is not a device of {did}")]
    NotADevice {
        /// The key that signed.
        device: PublicKey,
        /// The identity.
        did: Did,
    },
    /// Recovery words with a typing error.
    #[error("these are not 24 recovery words: {0}")]
    Words(String),
    /// Well-formed recovery words, but of another identity.
    #[error("these recovery words belong to another identity")]
    OtherWords,
    /// There is a key store in this directory already.
    #[error("there is a key store in {0} already; open it, or choose another directory")]
    Exists(PathBuf),
    /// There is no key store in this directory.
    #[error("there is no key store in {0}; run `init` first")]
    Missing(PathBuf),
    /// Others than the owner may read or change the key store.
    #[error("others can reach {path} (mode {mode:03o}); run `chmod {want:03o} {path}`", path = path.display())]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits it must have at most.
        want: u32,
    },
    /// The key store needs a passphrase, and this is not it.
    #[error("wrong passphrase for the key store")]
    WrongPassphrase,
    /// A passphrase was given, but the key store has none.
    #[error("this key store has no passphrase; open it without one")]
    NoPassphrase,
    /// The key store file ends too early.
    #[error(
        "the key store file is cut short; restore it from a backup or recover with your 24 words"
    )]
    Truncated,
    /// The key store file was changed by something else than this program, or the disk failed.
    #[error(
        "the key store file is damaged; restore it from a backup or recover with your 24 words"
    )]
    Damaged,
    /// The key store file is not one, or longer than any is.
    #[error("{0} is not a key store file")]
    NotAKeyStore(PathBuf),
    /// The key store was written by a newer version of this program.
    #[error(
        "the key store has format version {0}, which a newer rhizome wrote; update this program"
    )]
    Version(u8),
    /// The key store file asks for more memory or time than any key store of ours needs.
    #[error(
        "the key store file asks for {memory_kib} KiB and {passes} passes of Argon2, beyond the limits"
    )]
    Costs {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
    },
    /// Another process saved the key store since this one opened it.
    #[error("another process changed the key store meanwhile; open it again and repeat the change")]
    Changed,
    /// The key store holds no genesis yet.
    #[error("the key store holds no identity yet; run `init` first")]
    NoIdentity,
    /// The key store would hold more than fits.
    #[error("the key store would hold more than {0}")]
    Full(&'static str),
    /// The operating system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}
