//! `Signed` and `Verified`: round trip, tampering, domains, bounds.

use rhizome_ipld::codec::CodecError;
use rhizome_ipld::varsig::Algorithm;
use rhizome_ipld::{
    HashKind, Payload, PublicKey, SignatureError, Signed, SigningKey, Verified, cid_blake3,
    cid_sha256, codec,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Note {
    author: PublicKey,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    draft: Option<bool>,
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
            draft: None,
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
    let note = Note {
        author,
        text,
        draft: None,
    };
    let result = Verified::sign(note, &key(2));
    assert!(matches!(result, Err(SignatureError::WrongKey { .. })));
}

#[test]
fn too_long_is_refused_both_ways() {
    let key = key(1);
    let long = Note {
        author: key.public(),
        text: "x".repeat(500),
        draft: None,
    };
    assert!(matches!(
        Verified::sign(long, &key),
        Err(SignatureError::Payload(_))
    ));
    let huge = vec![0; Signed::<Note>::MAX_LEN + 1];
    assert!(matches!(
        Signed::<Note>::from_bytes(&huge),
        Err(SignatureError::Envelope(CodecError::TooLong { .. }))
    ));
}

/// An envelope around bytes of our choice, signed for `Note`.
fn forged(payload: &[u8], header: &[u8]) -> Result<Verified<Note>, SignatureError> {
    let input = [Note::DOMAIN.as_bytes(), &[0], payload].concat();
    let signature = key(1).sign(&input);
    let parts = [payload, header, signature.as_slice()].map(serde_bytes::Bytes::new);
    Signed::<Note>::from_bytes(&codec::encode(&parts).unwrap())?.verify()
}

#[test]
fn the_header_must_be_of_the_key() {
    let note = note(1, "hello");
    let header = |a: Algorithm| forged(note.payload_bytes(), a.header());
    assert_eq!(
        header(Algorithm::Ed25519).unwrap(),
        note,
        "the model is right"
    );
    assert_eq!(header(Algorithm::EcdsaP256), Err(SignatureError::Algorithm));
    assert_eq!(
        header(Algorithm::EcdsaSecp256k1),
        Err(SignatureError::Algorithm)
    );
    assert_eq!(
        forged(note.payload_bytes(), &[]),
        Err(SignatureError::Algorithm)
    );
}

/// Properly signed, but not what the type would write: an absent field spelt as null would vanish on storing.
#[test]
fn the_payload_must_be_exact() {
    #[derive(Serialize)]
    struct Longer {
        author: PublicKey,
        text: &'static str,
        draft: Option<bool>,
    }
    let payload = codec::encode(&Longer {
        author: key(1).public(),
        text: "hello",
        draft: None,
    });
    assert_eq!(
        forged(&payload.unwrap(), Algorithm::Ed25519.header()),
        Err(SignatureError::Payload(CodecError::NotExact))
    );
}

#[test]
fn the_payload_is_bounded_by_itself() {
    let envelope = |len| {
        let parts = [&vec![0; len], Algorithm::Ed25519.header(), &[0; 64]];
        let bytes = codec::encode(&parts.map(serde_bytes::Bytes::new)).unwrap();
        Signed::<Note>::from_bytes(&bytes).map(drop)
    };
    assert_eq!(envelope(400), Ok(()));
    assert_eq!(
        envelope(401),
        Err(SignatureError::Payload(CodecError::TooLong {
            len: 401,
            max: 400
        }))
    );
}
