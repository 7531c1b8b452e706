//! Address books of every version, made up here, and those of well-known programs where the machine has them.

use crate::pods::{Place, attribute, entity, now, open, pod, recognised, text, value};
use proptest::prelude::*;
use rhizome_import::{
    Importer, Limits, MemoryPod, Options, Pod, Preview, ProblemCode, Report, Source, VCards,
};
use rhizome_replica::Edit;
use rhizome_tuple::Value;

const BOOK: &str = "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:L=C3=B6w;Eva;;Dr.;\r\nFN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:Dr. Eva L=F6w\r\nTEL;WORK;VOICE:+49 30 1\r\nTEL;CELL:+49 170 2\r\nEMAIL;PREF;INTERNET:eva@example.org\r\nADR;HOME:;;Gasse 3;Wien;;1010;Austria\r\nBDAY:19800517\r\nNOTE;ENCODING=QUOTED-PRINTABLE:two=0D=0A=\r\nlines\r\nPHOTO;ENCODING=BASE64;PNG:\r\n iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\r\n\r\nEND:VCARD\r\n\
BEGIN:VCARD\nVERSION:3.0\nUID:b-2\nFN:Bo Ek\nN:Ek;Bo;;;\nORG:Acme\\, Inc.;Research\nitem1.EMAIL;type=INTERNET:bo@example.org\nitem1.X-ABLabel:_$!<School>!$_\nitem2.X-ABDATE:2001-02-03\nitem2.X-ABLabel:_$!<Graduation>!$_\nX-JABBER:bo@chat.example\nCATEGORIES:friends,chess\nNICKNAME:Bob\nURL:https://bo.example\nGEO:48.2;16.37\nREV:2024-01-02T03:04:05Z\nEND:VCARD\n\
BEGIN:VCARD\nVERSION:4.0\nUID:urn:uuid:c-3\nFN:Chi Do\nTEL;VALUE=uri;TYPE=\"voice,home\":tel:+1-555\nBDAY:--0412\nPHOTO:data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\nRELATED;TYPE=friend:Bo Ek\nEND:VCARD\n\
BEGIN:VCARD\nVERSION:4.0\nKIND:group\nUID:g-4\nFN:Chess\nMEMBER:urn:uuid:c-3\nMEMBER:b-2\nMEMBER:urn:uuid:nobody\nEND:VCARD\n";

fn book(text: &str) -> Source {
    let files = [("people.vcf".to_owned(), text.as_bytes().to_vec())];
    Source::from_memory("people", files, &Limits::default()).unwrap()
}

fn into(place: &Place, pod: &mut MemoryPod, text: &str) -> Report {
    let folder = place.source(
        "book",
        &[("people.vcf".to_owned(), text.as_bytes().to_vec())],
    );
    place.run(&folder, &VCards, pod, Options::new(now)).unwrap()
}

fn imported(text: &str) -> (Place, MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let report = into(&place, &mut pod, text);
    (place, pod, report)
}

fn of(key: &str) -> rhizome_tuple::EntityId {
    entity("vcard", key)
}

