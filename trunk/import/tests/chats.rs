//! Conversations of WhatsApp, Signal and Telegram.

use crate::pods::{Place, attribute, entity, now, open, pod, text, value};
use proptest::prelude::*;
use rhizome_import::{
    Importer, Limits, MemoryPod, Options, Pod as _, Preview, ProblemCode, Report, Signal, Source,
    Telegram, WhatsApp, fixture,
};
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};
use serde_json::json;
use std::path::PathBuf;

fn picture() -> Vec<u8> {
    fixture::png(4, 4, [1, 1, 1], [9, 9, 9])
}

pub fn whatsapp() -> Vec<fixture::File> {
    let words = "13/01/20, 09:00 - Messages and calls are end-to-end encrypted.\n\
        13/01/20, 09:01 - Ada: Hello:\nin two lines\n\
        13/01/20, 09:02 - Zoë 🤓: IMG-1.png (file attached)\nlook\n\
        13/01/20, 09:03 - Ada: same\n13/01/20, 09:03 - Ada: same\n\
        14/01/20, 09:04 - Zoë 🤓: <attached: gone.jpg>\r\n\
        14/01/20, 09:05 - Ada created group \"A: B\"\n";
    vec![
        (
            "WhatsApp Chat with Ada.txt".to_owned(),
            words.as_bytes().to_vec(),
        ),
        ("IMG-1.png".to_owned(), picture()),
    ]
}

pub fn signal() -> Vec<fixture::File> {
    let words = "[2019-12-24, 12:23] Ada: Hello\n[2020-01-17, 21:49] Zoë: Hello\nAda!\n";
    vec![("ada.txt".to_owned(), words.as_bytes().to_vec())]
}

pub fn telegram() -> Vec<fixture::File> {
    let chat = |id: u64, name: &str, from: u64| {
        json!({"name": name, "type": "personal_chat", "id": id, "messages": [
            {"id": from, "type": "message", "date": "2018-12-05T11:39:10", "date_unixtime": "1544006350", "from": "Ada", "from_id": "user7", "text": "Hello"},
            {"id": from + 1, "type": "message", "date_unixtime": "1544006964", "edited_unixtime": "1544006999", "from": "Zoë", "reply_to_message_id": from,
                "text": ["See ", {"type": "link", "text": "https://example.org/"}, {"type": "text_link", "text": " this", "href": "https://example.org/b"}],
                "photo": "photos/p.png", "reactions": [{"type": "emoji", "count": 1, "emoji": "👍", "recent": [{"from": "Ada"}]}]},
            {"id": from + 2, "type": "service", "date_unixtime": "1544007000", "actor": "Ada", "action": "phone_call", "text": ""},
            {"id": from + 3, "type": "message", "date_unixtime": "1544007001", "from": "Ada", "text": "", "file": "(File not included. Change data exporting settings to download.)"}]})
    };
    let all = json!({"about": "…", "chats": {"about": "…", "list": [chat(1, "Ada", 10), chat(2, "Grace", 10)]}});
    vec![
        (
            "export/result.json".to_owned(),
            all.to_string().into_bytes(),
        ),
        ("export/photos/p.png".to_owned(), picture()),
    ]
}

fn run(place: &Place, importer: &dyn Importer, source: &Source, pod: &mut MemoryPod) -> Report {
    place.run(source, importer, pod, Options::new(now)).unwrap()
}

fn imported(importer: &dyn Importer, files: &[fixture::File]) -> (MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let source = place.source("conversation", files);
    let report = run(&place, importer, &source, &mut pod);
    let again = run(&place, importer, &source, &mut pod);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, report.added)
    );
    (pod, report)
}

fn messages(pod: &MemoryPod) -> Vec<EntityId> {
    let mut all = pod
        .entities_with("message/type", &Value::from("message"))
        .unwrap();
    all.sort_by_key(|of| match value(pod, of, "message/sent") {
        Some(Value::Time(sent)) => *sent,
        _ => 0,
    });
    all
}

