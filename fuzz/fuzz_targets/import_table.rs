//! Tables of any kind, by the guess: read or reported.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Importer, Limits, Mapping, Preview, Source, Table};

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let name = ["a.csv", "a.tsv", "a.json", "a.jsonl"][usize::from(*kind) % 4];
    let limits = Limits {
        record_bytes: 1 << 14,
        ..Limits::default()
    };
    let source = Source::from_memory("table", [(name.to_owned(), bytes.to_vec())], &limits)
        .expect("one small file");
    let table = Table::new();
    let Some(mapping) = table.mapping_of(&source).expect("a guess or none") else {
        return;
    };
    assert_eq!(
        Mapping::parse(mapping.to_json().as_bytes()).expect("a guess is usable"),
        mapping
    );
    let recognition = table
        .recognise(&source)
        .expect("recognised")
        .expect("as its guess says");
    let mut preview = Preview::new(&source, "did:key:z", "table");
    table
        .read(&source, &recognition, &mut preview)
        .expect("nothing in a table stops the import");
});
