//! The codec: agreement with the decoder under it, bounds, exactness.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use rhizome_ipld::codec::{self, CodecError, MAX_DEPTH};
use rhizome_ipld::{cid_blake3, cid_sha256};
use serde::{Deserialize, Serialize};

fn value() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        (i128::from(i64::MIN) * 2..=i128::from(u64::MAX)).prop_map(Ipld::Integer),
        any::<i16>().prop_map(|n| Ipld::Integer(n.into())),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite() && f.to_bits() != 1 << 63)
            .prop_map(Ipld::Float),
        ".{0,40}".prop_map(Ipld::String),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
        any::<[u8; 4]>().prop_map(|b| Ipld::Link(cid_sha256(&b))),
        any::<[u8; 4]>().prop_map(|b| Ipld::Link(cid_blake3(&b))),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Ipld::List),
            prop::collection::btree_map(".{0,30}", inner, 0..8).prop_map(Ipld::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn values_round_trip(value in value()) {
        let bytes = codec::encode(&value).unwrap();
        prop_assert_eq!(codec::check(&bytes), Ok(()));
        prop_assert_eq!(&codec::decode::<Ipld>(&bytes, bytes.len()).unwrap(), &value);
        prop_assert_eq!(&codec::decode_exact::<Ipld>(&bytes, bytes.len()).unwrap(), &value);
        let mut appended = vec![1, 2];
        codec::encode_into(&value, &mut appended).unwrap();
        prop_assert_eq!(&appended[2..], &bytes);
    }

    /// One byte of a valid encoding is changed: what is still accepted is the encoding of what it decodes to.
    #[test]
    fn changed_bytes_have_one_meaning(value in value(), at: prop::sample::Index, to: u8) {
        let mut bytes = codec::encode(&value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        match codec::check(&bytes) {
            Ok(()) => {
                let value: Ipld = codec::decode(&bytes, bytes.len()).unwrap();
                prop_assert_eq!(codec::encode(&value).unwrap(), bytes);
            }
            Err(error) => prop_assert_eq!(codec::decode::<Ipld>(&bytes, bytes.len()), Err(error)),
        }
    }

    #[test]
    fn cut_bytes_are_refused(value in value(), at: prop::sample::Index) {
        let bytes = codec::encode(&value).unwrap();
        let len = at.index(bytes.len());
        let is_truncated = matches!(codec::check(&bytes[..len]), Err(CodecError::Truncated { .. }));
        // A link that ends early is a bad link or cut short, depending on where.
        prop_assert!(is_truncated, "{} of {}", len, bytes.len());
    }
}

#[test]
fn depth_is_bounded_for_reading_and_writing() {
    let nested = |depth| (0..depth).fold(Ipld::List(vec![]), |inner, _| Ipld::List(vec![inner]));
    let deepest = codec::encode(&nested(MAX_DEPTH - 1)).unwrap();
    assert!(codec::decode::<Ipld>(&deepest, 1000).is_ok());
    let too_deep = codec::encode(&nested(MAX_DEPTH));
    assert!(matches!(too_deep, Err(CodecError::TooDeep { .. })));
    // A hundred thousand levels: refused by the walk, which has no recursion that could overflow the stack.
    let mut bytes = vec![0x81; 100_000];
    bytes.push(0x80);
    assert!(matches!(
        codec::decode::<Ipld>(&bytes, bytes.len()),
        Err(CodecError::TooDeep { at: MAX_DEPTH })
    ));
}

/// A count is refused at its head, before anyone could allocate for it, and not where the data end.
#[test]
fn counts_are_bounded_by_what_follows() {
    assert_eq!(
        codec::check(&[0x82, 1]),
        Err(CodecError::Truncated { at: 1 })
    );
    assert_eq!(
        codec::check(&[0xa1, 0x60]),
        Err(CodecError::Truncated { at: 1 })
    );
}

#[test]
fn length_is_bounded_before_anything_is_read() {
    assert_eq!(
        codec::decode::<Ipld>(&[0xff; 11], 10),
        Err(CodecError::TooLong { len: 11, max: 10 })
    );
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Loose {
    a: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<u8>,
}

#[test]
fn exact_decoding_refuses_what_the_type_forgets() {
    let encode = |entries: &[(&str, Ipld)]| {
        let map: BTreeMap<_, _> = entries.iter().cloned().collect();
        codec::encode(&map).unwrap()
    };
    let plain = encode(&[("a", Ipld::Integer(1))]);
    let expected = Loose { a: 1, b: None };
    assert_eq!(codec::decode_exact::<Loose>(&plain, 100), Ok(expected));
    for extra in [
        encode(&[("a", Ipld::Integer(1)), ("zz", Ipld::Null)]),
        encode(&[("a", Ipld::Integer(1)), ("b", Ipld::Null)]),
    ] {
        assert_eq!(codec::decode::<Loose>(&extra, 100).unwrap().a, 1);
        assert_eq!(
            codec::decode_exact::<Loose>(&extra, 100),
            Err(CodecError::NotExact)
        );
    }
    // A struct as a list is one more spelling that serde would take for some types.
    assert!(codec::decode::<Loose>(&codec::encode(&[1, 2]).unwrap(), 100).is_err());
}

/// Fields that the target type skips are checked as well: the decoder alone would let them pass.
#[test]
fn skipped_fields_are_checked() {
    // {"a": 1, "zz": 24 in three bytes}
    let bytes = [0xa2, 0x61, b'a', 1, 0x62, b'z', b'z', 0x19, 0, 24];
    assert!(
        serde_ipld_dagcbor::from_slice::<Loose>(&bytes).is_ok(),
        "lenient upstream"
    );
    assert_eq!(
        codec::decode::<Loose>(&bytes, 100),
        Err(CodecError::NotMinimal { at: 7 })
    );
}

/// A map that writes one key twice.
struct Twice;
impl Serialize for Twice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("a", &1)?;
        map.serialize_entry("a", &2)?;
        map.end()
    }
}

#[test]
fn what_has_no_encoding() {
    assert!(matches!(
        codec::encode(&f64::NAN),
        Err(CodecError::Encode(_))
    ));
    assert!(matches!(
        codec::encode(&f32::INFINITY),
        Err(CodecError::Encode(_))
    ));
    assert!(matches!(
        codec::encode(&u128::MAX),
        Err(CodecError::Encode(_))
    ));
    assert!(matches!(
        codec::encode(&BTreeMap::from([(1, 2)])),
        Err(CodecError::Encode(_))
    ));
    assert_eq!(codec::encode(&-0.0), codec::encode(&0.0));
    assert!(matches!(
        codec::encode(&Twice),
        Err(CodecError::KeyOrder { .. })
    ));
}