fn named(pod: &MemoryPod, name: &str) -> rhizome_tuple::EntityId {
    let found = pod
        .entities_with("contact/name", &Value::from(name))
        .unwrap();
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

#[test]
fn every_version_is_read() {
    let (_place, pod, report) = imported(BOOK);
    assert_eq!(
        (
            report.kinds["contact"].added,
            report.kinds["contact-group"].added
        ),
        (3, 1)
    );
    assert_eq!((report.skipped, report.complete), (0, true));
    assert_eq!(report.audience["direct"], 4);
    let eva = named(&pod, "Dr. Eva Löw");
    assert_eq!(
        text(&pod, &eva, "contact/family-name").as_deref(),
        Some("Löw")
    );
    assert_eq!(text(&pod, &eva, "contact/prefix").as_deref(), Some("Dr."));
    assert_eq!(pod.values(&eva, "contact/tel").len(), 2);
    assert_eq!(
        pod.values(&eva, "contact/email"),
        [Value::from("eva@example.org")]
    );
    assert_eq!(
        pod.values(&eva, "contact/address"),
        [Value::from("Gasse 3\n1010 Wien\nAustria")]
    );
    assert_eq!(
        text(&pod, &eva, "contact/birthday").as_deref(),
        Some("1980-05-17")
    );
    assert_eq!(
        text(&pod, &eva, "contact/note")
            .map(|note| note.replace('\r', ""))
            .as_deref(),
        Some("two\nlines")
    );
    assert!(matches!(
        value(&pod, &eva, "contact/photo"),
        Some(Value::Blob(_))
    ));
    assert!(
        pod.values(&eva, "contact/field")
            .contains(&Value::from("tel work: +49 30 1"))
    );

    let bo = of("b-2");
    assert_eq!(text(&pod, &bo, "contact/name").as_deref(), Some("Bo Ek"));
    assert_eq!(
        text(&pod, &bo, "contact/org").as_deref(),
        Some("Acme, Inc., Research")
    );
    assert_eq!(pod.values(&bo, "contact/category").len(), 2);
    assert_eq!(
        pod.values(&bo, "contact/impp"),
        [Value::from("jabber:bo@chat.example")]
    );
    assert_eq!(
        value(&pod, &bo, "contact/latitude"),
        Some(&Value::Float(48.2))
    );
    assert_eq!(
        value(&pod, &bo, "contact/updated"),
        Some(&Value::Time(1_704_164_645_000))
    );
    let fields = pod.values(&bo, "contact/field");
    assert!(
        fields.contains(&Value::from("email school: bo@example.org")),
        "{fields:?}"
    );
    assert!(
        fields.contains(&Value::from("graduation: 2001-02-03")),
        "{fields:?}"
    );

    let chi = of("c-3");
    assert_eq!(pod.values(&chi, "contact/tel"), [Value::from("+1-555")]);
    assert_eq!(
        text(&pod, &chi, "contact/birthday").as_deref(),
        Some("--04-12")
    );
    assert_eq!(
        pod.values(&chi, "contact/related"),
        [Value::from("friend: Bo Ek")]
    );
    assert_eq!(
        value(&pod, &chi, "contact/photo"),
        value(&pod, &eva, "contact/photo"),
        "the same bytes"
    );

    let members = pod.values(&of("g-4"), "contact/member");
    assert_eq!(members.len(), 2);
    assert!(members.contains(&Value::Ref(chi)) && members.contains(&Value::Ref(bo)));
}

#[test]
fn a_second_import_changes_nothing_and_a_later_one_what_changed() {
    let (place, mut pod, first) = imported(BOOK);
    let again = into(&place, &mut pod, BOOK);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, first.added)
    );
    pod.apply(Edit::Assert(
        of("b-2"),
        attribute("contact/note"),
        Value::from("mine"),
    ));
    let later = BOOK
        .replace("ORG:Acme\\, Inc.;Research\n", "")
        .replace("NICKNAME:Bob", "NICKNAME:Bobby")
        .replace("UID:urn:uuid:c-3\n", "UID:new\n");
    let report = into(&place, &mut pod, &later);
    assert_eq!(
        (report.added, report.totals.vanished),
        (1, 1),
        "one new, one gone"
    );
    assert_eq!(report.kinds["contact"].changed, 1);
    assert_eq!(
        text(&pod, &of("b-2"), "contact/org"),
        None,
        "emptied at the source"
    );
    assert_eq!(
        pod.values(&of("b-2"), "contact/nickname"),
        [Value::from("Bobby")]
    );
    assert_eq!(
        text(&pod, &of("b-2"), "contact/note").as_deref(),
        Some("mine")
    );
}

