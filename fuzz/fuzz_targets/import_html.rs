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
    // Text is escaped, so an address can only follow a quote inside a tag.
    assert!(
        !lower.contains("href=\"javascript") && !lower.contains("href=\"data"),
        "{clean}"
    );
    // The element names and a link's rel are all that may grow; each costs its author at least three bytes.
    assert!(
        clean.len() <= html.len() * 48 + 64,
        "{} from {}",
        clean.len(),
        html.len()
    );
    let text = plain_text(&html);
    assert!(text.len() <= html.len() * 4 + 16);
});
