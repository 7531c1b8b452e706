//! Content addressing: CIDs, canonical DAG-CBOR, CAR files, and signatures that turn untrusted bytes into verified values.
//!
//! This is the lowest crate of the house. It answers three questions and nothing else:
//!
//! * *What are the bytes of this value?* [`codec`]: one value, one encoding. Every other encoding is refused.
//! * *What is its name?* [`cid_sha256`], [`cid_blake3`], [`cid_raw_blake3`]: the hash of those bytes, without any signature.
//! * *Who said so?* [`Signed`] is bytes that claim to be signed; [`Verified`] is a value whose signature was checked, and
//!   the only ways to get one are [`Signed::verify`] and [`Verified::sign`].
//!
//! ```
//! use rhizome_ipld::{HashKind, Payload, PublicKey, Signed, SigningKey, Verified};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! #[serde(deny_unknown_fields)]
//! struct Note { author: PublicKey, text: String }
//!
//! impl Payload for Note {
//!     const DOMAIN: &'static str = "example/note@1";
//!     const MAX_LEN: usize = 4096;
//!     const HASH: HashKind = HashKind::Blake3;
//!     fn signer(&self) -> PublicKey { self.author }
//! }
//!
//! let key = SigningKey::from_seed([7; 32]);
//! let note = Verified::sign(Note { author: key.public(), text: "hello".into() }, &key)?;
//! let bytes = note.to_bytes();                                  // goes over the wire
//!
//! let received = Signed::<Note>::from_bytes(&bytes)?.verify()?; // bounded, canonical, signed by its author
//! assert_eq!(received.text, "hello");
//! assert_eq!(received.id(), note.id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod canonical;
pub mod car;
pub mod codec;
pub mod key;
mod multi;
mod signed;
pub mod varsig;

pub use address::{
    BLAKE3, DAG_CBOR, HashKind, RAW, SHA2_256, cid_blake3, cid_from_blake3, cid_from_bytes,
    cid_raw_blake3, cid_sha256, verify_block,
};
pub use cid::Cid;
pub use codec::CodecError;
pub use key::{KeyError, PublicKey, SigningKey};
pub use multi::{MultiPayload, MultiSigned, MultiVerified};
pub use signed::{Payload, SignatureError, Signed, Verified};
