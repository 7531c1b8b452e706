//! `Signed` and `Verified`: round trip, tampering, domains, bounds.

use rhizome_ipld::{
    HashKind, Payload, PublicKey, SignatureError, Signed, SigningKey, Verified, cid_blake3,
    cid_sha256, codec,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Note {
    author: PublicKey,
    text: String,
}

impl Payload for Note {
    const DOMAIN: &'static str = "test/note@1";
    const MAX_LEN: usize = 400;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.author
    }
}

/// The same bytes under another domain and hash.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Order {
    author: PublicKey,
    text: String,
}

impl Payload for Order {
    const DOMAIN: &'static str = "test/order@1";
    const MAX_LEN: usize = 400;
    const HASH: HashKind = HashKind::Sha256;

    fn signer(&self) -> PublicKey {
        self.author
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

fn note(seed: u8, text: &str) -> Verified<Note> {
    let key = key(seed);
    Verified::sign(
        Note {
            author: key.public(),
            text: text.into(),
        },
        &key,
    )
    .unwrap()
}

#[test]
fn round_trip_and_id() {
    let note = note(1, "hello");
    let again = Signed::<Note>::from_bytes(&note.to_bytes())
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(again, note);
    assert_eq!(again.to_bytes(), note.to_bytes());
    assert_eq!(note.id(), cid_blake3(note.payload_bytes()));
    assert_eq!(note.payload_bytes(), codec::encode(&*note).unwrap());
}

#[test]
fn a_signature_is_for_one_type_only() {
    let bytes = note(1, "pay").to_bytes();
    let order = Signed::<Order>::from_bytes(&bytes).unwrap().verify();
    assert!(matches!(order, Err(SignatureError::Invalid { .. })));
    let key = key(1);
    let order = Verified::sign(
        Order {
            author: key.public(),
            text: "pay".into(),
        },
        &key,
    )
    .unwrap();
    assert_eq!(order.id(), cid_sha256(note(1, "pay").payload_bytes()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = note(1, "hello").to_bytes();
    for i in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[i / 8] ^= 1 << (i % 8);
        let result = Signed::<Note>::from_bytes(&bad).and_then(Signed::verify);
        assert!(result.is_err(), "bit {i} flipped and accepted");
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let bytes = note(1, "hello").to_bytes();
    for len in 0..bytes.len() {
        assert!(Signed::<Note>::from_bytes(&bytes[..len]).is_err());
    }
    let longer = [bytes, vec![0]].concat();
    assert!(Signed::<Note>::from_bytes(&longer).is_err());
}

#[test]
fn wrong_key_on_signing() {
    let author = key(1).public();
    let text = String::new();
    let result = Verified::sign(Note { author, text }, &key(2));
    assert!(matches!(result, Err(SignatureError::WrongKey { .. })));
}

#[test]
fn too_long_is_refused_both_ways() {
    let key = key(1);
    let long = Note {
        author: key.public(),
        text: "x".repeat(500),
    };
    assert!(matches!(
        Verified::sign(long, &key),
        Err(SignatureError::Payload(_))
    ));
    let huge = vec![0; Signed::<Note>::MAX_LEN + 1];
    assert!(matches!(
        Signed::<Note>::from_bytes(&huge),
        Err(SignatureError::Envelope(codec::CodecError::TooLong { .. }))
    ));
}
