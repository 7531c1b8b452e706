//! Notes of several programs, made up here, and the samples where the machine has them.

use crate::pods::{entity, text, value};
use crate::twice::{Twice, file, knows_its_own, sampled, says_what_is_wrong, survives, with};
use proptest::prelude::*;
use rhizome_import::fixture::{File, png};
use rhizome_import::{DayOne, Evernote, GoogleKeep, Importer, Markdown, Pod, ProblemCode, Roam};
use rhizome_tuple::{EntityId, Value};

fn titled(pod: &rhizome_import::MemoryPod, title: &str) -> EntityId {
    let found = pod
        .entities_with("note/title", &Value::from(title))
        .unwrap();
    assert_eq!(found.len(), 1, "{title}");
    found[0]
}

fn keep() -> Vec<File> {
    vec![
        file(
            "Keep/Plain.json",
            "{\"color\":\"DEFAULT\",\"isTrashed\":false,\"isPinned\":true,\"isArchived\":false,\"textContent\":\"words\\nmore\",\"title\":\"Plain\",\"userEditedTimestampUsec\":1690866308447000,\"createdTimestampUsec\":1690372692755001,\"labels\":[{\"name\":\"home\"}],\"annotations\":[{\"url\":\"https://x.example\",\"source\":\"WEBLINK\"}],\"sharees\":[{\"email\":\"me@x\",\"isOwner\":true},{\"email\":\"bo@x\",\"isOwner\":false}],\"attachments\":[{\"filePath\":\"pic.jpeg\",\"mimetype\":\"image/jpeg\"},{\"filePath\":\"gone.png\",\"mimetype\":\"image/png\"}]}",
        ),
        file("Keep/Plain.html", "<html>the same</html>"),
        file(
            "Keep/List.json",
            "{\"color\":\"BLUE\",\"isTrashed\":true,\"isPinned\":false,\"isArchived\":true,\"listContent\":[{\"text\":\"milk\",\"isChecked\":true},{\"text\":\"eggs\",\"isChecked\":false}],\"title\":\"List\",\"userEditedTimestampUsec\":1690866308447000,\"createdTimestampUsec\":1690372692755002}",
        ),
        ("Keep/pic.jpg".to_owned(), png(2, 2, [1, 2, 3], [4, 5, 6])),
        file("Keep/Labels.txt", "home\n"),
    ]
}

#[test]
fn keep_notes_lists_and_files() {
    let twice = Twice::new(&GoogleKeep, &keep());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (
            report.kinds["note"].added,
            report.kinds["note-file"].added,
            report.kinds["file"].added
        ),
        (2, 2, 1)
    );
    let plain = entity("google-keep", "1690372692755001");
    assert_eq!(
        text(pod, &plain, "note/text").as_deref(),
        Some("words\nmore")
    );
    assert_eq!(
        value(pod, &plain, "note/pinned"),
        Some(&Value::Boolean(true))
    );
    assert_eq!(pod.values(&plain, "note/tag"), [Value::from("home")]);
    assert_eq!(
        pod.values(&plain, "note/shared-with"),
        [Value::from("bo@x")]
    );
    assert_eq!(
        value(pod, &plain, "note/created"),
        Some(&Value::Time(1_690_372_692_755))
    );
    let [Value::Ref(pic), Value::Ref(gone)] = pod.values(&plain, "note/file") else {
        panic!("two files")
    };
    assert_eq!(
        text(pod, pic, "note/mime").as_deref(),
        Some("image/png"),
        "by its bytes"
    );
    assert_eq!(value(pod, gone, "note/blob"), None);
    assert_eq!(report.totals.problems[&ProblemCode::MissingFile], 1);
    let list = titled(pod, "List");
    assert_eq!(
        pod.values(&list, "note/task"),
        [Value::from("[x] milk"), Value::from("[ ] eggs")]
    );
    assert_eq!(
        value(pod, &list, "note/trashed"),
        Some(&Value::Boolean(true))
    );
    assert_eq!(text(pod, &list, "note/colour").as_deref(), Some("blue"));
}

