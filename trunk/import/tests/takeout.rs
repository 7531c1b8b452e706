//! Google Takeout: made-up ones with the traps of real ones, and those on this machine.

use crate::pods::{Place, entity, of_type, open, pod, text, value};
use rhizome_import::fixture::{File, png, write_zip};
use rhizome_import::{Importer, MemoryPod, Options, Problem, ProblemCode, Report, Source, Takeout};
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

const TAKEN: i64 = 1_577_836_800;
const PHOTOS: &str = "Takeout/Google Photos/Photos from 2020";
const ALBUM: &str = "Takeout/Google Photos/Camping";

fn url(n: u32) -> String {
    format!("https://photos.google.com/photo/AF1Qip{n}")
}

fn sidecar(title: &str, n: u32) -> Json {
    json!({"title": title, "description": "", "imageViews": "1",
        "creationTime": {"timestamp": (TAKEN + 5).to_string(), "formatted": "x"},
        "photoTakenTime": {"timestamp": TAKEN.to_string(), "formatted": "x"},
        "geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
        "geoDataExif": {"latitude": 38.5, "longitude": -122.25, "altitude": 12.5},
        "people": [{"name": "Grace"}, {"name": ""}], "url": url(n), "favorited": true})
}

fn file(path: String, content: impl Into<Vec<u8>>) -> File {
    (path, content.into())
}

fn picture(n: u8) -> Vec<u8> {
    png(4 + u32::from(n), 3, [n, 0, 0], [0, n, 0])
}

/// Five pictures with every way of naming, one of them in an album too, with an edited copy and a film.
fn photos() -> Vec<File> {
    let side = |folder: &str, name: &str, title: &str, n| {
        file(
            format!("{folder}/{name}.json"),
            sidecar(title, n).to_string(),
        )
    };
    let media = |folder: &str, name: &str, n| file(format!("{folder}/{name}"), picture(n));
    let mut film = vec![0, 0, 0, 24];
    film.extend(b"ftypmp42\0\0\0\0mp42isom");
    vec![
        media(PHOTOS, "a.png", 1),
        side(PHOTOS, "a.png", "a.png", 1),
        media(PHOTOS, "a-edited.png", 2),
        media(PHOTOS, "b.png", 3),
        side(PHOTOS, "b.png.supplemental-meta", "b.png", 2),
        media(PHOTOS, "b(1).png", 4),
        side(PHOTOS, "b.png(1)", "b.png", 3),
        media(PHOTOS, "live.png", 5),
        file(format!("{PHOTOS}/live.MP4"), film),
        side(PHOTOS, "live.png", "live.png", 4),
        media(PHOTOS, "alone.png", 6),
        media(ALBUM, "a.png", 1),
        side(ALBUM, "a.png.supplemental-metadata", "a.png", 1),
        file(
            format!("{ALBUM}/metadata.json"),
            json!({"title": "Camping: summer", "description": "far", "access": "protected", "date": {"timestamp": "1577836800"}}).to_string(),
        ),
    ]
}

fn run(place: &Place, source: &Source, pod: &mut MemoryPod) -> Report {
    place
        .run(source, &Takeout, pod, Options::new(crate::pods::now))
        .unwrap()
}

fn google(key: &str) -> EntityId {
    entity("google", key)
}

fn codes(problems: &[Problem]) -> Vec<ProblemCode> {
    problems.iter().map(|problem| problem.code).collect()
}

fn float(pod: &MemoryPod, entity: &EntityId, attribute: &str) -> f64 {
    match value(pod, entity, attribute) {
        Some(Value::Float(x)) => *x,
        other => panic!("{attribute} is {other:?}"),
    }
}

