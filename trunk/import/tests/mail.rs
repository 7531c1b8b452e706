//! Mailboxes made up here, and the sample where the machine has it.

use crate::pods::{Place, attribute, entity, now, open, pod, recognised, text, value};
use proptest::prelude::*;
use rhizome_import::fixture::File;
use rhizome_import::{
    Importer, Limits, Mail, MemoryPod, Options, Pod, Preview, ProblemCode, Report, Source,
};
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};

const BOX: &str = "From a@example.org Mon Jan  1 10:00:00 2024\r\n\
From: =?utf-8?q?J=C3=BCrgen?= <A@Example.org>\r\nTo: zoe@example.org, Bo <bo@example.org>\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?= 1\r\nDate: Mon, 01 Jan 2024 12:00:00 +0200\r\nMessage-ID: <1@example.org>\r\nX-Gmail-Labels: =?UTF-8?Q?Gel=C3=B6scht?=,Starred,\"A, B\"\r\nList-ID: Friends <friends.example.org>\r\nContent-Type: text/plain; charset=\"iso-8859-1\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n>From the beginning\r\n>>From twice\r\nFrom here it goes on\r\nbye\r\n\r\n\
From bo@example.org Tue Jan  2 10:00:00 2024\r\n\
From: Bo <bo@example.org>\r\nTo: A@example.org\r\nSubject: Re: =?utf-8?b?R3LDvMOfZQ==?= 1\r\nDate: Tue, 02 Jan 2024 10:00:00 +0000\r\nMessage-ID: <2@example.org>\r\nIn-Reply-To: <1@example.org>\r\nReferences: <0@elsewhere> <1@example.org>\r\nStatus: RO\r\nX-Gmail-Labels: Inbox,Unread\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: multipart/alternative; boundary=\"b2\"\r\n\r\n--b2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain words\r\n--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>HTML <b>words</b><script>alert(1)</script><img src=\"cid:pic\"></p>\r\n--b2--\r\n--b1\r\nContent-Type: application/octet-stream; name=\"x.png\"\r\nContent-Disposition: attachment; filename=\"x.png\"\r\nContent-ID: <pic>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@example.org\r\nSubject: inner\r\n\r\ninner text\r\n--b1--\r\n\r\n\
From x@example.org Wed Jan  3 10:00:00 2024\r\n\
From: x@example.org\r\nSubject: only HTML, no id\r\nDate: not a date\r\nContent-Type: text/html\r\n\r\n<p>one</p><p>two</p>\r\n";

fn files(mbox: &str) -> Vec<File> {
    vec![("All mail.mbox".to_owned(), mbox.as_bytes().to_vec())]
}

fn into(place: &Place, pod: &mut MemoryPod, files: &[File]) -> Report {
    place
        .run(&place.source("mail", files), &Mail, pod, Options::new(now))
        .unwrap()
}

fn imported(files: &[File]) -> (Place, MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let report = into(&place, &mut pod, files);
    (place, pod, report)
}

fn of(key: &str) -> EntityId {
    entity("mail", key)
}