#[test]
fn a_later_export_of_keep_takes_what_changed() {
    let mut twice = Twice::new(&GoogleKeep, &keep());
    let later = with(&keep(), "\"title\":\"Plain\"", "\"title\":\"Renamed\"");
    let later = with(&later, "1690372692755002", "1690372692755003");
    let report = twice.later(&later);
    assert_eq!(
        (report.added, report.changed, report.totals.vanished),
        (1, 1, 1),
        "{:?}",
        report.problems
    );
    assert_eq!(
        text(
            &twice.pod,
            &entity("google-keep", "1690372692755001"),
            "note/title"
        )
        .as_deref(),
        Some("Renamed")
    );
    let wrong = ["\"words", "7", "[1, {\"name\": []}]"];
    says_what_is_wrong(
        &GoogleKeep,
        &keep(),
        &wrong.map(|to| ("[{\"name\":\"home\"}]", to)),
    );
}

fn vault() -> Vec<File> {
    vec![
        file(
            "Welcome.md",
            "---\ntitle: Hello\ncreated: 2024-01-02\nmodified: 2024-01-03 10:00\ntags: [start, a/b]\naliases:\n  - Hi\nrating: 5\n---\n\n# Head\n\nSee [[Deep note#part|that]] and [rel](folder/Deep%20note.md), ![[pic.png]], https://bare.example and <https://x.example>. #inline\n\n- [x] done\n- [ ] open\n",
        ),
        file(
            "folder/Deep note.md",
            "Back to [[Welcome]]. ![gone](missing.png)\r\n",
        ),
        file("_posts/2024-05-06-my-post.md", "# My post\n\ntext\n"),
        ("img/pic.png".to_owned(), png(2, 2, [1, 2, 3], [4, 5, 6])),
    ]
}

#[test]
fn markdown_notes_link_to_each_other() {
    let twice = Twice::new(&Markdown, &vault());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (report.kinds["note"].added, report.kinds["note-file"].added),
        (3, 1),
        "{:?}",
        report.problems
    );
    let of = |key: &str| entity("markdown/export", key);
    let hello = of("Welcome.md");
    assert_eq!(text(pod, &hello, "note/title").as_deref(), Some("Hello"));
    assert_eq!(
        value(pod, &hello, "note/created"),
        Some(&Value::Time(1_704_153_600_000))
    );
    assert_eq!(
        value(pod, &hello, "note/updated"),
        Some(&Value::Time(1_704_276_000_000))
    );
    for tag in ["start", "a/b", "inline"] {
        assert!(
            pod.values(&hello, "note/tag").contains(&Value::from(tag)),
            "{tag}"
        );
    }
    assert_eq!(
        pod.values(&hello, "note/link"),
        [Value::Ref(of("folder/Deep note.md"))]
    );
    assert_eq!(pod.values(&hello, "note/alias"), [Value::from("Hi")]);
    assert_eq!(
        pod.values(&hello, "note/property"),
        [Value::from("rating: 5")]
    );
    assert_eq!(pod.values(&hello, "note/task").len(), 2);
    assert!(
        text(pod, &hello, "note/markdown")
            .unwrap()
            .starts_with("# Head")
    );
    let [Value::Ref(pic)] = pod.values(&hello, "note/file") else {
        panic!("the picture")
    };
    assert!(matches!(value(pod, pic, "note/blob"), Some(Value::Blob(_))));
    assert_eq!(
        pod.values(&of("folder/Deep note.md"), "note/link"),
        [Value::Ref(hello)]
    );
    let post = of("_posts/2024-05-06-my-post.md");
    assert_eq!(text(pod, &post, "note/title").as_deref(), Some("My post"));
    assert_eq!(
        value(pod, &post, "note/created"),
        Some(&Value::Time(1_714_953_600_000))
    );
    assert_eq!(report.totals.problems[&ProblemCode::MissingFile], 1);
}