#[test]
fn photographs_with_every_trap_of_their_names() {
    let place = Place::new();
    let mut pod = pod();
    let source = place.source("takeout", &photos());
    let report = run(&place, &source, &mut pod);
    assert_eq!(report.kinds["media"].added, 7, "{report:?}");
    assert_eq!(report.kinds["album"].added, 1);
    assert_eq!((report.skipped, report.totals.files), (0, 0));
    assert_eq!(
        codes(&report.problems),
        [ProblemCode::MissingFile],
        "only alone.png"
    );
    let a = google(&url(1));
    assert_eq!(
        value(&pod, &a, "social/created"),
        Some(&Value::Time(TAKEN * 1_000))
    );
    assert_eq!(
        text(&pod, &a, "photo-album").as_deref(),
        Some("Camping: summer")
    );
    assert_eq!(
        pod.values(&a, "photo/album"),
        [Value::Ref(google("album/Camping"))]
    );
    assert_eq!(pod.values(&a, "photo/person"), [Value::from("Grace")]);
    assert_eq!(value(&pod, &a, "is-photo"), Some(&Value::Boolean(true)));
    assert_eq!(text(&pod, &a, "social/audience").as_deref(), Some("direct"));
    assert!((float(&pod, &a, "photo/latitude") - 38.5).abs() < 1e-9);
    let edited = google(&format!("{}#edited", url(1)));
    assert_eq!(value(&pod, &edited, "photo/original"), Some(&Value::Ref(a)));
    assert_eq!(value(&pod, &a, "social/width"), Some(&Value::Integer(5)));
    assert_eq!(
        value(&pod, &google(&url(3)), "social/width"),
        Some(&Value::Integer(8)),
        "b(1).png"
    );
    let live = google(&url(4));
    let film = google(&format!("{}#motion", url(4)));
    assert_eq!(value(&pod, &live, "photo/motion"), Some(&Value::Ref(film)));
    assert_eq!(
        text(&pod, &film, "social/mime").as_deref(),
        Some("video/mp4")
    );
    assert!(
        value(&pod, &google(&url(2)), "photo-album").is_none(),
        "a year is no album"
    );
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed, again.unchanged), (0, 0, 8));
}

#[test]
fn a_later_takeout_changes_adds_and_keeps() {
    let place = Place::new();
    let mut pod = pod();
    run(&place, &place.source("first", &photos()), &mut pod);
    let mut files = photos();
    files.retain(|(path, _)| !path.contains("/b.png"));
    for (path, bytes) in &mut files {
        if path.ends_with("live.png.json") {
            let mut side = sidecar("live.png", 4);
            side["description"] = json!("at the lake");
            side["favorited"] = json!(false);
            *bytes = side.to_string().into_bytes();
        }
    }
    files.push(file(format!("{PHOTOS}/new.png"), picture(9)));
    files.push(file(
        format!("{PHOTOS}/new.png.json"),
        sidecar("new.png", 9).to_string(),
    ));
    let report = run(&place, &place.source("second", &files), &mut pod);
    let live = google(&url(4));
    assert_eq!(
        text(&pod, &live, "photo/description").as_deref(),
        Some("at the lake")
    );
    assert!(value(&pod, &live, "photo/favorite").is_none());
    assert_eq!(report.changed, 1, "{report:?}");
    // b.png is gone, and b(1).png lost its description: a file by itself now.
    assert_eq!((report.added, report.totals.vanished), (2, 2));
    assert!(
        value(&pod, &google(&url(2)), "social/blob").is_some(),
        "what is gone there stays here"
    );
}

#[test]
fn parts_in_one_folder_are_one_takeout() {
    let place = Place::new();
    let folder = place.folder.path().join("parts");
    std::fs::create_dir(&folder).unwrap();
    let (sides, media): (Vec<File>, Vec<File>) = photos()
        .into_iter()
        .partition(|(path, _)| path.contains(".json"));
    write_zip(&sides, &folder.join("takeout-20240101T000000Z-001.zip")).unwrap();
    write_zip(&media, &folder.join("takeout-20240101T000000Z-002.zip")).unwrap();
    let mut pod = pod();
    let report = run(&place, &open(&folder), &mut pod);
    assert_eq!(
        (report.kinds["media"].added, report.totals.files),
        (7, 0),
        "{report:?}"
    );
    // The first part alone says what it knows; with the second nothing of it changes but the files.
    let mut other = crate::pods::pod();
    let first = run(
        &place,
        &open(&folder.join("takeout-20240101T000000Z-001.zip")),
        &mut other,
    );
    assert_eq!(
        (
            first.kinds["media"].added,
            first.totals.problems[&ProblemCode::MissingFile]
        ),
        (4, 4)
    );
    let both = run(&place, &open(&folder), &mut other);
    assert_eq!((both.added, both.changed), (3, 4), "{both:?}");
    let again = run(&place, &open(&folder), &mut other);
    assert_eq!((again.added, again.changed), (0, 0));
}

