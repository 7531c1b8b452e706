//! did:key, against the vectors of the W3C Credentials Community Group.

use data_encoding::BASE64URL_NOPAD;
use rhizome_ipld::{KeyError, PublicKey};
use serde_json::Value;

use crate::vectors_of_others;

/// The key type of a did:key that is in the accepted set, by its first characters.
fn known(did: &str) -> bool {
    ["did:key:z6Mk", "did:key:zDn", "did:key:zQ3s"]
        .iter()
        .any(|p| did.starts_with(p))
}

#[test]
fn keys_of_others() {
    let mut read = 0;
    for file in ["ed25519-x25519", "nist-curves", "secp256k1"] {
        let Some(vectors) = vectors_of_others(&format!("did-key/{file}.json")) else {
            return;
        };
        for (did, vector) in vectors.as_object().unwrap() {
            let key = PublicKey::from_did_key(did);
            if !known(did) {
                assert!(key.is_err(), "{did}");
                continue;
            }
            let key = key.unwrap();
            assert_eq!(key.to_did_key(), *did);
            if let Some(expected) = bytes(vector) {
                assert_eq!(key.to_bytes()[2..], expected, "{did}");
                read += 1;
            }
        }
    }
    assert!(read >= 10, "only {read} vectors had key bytes");
}

/// The key bytes as the vector's documents state them.
fn bytes(vector: &Value) -> Option<Vec<u8>> {
    for name in ["verificationKeyPair", "verificationMethod"] {
        let method = &vector[name];
        if let Some(text) = method["publicKeyBase58"].as_str() {
            return Some(multibase::decode(format!("z{text}")).unwrap().1);
        }
        let part = |name: &str| {
            let text = method["publicKeyJwk"][name].as_str()?;
            Some(BASE64URL_NOPAD.decode(text.as_bytes()).unwrap())
        };
        if let (Some(x), Some(y)) = (part("x"), part("y")) {
            return Some([&[2 + (y[y.len() - 1] & 1)], x.as_slice()].concat());
        }
    }
    None
}

#[test]
fn keys_for_other_uses_are_refused() {
    let Some(vectors) = vectors_of_others("did-key/x25519.json") else {
        return;
    };
    for did in vectors["didDocument"].as_object().unwrap().keys() {
        assert_eq!(PublicKey::from_did_key(did), Err(KeyError::Type));
    }
}

#[test]
fn malformed_keys_are_refused() {
    let good = PublicKey::Ed25519([7; 32]);
    let bytes = good.to_bytes();
    assert_eq!(PublicKey::from_bytes(&[]), Err(KeyError::Type));
    assert_eq!(PublicKey::from_bytes(&bytes[..1]), Err(KeyError::Type));
    for len in 2..bytes.len() {
        assert_eq!(PublicKey::from_bytes(&bytes[..len]), Err(KeyError::Form));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(PublicKey::from_bytes(&longer), Err(KeyError::Form));
    let mut uncompressed = vec![0x80, 0x24, 4];
    uncompressed.resize(35, 1);
    assert_eq!(PublicKey::from_bytes(&uncompressed), Err(KeyError::Form));
    let text = good.to_multibase();
    for bad in [
        "",
        "z",
        "did:key:z",
        &text[1..],
        &format!("{text}0"),
        &format!("{text}1"),
        &format!("u{}", &text[1..]),
        &format!(" {text}"),
        &"z".repeat(100_000),
    ] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
}

#[test]
fn serde_forms() {
    let key = PublicKey::Ed25519([7; 32]);
    let text = serde_json::to_value(key).unwrap();
    assert_eq!(text, key.to_multibase());
    assert_eq!(serde_json::from_value::<PublicKey>(text).unwrap(), key);
    let binary = rhizome_ipld::codec::encode(&key).unwrap();
    assert_eq!(binary[2..], key.to_bytes());
    assert_eq!(
        rhizome_ipld::codec::decode::<PublicKey>(&binary, 64),
        Ok(key)
    );
}

#[test]
fn keys_sort_as_their_bytes() {
    let mut keys = vec![PublicKey::Ed25519([1; 32]), PublicKey::Ed25519([2; 32])];
    for first in [2, 3] {
        let mut key = [9; 33];
        key[0] = first;
        keys.extend([PublicKey::P256(key), PublicKey::Secp256k1(key)]);
    }
    for a in &keys {
        for b in &keys {
            assert_eq!(a.cmp(b), a.to_bytes().cmp(&b.to_bytes()));
        }
    }
}