#[test]
fn other_encodings_are_read_and_said() {
    let latin = BOOK.replace("Bo Ek", "B\u{f6} Ek");
    let latin: Vec<u8> = latin
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let wide: Vec<u8> = format!("\u{feff}{}", BOOK.replace("Bo Ek", "Bö Ek"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, said) in [(latin, true), (wide, false)] {
        let place = Place::new();
        let mut pod = pod();
        let source = place.source("book", &[("people.vcf".to_owned(), bytes)]);
        let report = place
            .run(&source, &VCards, &mut pod, Options::new(now))
            .unwrap();
        assert_eq!(report.kinds["contact"].added, 3);
        assert_eq!(
            text(&pod, &of("b-2"), "contact/name").as_deref(),
            Some("Bö Ek")
        );
        assert_eq!(
            report
                .problems
                .iter()
                .any(|problem| problem.code == ProblemCode::Encoding),
            said
        );
    }
}

#[test]
fn bad_cards_cost_themselves() {
    let nobody = "BEGIN:VCARD\nVERSION:3.0\nNOTE:x\nEND:VCARD\n";
    let (_place, _pod, report) = imported(&format!("{nobody}{BOOK}"));
    assert_eq!((report.skipped, report.kinds["contact"].added), (1, 3));
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("names nobody"))
    );
    let cut = BOOK.find("NICKNAME").unwrap();
    let (_place, _pod, report) = imported(&BOOK[..cut]);
    assert_eq!(
        (report.kinds["contact"].added, report.complete),
        (1, false),
        "{:?}",
        report.problems
    );
    let long = format!(
        "BEGIN:VCARD\nVERSION:3.0\nFN:Long\nNOTE:{}\nEND:VCARD\n{BOOK}",
        "x".repeat(100_000)
    );
    let files = [("people.vcf".to_owned(), long.into_bytes())];
    let limits = Limits {
        record_bytes: 50_000,
        ..Limits::default()
    };
    let source = Source::from_memory("people", files, &limits).unwrap();
    let mut preview = Preview::new(&source, "did:key:z", "vcard");
    VCards
        .read(&source, &recognised(&source, &VCards), &mut preview)
        .unwrap();
    assert_eq!((preview.skipped, preview.records.len()), (1, 4));
}

proptest! {
    #[test]
    fn damaged_cards_never_panic(at in 0..BOOK.len(), byte: u8, cut in 0..BOOK.len()) {
        let mut bytes = BOOK.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(BOOK.len() - cut / 4);
        let files = [("people.vcf".to_owned(), bytes)];
        let source = Source::from_memory("people", files, &Limits::default()).unwrap();
        let mut preview = Preview::new(&source, "did:key:z", "vcard");
        if let Some(found) = VCards.recognise(&source).unwrap() {
            VCards.read(&source, &found, &mut preview).unwrap();
        }
    }
}

#[test]
fn it_knows_its_files() {
    assert!(recognised(&book(BOOK), &VCards).confidence > 0.9);
    assert!(VCards.recognise(&book("name,mail\n")).unwrap().is_none());
}

#[test]
fn address_books_of_programs() {
    let at =
        std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports/vcard");
    if !at.exists() {
        println!("skipped: no samples on this machine");
        return;
    }
    let place = Place::new();
    let mut pod = pod();
    let source = open(&at);
    let first = place
        .run(&source, &VCards, &mut pod, Options::new(now))
        .unwrap();
    for problem in &first.problems {
        println!("{problem:?}");
    }
    assert!(
        first.kinds["contact"].added >= 9 && first.complete,
        "{:?}",
        first.problems
    );
    for contact in pod
        .entities_with("contact/type", &Value::from("contact"))
        .unwrap()
    {
        assert!(!text(&pod, &contact, "contact/name").unwrap().is_empty());
    }
    let again = place
        .run(&source, &VCards, &mut pod, Options::new(now))
        .unwrap();
    assert_eq!((again.added, again.changed), (0, 0));
}