fn histories() -> Vec<File> {
    let activity = json!([
        {"header": "YouTube", "title": "Watched Roots", "titleUrl": "https://www.youtube.com/watch?v=abc", "subtitles": [{"name": "Trees", "url": "https://www.youtube.com/channel/T"}], "time": "2020-01-02T03:04:05.678Z", "products": ["YouTube"]},
        {"header": "Search", "title": "Searched for trees", "titleUrl": "https://www.google.com/search?q=old+trees", "time": "2020-01-02T03:05:05Z", "products": ["Search"]},
        {"header": "Play", "title": "Used Play", "time": "2020-01-02T03:06:05Z"},
        {"header": "Play", "title": "When?"},
        7,
    ]);
    let cell = |title: &str, time: &str| {
        format!(
            r#"<div class="outer-cell mdl-cell"><div class="mdl-grid"><div class="header-cell"><p class="mdl-typography--title">YouTube<br></p></div><div class="content-cell mdl-cell mdl-typography--body-1">{title}<br>{time}</div></div></div>"#
        )
    };
    let page = format!(
        "<html><head><style>.mdl-cell {{}}</style></head><body>{}{}</body></html>",
        cell(
            r#"Watched&nbsp;<a href="https://www.youtube.com/watch?v=abc">Roots</a>"#,
            "Jan 2, 2020, 3:04:05 AM UTC"
        ),
        cell(
            r#"„Blätter“ angesehen: <a href="https://www.youtube.com/watch?v=def">Bl&auml;tter</a>"#,
            "02.01.2020, 04:07:05 MEZ"
        ),
    );
    let locations = json!({"locations": [
        {"timestampMs": "1577836800000", "latitudeE7": 385_000_000, "longitudeE7": -1_222_500_000, "accuracy": 12},
        {"timestamp": "2020-01-01T00:01:00Z", "latitudeE7": 385_000_000, "longitudeE7": 3_072_467_296_i64, "deviceTag": 5},
        {"latitudeE7": 1}, "x"]});
    let month = json!({"timelineObjects": [
        {"placeVisit": {"location": {"latitudeE7": 385_000_000, "longitudeE7": -1_222_500_000, "name": "Inn", "address": "Main St"}, "duration": {"startTimestamp": "2020-01-01T00:00:00Z", "endTimestampMs": "1577840400000"}}},
        {"activitySegment": {"startLocation": {"latitudeE7": 1, "longitudeE7": 2}, "duration": {"startTimestampMs": "1577840400000"}, "activityType": "WALKING"}},
        {"other": {}}]});
    vec![
        file(
            "Takeout/YouTube and YouTube Music/history/watch-history.json".to_owned(),
            activity.to_string(),
        ),
        file(
            "Takeout/Meine Aktivitäten/YouTube/MeineAktivitäten.html".to_owned(),
            page,
        ),
        file(
            "Takeout/Location History/Records.json".to_owned(),
            locations.to_string(),
        ),
        file(
            "Takeout/Location History/2020_JANUARY.json".to_owned(),
            month.to_string(),
        ),
        file(
            "Takeout/YouTube/subscriptions.csv".to_owned(),
            "Kanal-ID,Kanal-URL,Kanaltitel\nC1,http://www.youtube.com/channel/C1,\"Trees, old\"\n",
        ),
        file(
            "Takeout/YouTube/playlists/Walks-videos.csv".to_owned(),
            "Video ID,Playlist Video Creation Timestamp\nabcdefghij_,2024-01-02T03:04:05+00:00\n",
        ),
        file("Takeout/archive_browser.html".to_owned(), "<html>"),
    ]
}

#[test]
fn histories_places_channels_and_playlists() {
    let place = Place::new();
    let mut pod = pod();
    let source = place.source("takeout", &histories());
    let report = run(&place, &source, &mut pod);
    let added = |kind: &str| report.kinds.get(kind).map_or(0, |kind| kind.added);
    let kinds = [
        "watched",
        "searched",
        "used",
        "located",
        "visited",
        "moved",
        "subscribed",
        "listed",
    ];
    assert_eq!(kinds.map(added), [2, 1, 1, 2, 1, 1, 1, 1], "{report:?}");
    assert_eq!(
        (report.skipped, report.complete),
        (5, true),
        "{:?}",
        report.problems
    );
    let films: Vec<EntityId> = pod_of(&pod, "watched");
    let named = |name: &str| {
        films
            .iter()
            .find(|film| text(&pod, film, "activity/url").unwrap().ends_with(name))
            .copied()
            .unwrap()
    };
    assert_eq!(
        text(&pod, &named("abc"), "activity/by").as_deref(),
        Some("Trees")
    );
    assert_eq!(
        value(&pod, &named("def"), "activity/created"),
        Some(&Value::Time(1_577_934_425_000)),
        "an hour before the clock in Berlin"
    );
    let search = pod_of(&pod, "searched")[0];
    assert_eq!(
        text(&pod, &search, "activity/query").as_deref(),
        Some("old trees")
    );
    let second = google("located/1577836860000/5");
    assert!(
        (float(&pod, &second, "activity/longitude") + 122.25).abs() < 1e-9,
        "over 32 bits"
    );
    let visit = google("visited/1577836800000");
    assert_eq!(
        value(&pod, &visit, "activity/end"),
        Some(&Value::Time(1_577_840_400_000))
    );
    assert_eq!(
        text(&pod, &google("subscribed/C1"), "activity/title").as_deref(),
        Some("Trees, old")
    );
    assert_eq!(
        text(&pod, &google("listed/Walks/abcdefghij_"), "activity/in").as_deref(),
        Some("Walks")
    );
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed), (0, 0));
}