#[test]
fn a_later_vault_takes_what_changed_and_a_wrapped_one_is_the_same() {
    let mut twice = Twice::new(&Markdown, &vault());
    let wrapped: Vec<File> = vault()
        .into_iter()
        .map(|(path, bytes)| (format!("vault/{path}"), bytes))
        .collect();
    let report = twice.later(&wrapped);
    assert_eq!((report.added, report.changed), (0, 0), "{:?}", report.taken);
    let mut later = with(&vault(), "- [x] done\n", "");
    later.remove(1);
    later.push(file("new.md", "new"));
    let report = twice.later(&later);
    assert_eq!(
        (report.added, report.changed, report.totals.vanished),
        (1, 1, 1),
        "{:?}",
        report.vanished
    );
}

const ENEX: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE en-export SYSTEM \"http://xml.evernote.com/pub/evernote-export4.dtd\"><en-export export-date=\"20240101T000000Z\" application=\"Evernote\" version=\"10\">\
<note><title>Trip &amp; more</title><created>20240102T030405Z</created><updated>20240103T030405Z</updated><tag>travel</tag><note-attributes><latitude>48.2</latitude><longitude>16.3</longitude><author>Ada</author><source-url>https://x.example/</source-url><reminder-time>20240201T000000Z</reminder-time></note-attributes><content><![CDATA[<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE en-note SYSTEM \"http://xml.evernote.com/pub/enml2.dtd\"><en-note><div>Hi <b>there</b></div><div><en-todo checked=\"true\"/>pack</div><div><en-todo/>go</div><en-crypt>c2VjcmV0</en-crypt><en-media hash=\"x\" type=\"image/png\"/><a href=\"https://link.example/\">l</a></en-note>]]></content><resource><data encoding=\"base64\">\niVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\n+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\n</data><mime>image/png</mime><resource-attributes><file-name>a.png</file-name></resource-attributes></resource></note>\
<note><title>Same</title><created>20240102T030405Z</created><content><![CDATA[<en-note>one</en-note>]]></content></note>\
<note><title>Same</title><created>20240102T030405Z</created><content><![CDATA[<en-note>two</en-note>]]></content></note></en-export>";

fn enex() -> Vec<File> {
    vec![file("Travels.enex", ENEX)]
}

#[test]
fn evernote_notebooks_are_read() {
    let twice = Twice::new(&Evernote, &enex());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (report.kinds["note"].added, report.kinds["note-file"].added),
        (3, 1),
        "{:?}",
        report.problems
    );
    let trip = titled(pod, "Trip & more");
    let said = text(pod, &trip, "note/text").unwrap();
    assert!(
        said.starts_with("Hi there") && said.contains("[x] pack") && !said.contains("c2VjcmV0"),
        "{said}"
    );
    assert_eq!(
        pod.values(&trip, "note/task"),
        [Value::from("[x] pack"), Value::from("[ ] go")]
    );
    assert_eq!(text(pod, &trip, "note/folder").as_deref(), Some("Travels"));
    assert_eq!(
        value(pod, &trip, "note/created"),
        Some(&Value::Time(1_704_164_645_000))
    );
    assert_eq!(
        value(pod, &trip, "note/due"),
        Some(&Value::Time(1_706_745_600_000))
    );
    assert_eq!(
        value(pod, &trip, "note/latitude"),
        Some(&Value::Float(48.2))
    );
    assert_eq!(
        pod.values(&trip, "note/link-url"),
        [Value::from("https://link.example/")]
    );
    let [Value::Ref(pic)] = pod.values(&trip, "note/file") else {
        panic!("a picture")
    };
    assert_eq!(text(pod, pic, "note/name").as_deref(), Some("a.png"));
    assert!(matches!(value(pod, pic, "note/blob"), Some(Value::Blob(_))));
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.code == ProblemCode::Encrypted)
    );
    assert_eq!(
        pod.entities_with("note/title", &Value::from("Same"))
            .unwrap()
            .len(),
        2,
        "both are kept"
    );
}

