//! Calendars made up here, and the samples where the machine has them.

use crate::pods::{Place, attribute, entity, now, open, pod, recognised, text, value};
use proptest::prelude::*;
use rhizome_import::{
    ICalendars, Importer, Limits, MemoryPod, Options, Pod, Preview, ProblemCode, Report, Source,
};
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//made up//EN\r\nX-WR-CALNAME:Home\r\nX-WR-TIMEZONE:Europe/Vienna\r\n\
BEGIN:VEVENT\r\nUID:e1@x\r\nDTSTAMP:20240101T000000Z\r\nDTSTART;TZID=Europe/Vienna:20240701T090000\r\nDTEND;TZID=Europe/Vienna:20240701T103000\r\nRRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20240930T000000Z\r\nEXDATE;TZID=Europe/Vienna:20240715T090000\r\nSUMMARY:Standup\\, with coffee\r\nDESCRIPTION:two\\nlines that are long enough to be folded by whoever wrote thi\r\n s file\r\nLOCATION:Room 1\r\nORGANIZER;CN=Ada:mailto:ada@example.org\r\nATTENDEE;CN=Bo;PARTSTAT=ACCEPTED;ROLE=REQ-PARTICIPANT:mailto:bo@example.org\r\nCATEGORIES:work,meeting\r\nGEO:48.2;16.37\r\nSTATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\nCLASS:PUBLIC\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:e1@x\r\nRECURRENCE-ID;TZID=Europe/Vienna:20240708T090000\r\nDTSTART;TZID=Europe/Vienna:20240708T110000\r\nSUMMARY:Standup\\, later\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:e2@x\r\nDTSTART;VALUE=DATE:20241224\r\nDTEND;VALUE=DATE:20241227\r\nSUMMARY:Holidays\r\nATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY:aGVsbG8gd29ybGQ=\r\nATTACH:https://example.org/plan.pdf\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:e3@x\r\nDTSTART;TZID=Office:20240701T090000\r\nDURATION:PT45M\r\nSUMMARY:By a zone of the file\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:e4@x\r\nDTSTART:20240701T090000\r\nSUMMARY:Floating\r\nEND:VEVENT\r\n\
BEGIN:VTODO\r\nUID:t1@x\r\nDUE:20240702T170000Z\r\nSUMMARY:Taxes\r\nPERCENT-COMPLETE:50\r\nPRIORITY:1\r\nSTATUS:IN-PROCESS\r\nEND:VTODO\r\n\
BEGIN:VJOURNAL\r\nUID:j1@x\r\nDTSTART;VALUE=DATE:20240703\r\nSUMMARY:A day\r\nEND:VJOURNAL\r\n\
BEGIN:VTIMEZONE\r\nTZID:Office\r\nX-LIC-LOCATION:America/New_York\r\nBEGIN:STANDARD\r\nDTSTART:19671029T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
END:VCALENDAR\r\n";

fn into(place: &Place, pod: &mut MemoryPod, text: &str) -> Report {
    let source = place.source(
        "calendar",
        &[("home.ics".to_owned(), text.as_bytes().to_vec())],
    );
    place
        .run(&source, &ICalendars, pod, Options::new(now))
        .unwrap()
}

fn imported(text: &str) -> (Place, MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let report = into(&place, &mut pod, text);
    (place, pod, report)
}

fn of(key: &str) -> EntityId {
    entity("icalendar", key)
}

fn time(pod: &MemoryPod, entity: &EntityId, name: &str) -> Option<String> {
    match value(pod, entity, name)? {
        Value::Time(ms) => Some(jiff_text(*ms)),
        other => panic!("{other:?}"),
    }
}

fn jiff_text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