#[test]
fn messages_of_a_mailbox_are_read() {
    let (place, pod, report) = imported(&files(BOX));
    assert_eq!(
        (
            report.kinds["mail"].added,
            report.kinds["mail-attachment"].added
        ),
        (3, 2),
        "{:?}",
        report.problems
    );
    assert_eq!((report.skipped, report.complete), (0, true));
    assert_eq!(report.audience["direct"], 5);
    let one = of("1@example.org");
    assert_eq!(text(&pod, &one, "mail/subject").as_deref(), Some("Grüße 1"));
    assert_eq!(
        text(&pod, &one, "mail/from").as_deref(),
        Some("Jürgen <A@Example.org>")
    );
    assert_eq!(
        text(&pod, &one, "mail/from-address").as_deref(),
        Some("a@example.org")
    );
    assert_eq!(
        pod.values(&one, "mail/to"),
        [
            Value::from("zoe@example.org"),
            Value::from("Bo <bo@example.org>")
        ]
    );
    assert_eq!(pod.values(&one, "mail/participant").len(), 3);
    assert_eq!(
        value(&pod, &one, "mail/sent"),
        Some(&Value::Time(1_704_103_200_000))
    );
    assert_eq!(
        text(&pod, &one, "mail/text").as_deref(),
        Some("From the beginning\n>From twice\nFrom here it goes on\nbye")
    );
    assert_eq!(
        text(&pod, &one, "mail/mailbox").as_deref(),
        Some("All mail")
    );
    assert_eq!(
        text(&pod, &one, "mail/list").as_deref(),
        Some("Friends <friends.example.org>")
    );
    let labels = pod.values(&one, "mail/label");
    for label in ["Gelöscht", "Starred", "A, B"] {
        assert!(labels.contains(&Value::from(label)), "{labels:?}");
    }
    let flags = pod.values(&one, "mail/flag");
    assert!(
        flags.contains(&Value::from("flagged")) && flags.contains(&Value::from("seen")),
        "{flags:?}"
    );

    let two = of("2@example.org");
    assert_eq!(value(&pod, &two, "mail/reply-of"), Some(&Value::Ref(one)));
    assert_eq!(
        text(&pod, &two, "mail/thread").as_deref(),
        Some("0@elsewhere")
    );
    assert_eq!(pod.values(&two, "mail/reference").len(), 2);
    assert_eq!(
        text(&pod, &two, "mail/text").as_deref(),
        Some("plain words")
    );
    let html = text(&pod, &two, "mail/html").unwrap();
    assert!(
        html.contains("<b>words</b>") && !html.contains("script") && !html.contains("img"),
        "{html}"
    );
    let [Value::Ref(file), Value::Ref(nested)] = pod.values(&two, "mail/attachment") else {
        panic!("two files")
    };
    assert_eq!(text(&pod, file, "mail/name").as_deref(), Some("x.png"));
    assert_eq!(
        text(&pod, file, "mail/mime").as_deref(),
        Some("image/png"),
        "by its bytes"
    );
    assert_eq!(text(&pod, file, "mail/content-id").as_deref(), Some("pic"));
    assert_eq!(value(&pod, file, "mail/of"), Some(&Value::Ref(two)));
    let Some(Value::Blob(cid)) = value(&pod, nested, "mail/blob") else {
        panic!("kept")
    };
    let mut bytes = String::new();
    std::io::Read::read_to_string(
        &mut place.blobs.open(cid).unwrap().reader(0, u64::MAX),
        &mut bytes,
    )
    .unwrap();
    assert!(
        bytes.contains("Subject: inner") && bytes.contains("inner text"),
        "{bytes}"
    );

    let three = pod
        .entities_with("mail/subject", &Value::from("only HTML, no id"))
        .unwrap();
    assert_eq!(
        text(&pod, &three[0], "mail/text").as_deref(),
        Some("one\n\ntwo")
    );
    assert_eq!(value(&pod, &three[0], "mail/sent"), None);
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("date"))
    );
}

#[test]
fn a_second_import_changes_nothing_and_a_later_one_what_changed() {
    let (place, mut pod, first) = imported(&files(BOX));
    let again = into(&place, &mut pod, &files(BOX));
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, first.added)
    );
    pod.apply(Edit::Insert(
        of("2@example.org"),
        attribute("mail/label"),
        Value::from("mine"),
    ));
    let later = BOX
        .replace("Inbox,Unread", "Inbox,Archived")
        .replace("Message-ID: <1@example.org>", "Message-ID: <9@example.org>");
    let report = into(&place, &mut pod, &files(&later));
    assert_eq!(
        (report.added, report.changed, report.totals.vanished),
        (1, 1, 1),
        "{:?}",
        report.taken
    );
    let labels = pod.values(&of("2@example.org"), "mail/label");
    assert!(labels.contains(&Value::from("mine")) && labels.contains(&Value::from("Archived")));
    assert!(!labels.contains(&Value::from("Unread")));
}

