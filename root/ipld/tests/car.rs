//! CAR v1: bounds, damage, truncation.

use std::io::Read;

use proptest::prelude::*;
use rhizome_ipld::car::{CarError, Limits, Reader, Writer};
use rhizome_ipld::{Cid, cid_blake3, cid_raw_blake3, cid_sha256, codec};
use serde_json::json;

type Blocks = Vec<(Cid, Vec<u8>)>;

fn write(roots: &[Cid], blocks: &Blocks) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), roots).unwrap();
    for (cid, block) in blocks {
        writer.write(cid, block).unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<Blocks, CarError> {
    let limits = Limits {
        header: 200,
        block: 1000,
    };
    Reader::new(bytes, limits)?.collect()
}

fn sample() -> Blocks {
    let blocks = [vec![1; 10], vec![], vec![2; 1000]];
    blocks
        .into_iter()
        .enumerate()
        .map(|(i, b)| match i {
            0 => (cid_sha256(&b), b),
            1 => (cid_blake3(&b), b),
            _ => (cid_raw_blake3(*blake3::hash(&b).as_bytes()), b),
        })
        .collect()
}

proptest! {
    #[test]
    fn round_trip(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..20)) {
        let blocks: Blocks = blocks.into_iter().map(|b| (cid_blake3(&b), b)).collect();
        let roots: Vec<Cid> = blocks.iter().take(3).map(|b| b.0).collect();
        let bytes = write(&roots, &blocks);
        prop_assert_eq!(read(&bytes).unwrap(), blocks);
        let reader = Reader::new(bytes.as_slice(), Limits::default()).unwrap();
        prop_assert_eq!(reader.roots(), roots);
    }
}

/// A stream that gives one byte at a time and is interrupted before each.
struct Trickle<'a>(&'a [u8], bool);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn streams_that_trickle() {
    let bytes = write(&[], &sample());
    let reader = Reader::new(Trickle(&bytes, false), Limits::default()).unwrap();
    assert_eq!(reader.collect::<Result<Blocks, _>>().unwrap(), sample());
}

#[test]
fn every_truncation() {
    let blocks = sample();
    let bytes = write(&[], &blocks);
    // Where a whole number of blocks ends, the file is a shorter, valid one; nothing in CAR v1 says how many there should be.
    let ends: Vec<usize> = (0..=blocks.len())
        .map(|n| write(&[], &blocks[..n].to_vec()).len())
        .collect();
    for len in 0..bytes.len() {
        let result = read(&bytes[..len]);
        if ends.contains(&len) {
            assert!(result.is_ok(), "{len}");
        } else {
            assert!(
                matches!(result, Err(CarError::Truncated)),
                "{len}: {result:?}"
            );
        }
    }
}

#[test]
fn every_flipped_bit() {
    let blocks = sample();
    let bytes = write(&[blocks[0].0], &blocks);
    let header = 1 + usize::from(bytes[0]);
    for i in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[i / 8] ^= 1 << (i % 8);
        match read(&bad) {
            Err(_) => {}
            // In the header the root may become another one.
            Ok(read) if i / 8 < header => assert_eq!(read, blocks, "bit {i}"),
            // In a CID the codec: a label that the hash does not cover. It is another name then.
            Ok(read) => {
                let data = |b: &Blocks| {
                    b.iter()
                        .map(|b| (*b.0.hash(), b.1.clone()))
                        .collect::<Vec<_>>()
                };
                assert_eq!(data(&read), data(&blocks), "bit {i}");
                assert_ne!(read, blocks, "bit {i}");
            }
        }
    }
}

#[test]
fn lengths() {
    let good = write(&[], &vec![]);
    let with = |tail: &[u8]| read(&[&good, tail].concat());
    assert!(matches!(with(&[0]), Err(CarError::Length)), "empty section");
    assert!(
        matches!(with(&[0x80, 0]), Err(CarError::Length)),
        "long zero"
    );
    assert!(
        matches!(with(&[0x81, 0]), Err(CarError::Length)),
        "long one"
    );
    assert!(
        matches!(with(&[0xff; 12]), Err(CarError::Length)),
        "ten bytes"
    );
    assert!(matches!(
        with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        Err(CarError::TooLong { .. })
    ));
    let long = vec![3; 1001];
    let bytes = write(&[], &vec![(cid_blake3(&long), long)]);
    assert!(matches!(
        read(&bytes),
        Err(CarError::TooLong {
            len: 1001,
            max: 1000
        })
    ));
    let roots = vec![cid_blake3(b"x"); 10];
    assert!(matches!(
        read(&write(&roots, &vec![])),
        Err(CarError::TooLong { max: 200, .. })
    ));
    assert!(matches!(read(&[]), Err(CarError::Truncated)));
}

#[test]
fn blocks_that_cannot_be_trusted() {
    let good = write(&[], &vec![]);
    let section = |cid: &[u8], block: &[u8]| {
        let len = u8::try_from(cid.len() + block.len()).unwrap();
        read(&[&good, &[len][..], cid, block].concat())
    };
    let cid = cid_sha256(b"block").to_bytes();
    assert_eq!(section(&cid, b"block").unwrap().len(), 1);
    assert!(matches!(
        section(&cid, b"black"),
        Err(CarError::Mismatch(_))
    ));
    assert!(matches!(section(&[], b"block"), Err(CarError::Cid)));
    assert!(matches!(section(&cid[..20], b""), Err(CarError::Cid)));
    // The identity "hash" proves nothing; neither does a digest cut to a byte.
    assert!(matches!(
        section(&[1, 0x55, 0, 1, b'x'], b"x"),
        Err(CarError::UnknownHash(_))
    ));
    assert!(matches!(
        section(&[1, 0x55, 0x12, 1, cid[4]], b"block"),
        Err(CarError::Mismatch(_))
    ));
    // Writers refuse what readers would.
    let mut writer = Writer::new(Vec::new(), &[]).unwrap();
    assert!(matches!(
        writer.write(&cid_sha256(b"a"), b"b"),
        Err(CarError::Mismatch(_))
    ));
}

#[test]
fn after_an_error_nothing_more() {
    let blocks = sample();
    let mut bytes = write(&[], &blocks);
    let first_data = write(&[], &vec![]).len() + 1 + 36;
    bytes[first_data] ^= 1;
    let mut reader = Reader::new(bytes.as_slice(), Limits::default()).unwrap();
    assert!(matches!(reader.next(), Some(Err(CarError::Mismatch(_)))));
    assert!(reader.next().is_none());
}

#[test]
fn headers() {
    let with = |header: &[u8]| {
        let len = u8::try_from(header.len()).unwrap();
        read(&[&[len], header].concat())
    };
    let encode = |value: serde_json::Value| codec::encode(&value).unwrap();
    assert!(with(&encode(json!({"roots": [], "version": 1}))).is_ok());
    assert!(matches!(
        with(&encode(json!({"version": 2}))),
        Err(CarError::Version(2))
    ));
    assert!(matches!(
        with(&encode(json!({"roots": [], "version": 3}))),
        Err(CarError::Version(3))
    ));
    for bad in [
        json!({"version": 1}),
        json!({"roots": []}),
        json!({"roots": [1], "version": 1}),
        json!({"roots": [], "version": 1, "more": 1}),
        json!([]),
    ] {
        assert!(matches!(with(&encode(bad)), Err(CarError::Header(_))));
    }
}
