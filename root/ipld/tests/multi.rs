//! `MultiSigned` and `MultiVerified`.

use rhizome_ipld::{
    HashKind, MultiPayload, MultiSigned, MultiVerified, PublicKey, SignatureError, SigningKey,
    codec,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::envelope::key;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Agreement {
    parties: Vec<PublicKey>,
}

impl MultiPayload for Agreement {
    const DOMAIN: &'static str = "test/agreement@1";
    const MAX_LEN: usize = 300;
    const MAX_SIGNATURES: usize = 4;
    const HASH: HashKind = HashKind::Sha256;

    fn accepts_signers(&self, signers: &[PublicKey]) -> bool {
        self.parties.len() == signers.len() && self.parties.iter().all(|p| signers.contains(p))
    }
}

fn sign(parties: &[u8], signers: &[u8]) -> Result<MultiVerified<Agreement>, SignatureError> {
    let keys: Vec<SigningKey> = signers.iter().map(|&s| key(s)).collect();
    let parties = parties.iter().map(|&p| key(p).public()).collect();
    MultiVerified::sign(Agreement { parties }, &keys.iter().collect::<Vec<_>>())
}

fn verify(payload: &[u8], signatures: &[u8]) -> Result<MultiVerified<Agreement>, SignatureError> {
    MultiSigned::from_blocks(payload, signatures)?.verify()
}

/// The signature block, taken apart to be tampered with.
type Rows = Vec<(ByteBuf, ByteBuf, ByteBuf)>;

#[derive(Serialize, Deserialize, Clone)]
struct Block {
    p: rhizome_ipld::Cid,
    s: Rows,
}

fn tampered(tamper: impl Fn(&mut Block)) -> Result<MultiVerified<Agreement>, SignatureError> {
    let good = sign(&[1, 2, 3], &[1, 2, 3]).unwrap();
    let mut block: Block = codec::decode(&good.signature_block().unwrap(), 4096).unwrap();
    tamper(&mut block);
    verify(good.payload_bytes(), &codec::encode(&block).unwrap())
}

#[test]
fn round_trip() {
    let one = sign(&[3, 1, 2], &[1, 2, 3]).unwrap();
    let two = verify(one.payload_bytes(), &one.signature_block().unwrap()).unwrap();
    assert_eq!(one, two);
    assert_eq!(two.signers().len(), 3);
    assert!(tampered(|_| ()).is_ok());
}

#[test]
fn the_set_of_signers_must_fit() {
    assert!(matches!(sign(&[1, 2], &[1]), Err(SignatureError::Signers)));
    assert!(matches!(
        sign(&[1, 2], &[1, 2, 3]),
        Err(SignatureError::Signers)
    ));
    assert!(matches!(sign(&[1, 2], &[1, 1]), Err(SignatureError::Order)));
    assert!(matches!(
        sign(&[1], &[1, 2, 3, 4, 5]),
        Err(SignatureError::TooMany { .. })
    ));
}

#[test]
fn tampering() {
    use SignatureError as E;
    assert!(matches!(tampered(|b| b.s.truncate(2)), Err(E::Signers)));
    assert!(matches!(tampered(|b| b.s.swap(0, 1)), Err(E::Order)));
    assert!(matches!(
        tampered(|b| b.s.push(b.s[2].clone())),
        Err(E::Order)
    ));
    assert!(matches!(
        tampered(|b| b.s = vec![Default::default(); 5]),
        Err(E::Envelope(_))
    ));
    assert!(matches!(
        tampered(|b| b.s[1].2[9] ^= 1),
        Err(E::Invalid { .. })
    ));
    assert!(matches!(tampered(|b| b.s[1].1[0] ^= 1), Err(E::Algorithm)));
    assert!(matches!(
        tampered(|b| b.s[1].2.truncate(63)),
        Err(E::Length { len: 63 })
    ));
    assert!(matches!(
        tampered(|b| b.p = rhizome_ipld::cid_sha256(b"other")),
        Err(E::WrongPayload)
    ));
    // The same payload under another hash is another name, not this one.
    let good = sign(&[1, 2, 3], &[1, 2, 3]).unwrap();
    assert!(matches!(
        tampered(|b| b.p = rhizome_ipld::cid_blake3(good.payload_bytes())),
        Err(E::WrongPayload)
    ));
    // Signatures swapped between two keys.
    assert!(matches!(
        tampered(|b| {
            let second = b.s[1].2.clone();
            b.s[1].2 = std::mem::replace(&mut b.s[0].2, second);
        }),
        Err(E::Invalid { .. })
    ));
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = sign(&[1, 2], &[1, 2]).unwrap();
    let (payload, signatures) = (
        good.payload_bytes().to_vec(),
        good.signature_block().unwrap(),
    );
    for i in 0..signatures.len() * 8 {
        let mut bad = signatures.clone();
        bad[i / 8] ^= 1 << (i % 8);
        assert!(verify(&payload, &bad).is_err(), "signature bit {i}");
    }
    for i in 0..payload.len() * 8 {
        let mut bad = payload.clone();
        bad[i / 8] ^= 1 << (i % 8);
        assert!(verify(&bad, &signatures).is_err(), "payload bit {i}");
    }
}

#[test]
fn bounds() {
    let good = sign(&[1], &[1]).unwrap();
    let block = good.signature_block().unwrap();
    assert!(matches!(
        verify(&[0; 301], &block),
        Err(SignatureError::Payload(_))
    ));
    let huge = vec![0; MultiSigned::<Agreement>::MAX_BLOCK_LEN + 1];
    assert!(matches!(
        verify(good.payload_bytes(), &huge),
        Err(SignatureError::Envelope(_))
    ));
}
