//! Base segments: read whole or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::check_base;

fuzz_target!(|data: &[u8]| {
    if let Ok(records) = check_base(data) {
        assert!(records <= data.len());
    }
});
