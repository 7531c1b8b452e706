//! Messages of sync have one spelling, and what a message needs in memory is bounded by its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_sync::{Message, set::SetMessage};

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::from_bytes(data) {
        assert_eq!(message.to_bytes(), data);
    }
    if let Ok(message) = SetMessage::read(data) {
        let mut again = Vec::new();
        message.write(&mut again);
        assert_eq!(again, data);
    }
});
