//! The signature policy, pinned case by case.

use rhizome_ipld::{PublicKey, varsig};
use serde_json::Value;

use crate::{hex, vectors_of_others};

/// `verify`, with signatures of a wrong length refused as every envelope does.
fn accepts(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    signature
        .try_into()
        .is_ok_and(|signature| varsig::verify(key, message, signature))
}

/// "Taming the many `EdDSAs`" (Chalkias, Garillot, Nikolaenko 2020), the twelve cases of ed25519-speccheck. Libraries give nine
/// different answers to them. A change of any verdict would split replicas: it needs a new version of every signed format.
#[test]
fn ed25519_speccheck() {
    const VERDICTS: [(bool, &str); 12] = [
        (false, "A and R of small order, S = 0"),
        (false, "A of small order, R of mixed order"),
        (false, "R of small order, A of mixed order"),
        (true, "A and R of mixed order; both equations hold"),
        (
            false,
            "A and R of mixed order; only the equation with cofactor holds",
        ),
        (
            false,
            "A of mixed order, R of prime order; only with cofactor, and not if 8h is reduced first",
        ),
        (false, "S > ℓ"),
        (false, "S far above ℓ"),
        (
            false,
            "R of small order in a form that is not canonical; R is hashed reduced",
        ),
        (
            false,
            "R of small order in a form that is not canonical; R is hashed as it is",
        ),
        (
            false,
            "A of small order in a form that is not canonical; A is hashed reduced",
        ),
        (
            false,
            "A of small order in a form that is not canonical; A is hashed as it is",
        ),
    ];
    let Some(cases) = vectors_of_others("ed25519-speccheck/cases.json") else {
        return;
    };
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), VERDICTS.len());
    for (i, (case, (expected, what))) in cases.iter().zip(VERDICTS).enumerate() {
        let key = PublicKey::Ed25519(hex(&case["pub_key"]).try_into().unwrap());
        let verdict = accepts(&key, &hex(&case["message"]), &hex(&case["signature"]));
        assert_eq!(verdict, expected, "case {i}: {what}");
    }
}

/// The neutral point as key and as R, and S = 0: "valid" for every message under any rule but the strict one.
#[test]
fn a_key_of_small_order_signs_nothing() {
    use ed25519_dalek::{Signature, Verifier, VerifyingKey};
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let lenient = VerifyingKey::from_bytes(&neutral).unwrap();
    lenient
        .verify(b"anything", &Signature::from_bytes(&signature))
        .unwrap();
    assert!(!accepts(
        &PublicKey::Ed25519(neutral),
        b"anything",
        &signature
    ));
}

fn wycheproof(file: &str, key: impl Fn(&Value) -> PublicKey, policy: impl Fn(&[u8]) -> bool) {
    let Some(file) = vectors_of_others(file) else {
        return;
    };
    let (mut accepted, mut by_policy, mut refused) = (0, 0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let key = key(&group["publicKey"]);
        for test in group["tests"].as_array().unwrap() {
            let signature = hex(&test["sig"]);
            let valid = test["result"] == "valid";
            let expected = valid && policy(&signature);
            let verdict = accepts(&key, &hex(&test["msg"]), &signature);
            assert_eq!(
                verdict, expected,
                "test {}: {}",
                test["tcId"], test["comment"]
            );
            match (valid, expected) {
                (true, true) => accepted += 1,
                (true, false) => by_policy += 1,
                _ => refused += 1,
            }
        }
    }
    println!("{accepted} accepted, {by_policy} valid but refused by policy, {refused} invalid");
    assert_eq!(
        accepted + by_policy + refused,
        file["numberOfTests"].as_i64().unwrap()
    );
    assert!(accepted > 0 && refused > 0);
}

#[test]
fn wycheproof_ed25519() {
    wycheproof(
        "wycheproof/ed25519_test.json",
        |key| PublicKey::Ed25519(hex(&key["pk"]).try_into().unwrap()),
        |_| true,
    );
}

/// Half the order of the group, big-endian: the largest s that is accepted.
const HALF_P256: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
const HALF_SECP256K1: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

fn compressed(key: &Value) -> [u8; 33] {
    let point = hex(&key["uncompressed"]);
    let mut compressed = [0; 33];
    compressed[0] = 2 + (point[64] & 1);
    compressed[1..].copy_from_slice(&point[1..33]);
    compressed
}

#[test]
fn wycheproof_p256() {
    wycheproof(
        "wycheproof/ecdsa_secp256r1_sha256_p1363_test.json",
        |key| PublicKey::P256(compressed(key)),
        |signature| signature[32..] <= HALF_P256[..],
    );
}

#[test]
fn wycheproof_secp256k1() {
    wycheproof(
        "wycheproof/ecdsa_secp256k1_sha256_p1363_test.json",
        |key| PublicKey::Secp256k1(compressed(key)),
        |signature| signature[32..] <= HALF_SECP256K1[..],
    );
}

/// A malleated ECDSA signature would be a second name for one consent; found elsewhere as a way around revocation.
#[test]
fn high_s_is_refused() {
    use p256::ecdsa::signature::Signer;
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let signature: p256::ecdsa::Signature = key.sign(b"message");
    let low = signature.normalize_s();
    let (r, s) = low.split_scalars();
    let high = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let point = key.verifying_key().to_sec1_point(true);
    let key = PublicKey::P256(point.as_bytes().try_into().unwrap());
    assert!(accepts(&key, b"message", &low.to_bytes()));
    assert!(!accepts(&key, b"message", &high.to_bytes()));
    assert!(!accepts(&key, b"massage", &low.to_bytes()));
    // It can be lowered by whoever holds it; what is no signature stays what it is.
    let [high, low] = [high, low].map(|signature| signature.to_bytes().into());
    let lowered = |signature| varsig::normalize(varsig::Algorithm::EcdsaP256, signature);
    assert_eq!([lowered(high), lowered(low)], [low; 2]);
    assert_eq!(lowered([0xff; 64]), [0xff; 64]);
    assert_eq!(varsig::normalize(varsig::Algorithm::Ed25519, high), high);
}

#[test]
fn headers_are_a_closed_set() {
    use varsig::Algorithm;
    for algorithm in [
        Algorithm::Ed25519,
        Algorithm::EcdsaP256,
        Algorithm::EcdsaSecp256k1,
    ] {
        let header = algorithm.header();
        assert_eq!(Algorithm::from_header(header), Some(algorithm));
        for i in 0..header.len() {
            assert_eq!(Algorithm::from_header(&header[..i]), None);
            let mut other = header.to_vec();
            other[i] ^= 1;
            assert_ne!(Algorithm::from_header(&other), Some(algorithm));
        }
        assert_eq!(Algorithm::from_header(&[header, &[0]].concat()), None);
    }
    // varsig v0, as older UCAN libraries write it.
    assert_eq!(Algorithm::from_header(&[0x34, 0xed, 0x01, 0x71]), None);
}
