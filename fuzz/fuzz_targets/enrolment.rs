//! Enrolments, DIDs and recovery words: one spelling, bounded, and errors that do not repeat what was typed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_identity::{Did, Enrol, RecoveryWords};
use rhizome_ipld::Signed;

fuzz_target!(|data: &[u8]| {
    if let Ok(signed) = Signed::<Enrol>::from_bytes(data)
        && let Ok(enrol) = signed.verify()
    {
        assert_eq!(enrol.to_bytes(), data);
        let _ = enrol.check();
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(did) = text.parse::<Did>() {
        assert_eq!(did.to_string(), text);
    }
    match RecoveryWords::parse(text) {
        Ok(words) => {
            let again = RecoveryWords::parse(&words.phrase()).expect("our own words");
            assert_eq!(again.entropy().expose(), words.entropy().expose());
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
});
