//! Multikeys in bytes and text: one spelling each way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_ipld::{PublicKey, cid_from_bytes, varsig};

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = PublicKey::from_bytes(data) {
        assert_eq!(key.to_bytes(), data);
        assert_eq!(PublicKey::from_did_key(&key.to_did_key()), Ok(key));
        assert!(!varsig::verify(&key, data, &[0x5a; 64]));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(key) = text.parse::<PublicKey>()
    {
        assert_eq!(key.to_multibase(), text);
    }
    if let Ok(cid) = cid_from_bytes(data) {
        assert_eq!(cid.to_bytes(), data);
    }
});
