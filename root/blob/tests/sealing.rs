use std::io::Write;

use super::{wire::*, *};
use proptest::prelude::*;
use rhizome_blob::{
    BlobKey, OpeningWriter, SEGMENT, SealedReader, TAG, plain_len, seal, sealed_len,
};

const SEALED: usize = (SEGMENT + TAG) as usize;

fn key(n: u8) -> BlobKey {
    BlobKey::from_bytes([n; 32])
}

fn sealed(plain: &[u8], key: &BlobKey) -> Vec<u8> {
    let mut out = Vec::new();
    SealedReader::new(plain, key).read_to_end(&mut out).unwrap();
    assert_eq!(out.len() as u64, sealed_len(plain.len() as u64));
    out
}

fn opened(sealed: &[u8], key: &BlobKey) -> io::Result<Vec<u8>> {
    let mut writer = OpeningWriter::new(Vec::new(), key);
    writer.write_all(sealed)?;
    writer.finish()
}

fn lengths() -> Vec<usize> {
    let segment = SEGMENT as usize;
    vec![
        0,
        1,
        segment - 1,
        segment,
        segment + 1,
        2 * segment - 1,
        2 * segment,
        2 * segment + 1,
        5 * segment + 700,
    ]
}

#[test]
fn what_is_sealed_opens() {
    for len in lengths() {
        let bytes = sample(len);
        let ciphertext = sealed(&bytes, &key(1));
        assert_eq!(plain_len(ciphertext.len() as u64), Some(len as u64));
        assert!(opened(&ciphertext, &key(1)).unwrap() == bytes);
        assert!(sealed(&bytes, &key(1)) == ciphertext, "the same each time");
        let mut file = Vec::new();
        let (root, sealed_len) = seal(&bytes[..], &key(1), &mut file).unwrap();
        assert!(file == ciphertext && sealed_len == file.len() as u64);
        assert_eq!(
            root,
            rhizome_ipld::cid_raw_blake3(*blake3::hash(&file).as_bytes())
        );
    }
}

/// Nothing but the very ciphertext opens.
#[test]
fn whatever_is_changed_does_not_open() {
    for len in lengths() {
        let good = sealed(&sample(len), &key(1));
        for at in [0, 15, len / 2, len, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(opened(&bad, &key(1)).is_err(), "{len}: flipped at {at}");
        }
        for cut in [0, 15, 16, 17, SEALED, 2 * SEALED, len / 2, good.len() - 1] {
            if cut < good.len() {
                assert!(
                    opened(&good[..cut], &key(1)).is_err(),
                    "{len}: cut to {cut}"
                );
            }
        }
        for more in [&[0][..], &[0; 16], &good] {
            assert!(
                opened(&[&good[..], more].concat(), &key(1)).is_err(),
                "{len}"
            );
        }
        assert!(opened(&good, &key(2)).is_err(), "another epoch");
    }
}

#[test]
fn segments_stay_where_they_were_sealed() {
    let plain = sample(3 * SEGMENT as usize + 5);
    let good = sealed(&plain, &key(1));
    let parts: Vec<&[u8]> = good.chunks(SEALED).collect();
    let other_plain: Vec<u8> = plain.iter().map(|byte| byte ^ 1).collect();
    let other = sealed(&other_plain, &key(2));
    let others: Vec<&[u8]> = other.chunks(SEALED).collect();
    for wrong in [
        vec![parts[1], parts[0], parts[2], parts[3]],
        vec![parts[0], parts[0], parts[2], parts[3]],
        vec![parts[0], parts[0], parts[1], parts[2], parts[3]],
        vec![parts[0], parts[2], parts[3]],
        vec![parts[1], parts[2], parts[3]],
        vec![parts[0], parts[1], parts[2]],
        vec![parts[0], parts[1], parts[2], parts[3], parts[3]],
        vec![parts[3]],
        vec![parts[0]],
        vec![parts[0], others[1], parts[2], parts[3]],
        vec![parts[0], parts[1], parts[2], others[3]],
    ] {
        assert!(opened(&wrong.concat(), &key(1)).is_err());
    }
}

/// A full segment is another one as the last than in the middle.
#[test]
fn the_last_segment_says_so() {
    let segment = SEGMENT as usize;
    let two = sample(2 * segment);
    let long = sealed(&two, &key(1));
    let short = sealed(&two[..segment], &key(1));
    assert!(long[..SEALED] != short[..], "the same key and plaintext");
    assert!(opened(&[&short[..], &long[SEALED..]].concat(), &key(1)).is_err());
    assert!(opened(&long[..SEALED], &key(1)).is_err());
    // An empty last segment after a full one: a second spelling of a blob, which there must not be.
    let spelling = [&long[..SEALED], &sealed(b"", &key(1))].concat();
    assert!(opened(&spelling, &key(1)).is_err());
}

#[test]
fn keys_and_names_are_of_one_blob_in_one_epoch() {
    let cids: Vec<Cid> = (0..3)
        .map(|i| rhizome_ipld::cid_raw_blake3([i; 32]))
        .collect();
    let mut all = Vec::new();
    for epoch in 0..3 {
        for cid in &cids {
            all.push(*keys(epoch).key(cid).unwrap().expose());
            all.push(keys(epoch).name(cid).unwrap().0);
        }
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 18);
    let other = Cid::new_v1(0x71, *cids[0].hash());
    assert!(matches!(keys(0).key(&other), Err(BlobError::NotABlob(_))));
    assert!(matches!(keys(0).name(&other), Err(BlobError::NotABlob(_))));
}

/// Gives what it is told to, in parts, with failures between.
struct Jerky<'a> {
    rest: &'a [u8],
    steps: &'a [usize],
    at: usize,
}

impl Read for Jerky<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.steps[self.at % self.steps.len()];
        self.at += 1;
        match step % 7 {
            0 => Err(io::ErrorKind::Interrupted.into()),
            1 => Err(io::ErrorKind::WouldBlock.into()),
            _ => (&mut self.rest).take(step as u64).read(buffer),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sealing_does_not_depend_on_how_it_is_read(
        len in 0..200_000_usize,
        steps in prop::collection::vec(1..40_000_usize, 1..9),
    ) {
        let steps = [&steps[..], &[20_002]].concat();
        let bytes = sample(len);
        let source = Jerky { rest: &bytes, steps: &steps, at: 0 };
        let mut reader = SealedReader::new(source, &key(3));
        let mut writer = OpeningWriter::new(Vec::new(), &key(3));
        let mut ciphertext = Vec::new();
        let mut buffer = vec![0; 30_001];
        for i in 0.. {
            let room = steps[i % steps.len()].min(buffer.len());
            match reader.read(&mut buffer[..room]) {
                Ok(0) => break,
                Ok(read) => {
                    ciphertext.extend_from_slice(&buffer[..read]);
                    writer.write_all(&buffer[..read]).unwrap();
                }
                Err(error) => prop_assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        prop_assert!(ciphertext == sealed(&bytes, &key(3)));
        prop_assert!(writer.finish().unwrap() == bytes);
    }

    #[test]
    fn a_changed_byte_never_opens(len in 0..150_000_usize, at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let mut bad = sealed(&sample(len), &key(3));
        let at = at.index(bad.len());
        bad[at] ^= by;
        prop_assert!(opened(&bad, &key(3)).is_err());
    }
}
