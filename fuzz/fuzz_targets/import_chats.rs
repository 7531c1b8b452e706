//! Conversations of WhatsApp, Signal and Telegram: every line and message becomes a record or a problem, and nobody else may see any.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Audience, Importer, Limits, Preview, Signal, Source, Telegram, WhatsApp};

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let (name, before, after, importer): (_, &str, &str, &dyn Importer) = match which % 5 {
        0 => ("WhatsApp Chat with A.txt", "", "", &WhatsApp),
        1 => (
            "_chat.txt",
            "[13/01/20, 09:00:00] A: x\n[13/01/20, 09:00:01] B: y\n",
            "",
            &WhatsApp,
        ),
        2 => ("a.txt", "[2019-12-24, 12:23] A: x\n", "", &Signal),
        3 => (
            "result.json",
            "{\"name\": \"A\", \"type\": \"personal_chat\", \"id\": 1, \"messages\": [{\"date_unixtime\": \"1\"}, ",
            "]}",
            &Telegram,
        ),
        _ => ("result.json", "", "", &Telegram),
    };
    let content = [before.as_bytes(), data, after.as_bytes()].concat();
    let limits = Limits {
        record_bytes: 1 << 14,
        ..Limits::default()
    };
    let source =
        Source::from_memory("export", [(name.to_owned(), content)], &limits).expect("a small file");
    let Some(recognition) = importer.recognise(&source).expect("a word on it") else {
        return;
    };
    let mut preview = Preview::new(&source, "did:key:z", importer.name());
    importer
        .read(&source, &recognition, &mut preview)
        .expect("nothing in a file stops the import");
    for record in &preview.records {
        assert!(record.audience.is_none_or(|of| of == Audience::Direct));
    }
});
