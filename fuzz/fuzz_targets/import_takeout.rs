//! Pages and lists of a takeout, clippings of a Kindle, the XML of Apple Health: read or reported.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Health, Importer, Kindle, Limits, Preview, Source, Takeout};

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let (name, before, importer): (_, &str, &dyn Importer) = match kind % 7 {
        0 => (
            "a.html",
            "<style>.mdl-cell{}</style><div class=\"outer-cell",
            &Takeout,
        ),
        1 => (
            "a.json",
            "[{\"header\": \"\", \"title\": \"\", \"time\": \"\"}, ",
            &Takeout,
        ),
        2 => (
            "a.json",
            "{\"locations\": [{\"timestampMs\": \"1\"}, ",
            &Takeout,
        ),
        3 => (
            "a.jpg.json",
            "{\"title\": \"a.jpg\", \"photoTakenTime\": ",
            &Takeout,
        ),
        4 => (
            "a.csv",
            "a,b,c\nC,http://www.youtube.com/channel/C,t\n",
            &Takeout,
        ),
        5 => ("a.txt", "t (a)\n- Your Note | x\n\n\n==========\n", &Kindle),
        _ => ("a.xml", "<HealthData>", &Health),
    };
    let content = [before.as_bytes(), bytes].concat();
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
});
