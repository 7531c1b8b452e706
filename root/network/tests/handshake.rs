//! The handshake of WebSocket links, without a network.

use bytes::Bytes;
use proptest::prelude::*;
use rhizome_ipld::SigningKey;
use rhizome_network::frame::{self, Head};
use rhizome_network::handshake::{Dialler, Kind, Listener, Session};
use rhizome_network::{HandshakeError, Protocol};

use crate::peers::{hex, key, public, vectors};

fn shake() -> (Session, Session) {
    let (dialler, greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
    let (listener, answer) = Listener::greeted(&greeting, &key(2), [12; 32]).unwrap();
    assert_eq!(listener.protocol(), Protocol::Rpc);
    let (a, proof) = dialler.answered(&answer, &public(2), &key(1)).unwrap();
    (a, listener.proved(&proof).unwrap())
}

#[test]
fn it_ends_with_the_same_secrets() {
    let (mut a, mut b) = shake();
    assert_eq!((a.peer, b.peer), (public(2), public(1)));
    assert_eq!(a.keying, b.keying);
    for i in 0..3_u8 {
        let sealed = a.sealer.seal(Kind::Message, &[i; 40]).unwrap();
        assert_eq!(sealed.len(), 40 + 17);
        let opened = b.opener.open(sealed).unwrap();
        assert_eq!(opened, (Kind::Message, Bytes::from(vec![i; 40])));
        let sealed = b.sealer.seal(Kind::End, &[]).unwrap();
        assert_eq!(a.opener.open(sealed).unwrap().0, Kind::End);
    }
}

/// The vectors of the specification, made by a second implementation.
#[test]
fn known_answer() {
    let vectors = vectors();
    let of = |name: &str| hex(&vectors["handshake"][name]);
    let seed = |name: &str| <[u8; 32]>::try_from(of(name)).unwrap();
    let me = SigningKey::from_seed(seed("dialler"));
    let other = SigningKey::from_seed(seed("listener"));
    let protocol = vectors["handshake"]["protocol"].as_str().unwrap();
    let protocol = Protocol::from_name(protocol.as_bytes()).unwrap();
    let (dialler, greeting) = Dialler::new(protocol, seed("dialler secret"));
    assert_eq!(greeting, of("greeting"));
    let (listener, answer) = Listener::greeted(&greeting, &other, seed("listener secret")).unwrap();
    assert_eq!(answer, of("answer"));
    let (mut a, proof) = dialler.answered(&answer, &other.public(), &me).unwrap();
    assert_eq!(proof, of("proof"));
    let mut b = listener.proved(&proof).unwrap();
    assert_eq!(a.keying.as_slice(), of("keying"));
    assert_eq!(b.keying.as_slice(), of("keying"));
    let hello = a.sealer.seal(Kind::Message, b"hello").unwrap();
    assert_eq!(hello, of("dialler says hello"));
    let end = a.sealer.seal(Kind::End, &[]).unwrap();
    assert_eq!(end, of("dialler has finished"));
    let refusal = b
        .sealer
        .seal(Kind::Refusal, b"not a device of this pod")
        .unwrap();
    assert_eq!(refusal, of("listener refuses"));
}

#[test]
fn known_frames() {
    let vectors = vectors();
    for case in vectors["frames"].as_array().unwrap() {
        let length = case["length"].as_u64().unwrap() as usize;
        let frame = hex(&case["frame"]);
        let mut header = vec![];
        frame::put_head(length, &mut header);
        assert!(frame.starts_with(&header));
        let head = Head::Message {
            header: header.len(),
            length,
        };
        assert_eq!(frame::head(&frame), Ok(head));
    }
    for case in vectors["refused heads"].as_array().unwrap() {
        assert!(frame::head(&hex(case)).is_err(), "{case}");
    }
}

#[test]
fn replayed_and_reordered_messages_do_not_open() {
    let (mut a, mut b) = shake();
    let one = a.sealer.seal(Kind::Message, b"one").unwrap();
    let two = a.sealer.seal(Kind::Message, b"two").unwrap();
    assert!(b.opener.open(two).is_err());
    let (mut a, mut b2) = shake();
    let again = a.sealer.seal(Kind::Message, b"one").unwrap();
    assert_eq!(again, one); // the same randomness
    b2.opener.open(one).unwrap();
    assert!(b2.opener.open(again).is_err());
    // Nor does what came from the other side.
    let mine = b.sealer.seal(Kind::Message, b"x").unwrap();
    assert!(b.opener.open(mine).is_err());
}

#[test]
fn whoever_answers_must_be_who_was_dialled() {
    let (dialler, greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
    let (_, answer) = Listener::greeted(&greeting, &key(5), [12; 32]).unwrap();
    let error = dialler.answered(&answer, &public(2), &key(1)).err();
    assert_eq!(
        error,
        Some(HandshakeError::Identity {
            expected: public(2),
            found: public(5)
        })
    );
}

/// Somebody in the middle who hands messages on between two handshakes of its own gets nowhere: proofs are of one handshake only.
#[test]
fn proofs_cannot_be_passed_on() {
    let (dialler, greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
    let (middle, mid_greeting) = Dialler::new(Protocol::Rpc, [13; 32]);
    let (listener, answer) = Listener::greeted(&mid_greeting, &key(2), [12; 32]).unwrap();
    // The listener's answer to the middle, handed to the dialler, does not fit its greeting.
    assert!(dialler.answered(&answer, &public(2), &key(1)).is_err());
    // A proof of another handshake with the same listener does not fit either.
    let (other, other_answer) = Listener::greeted(&greeting, &key(2), [14; 32]).unwrap();
    let (again, _) = Dialler::new(Protocol::Rpc, [11; 32]);
    let (_, proof) = again.answered(&other_answer, &public(2), &key(1)).unwrap();
    assert!(listener.proved(&proof).is_err());
    assert!(other.proved(&proof).is_ok());
    drop(middle);
}

#[test]
fn low_order_points_are_refused() {
    let (_, mut greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
    let at = greeting.len() - 32;
    greeting[at..].fill(0);
    let error = Listener::greeted(&greeting, &key(2), [12; 32]).err();
    assert_eq!(error, Some(HandshakeError::Agreement));
    let (dialler, greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
    let (_, mut answer) = Listener::greeted(&greeting, &key(2), [12; 32]).unwrap();
    answer[..32].fill(0);
    let error = dialler.answered(&answer, &public(2), &key(1)).err();
    assert_eq!(error, Some(HandshakeError::Agreement));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bit changed on the way ends the handshake.
    #[test]
    fn every_changed_bit_is_noticed(message in 0..3_usize, at: prop::sample::Index, bit in 0..8_u32) {
        let flip = |on: bool, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            if on {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            bytes
        };
        let (dialler, greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
        let greeted = Listener::greeted(&flip(message == 0, &greeting), &key(2), [12; 32]);
        let Ok((listener, answer)) = greeted else {
            prop_assert_eq!(message, 0);
            return Ok(());
        };
        // The highest bit of an X25519 key is not used, but it is hashed.
        let answered = dialler.answered(&flip(message == 1, &answer), &public(2), &key(1));
        let Ok((_, proof)) = answered else {
            prop_assert!(message < 2);
            return Ok(());
        };
        prop_assert_eq!(message, 2);
        prop_assert!(listener.proved(&flip(true, &proof)).is_err());
    }

    #[test]
    fn nothing_from_outside_panics(bytes: Vec<u8>) {
        let _ = Listener::greeted(&bytes, &key(2), [12; 32]);
        let (dialler, greeting) = Dialler::new(Protocol::Rpc, [11; 32]);
        let _ = dialler.answered(&bytes, &public(2), &key(1));
        let (listener, _) = Listener::greeted(&greeting, &key(2), [12; 32]).unwrap();
        let _ = listener.proved(&bytes);
    }
}