#[test]
fn a_conversation_of_whatsapp_is_read() {
    let (pod, report) = imported(&WhatsApp, &whatsapp());
    assert_eq!(report.kinds["message"].added, 7);
    assert_eq!(report.kinds["conversation"].added, 1);
    assert_eq!(report.audience.keys().collect::<Vec<_>>(), [&"direct"]);
    assert_eq!(report.totals.problems[&ProblemCode::MissingFile], 1);
    assert_eq!(report.totals.problems.len(), 1, "{:?}", report.problems);
    let all = messages(&pod);
    let of = |n: usize, name: &str| text(&pod, &all[n], name);
    assert_eq!(
        value(&pod, &all[0], "message/notice"),
        Some(&Value::Boolean(true))
    );
    assert_eq!(of(1, "message/sender").as_deref(), Some("Ada"));
    assert_eq!(
        of(1, "message/text").as_deref(),
        Some("Hello:\nin two lines")
    );
    assert_eq!(
        value(&pod, &all[1], "message/sent"),
        Some(&Value::Time(1_578_906_060_000))
    );
    assert_eq!(of(2, "message/text").as_deref(), Some("look"));
    let [Value::Ref(media)] = pod.values(&all[2], "message/attachment") else {
        panic!("one picture")
    };
    assert_eq!(
        text(&pod, media, "social/mime").as_deref(),
        Some("image/png")
    );
    assert_eq!(
        text(&pod, media, "social/audience").as_deref(),
        Some("direct")
    );
    assert_eq!(of(6, "message/sender"), None);
    let conversation = entity("whatsapp", "conversation/Ada");
    let mut people = pod.values(&conversation, "message/participant").to_vec();
    people.sort_by_key(|of| format!("{of:?}"));
    assert_eq!(people, [Value::from("Ada"), Value::from("Zoë 🤓")]);
}

#[test]
fn a_later_export_of_a_conversation_adds_what_was_said_since() {
    let place = Place::new();
    let mut pod = pod();
    run(&place, &WhatsApp, &place.source("a", &whatsapp()), &mut pod);
    let mut files = whatsapp();
    files[0].0 = "WhatsApp Chat with Ada (1).txt".to_owned();
    files[0].1.extend(b"15/01/20, 10:00 - Ada: later\n");
    let report = run(&place, &WhatsApp, &place.source("b", &files), &mut pod);
    assert_eq!(
        (report.added, report.changed, report.vanished.len()),
        (1, 0, 0)
    );
}

#[test]
fn a_conversation_of_signal_is_read() {
    let (pod, report) = imported(&Signal, &signal());
    assert_eq!(
        (report.kinds["message"].added, report.problems.len()),
        (2, 0)
    );
    let all = messages(&pod);
    assert_eq!(
        text(&pod, &all[1], "message/text").as_deref(),
        Some("Hello\nAda!")
    );
}

#[test]
fn a_later_export_of_signal_adds_what_is_new_and_leaves_what_was_edited_here() {
    let (place, mut pod) = (Place::new(), pod());
    run(&place, &Signal, &place.source("a", &signal()), &mut pod);
    let all = messages(&pod);
    edit(&mut pod, &all[1], "message/text", "Hello Ada, I meant");
    // The first message is gone there, the second stands as it was, a third came.
    let words = "[2020-01-17, 21:49] Zoë: Hello\nAda!\n[2020-01-18, 08:00] Ada: later\n";
    let files = vec![("ada.txt".to_owned(), words.as_bytes().to_vec())];
    let report = run(&place, &Signal, &place.source("b", &files), &mut pod);
    assert_eq!((report.added, report.changed), (1, 0));
    assert_eq!(report.totals.vanished, 1);
    let later = messages(&pod);
    assert_eq!(later.len(), 3, "what is gone there stays here");
    let said = text(&pod, &all[1], "message/text");
    assert_eq!(said.as_deref(), Some("Hello Ada, I meant"));
    // What has no id is known by what it says: edited there it is another message, and the first stays.
    let words = words.replace("later", "later, edited");
    let files = vec![("ada.txt".to_owned(), words.into_bytes())];
    let report = run(&place, &Signal, &place.source("c", &files), &mut pod);
    assert_eq!((report.added, report.changed), (1, 0));
    assert_eq!(messages(&pod).len(), 4);
}

/// What a person does here between two imports.
fn edit(pod: &mut MemoryPod, of: &EntityId, name: &str, to: &str) {
    pod.apply(Edit::Assert(*of, attribute(name), Value::from(to)));
}

