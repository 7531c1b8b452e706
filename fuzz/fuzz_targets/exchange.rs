//! What is said beside a session, and what people paste: invitations, pairing codes, requests for recovery, lists of what is erased, the
//! first words about pods and views.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rhizome_identity::Did;
use rhizome_ipld::SigningKey;
use rhizome_pod::{
    FriendRequest, Grant, GrantPart, PairingCode, fuzzing, parse_device, parse_peer,
};

static PEER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([1; 32]));
static DEVICE: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([2; 32]));
static POD: LazyLock<Did> = LazyLock::new(|| {
    let text = "did:rhizome:bafyreiearwcqpgfykpjjv6cmxjhcincj4zpgn3ayj5svx34n4upg26udvy";
    text.parse().expect("a DID")
});

fuzz_target!(|data: &[u8]| {
    if let Ok(grant) = Grant::from_bytes(data) {
        assert_eq!(grant.to_bytes().expect("it was read"), data);
        let again: Grant = grant.to_string().parse().expect("written by us");
        assert_eq!(again.root(), grant.root());
        if let Ok(part) = grant.pass_on(&GrantPart::default()) {
            assert_eq!(part.root(), grant.root());
        }
    }
    // nobody has a delegation of this peer
    assert!(!fuzzing::judge_invitation(
        &PEER.public(),
        &DEVICE.public(),
        &POD,
        data
    ));
    let _ = fuzzing::read_words(data, *POD);
    if let Some(leaves) = fuzzing::read_erasures(data) {
        assert!(leaves <= data.len());
    }
    if let Ok(request) = FriendRequest::from_bytes(data) {
        let bytes = request.to_bytes().expect("it was read");
        assert!(FriendRequest::from_bytes(&bytes).is_ok());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(code) = text.parse::<PairingCode>() {
            let again: PairingCode = code.to_string().parse().expect("written by us");
            assert_eq!(again.address, code.address);
        }
        let _ = (parse_peer(text), parse_device(text));
    }
});
