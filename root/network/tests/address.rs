//! Addresses as text.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_network::{AddressError, MAX_TEXT, PeerAddress};

use crate::peers::{hex, public, vectors};

fn full() -> PeerAddress {
    PeerAddress::new(public(1))
        .unwrap()
        .with_socket("192.168.1.20:4433".parse().unwrap())
        .unwrap()
        .with_socket("[2001:db8::1]:4433".parse().unwrap())
        .unwrap()
        .with_relay("https://relay.example.org/")
        .unwrap()
        .with_websocket("wss://peer.example.org/link")
        .unwrap()
}

/// The vectors of the specification, made by a second implementation.
#[test]
fn known_answers() {
    let vectors = vectors();
    for case in vectors["addresses"].as_array().unwrap() {
        let seed = hex(&case["seed"]).try_into().unwrap();
        let mut address = PeerAddress::new(SigningKey::from_seed(seed).public()).unwrap();
        for place in case["places"].as_array().unwrap() {
            let place = place.as_str().unwrap();
            address = match place.parse() {
                Ok(socket) => address.with_socket(socket),
                Err(_) if place.starts_with("ws") => address.with_websocket(place),
                Err(_) => address.with_relay(place),
            }
            .unwrap();
        }
        let text = case["text"].as_str().unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(text.parse::<PeerAddress>().unwrap(), address);
    }
    for case in vectors["refused addresses"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert!(text.parse::<PeerAddress>().is_err(), "{}", case["what"]);
    }
}

#[test]
fn capitals_are_the_same_and_mixtures_are_not() {
    let text = full().to_string();
    assert_eq!(full().to_qr_text().parse::<PeerAddress>().unwrap(), full());
    let mut mixed = text.clone().into_bytes();
    mixed[20] = mixed[20].to_ascii_uppercase();
    let at = mixed.iter().rposition(u8::is_ascii_lowercase).unwrap();
    mixed[at] = mixed[at].to_ascii_uppercase();
    let mixed = String::from_utf8(mixed).unwrap();
    assert_eq!(mixed.parse::<PeerAddress>(), Err(AddressError::Case));
}

#[test]
fn errors_say_what_is_wrong() {
    let text = full().to_string();
    let parse = |text: &str| text.parse::<PeerAddress>().unwrap_err();
    assert_eq!(parse(""), AddressError::Prefix);
    assert_eq!(parse("rhizome"), AddressError::Prefix);
    assert_eq!(parse(&text[1..]), AddressError::Prefix);
    assert_eq!(parse(&format!(" {text}")), AddressError::Prefix);
    assert_eq!(parse(&text.replace(":1:", ":2:")), AddressError::Version);
    assert_eq!(parse(&text.replace(":1:", ":x:")), AddressError::Prefix);
    assert_eq!(parse(&text.replace(":1:", ":01:")), AddressError::Version);
    assert_eq!(parse(&"a".repeat(MAX_TEXT + 1)), AddressError::TooLong);
    assert_eq!(
        parse(&format!("{text} ")),
        AddressError::Character { at: text.len() + 1 }
    );
    assert_eq!(
        parse(&format!("{}1{}", &text[..15], &text[16..])),
        AddressError::Character { at: 16 }
    );
    assert_eq!(parse("rhizome:1:"), AddressError::Incomplete);
    let (short, _) = text.split_at(text.len() - 1);
    assert!(matches!(
        parse(short),
        AddressError::Incomplete | AddressError::Checksum
    ));
}

#[test]
fn places_nobody_can_dial_are_refused() {
    let new = || PeerAddress::new(public(1)).unwrap();
    for socket in [
        "0.0.0.0:1",
        "[::]:1",
        "127.0.0.1:0",
        "224.0.0.1:5",
        "255.255.255.255:5",
        "[ff02::1]:7",
    ] {
        let address: SocketAddr = socket.parse().unwrap();
        assert_eq!(
            new().with_socket(address),
            Err(AddressError::Socket { address })
        );
    }
    for url in [
        "relay.example.org",
        "ftp://relay.example.org/",
        "wss://relay.example.org/",
        "https://relay.example.org",      // no path
        "https://Relay.example.org/",     // not in normal form
        "https://relay.example.org:443/", // the port that goes without saying
        "https://user@relay.example.org/",
        "https://relay.example.org/?q",
        "https://relay.example.org/#f",
    ] {
        assert!(
            matches!(new().with_relay(url), Err(AddressError::Url(_))),
            "{url}"
        );
    }
    assert!(new().with_websocket("https://peer.example.org/").is_err());
    assert!(
        new()
            .with_relay(&format!("https://{}/", "a".repeat(200)))
            .is_err()
    );
    assert_eq!(
        PeerAddress::new(PublicKey::P256([2; 33])),
        Err(AddressError::Key)
    );
}