#[test]
fn events_tasks_and_journal_entries_are_read() {
    let (place, pod, report) = imported(CALENDAR);
    for (kind, count) in [("event", 5), ("task", 1), ("journal", 1), ("calendar", 1)] {
        assert_eq!(report.kinds[kind].added, count, "{kind}");
    }
    assert_eq!(
        (report.skipped, report.complete, report.problems.len()),
        (0, true, 0),
        "{:?}",
        report.problems
    );
    assert_eq!(report.audience["direct"], 8);
    let one = of("e1@x");
    assert_eq!(
        time(&pod, &one, "calendar/start").as_deref(),
        Some("2024-07-01T07:00:00Z"),
        "summer time"
    );
    assert_eq!(
        time(&pod, &one, "calendar/end").as_deref(),
        Some("2024-07-01T08:30:00Z")
    );
    assert_eq!(
        text(&pod, &one, "calendar/time-zone").as_deref(),
        Some("Europe/Vienna")
    );
    let rule = text(&pod, &one, "calendar/rrule").unwrap();
    assert!(
        rule.contains("FREQ=WEEKLY")
            && rule.contains("BYDAY=MO")
            && rule.contains("20240930T000000Z"),
        "{rule}"
    );
    assert_eq!(pod.values(&one, "calendar/exdate").len(), 1);
    assert_eq!(
        text(&pod, &one, "calendar/title").as_deref(),
        Some("Standup, with coffee")
    );
    assert_eq!(
        text(&pod, &one, "calendar/description").as_deref(),
        Some("two\nlines that are long enough to be folded by whoever wrote this file")
    );
    assert_eq!(
        text(&pod, &one, "calendar/organizer").as_deref(),
        Some("ada@example.org")
    );
    assert_eq!(
        pod.values(&one, "calendar/attendee"),
        [Value::from("bo@example.org")]
    );
    assert_eq!(
        pod.values(&one, "calendar/participant"),
        [Value::from(
            "Bo <bo@example.org>, accepted, req-participant"
        )]
    );
    assert_eq!(pod.values(&one, "calendar/alarm"), [Value::from("-PT15M")]);
    assert_eq!(
        value(&pod, &one, "calendar/latitude"),
        Some(&Value::Float(48.2))
    );
    assert_eq!(
        text(&pod, &one, "calendar/status").as_deref(),
        Some("confirmed")
    );
    let home = of("calendar/Home");
    assert_eq!(
        value(&pod, &one, "calendar/calendar"),
        Some(&Value::Ref(home))
    );

    let exception = pod
        .entities_with("calendar/recurrence-of", &Value::Ref(one))
        .unwrap();
    assert_eq!(exception.len(), 1);
    assert_eq!(
        time(&pod, &exception[0], "calendar/recurrence-id").as_deref(),
        Some("2024-07-08T07:00:00Z")
    );

    let holidays = of("e2@x");
    assert_eq!(
        value(&pod, &holidays, "calendar/all-day"),
        Some(&Value::Boolean(true))
    );
    assert_eq!(
        time(&pod, &holidays, "calendar/end").as_deref(),
        Some("2024-12-27T00:00:00Z")
    );
    assert_eq!(
        pod.values(&holidays, "calendar/attachment-url"),
        [Value::from("https://example.org/plan.pdf")]
    );
    let [Value::Blob(cid)] = pod.values(&holidays, "calendar/attachment") else {
        panic!("a blob")
    };
    assert_eq!(place.blobs.open(cid).unwrap().len(), 11);

    assert_eq!(
        time(&pod, &of("e3@x"), "calendar/start").as_deref(),
        Some("2024-07-01T13:00:00Z"),
        "the zone comes after it"
    );
    assert_eq!(
        time(&pod, &of("e3@x"), "calendar/end").as_deref(),
        Some("2024-07-01T13:45:00Z")
    );
    assert_eq!(
        value(&pod, &of("e4@x"), "calendar/floating"),
        Some(&Value::Boolean(true))
    );
    assert_eq!(
        time(&pod, &of("t1@x"), "calendar/due").as_deref(),
        Some("2024-07-02T17:00:00Z")
    );
    assert_eq!(
        value(&pod, &of("t1@x"), "calendar/percent"),
        Some(&Value::Integer(50))
    );
}