fn pod_of(pod: &MemoryPod, kind: &str) -> Vec<EntityId> {
    rhizome_import::Pod::entities_with(pod, "activity/type", &Value::from(kind)).unwrap()
}

#[test]
fn broken_files_are_reported_and_cost_only_themselves() {
    let place = Place::new();
    let mut all = photos();
    all.extend(histories());
    for cut in [1, 40, 120] {
        for broken in 0..all.len() {
            let mut files = all.clone();
            let bytes = &mut files[broken].1;
            let len = bytes.len();
            bytes.truncate(len - len.min(cut));
            bytes.push(0xff);
            let mut pod = pod();
            let report = run(&place, &place.source("takeout", &files), &mut pod);
            assert!(report.added >= 12, "{}: {report:?}", files[broken].0);
        }
    }
}

#[test]
fn what_is_no_takeout_is_not_recognised() {
    let place = Place::new();
    for (path, content) in [
        (
            "metadata.json",
            r#"{"title": "x", "access": "y", "date": {}}"#,
        ),
        ("a.json", "[{\"title\": 1}]"),
        ("a.html", "<html><body>outer-cell</body></html>"),
        ("a.csv", "a,b,c\n1,2,3\n"),
        ("a.json", ""),
    ] {
        let source = place.source("x", &[file(path.to_owned(), content)]);
        assert_eq!(Takeout.recognise(&source).unwrap(), None, "{path}");
    }
}

#[test]
fn takeouts_on_this_machine() {
    for (name, least) in [
        ("google-takeout-activity-location", 7),
        ("google-takeout-activity-html", 3),
        ("google-takeout-zip", 2),
    ] {
        let at = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/exports")
            .join(name);
        if !at.exists() {
            println!("skipped: no {name} on this machine");
            continue;
        }
        let place = Place::new();
        let mut pod = pod();
        let source = open(&at);
        let report = run(&place, &source, &mut pod);
        assert!(
            report.added >= least && report.skipped == 0,
            "{name}: {report:?}"
        );
        let again = run(&place, &source, &mut pod);
        assert_eq!((again.added, again.changed), (0, 0), "{name}");
    }
}

#[test]
fn media_are_told_apart_by_length_where_an_old_export_gives_no_address() {
    let place = Place::new();
    let mut pod = pod();
    let old = |n| {
        let mut side = sidecar("x.png", n);
        side.as_object_mut().unwrap().remove("url");
        side.to_string()
    };
    let files = [
        file(format!("{PHOTOS}/x.png"), picture(1)),
        file(format!("{PHOTOS}/x.png.json"), old(1)),
        file(format!("{PHOTOS}/x(1).png"), picture(90)),
        file(format!("{PHOTOS}/x.png(1).json"), old(1)),
    ];
    let source = place.source("takeout", &files);
    run(&place, &source, &mut pod);
    assert_eq!(of_type(&pod, "media").len(), 2);
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed, again.skipped), (0, 0, 0));
}

#[test]
fn contacts_calendars_and_mail_inside_are_read_too() {
    let place = Place::new();
    let mut pod = pod();
    let mut files = histories();
    files.push(file(
        "Takeout/Contacts/All Contacts/All Contacts.vcf".to_owned(),
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c1\r\nFN:Grace\r\nEND:VCARD\r\n",
    ));
    files.push(file(
        "Takeout/Calendar/ada.ics".to_owned(),
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e1\r\nSUMMARY:Walk\r\nDTSTART:20200101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ));
    files.push(file(
        "Takeout/Mail/All mail.mbox".to_owned(),
        "From 1@xxx Wed Jan 01 00:00:00 +0000 2020\nMessage-ID: <m1@example>\nFrom: a@example.org\nSubject: Hi\nDate: Wed, 01 Jan 2020 00:00:00 +0000\n\nHello\n",
    ));
    let source = place.source("takeout", &files);
    let report = run(&place, &source, &mut pod);
    for kind in ["contact", "event", "mail", "watched"] {
        assert!(
            report.kinds.get(kind).is_some_and(|kind| kind.added > 0),
            "{kind}: {report:?}"
        );
    }
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed), (0, 0));
}
