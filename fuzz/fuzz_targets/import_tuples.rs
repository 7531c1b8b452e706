//! Files of tuples: each line is taken or reported, whether the file is read in one part or in many.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Identity, Importer, Limits, Line, Preview, Recognition, Source, Tuples};

fuzz_target!(|data: &[u8]| {
    let read = |limits: Limits| {
        let files = [("a.tsv".to_owned(), data.to_vec())];
        let source = Source::from_memory("a.tsv", files, &limits).expect("one small file");
        let recognition = Recognition {
            importer: "tuples",
            confidence: 1.0,
            why: String::new(),
            source: "a".to_owned(),
            account: None,
        };
        let mut preview = Preview::new(&source, "did:key:z", "a");
        Tuples
            .read(&source, &recognition, &mut preview)
            .expect("nothing in a file of tuples stops the import");
        let tuples: usize = preview
            .records
            .iter()
            .flat_map(|record| &record.facts)
            .map(|fact| fact.tuples())
            .sum();
        let records: BTreeMap<_, _> = preview
            .records
            .into_iter()
            .map(|record| match record.identity {
                Identity::Derived(entity) => (entity, (record.kind, record.facts)),
                Identity::Key(key) => panic!("{key}"),
            })
            .collect();
        (records, preview.skipped, tuples)
    };
    let (records, skipped, tuples) = read(Limits::default());
    let lines: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    assert!(tuples + skipped <= lines.len());
    if std::str::from_utf8(data).is_ok() {
        let good = lines
            .iter()
            .filter(|line| Line::parse(line).is_ok())
            .count();
        assert!(tuples <= good && (good > 0) == (tuples > 0));
    }
    let parts = Limits {
        spool_bytes: 64,
        ..Limits::default()
    };
    if !data.starts_with(b"\xef\xbb\xbf") {
        assert_eq!((records, skipped, tuples), read(parts));
    }
});
