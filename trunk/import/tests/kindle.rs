//! Clippings of a Kindle.

use crate::pods::{Place, entity, pod, text};
use rhizome_import::{Importer, Kindle, Options, Report, Source};
use rhizome_tuple::Value;

const CLIPPINGS: &str = "\u{feff}A Book (Ada B.)\r\n- Your Highlight on page 12 | location 123-124 | Added on Monday, 1 January 2020 12:00:00\r\n\r\nA passage.\r\n==========\r\n\
    A Book (Ada B.)\r\n- Your Note on page 12 | Added on Monday, 1 January 2020 12:01:00\r\n\r\nMine, in\r\ntwo lines\r\n==========\r\n\
    Ein Buch\r\n- Ihr Lesezeichen auf Seite 3 | Hinzugefügt am Mittwoch, 1. Januar 2020 12:02:00\r\n\r\n\r\n==========\r\n";

fn run(place: &Place, bytes: &[u8], pod: &mut rhizome_import::MemoryPod) -> Report {
    let source = source(place, bytes);
    place
        .run(&source, &Kindle, pod, Options::new(crate::pods::now))
        .unwrap()
}

fn source(place: &Place, bytes: &[u8]) -> Source {
    place.source("kindle", &[("My Clippings.txt".to_owned(), bytes.to_vec())])
}

#[test]
fn highlights_notes_and_bookmarks() {
    let (place, mut pod) = (Place::new(), pod());
    let report = run(&place, CLIPPINGS.as_bytes(), &mut pod);
    let kinds = ["book", "highlight", "note", "bookmark"].map(|kind| report.kinds[kind].added);
    assert_eq!((kinds, report.skipped), ([2, 1, 1, 1], 0), "{report:?}");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let book = entity("kindle", "book/A Book (Ada B.)");
    assert_eq!(text(&pod, &book, "book/author").as_deref(), Some("Ada B."));
    let notes =
        rhizome_import::Pod::entities_with(&pod, "book/type", &Value::from("note")).unwrap();
    assert_eq!(
        text(&pod, &notes[0], "book/text").as_deref(),
        Some("Mine, in\ntwo lines")
    );
    assert_eq!(pod.values(&notes[0], "book/of"), [Value::Ref(book)]);
    let again = run(&place, CLIPPINGS.as_bytes(), &mut pod);
    assert_eq!((again.added, again.changed, again.unchanged), (0, 0, 5));
    // The file of a later day has one more; one that was deleted on the device stays here.
    let later = CLIPPINGS.replace("12:01:00\r\n\r\nMine", "12:05:00\r\n\r\nMine, again");
    let third = run(&place, later.as_bytes(), &mut pod);
    assert_eq!(
        (third.added, third.changed, third.totals.vanished),
        (1, 0, 1)
    );
}

#[test]
fn broken_clippings_cost_themselves() {
    let (place, mut pod) = (Place::new(), pod());
    let broken = CLIPPINGS.replace("- Your Note", "Your Note");
    let report = run(&place, broken.as_bytes(), &mut pod);
    assert_eq!((report.skipped, report.kinds["highlight"].added), (1, 1));
    for n in (0..CLIPPINGS.len()).step_by(5) {
        let mut bytes = CLIPPINGS.as_bytes().to_vec();
        bytes.truncate(n);
        bytes.push(0xff);
        let source = source(&place, &bytes);
        if Kindle.recognise(&source).unwrap().is_some() {
            run(&place, &bytes, &mut crate::pods::pod());
        }
    }
}