#[test]
fn a_second_import_changes_nothing_and_a_later_one_what_changed() {
    let (place, mut pod, first) = imported(CALENDAR);
    let again = into(&place, &mut pod, CALENDAR);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, first.added)
    );
    pod.apply(Edit::Assert(
        of("t1@x"),
        attribute("calendar/title"),
        Value::from("Taxes!"),
    ));
    let later = CALENDAR
        .replace("LOCATION:Room 1\r\n", "")
        .replace("PERCENT-COMPLETE:50", "PERCENT-COMPLETE:90")
        .replace("UID:j1@x", "UID:j2@x");
    let report = into(&place, &mut pod, &later);
    assert_eq!(
        (
            report.added,
            report.changed,
            report.totals.vanished,
            report.totals.kept
        ),
        (1, 2, 1, 1)
    );
    assert_eq!(text(&pod, &of("e1@x"), "calendar/location"), None);
    assert_eq!(
        value(&pod, &of("t1@x"), "calendar/percent"),
        Some(&Value::Integer(90))
    );
    assert_eq!(
        text(&pod, &of("t1@x"), "calendar/title").as_deref(),
        Some("Taxes!")
    );
}

#[test]
fn hours_that_clocks_repeat_or_leave_out() {
    for (local, moment) in [
        ("20240331T023000", "2024-03-31T01:30:00Z"),
        ("20241027T023000", "2024-10-27T00:30:00Z"),
    ] {
        let text = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;TZID=Europe/Vienna:{local}\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        let (_place, pod, _) = imported(&text);
        assert_eq!(
            time(&pod, &of("a"), "calendar/start").as_deref(),
            Some(moment)
        );
    }
}

#[test]
fn what_is_wrong_is_reported_and_costs_itself() {
    let wrong = CALENDAR
        .replace("TZID=Office:", "TZID=Nowhere:")
        .replace("DTSTART;VALUE=DATE:20241224\r\n", "")
        .replace("GEO:48.2;16.37", "GEO:north")
        .replace(
            "PERCENT-COMPLETE:50",
            "PERCENT-COMPLETE:99999999999999999999999999",
        );
    let (_place, pod, report) = imported(&wrong);
    assert_eq!((report.kinds["event"].added, report.skipped), (4, 1));
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("Nowhere"))
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("GEO"))
    );
    assert!(report.problems.iter().all(|problem| matches!(
        problem.code,
        ProblemCode::PartIgnored | ProblemCode::Malformed
    )));
    assert_eq!(
        time(&pod, &of("e3@x"), "calendar/start").as_deref(),
        Some("2024-07-01T09:00:00Z")
    );
    let cut = CALENDAR.find("ATTACH;").unwrap();
    let (_place, _pod, report) = imported(&CALENDAR[..cut]);
    assert_eq!((report.kinds["event"].added, report.complete), (2, false));
}

proptest! {
    #[test]
    fn damaged_calendars_never_panic(at in 0..CALENDAR.len(), byte: u8, cut in 0..CALENDAR.len()) {
        let mut bytes = CALENDAR.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(CALENDAR.len() - cut / 4);
        let files = [("home.ics".to_owned(), bytes)];
        let source = Source::from_memory("home", files, &Limits::default()).unwrap();
        let mut preview = Preview::new(&source, "did:key:z", "icalendar");
        if let Some(found) = ICalendars.recognise(&source).unwrap() {
            ICalendars.read(&source, &found, &mut preview).unwrap();
        }
    }
}

#[test]
fn calendars_of_programs() {
    let at =
        std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports/ical");
    if !at.exists() {
        println!("skipped: no samples on this machine");
        return;
    }
    for file in std::fs::read_dir(&at).unwrap() {
        let file = file.unwrap().path();
        if !file.is_file() {
            continue;
        }
        let place = Place::new();
        let mut pod = pod();
        let source = open(&file);
        assert!(
            recognised(&source, &ICalendars).confidence > 0.9,
            "{}",
            file.display()
        );
        let first = place
            .run(&source, &ICalendars, &mut pod, Options::new(now))
            .unwrap();
        println!(
            "{}: {} added, {} skipped {:?}",
            file.display(),
            first.added,
            first.skipped,
            first.problems
        );
        let again = place
            .run(&source, &ICalendars, &mut pod, Options::new(now))
            .unwrap();
        assert_eq!((again.added, again.changed), (0, 0), "{}", file.display());
    }
}
