//! A genesis as a CAR: what is accepted is signed by all its devices and comes back as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_identity::{Genesis, Log, Representation, document};

fuzz_target!(|data: &[u8]| {
    if let Ok(genesis) = Genesis::from_car(data) {
        let car = genesis.to_car().expect("a verified genesis can be written");
        assert_eq!(Genesis::from_car(&car).expect("written by us"), genesis);
        let log = Log::new(genesis).expect("a log of one operation");
        let document = document(&log.resolve(), Representation::Did);
        assert_eq!(document["id"], log.did().to_string());
    }
    // The two blocks without the CAR around them, whose hashes random changes seldom keep.
    if let Some((split, blocks)) = data.split_first_chunk::<2>() {
        let at = usize::from(u16::from_be_bytes(*split)).min(blocks.len());
        let (payload, signatures) = blocks.split_at(at);
        if let Ok(genesis) = Genesis::verify(payload, signatures) {
            assert_eq!(genesis.payload_bytes(), payload);
        }
    }
});
