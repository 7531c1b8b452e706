//! Files of the importers of contacts, calendars, mail, feeds, notes, tracks and blogs: every one becomes records or problems.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{
    DayOne, Evernote, Feeds, GoogleKeep, Gpx, ICalendars, ImportError, Importer, Limits, Mail,
    Markdown, Medium, Notion, Preview, Roam, Source, Substack, VCards, WordPress,
};

const FILES: [(&str, &dyn Importer); 14] = [
    ("people.vcf", &VCards),
    ("calendar.ics", &ICalendars),
    ("inbox.mbox", &Mail),
    ("feeds.xml", &Feeds),
    ("note.json", &GoogleKeep),
    ("note.md", &Markdown),
    ("notebook.enex", &Evernote),
    ("journal.json", &DayOne),
    ("graph.json", &Roam),
    ("track.gpx", &Gpx),
    ("blog.xml", &WordPress),
    ("posts/story.html", &Medium),
    ("posts.csv", &Substack),
    ("Page 0123456789abcdef0123456789abcdef.md", &Notion),
];

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let (name, importer) = FILES[usize::from(*which) % FILES.len()];
    let files = [(name.to_owned(), data.to_vec())];
    let source = Source::from_memory("export", files, &Limits::default()).expect("one small file");
    let Some(recognition) = importer
        .recognise(&source)
        .expect("a file in memory can be looked into")
    else {
        return;
    };
    let mut preview = Preview::new(&source, "did:key:z", &recognition.source);
    match importer.read(&source, &recognition, &mut preview) {
        Ok(()) | Err(ImportError::Document { .. }) => {}
        Err(error) => panic!("{error}"),
    }
});
