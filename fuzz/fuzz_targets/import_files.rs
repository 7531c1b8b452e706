//! Files of the importers of contacts, calendars, mail, feeds, notes, tracks, blogs, of ActivityStreams and of InstantDB: every
//! one becomes records or problems.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{
    ActivityStreams, DayOne, Evernote, Feeds, GoogleKeep, Gpx, ICalendars, ImportError, Importer,
    InstantDb, Limits, Mail, Markdown, Medium, Notion, Preview, Roam, Source, Substack, VCards,
    WordPress,
};

const FILES: [(&str, &dyn Importer); 16] = [
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
    ("note.json", &ActivityStreams),
    ("entities/posts.jsonl", &InstantDb),
];

/// What says that lines are tables, and what in them is a link or a date.
const CONFIG: &str = r#"{"counts": {}, "schema": {"entities": {"posts": {"attrs": {"at": {"valueType": "date"}}}},
    "links": {"a": {"forward": {"on": "posts", "label": "by", "has": "one"}, "reverse": {"on": "people", "label": "posts"}},
    "b": {"forward": {"on": "posts", "label": "tags", "has": "many"}, "reverse": {"on": "tags", "label": "posts"}}}}}"#;

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let (name, importer) = FILES[usize::from(*which) % FILES.len()];
    let mut files = vec![(name.to_owned(), data.to_vec())];
    if importer.name() == "instantdb" {
        files.push(("config.json".to_owned(), CONFIG.into()));
    }
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