#[test]
fn a_later_export_of_telegram_adds_and_edits_and_leaves_what_was_edited_here() {
    let (place, mut pod) = (Place::new(), pod());
    run(&place, &Telegram, &place.source("a", &telegram()), &mut pod);
    let at = |chat: u64, n: u64| entity("telegram", &format!("conversation/{chat}/message/{n}"));
    edit(&mut pod, &at(1, 11), "message/text", "mine");
    edit(&mut pod, &at(2, 10), "message/text", "mine too");
    edit(&mut pod, &at(2, 12), "message/text", "and this");
    let mut files = telegram();
    let mut all: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
    let chats = all["chats"]["list"].as_array_mut().unwrap();
    let first = chats[0]["messages"].as_array_mut().unwrap();
    first[0]["text"] = json!("Hello, edited");
    first[0]["edited_unixtime"] = json!("1600000000");
    first.push(json!({"id": 99, "type": "message", "date_unixtime": "1600000001", "from": "Ada", "text": "New"}));
    let second = chats[1]["messages"].as_array_mut().unwrap();
    // Edited on both sides, and deleted there after it was edited here.
    second[0]["text"] = json!("theirs");
    second.remove(2);
    files[0].1 = all.to_string().into_bytes();
    let report = run(&place, &Telegram, &place.source("b", &files), &mut pod);
    assert_eq!((report.added, report.kinds["message"].changed), (1, 1));
    assert_eq!((report.totals.conflicts, report.totals.vanished), (1, 1));
    let said = |of: &EntityId| text(&pod, of, "message/text");
    assert_eq!(said(&at(1, 10)).as_deref(), Some("Hello, edited"));
    assert_eq!(
        value(&pod, &at(1, 10), "message/edited"),
        Some(&Value::Time(1_600_000_000_000))
    );
    assert_eq!(said(&at(1, 99)).as_deref(), Some("New"));
    assert_eq!(said(&at(1, 11)).as_deref(), Some("mine"));
    assert_eq!(said(&at(2, 10)).as_deref(), Some("mine too"));
    assert_eq!(said(&at(2, 12)).as_deref(), Some("and this"));
}

#[test]
fn an_export_of_telegram_is_read() {
    let (pod, report) = imported(&Telegram, &telegram());
    assert_eq!(report.kinds["message"].added, 8);
    assert_eq!(report.kinds["conversation"].added, 2);
    assert_eq!(report.kinds["media"].added, 2);
    assert_eq!(report.totals.problems[&ProblemCode::MissingFile], 2);
    let at = |chat: u64, n: u64| entity("telegram", &format!("conversation/{chat}/message/{n}"));
    let second = at(1, 11);
    assert_eq!(
        text(&pod, &second, "message/text").as_deref(),
        Some("See https://example.org/ this")
    );
    assert_eq!(pod.values(&second, "message/link").len(), 2);
    assert_eq!(
        pod.values(&second, "message/reaction"),
        [Value::from("👍 Ada")]
    );
    assert_eq!(
        value(&pod, &second, "message/reply-to"),
        Some(&Value::Ref(at(1, 10)))
    );
    assert_eq!(
        value(&pod, &second, "message/sent"),
        Some(&Value::Time(1_544_006_964_000))
    );
    assert_eq!(
        value(&pod, &at(2, 12), "message/notice"),
        Some(&Value::Boolean(true))
    );
    assert_eq!(
        value(&pod, &at(2, 10), "message/conversation"),
        Some(&Value::Ref(entity("telegram", "conversation/2")))
    );
    assert_eq!(
        text(&pod, &entity("telegram", "conversation/2"), "message/title").as_deref(),
        Some("Grace")
    );
    for of in messages(&pod) {
        assert_eq!(
            text(&pod, &of, "social/audience").as_deref(),
            Some("direct")
        );
    }
}

type Found = (usize, bool, usize);

fn preview(importer: &dyn Importer, files: Vec<fixture::File>) -> Option<Found> {
    let source = Source::from_memory("r", files, &Limits::default()).unwrap();
    let recognition = importer.recognise(&source).unwrap()?;
    let mut preview = Preview::new(&source, "did:key:z", importer.name());
    importer.read(&source, &recognition, &mut preview).unwrap();
    let problems = preview.problems.len();
    Some((preview.records.len(), preview.complete, problems))
}