#[test]
fn ipv4_within_ipv6_is_ipv4() {
    let mapped = PeerAddress::new(public(1))
        .unwrap()
        .with_socket("[::ffff:10.0.0.1]:9".parse().unwrap())
        .unwrap();
    assert_eq!(mapped.sockets(), ["10.0.0.1:9".parse().unwrap()]);
}

#[test]
fn the_longest_address_can_be_read_and_more_cannot_be_made() {
    let mut address = PeerAddress::new(public(1)).unwrap();
    for i in 1..=8_u16 {
        let socket = SocketAddr::from(([0x2001, 0, 0, 0, 0, 0, 0, i], i));
        address = address.with_socket(socket).unwrap();
    }
    for i in 0..4 {
        let url = format!("https://{i}.org/{}", "r".repeat(200 - 14));
        address = address.with_relay(&url).unwrap();
    }
    let url = format!("wss://w.org/{}", "w".repeat(200 - 12));
    address = address.with_websocket(&url).unwrap();
    let text = address.to_string();
    assert!(text.len() <= MAX_TEXT, "{}", text.len());
    assert_eq!(text.parse::<PeerAddress>().unwrap(), address);
    let more = address.clone().with_socket("10.0.0.1:9".parse().unwrap());
    assert_eq!(more, Err(AddressError::TooMany));
    assert_eq!(
        address.with_relay("http://x.org/"),
        Err(AddressError::TooMany)
    );
}

fn addresses() -> impl Strategy<Value = PeerAddress> {
    let socket = (any::<IpAddr>(), 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip, port));
    let host = "[a-z]{1,10}\\.example";
    (
        any::<[u8; 32]>(),
        prop::collection::vec(socket, 0..6),
        prop::collection::vec(host, 0..4),
        prop::option::of(host),
    )
        .prop_map(|(key, sockets, relays, websocket)| {
            let mut address = PeerAddress::new(PublicKey::Ed25519(key)).unwrap();
            for socket in sockets {
                if let Ok(more) = address.clone().with_socket(socket) {
                    address = more;
                }
            }
            for host in relays {
                address = address.with_relay(&format!("https://{host}/")).unwrap();
            }
            match websocket {
                Some(host) => address.with_websocket(&format!("ws://{host}/x")).unwrap(),
                None => address,
            }
        })
}

proptest! {
    #[test]
    fn every_address_has_one_spelling(address in addresses()) {
        let text = address.to_string();
        prop_assert!(text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b':'));
        prop_assert_eq!(&text.parse::<PeerAddress>().unwrap(), &address);
        prop_assert_eq!(address.to_qr_text().parse::<PeerAddress>().unwrap(), address);
    }

    #[test]
    fn one_wrong_character_is_noticed(address in addresses(), at: prop::sample::Index, to in "[a-z2-7]") {
        let text = address.to_string();
        let at = 10 + at.index(text.len() - 10);
        let wrong = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        if wrong != text {
            prop_assert!(wrong.parse::<PeerAddress>().is_err());
        }
    }

    #[test]
    fn two_swapped_characters_are_noticed(address in addresses(), at: prop::sample::Index) {
        let text = address.to_string();
        let at = 10 + at.index(text.len() - 11);
        let mut wrong = text.clone().into_bytes();
        wrong.swap(at, at + 1);
        let wrong = String::from_utf8(wrong).unwrap();
        if wrong != text {
            prop_assert!(wrong.parse::<PeerAddress>().is_err());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(rhizome:1:)?[a-z2-7:]{0,200}|.{0,60}") {
        if let Ok(address) = text.parse::<PeerAddress>() {
            prop_assert_eq!(address.to_string(), text.to_ascii_lowercase());
        }
    }
}