#[test]
fn a_later_notebook_takes_what_changed_and_broken_ones_are_reported() {
    let mut twice = Twice::new(&Evernote, &enex());
    let later = with(&enex(), "<tag>travel</tag>", "<tag>trips</tag>");
    let later = with(&later, "<title>Trip", "<title>Trip");
    let report = twice.later(&later);
    assert_eq!(
        (report.added, report.changed, report.totals.vanished),
        (0, 1, 0)
    );
    let cut = ENEX.find("<title>Same").unwrap();
    let report = Twice::new(&Evernote, &[file("a.enex", &ENEX[..cut])]).first;
    assert_eq!((report.kinds["note"].added, report.complete), (1, false));
    let report = Twice::new(&Evernote, &with(&enex(), "iVBOR", "i?BOR")).first;
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.code == ProblemCode::Damaged)
    );
    let report = Twice::new(&Evernote, &with(&enex(), "20240102T030405Z", "someday")).first;
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("someday"))
    );
}

fn journal() -> Vec<File> {
    vec![
        file(
            "Journal.json",
            "{\"metadata\":{\"version\":\"1.0\"},\"entries\":[{\"uuid\":\"AB12\",\"creationDate\":\"2024-04-21T22:46:02Z\",\"modifiedDate\":\"2024-04-21T22:47:02Z\",\"timeZone\":\"Europe/London\",\"starred\":true,\"isPinned\":false,\"tags\":[\"camping\"],\"text\":\"# Hello\\n\\n![](dayone-moment://76F9)\\n\\nA day\\\\.\",\"photos\":[{\"identifier\":\"76F9\",\"md5\":\"0123\",\"type\":\"jpeg\",\"caption\":\"us\"},{\"identifier\":\"77\",\"md5\":\"gone\",\"type\":\"png\"}],\"location\":{\"latitude\":50.1,\"longitude\":-5.2,\"placeName\":\"Beach\",\"country\":\"UK\"},\"weather\":{\"temperatureCelsius\":12.4,\"conditionsDescription\":\"Clear\"},\"userActivity\":{\"activityName\":\"Walking\",\"stepCount\":100}}]}",
        ),
        (
            "photos/0123.jpeg".to_owned(),
            png(2, 2, [1, 2, 3], [4, 5, 6]),
        ),
    ]
}

#[test]
fn day_one_journals_are_read() {
    let mut twice = Twice::new(&DayOne, &journal());
    assert_eq!(
        (
            twice.first.kinds["note"].added,
            twice.first.kinds["note-file"].added
        ),
        (1, 2),
        "{:?}",
        twice.first.problems
    );
    let pod = &twice.pod;
    let day = entity("day-one", "AB12");
    assert_eq!(text(pod, &day, "note/title").as_deref(), Some("Hello"));
    assert_eq!(
        text(pod, &day, "note/text").as_deref(),
        Some("Hello\n\nA day.")
    );
    assert_eq!(text(pod, &day, "note/place").as_deref(), Some("Beach, UK"));
    assert_eq!(
        text(pod, &day, "note/weather").as_deref(),
        Some("Clear, 12 °C")
    );
    assert_eq!(
        value(pod, &day, "note/longitude"),
        Some(&Value::Float(-5.2))
    );
    assert_eq!(pod.values(&day, "note/property").len(), 3);
    let [Value::Ref(photo), Value::Ref(gone)] = pod.values(&day, "note/file") else {
        panic!("two photos")
    };
    assert_eq!(text(pod, photo, "note/text").as_deref(), Some("us"));
    assert!(
        matches!(value(pod, photo, "note/blob"), Some(Value::Blob(_)))
            && value(pod, gone, "note/blob").is_none()
    );
    let report = twice.later(&with(&journal(), "\"camping\"", "\"sea\""));
    assert_eq!((report.added, report.changed), (0, 1));
    says_what_is_wrong(
        &DayOne,
        &journal(),
        &[
            ("\"uuid\":\"AB12\",", ""),
            ("{\"uuid\"", "7, {\"uuid\""),
            ("\"latitude\":50.1", "\"latitude\":\"x\""),
        ],
    );
    let report = Twice::new(
        &DayOne,
        &with(&journal(), "\"stepCount\":100}}]}", "\"stepCount\":100}}"),
    )
    .first;
    assert!(!report.complete);
}