#[test]
fn each_knows_its_own_and_strange_files_cost_only_themselves() {
    let importers: [&dyn Importer; 3] = [&WhatsApp, &Signal, &Telegram];
    for (n, files) in [whatsapp(), signal(), telegram()].iter().enumerate() {
        for (m, importer) in importers.iter().enumerate() {
            let found = preview(*importer, files.clone());
            assert_eq!(found.is_some(), n == m, "{}", importer.name());
        }
    }
    for text in ["", "Dear diary,\n01/01/20, 10:00 - I", "a,b\n1,2\n"] {
        let files = vec![("notes.txt".to_owned(), text.as_bytes().to_vec())];
        assert_eq!(preview(&WhatsApp, files), None, "{text}");
    }
    let odd = b"\xff\xfe1\x002\x00".to_vec();
    assert_eq!(preview(&WhatsApp, vec![("x.txt".to_owned(), odd)]), None);
    let latin = b"31/02/20, 10:00 - Zo\xeb: caf\xe9\n31/02/20, 10:01 - Ada: x".to_vec();
    let (records, _, problems) = preview(&WhatsApp, vec![("x.txt".to_owned(), latin)]).unwrap();
    assert_eq!((records, problems), (3, 3), "an encoding and two dates");
    let mut broken = telegram();
    let len = broken[0].1.len();
    broken[0].1.truncate(len - 50);
    let (_, complete, _) = preview(&Telegram, broken).unwrap();
    assert!(!complete);
    let strange = br#"{"id": [], "messages": [{"type": "message", "date_unixtime": {}, "from": 7}, 5,
        {"type": 3, "date_unixtime": "9223372036854775807"}, {"type": "message", "date_unixtime": "7", "text": 5, "photo": "../../x", "reactions": 3, "reply_to_message_id": {}}]}"#;
    let files = vec![("result.json".to_owned(), strange.to_vec())];
    let (records, complete, problems) = preview(&Telegram, files).unwrap();
    assert_eq!((records, complete), (2, true));
    assert!(problems >= 5);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..2_000, to: u8) {
        let all = [(&WhatsApp as &dyn Importer, whatsapp()), (&Signal, signal()), (&Telegram, telegram())];
        for (importer, mut files) in all {
            let len = files[0].1.len();
            files[0].1[at % len] = to;
            preview(importer, files);
        }
    }
}

#[test]
fn exports_of_other_hands_are_read() {
    let root =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports/chat-exports");
    if !root.exists() {
        println!("skipped: no such exports on this machine");
        return;
    }
    for (folder, name, importer, count, last) in [
        (
            "whatsapp",
            "test_[mmddyy]_24hrs.txt",
            &WhatsApp as &dyn Importer,
            9,
            1_640_901_660_000,
        ),
        (
            "whatsapp",
            "test_ddmmyy_24hrs.txt",
            &WhatsApp,
            9,
            1_640_901_660_000,
        ),
        (
            "whatsapp",
            "test_mmddyy_24hrs.txt",
            &WhatsApp,
            9,
            1_640_901_660_000,
        ),
        (
            "whatsapp",
            "test_mmddyyyy_12hrs.txt",
            &WhatsApp,
            9,
            1_640_901_660_000,
        ),
        (
            "whatsapp",
            "test_yyyymmdd_24hrs.txt",
            &WhatsApp,
            9,
            1_640_901_660_000,
        ),
        ("signal", "test_export.txt", &Signal, 2, 1_579_297_740_000),
        (
            "telegram",
            "test_single_export.json",
            &Telegram,
            2,
            1_544_006_964_000,
        ),
        (
            "telegram",
            "test_batch_export.json",
            &Telegram,
            2,
            1_544_006_964_000,
        ),
    ] {
        let place = Place::new();
        let source = open(&root.join(folder).join(name));
        let mut pod = pod();
        let report = run(&place, importer, &source, &mut pod);
        assert_eq!(report.kinds["message"].added, count, "{name}");
        assert!(report.problems.is_empty(), "{name}: {:?}", report.problems);
        assert_eq!(report.range.unwrap().to, last, "{name}");
        let again = run(&place, importer, &source, &mut pod);
        assert_eq!((again.added, again.changed), (0, 0), "{name}");
        let notices = messages(&pod)
            .iter()
            .filter(|of| value(&pod, of, "message/notice").is_some())
            .count();
        assert_eq!(notices, if folder == "whatsapp" { 2 } else { 0 }, "{name}");
    }
}
