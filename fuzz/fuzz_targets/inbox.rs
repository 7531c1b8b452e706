//! Messages that anybody may leave for a pod, and what is said around them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_pod::{MAX_MESSAGE, SealedMessage, fuzzing};

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = SealedMessage::from_bytes(data) {
        assert_eq!(message.bytes(), data);
        assert!(data.len() <= MAX_MESSAGE);
    }
    let _ = fuzzing::weigh_message(data);
    fuzzing::hear_inbox(data);
});