fn graph() -> Vec<File> {
    vec![file(
        "brain.json",
        "[{\"title\":\"Todo\",\"create-time\":1594132591684,\"edit-time\":1610409546444,\"children\":[{\"string\":\"{{[[TODO]]}} see [[Other Page]] #tag\",\"uid\":\"qHPCBA2tz\",\"create-time\":1594132591684,\"children\":[{\"string\":\"inner ((zzzzzzzz1))\",\"uid\":\"inner0001\"}]},{\"string\":\"\",\"uid\":\"empty0001\"}]},{\"title\":\"Other Page\",\"children\":[{\"string\":\"text https://x.example/y\",\"uid\":\"zzzzzzzz1\",\"edit-time\":1}]}]",
    )]
}

#[test]
fn roam_graphs_are_read() {
    let mut twice = Twice::new(&Roam, &graph());
    assert_eq!(
        (
            twice.first.kinds["note"].added,
            twice.first.kinds["block"].added
        ),
        (2, 4),
        "{:?}",
        twice.first.problems
    );
    let pod = &twice.pod;
    let of = |key: &str| entity("roam/export", key);
    let todo = of("page/Todo");
    assert_eq!(
        text(pod, &todo, "note/text").as_deref(),
        Some("- {{[[TODO]]}} see [[Other Page]] #tag\n  - inner ((zzzzzzzz1))\n-")
    );
    assert_eq!(
        pod.values(&todo, "note/link"),
        [Value::Ref(of("page/Other Page"))]
    );
    assert_eq!(pod.values(&todo, "note/tag"), [Value::from("tag")]);
    assert_eq!(
        pod.values(&todo, "note/task"),
        [Value::from("[ ] see [[Other Page]] #tag")]
    );
    assert_eq!(
        pod.values(&todo, "note/child"),
        [Value::Ref(of("qHPCBA2tz")), Value::Ref(of("empty0001"))]
    );
    let inner = of("inner0001");
    assert_eq!(
        value(pod, &inner, "note/parent"),
        Some(&Value::Ref(of("qHPCBA2tz")))
    );
    assert_eq!(value(pod, &inner, "note/page"), Some(&Value::Ref(todo)));
    assert_eq!(
        pod.values(&inner, "note/link"),
        [Value::Ref(of("zzzzzzzz1"))]
    );
    let report = twice.later(&with(&graph(), "inner ((", "changed (("));
    assert_eq!(
        (
            report.added,
            report.kinds["block"].changed,
            report.kinds["note"].changed
        ),
        (0, 1, 1)
    );
    says_what_is_wrong(
        &Roam,
        &graph(),
        &[
            ("\"title\":\"Todo\",", ""),
            ("[{\"title\"", "[7, {\"title\""),
            ("\"uid\":\"inner0001\"", "\"x\":1"),
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_notes_never_panic(at: usize, byte: u8, cut: usize) {
        survives(&GoogleKeep, &keep(), at, byte, cut);
        survives(&Markdown, &vault(), at, byte, cut);
        survives(&Evernote, &enex(), at, byte, cut);
        survives(&DayOne, &journal(), at, byte, cut);
        survives(&Roam, &graph(), at, byte, cut);
    }
}

#[test]
fn every_program_knows_its_own() {
    knows_its_own(&[
        (&GoogleKeep, keep()),
        (&Markdown, vault()),
        (&Evernote, enex()),
        (&DayOne, journal()),
        (&Roam, graph()),
    ]);
}

#[test]
fn notes_of_programs() {
    for (importer, folder, least) in [
        (&GoogleKeep as &dyn Importer, "google-keep", 12),
        (&Evernote, "evernote-enex", 70),
        (&DayOne, "synthetic-dayone", 1),
        (&Roam, "roam-json", 5),
    ] {
        if let Some((report, _)) = sampled(importer, folder) {
            assert!(
                report.kinds["note"].added >= least,
                "{folder}: {:?}",
                report.kinds
            );
        }
    }
}
