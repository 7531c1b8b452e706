//! Activities of a Mastodon archive: every one becomes records or a problem, and none is public that does not say so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Audience, Importer, Limits, Mastodon, Preview, Recognition, Source};

const ACTOR: &str = r#"{"id": "https://a.example/u", "followers": "https://a.example/u/f", "preferredUsername": "u"}"#;

fuzz_target!(|data: &[u8]| {
    let outbox = [&b"{\"orderedItems\": ["[..], data, &b"]}"[..]].concat();
    let files = [
        ("outbox.json".to_owned(), outbox),
        ("actor.json".to_owned(), ACTOR.into()),
    ];
    let source =
        Source::from_memory("archive", files, &Limits::default()).expect("two small files");
    let recognition = Recognition {
        importer: "mastodon",
        confidence: 1.0,
        why: String::new(),
        source: "mastodon".to_owned(),
        account: Some("https://a.example/u".to_owned()),
    };
    let mut preview = Preview::new(&source, "did:key:z", "mastodon");
    Mastodon
        .read(&source, &recognition, &mut preview)
        .expect("nothing in an archive stops the import");
    let open = |audience: &Option<Audience>| {
        matches!(audience, Some(Audience::Public | Audience::Unlisted))
    };
    if preview.records.iter().any(|record| open(&record.audience)) {
        // Escapes can hide the word from this search, as \u0050ublic.
        assert!(
            data.windows(5).any(|w| w == b"ublic") || data.contains(&b'\\'),
            "public out of nothing"
        );
    }
});
