//! Containers in all their framings.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use rhizome_capability::container::{self, Framing, Limits, MAX_TOKENS};
use rhizome_capability::{CapabilityError, Container};

use crate::{grant, invoke};

proptest! {
    #[test]
    fn what_is_written_is_read(tokens in vec(vec(any::<u8>(), 0..40), 0..8)) {
        let mut sorted = tokens.clone();
        sorted.sort();
        sorted.dedup();
        for framing in Framing::ALL {
            let bytes = container::write(framing, tokens.iter().map(Vec::as_slice)).unwrap();
            let read = container::read(&bytes, Limits::default()).unwrap();
            prop_assert_eq!(&read, &sorted);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..80), framing in 0..6_usize) {
        let mut bytes = bytes;
        bytes.insert(0, b"@BCMOP"[framing]);
        let _ = container::read(&bytes, Limits::default());
    }
}

#[test]
fn tokens_of_both_kinds() {
    let proof = grant(1, 2, 1, "/");
    let call = invoke(2, 1, "/a", &[&proof]);
    for framing in Framing::ALL {
        let bytes =
            container::write(framing, [call.bytes(), proof.bytes(), proof.bytes()]).unwrap();
        let read = Container::decode(&bytes, Limits::default()).unwrap();
        assert_eq!(
            read.invocations,
            [call.bytes()].map(|bytes| rhizome_capability::Invocation::decode(bytes).unwrap())
        );
        assert_eq!(read.proofs.len(), 1);
        assert_eq!(**read.proofs.get(proof.cid()).unwrap(), proof);
    }
}

#[test]
fn what_is_refused() {
    let read = |bytes: &[u8]| container::read(bytes, Limits::default());
    let raw = container::write(Framing::Raw, [&b"a"[..]]).unwrap();
    let gzip = container::write(Framing::Gzip, [&b"a"[..]]).unwrap();
    let url = container::write(Framing::Base64Url, [&b"a"[..]]).unwrap();
    assert_eq!(read(b""), Err(CapabilityError::Framing));
    assert_eq!(read(b"A"), Err(CapabilityError::Framing));
    assert!(matches!(read(b"@"), Err(CapabilityError::Codec(_))));
    // Another key, or another beside it.
    assert_eq!(read(b"@\xa1\x66ctn-v2\x80"), Err(CapabilityError::Envelope));
    assert_eq!(
        read(b"@\xa2\x61a\x80\x66ctn-v1\x80"),
        Err(CapabilityError::Envelope)
    );
    assert_eq!(read(b"@\xa1\x66ctn-v1\x80"), Ok(Vec::new()));
    for mut bytes in [raw, gzip, url] {
        bytes.push(b'=');
        assert!(read(&bytes).is_err(), "{bytes:?}");
        bytes.truncate(bytes.len() - 3);
        assert!(read(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn limits() {
    let tokens: Vec<[u8; 4]> = (0..=MAX_TOKENS as u32).map(u32::to_be_bytes).collect();
    let write =
        |n: usize| container::write(Framing::Raw, tokens[..n].iter().map(<[u8; 4]>::as_slice));
    assert_eq!(write(MAX_TOKENS + 1), Err(CapabilityError::TooLarge));
    let bytes = write(MAX_TOKENS).unwrap();
    let limits = |bytes, tokens| Limits { bytes, tokens };
    let read = |limits| container::read(&bytes, limits).map(|tokens| tokens.len());
    assert_eq!(read(limits(bytes.len(), MAX_TOKENS)), Ok(MAX_TOKENS));
    assert_eq!(
        read(limits(bytes.len(), MAX_TOKENS - 1)),
        Err(CapabilityError::TooLarge)
    );
    assert_eq!(
        read(limits(bytes.len() - 1, MAX_TOKENS)),
        Err(CapabilityError::TooLarge)
    );
}

/// A list that says it has very many tokens, or has very many small ones, costs nothing.
#[test]
fn oversized_containers() {
    let large = Limits {
        bytes: 1 << 24,
        tokens: usize::MAX,
    };
    let absurd = b"@\xa1\x66ctn-v1\x9b\x00\x00\x00\xff\xff\xff\xff\xff";
    assert!(container::read(absurd, large).is_err());
    let mut many = b"@\xa1\x66ctn-v1\x9a\x00\x80\x00\x00".to_vec();
    many.extend(vec![0x40; 1 << 23]);
    assert!(container::read(&many, large).is_err());
}

/// It is not unpacked further than the limit: what is broken behind it does not show.
#[test]
fn gzip_bombs() {
    let mut encoder = flate2::write::GzEncoder::new(vec![b'M'], flate2::Compression::best());
    for _ in 0..16 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let mut bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 15);
    let refused = Err(CapabilityError::TooLarge);
    assert_eq!(container::read(&bomb, Limits::default()), refused);
    bomb.truncate(bomb.len() / 2);
    assert_eq!(container::read(&bomb, Limits::default()), refused);
}
