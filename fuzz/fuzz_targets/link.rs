//! What a link reads before it knows who is there: addresses, frames, and the handshake over a WebSocket.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rhizome_ipld::SigningKey;
use rhizome_network::frame::{self, Head};
use rhizome_network::handshake::{Dialler, Listener};
use rhizome_network::{MAX_MESSAGE, PeerAddress, Protocol};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([1; 32]));

fuzz_target!(|data: &[u8]| {
    match frame::head(data) {
        Ok(Head::Message { header, length }) => {
            assert!(length <= MAX_MESSAGE);
            let mut again = Vec::new();
            frame::put_head(length, &mut again);
            assert_eq!(again.as_slice(), &data[..header]);
        }
        Ok(Head::Partial) => assert!(data.len() < frame::MAX_HEADER),
        Ok(Head::End) | Err(_) => {}
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(address) = text.parse::<PeerAddress>()
    {
        assert_eq!(address.to_string(), text.to_ascii_lowercase());
        assert_eq!(address.to_qr_text().parse::<PeerAddress>(), Ok(address));
    }
    // The checksum would stop everything that is not an address already: behind it with what it should be.
    rhizome_network::fuzzing::address(data);
    let _ = Listener::greeted(data, &KEY, [2; 32]);
    let (dialler, greeting) = Dialler::new(Protocol::Sync, [3; 32]);
    let _ = dialler.answered(data, &KEY.public(), &KEY);
    let (listener, _) = Listener::greeted(&greeting, &KEY, [2; 32]).expect("our own greeting");
    assert!(listener.proved(data).is_err());
});
