use proptest::prelude::*;
use rhizome_blob::{Answer, Held, MAX_HELD, MAX_MESSAGE, MAX_NAMES, Refusal, Request, Slice};

fn requests() -> impl Strategy<Value = Request> {
    let slice = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Slice);
    prop_oneof![
        prop::collection::vec(any::<[u8; 32]>(), 0..40).prop_map(|names| Request::Have { names }),
        any::<([u8; 32], u64, u64)>().prop_map(|(root, offset, len)| Request::Get {
            root,
            offset,
            len
        }),
        (any::<([u8; 32], [u8; 32], u64, u64)>(), slice()).prop_map(
            |((name, root, len, offset), slice)| Request::Put {
                name,
                root,
                len,
                offset,
                slice
            }
        ),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    let held = any::<([u8; 32], u64)>().prop_map(|(root, len)| Held { root, len });
    let held = prop::collection::vec(prop::collection::vec(held, 0..=MAX_HELD), 0..20);
    let refusal = prop_oneof![
        any::<u64>().prop_map(|left| Refusal::Quota { left }),
        any::<u64>().prop_map(|limit| Refusal::TooLarge { limit }),
        Just(Refusal::Unverified),
        Just(Refusal::NotAllowed),
        Just(Refusal::Busy),
        Just(Refusal::Trouble),
        Just(Refusal::Crowded),
    ];
    prop_oneof![
        held.prop_map(Answer::Held),
        (any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(len, slice)| {
            Answer::Slice {
                len,
                slice: Slice(slice),
            }
        }),
        Just(Answer::Missing),
        any::<u64>().prop_map(Answer::Next),
        Just(Answer::Done),
        refusal.prop_map(Answer::Refused),
    ]
}

proptest! {
    #[test]
    fn requests_go_both_ways(request in requests()) {
        let bytes = request.to_bytes().unwrap();
        prop_assert_eq!(Request::from_bytes(&bytes).unwrap(), request);
        for cut in 0..bytes.len() {
            prop_assert!(Request::from_bytes(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn answers_go_both_ways(answer in answers()) {
        let bytes = answer.to_bytes().unwrap();
        prop_assert_eq!(Answer::from_bytes(&bytes).unwrap(), answer);
        for cut in 0..bytes.len() {
            prop_assert!(Answer::from_bytes(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn what_is_read_has_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0..7_u8, list in 0x80..0x88_u8) {
        let bytes = [&[list, kind], &bytes[..]].concat();
        if let Ok(request) = Request::from_bytes(&bytes) {
            prop_assert_eq!(request.to_bytes().unwrap(), bytes.clone());
        }
        if let Ok(answer) = Answer::from_bytes(&bytes) {
            prop_assert_eq!(answer.to_bytes().unwrap(), bytes);
        }
    }
}

#[test]
fn bounds_hold_in_both_directions() {
    let names = |n| Request::Have {
        names: vec![[1; 32]; n],
    };
    let bytes = names(MAX_NAMES).to_bytes().unwrap();
    assert!(Request::from_bytes(&bytes).is_ok());
    assert!(names(MAX_NAMES + 1).to_bytes().is_err());
    let many = rhizome_ipld::codec::encode(&(0, vec![serde_bytes::Bytes::new(&[1; 32]); 1001]));
    assert!(Request::from_bytes(&many.unwrap()).is_err());
    let held = |n, of| {
        Answer::Held(vec![
            vec![
                Held {
                    root: [1; 32],
                    len: u64::MAX
                };
                of
            ];
            n
        ])
    };
    let bytes = held(MAX_NAMES, MAX_HELD).to_bytes().unwrap();
    assert!(bytes.len() <= MAX_MESSAGE && Answer::from_bytes(&bytes).is_ok());
    assert!(held(MAX_NAMES + 1, 0).to_bytes().is_err());
    assert!(held(1, MAX_HELD + 1).to_bytes().is_err());
    let long = Answer::Slice {
        len: 1,
        slice: Slice(vec![0; MAX_MESSAGE]),
    };
    assert!(long.to_bytes().is_err());
    assert!(format!("{long:?}").len() < 100);
    for bytes in [
        &[][..],
        &[0x82],
        &[0x81, 2, 0],
        &[0x82, 2, 0],
        &[0x83, 5, 2, 1],
        &[0x83, 5, 7, 0],
    ] {
        assert!(Answer::from_bytes(bytes).is_err() && Request::from_bytes(bytes).is_err());
    }
}
