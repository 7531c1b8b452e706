//! CIDs have one spelling.

use rhizome_ipld::{Cid, cid_blake3, cid_from_bytes, cid_raw_blake3, cid_sha256};

#[test]
fn one_spelling() {
    for cid in [cid_sha256(b"x"), cid_blake3(b"x"), cid_raw_blake3([7; 32])] {
        let bytes = cid.to_bytes();
        assert_eq!(cid_from_bytes(&bytes), Ok(cid));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(Cid::try_from(longer.as_slice()).is_ok(), "lenient upstream");
        assert!(cid_from_bytes(&longer).is_err());
        for len in 0..bytes.len() {
            assert!(cid_from_bytes(&bytes[..len]).is_err());
        }
    }
}

/// Found by the fuzz target `public_key`: the tenth byte of a varint overflows 64 bits and is cut off silently.
#[test]
fn an_overflowing_varint_is_refused() {
    let bytes = [
        1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0xf7, 9, 1, 2, 0xf8, 9,
    ];
    assert!(Cid::try_from(bytes.as_slice()).is_ok(), "lenient upstream");
    assert!(cid_from_bytes(&bytes).is_err());
}