#[test]
fn single_messages_and_maildir_folders_are_read() {
    let message = |n: u32| {
        format!("Return-Path: <a@b>\nFrom: a@b\nMessage-ID: <{n}@b>\nSubject: {n}\n\nhello\n")
            .into_bytes()
    };
    let (_place, pod, report) = imported(&[
        ("Mail/Inbox/cur/1704.1.host:2,FS".to_owned(), message(1)),
        ("Mail/Inbox/new/1704.2.host".to_owned(), message(2)),
        ("Mail/saved/three.eml".to_owned(), message(3)),
        ("Mail/notes.txt".to_owned(), b"a text".to_vec()),
    ]);
    assert_eq!(
        (report.kinds["mail"].added, report.kinds["file"].added),
        (3, 1)
    );
    assert_eq!(
        text(&pod, &of("1@b"), "mail/mailbox").as_deref(),
        Some("Mail/Inbox")
    );
    assert_eq!(pod.values(&of("1@b"), "mail/flag").len(), 2);
    assert!(pod.values(&of("2@b"), "mail/flag").is_empty());
    assert_eq!(
        text(&pod, &of("3@b"), "mail/mailbox").as_deref(),
        Some("Mail/saved")
    );
}

#[test]
fn other_text_is_not_mail() {
    for (name, bytes) in [
        ("notes.txt", "From here on\nit is a text\n"),
        ("a.csv", "from,to\n1,2\n"),
        ("x", "name: value\n"),
    ] {
        let source = Source::from_memory(
            "x",
            [(name.to_owned(), bytes.as_bytes().to_vec())],
            &Limits::default(),
        )
        .unwrap();
        assert!(Mail.recognise(&source).unwrap().is_none(), "{name}");
    }
}

#[test]
fn duplicates_and_garbage_cost_themselves() {
    let second = BOX.replace(
        "Subject: only",
        "Message-ID: <1@example.org>\r\nSubject: only",
    );
    let (_place, _pod, report) = imported(&files(&second));
    assert_eq!((report.kinds["mail"].added, report.skipped), (2, 1));
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.code == ProblemCode::Duplicate)
    );
    let garbage = format!(
        "{BOX}\r\nFrom nobody\r\n\r\n\r\nFrom b@c Mon\r\nFrom: b@c\r\nMessage-ID: <5@b>\r\n\r\nlast\r\n"
    );
    let (_place, pod, report) = imported(&files(&garbage));
    assert_eq!(report.skipped, 1, "{:?}", report.problems);
    assert_eq!(text(&pod, &of("5@b"), "mail/text").as_deref(), Some("last"));
}

proptest! {
    #[test]
    fn damaged_mailboxes_never_panic(at in 0..BOX.len(), byte: u8, cut in 0..BOX.len()) {
        let mut bytes = BOX.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(BOX.len() - cut / 4);
        let source = Source::from_memory("mail", [("a.mbox".to_owned(), bytes)], &Limits::default()).unwrap();
        let mut preview = Preview::new(&source, "did:key:z", "mail");
        if let Some(found) = Mail.recognise(&source).unwrap() {
            Mail.read(&source, &found, &mut preview).unwrap();
        }
    }
}

#[test]
fn a_mailbox_of_takeout() {
    let at = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/exports/synthetic-mbox");
    if !at.exists() {
        println!("skipped: no samples on this machine");
        return;
    }
    let place = Place::new();
    let mut pod = pod();
    let source = open(&at);
    assert!(recognised(&source, &Mail).confidence > 0.9);
    let first = place
        .run(&source, &Mail, &mut pod, Options::new(now))
        .unwrap();
    assert!(
        first.kinds["mail"].added >= 3 && first.skipped == 0,
        "{:?}",
        first.problems
    );
    let again = place
        .run(&source, &Mail, &mut pod, Options::new(now))
        .unwrap();
    assert_eq!((again.added, again.changed), (0, 0));
}
