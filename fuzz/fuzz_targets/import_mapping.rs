//! Mapping files: what is taken can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::Mapping;

fuzz_target!(|data: &[u8]| {
    if let Ok(mapping) = Mapping::parse(data) {
        let again = Mapping::parse(mapping.to_json().as_bytes()).expect("its own form is good");
        assert_eq!(again, mapping);
    }
});
