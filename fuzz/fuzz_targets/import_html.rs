//! HTML of other people: what comes out is text, or HTML without anything that acts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{plain_text, sanitise};

fuzz_target!(|data: &[u8]| {
    let html = String::from_utf8_lossy(data);
    let clean = sanitise(&html);
    let lower = clean.to_ascii_lowercase();
    for forbidden in [
        "<script", "<img", "<iframe", "<svg", "<math", "<style", "<form", "<object", "<base",
    ] {
        assert!(!lower.contains(forbidden), "{forbidden} in {clean}");
    }
    // `<` of a text is escaped, so what follows one is a tag.
    for tag in lower.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        assert!(
            !tag.contains("href=\"javascript") && !tag.contains("href=\"data"),
            "{clean}"
        );
    }
    // The element names and a link's rel are all that may grow; each costs its author at least three bytes.
    assert!(
        clean.len() <= html.len() * 48 + 64,
        "{} from {}",
        clean.len(),
        html.len()
    );
    let text = plain_text(&html);
    // A zero byte in the address of a link becomes U+FFFD, which is escaped with nine characters.
    assert!(text.len() <= html.len() * 9 + 64);
});
