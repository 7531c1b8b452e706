use super::{wire::*, *};
use proptest::prelude::*;
use rhizome_blob::{
    Answer, Held, Holding, MAX_SLICE, Push, RangeRead, Request, SEGMENT, Sealed, SealedBlob,
    SealedStore, Slice,
};

struct Peers {
    _directories: [TempDir; 2],
    plain: BlobStore,
    sealed: SealedStore,
}

fn peers() -> Peers {
    let (one, plain) = store();
    let two = tempfile::tempdir().unwrap();
    let sealed = SealedStore::in_directory(two.path(), u64::MAX).unwrap();
    Peers {
        _directories: [one, two],
        plain,
        sealed,
    }
}

impl Peers {
    fn put(&self, bytes: &[u8]) -> (Cid, Sealed) {
        let cid = self.plain.put_bytes(bytes).unwrap();
        let key = keys(1).key(&cid).unwrap();
        let blob = SealedBlob::new(self.plain.open(&cid).unwrap(), &key).unwrap();
        let mut one = Push::sealed(keys(1).name(&cid).unwrap(), blob);
        push(&mut one, Holding::Sealed(&self.sealed)).unwrap();
        let sealed = look_up(&cid, &keys(1), Holding::Sealed(&self.sealed)).remove(0);
        (cid, sealed)
    }

    fn read(&self, cid: &Cid, sealed: &Sealed, offset: u64, len: u64) -> [Vec<u8>; 2] {
        let mut plain = RangeRead::plain(cid, offset, len).unwrap();
        let mut opened = RangeRead::sealed(cid, sealed, offset, len).unwrap();
        [
            read(&mut plain, |r| answer(r, Holding::Plain(&self.plain))).unwrap(),
            read(&mut opened, |r| answer(r, Holding::Sealed(&self.sealed))).unwrap(),
        ]
    }
}

#[test]
fn ranges_from_a_peer_are_those_of_a_slice() {
    let peers = peers();
    let segment = SEGMENT as usize;
    let slice = MAX_SLICE as usize;
    let edges = [
        0,
        1,
        GROUP,
        segment,
        3 * segment + 9,
        14 * segment,
        slice + 5,
    ];
    for len in edges {
        let bytes = sample(len);
        let (cid, sealed) = peers.put(&bytes);
        for start in edges {
            for count in edges {
                let expected = &bytes[start.min(len)..(start + count).min(len)];
                let got = peers.read(&cid, &sealed, start as u64, count as u64);
                assert!(
                    got.iter().all(|got| got == expected),
                    "{len}: {start} + {count}"
                );
            }
        }
        let [plain, opened] = peers.read(&cid, &sealed, u64::MAX, u64::MAX);
        assert!(plain.is_empty() && opened.is_empty());
    }
}

#[test]
fn a_range_costs_a_range() {
    let peers = peers();
    let (cid, sealed) = peers.put(&sample(3_000_000));
    let mut asked = 0;
    let mut range = RangeRead::sealed(&cid, &sealed, 1_500_000, 100).unwrap();
    let got = read(&mut range, |request| {
        let answer = answer(request, Holding::Sealed(&peers.sealed));
        asked += answer.to_bytes().unwrap().len();
        answer
    });
    assert_eq!(got.unwrap().len(), 100);
    assert!(asked < 100_000, "{asked}");
}

/// A sealed peer, or a device that pushed, says that a blob ends earlier than it does.
#[test]
fn a_false_end_is_found_out() {
    let peers = peers();
    let bytes = sample(200_000);
    let (cid, sealed) = peers.put(&bytes);
    let mut ciphertext = Vec::new();
    rhizome_blob::seal(&bytes[..], &sealed.key, &mut ciphertext).unwrap();
    for cut in [1, 2, 3] {
        let short = &ciphertext[..cut * (SEGMENT as usize + 16)];
        let (_directory, evil) = store();
        let root = evil.put_bytes(short).unwrap();
        let lie = Sealed {
            held: Held {
                root: wire::root(&root),
                len: short.len() as u64,
            },
            key: keys(1).key(&cid).unwrap(),
        };
        for offset in [0, 65_000, SEGMENT * cut as u64, 199_999, 300_000] {
            let mut range = RangeRead::sealed(&cid, &lie, offset, 150_000).unwrap();
            let mut got = Vec::new();
            let failed = loop {
                let Some(request) = range.request() else {
                    break range.is_done();
                };
                match range.handle(answer(&request, Holding::Plain(&evil))) {
                    Ok(more) => got.extend(more),
                    Err(BlobError::Seal { .. }) => break false,
                    Err(other) => panic!("{other}"),
                }
            };
            let full = bytes
                .len()
                .min(offset as usize + 150_000)
                .saturating_sub(offset as usize);
            assert!(
                !failed || got.len() == full,
                "{cut} {offset}: {}",
                got.len()
            );
            assert!(!failed || offset < SEGMENT * cut as u64);
        }
    }
}

#[test]
fn changed_ranges_are_refused() {
    let peers = peers();
    let (cid, sealed) = peers.put(&sample(500_000));
    let other = peers.put(&sample(500_001)).1;
    for at in (0..70_000).step_by(7_919) {
        let flip = |answer| match answer {
            Answer::Slice {
                len,
                slice: Slice(mut bytes),
            } => {
                let at = at % bytes.len();
                bytes[at] ^= 1;
                Answer::Slice {
                    len,
                    slice: Slice(bytes),
                }
            }
            other => other,
        };
        let mut plain = RangeRead::plain(&cid, 100_000, 50_000).unwrap();
        let mut opened = RangeRead::sealed(&cid, &sealed, 100_000, 50_000).unwrap();
        let results = [
            read(&mut plain, |r| {
                flip(answer(r, Holding::Plain(&peers.plain)))
            }),
            read(&mut opened, |r| {
                flip(answer(r, Holding::Sealed(&peers.sealed)))
            }),
        ];
        assert!(
            results
                .iter()
                .all(|r| matches!(r, Err(BlobError::Unverified { .. })))
        );
    }
    // Another blob's ciphertext under this blob's key; this one's under another epoch's.
    for lie in [
        Sealed {
            held: other.held,
            key: keys(1).key(&cid).unwrap(),
        },
        Sealed {
            held: sealed.held,
            key: keys(2).key(&cid).unwrap(),
        },
    ] {
        let mut opened = RangeRead::sealed(&cid, &lie, 100_000, 50_000).unwrap();
        let failed = read(&mut opened, |r| answer(r, Holding::Sealed(&peers.sealed)));
        assert!(matches!(failed, Err(BlobError::Seal { .. })));
    }
    let mut gone = RangeRead::plain(&rhizome_ipld::cid_raw_blake3([1; 32]), 0, 1).unwrap();
    let failed = read(&mut gone, |r: &Request| {
        answer(r, Holding::Plain(&peers.plain))
    });
    assert!(matches!(failed, Err(BlobError::NotHeld(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_range_of_any_blob(len in 0..1_500_000_usize, start in 0..1_600_000_u64, count in 0..1_600_000_u64) {
        let peers = peers();
        let bytes = sample(len);
        let (cid, sealed) = peers.put(&bytes);
        let expected = &bytes[(start as usize).min(len)..((start + count) as usize).min(len)];
        for got in peers.read(&cid, &sealed, start, count) {
            prop_assert!(got == expected);
        }
    }
}
