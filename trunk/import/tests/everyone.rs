//! Every importer against everything broken or built to harm: a typed error or a problem in the report, never a panic, and
//! memory that stays bounded.

use crate::pods::{Place, pod};
use rhizome_import::{Cancel, Import, ImportError, Limits, Options, Source, Table, importers};
use std::io::Write;
use std::path::Path;

/// The beginnings of what importers know, each under the name that its platform gives it.
const SEEDS: &[(&str, &str)] = &[
    (
        "outbox.json",
        r#"{"@context":"https://www.w3.org/ns/activitystreams","orderedItems":[{"id":"https://x.example/1/activity","type":"Create","actor":"https://x.example/a","published":"2024-01-01T00:00:00Z","to":["https://www.w3.org/ns/activitystreams#Public"],"object":{"id":"https://x.example/1","type":"Note","content":"<p>caf\u00c3\u00a9</p>","attachment":[{"url":"../../etc/passwd"}]}}]}"#,
    ),
    (
        "Takeout/Google Photos/A/a.jpg.json",
        r#"{"title":"a.jpg","photoTakenTime":{"timestamp":"1577836800"},"creationTime":{"timestamp":"1"},"geoData":{"latitude":1.5,"longitude":2.5},"people":[{"name":"x"}],"url":"https://photos.google.com/photo/1"}"#,
    ),
    (
        "Takeout/Google Photos/A/metadata.json",
        r#"{"title":"A","access":"x","date":{"timestamp":"1"}}"#,
    ),
    (
        "Takeout/My Activity/Search/MyActivity.json",
        r#"[{"header":"Search","title":"x","titleUrl":"https://www.google.com/search?q=%41","time":"2020-01-01T00:00:00Z"}]"#,
    ),
    (
        "Takeout/My Activity/Search/MyActivity.html",
        r#"<style>.mdl-cell{}</style><div class="outer-cell mdl-cell"><p class="mdl-typography--title">S<br></p><div class="mdl-typography--body-1">x <a href="https://a.example/&amp;">y</a><br>Jan 31, 2018, 10:54:50 PM</div></div>"#,
    ),
    (
        "Takeout/Location History/Records.json",
        r#"{"locations":[{"timestampMs":"1","latitudeE7":1,"longitudeE7":2}]}"#,
    ),
    (
        "Takeout/Location History/2020.json",
        r#"{"timelineObjects":[{"placeVisit":{"duration":{"startTimestampMs":"5"},"location":{"latitudeE7":1,"longitudeE7":2}}}]}"#,
    ),
    (
        "subscriptions.csv",
        "a,b,c\nC1,http://www.youtube.com/channel/C1,t\n",
    ),
    (
        "posts.csv",
        "id,permalink,date,ip,subreddit,gildings,title,url,body\n1,u,2024-01-02 03:04:05 UTC,,r,0,t,u,b\n",
    ),
    (
        "goodreads_library_export.csv",
        "Book Id,Title,Author,Exclusive Shelf,Date Added,My Rating\n1,t,a,read,2024/01/01,5\n",
    ),
    (
        "StreamingHistory0.json",
        r#"[{"endTime":"2024-01-01 00:00","artistName":"a","trackName":"t","msPlayed":1}]"#,
    ),
    (
        "checkins1.json",
        r#"{"items":[{"id":"1","createdAt":1,"venue":{"id":"v","name":"n"}}]}"#,
    ),
    (
        "export.jsonl",
        "{\"id\": 1, \"at\": \"2024-01-01\"}\n{\"id\": 2}\n",
    ),
    ("tuples.tsv", "e\tname\ts\tx\ne\tage\ti\t5\n"),
    (
        "tweets.js",
        r#"window.YTD.tweets.part0 = [{"tweet":{"id_str":"1","full_text":"x","created_at":"Wed Jan 01 00:00:00 +0000 2020"}}]"#,
    ),
    (
        "your_posts_1.json",
        r#"[{"timestamp":1577836800,"data":[{"post":"caf\u00c3\u00a9"}],"title":"x"}]"#,
    ),
    (
        "messages/inbox/a/message_1.json",
        r#"{"participants":[{"name":"a"}],"messages":[{"sender_name":"a","timestamp_ms":1,"content":"x"}],"title":"t","thread_path":"inbox/a"}"#,
    ),
    (
        "result.json",
        r#"{"name":"c","type":"personal_chat","id":1,"messages":[{"id":1,"type":"message","date":"2020-01-01T00:00:00","from":"a","text":"x"}]}"#,
    ),
    (
        "WhatsApp Chat with A.txt",
        "01/02/2020, 10:00 - A: x\n01/02/2020, 10:01 - B: <Media omitted>\n",
    ),
    (
        "contacts.vcf",
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\nPHOTO;ENCODING=b;TYPE=JPEG:////\r\nEND:VCARD\r\n",
    ),
    (
        "calendar.ics",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20200101T000000Z\r\nRRULE:FREQ=DAILY;COUNT=99999999999\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    (
        "mail.mbox",
        "From a@x Thu Jan  1 00:00:00 2020\nMessage-ID: <1@x>\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-7\n\nx\n--b--\n",
    ),
    (
        "note.json",
        r#"{"color":"DEFAULT","isTrashed":false,"isPinned":false,"isArchived":false,"textContent":"x","title":"t","userEditedTimestampUsec":1577836800000000}"#,
    ),
    (
        "notes.enex",
        "<?xml version=\"1.0\"?><!DOCTYPE en-export [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><en-export><note><title>&b;</title><content><![CDATA[<en-note>x</en-note>]]></content><created>20200101T000000Z</created></note></en-export>",
    ),
    (
        "feeds.opml",
        "<?xml version=\"1.0\"?><opml version=\"2.0\"><body><outline text=\"a\" xmlUrl=\"http://a.example\"/></body></opml>",
    ),
    (
        "track.gpx",
        "<?xml version=\"1.0\"?><gpx><trk><trkseg><trkpt lat=\"1\" lon=\"2\"><time>2020-01-01T00:00:00Z</time></trkpt></trkseg></trk></gpx>",
    ),
    (
        "export.xml",
        "<?xml version=\"1.0\"?><!DOCTYPE HealthData [<!ELEMENT x ANY>]><HealthData><Record type=\"HKQuantityTypeIdentifierHeartRate\" startDate=\"2020-01-01 00:00:00 +0000\" endDate=\"2020-01-01 00:00:00 +0000\" value=\"7\" unit=\"x\"/></HealthData>",
    ),
    (
        "My Clippings.txt",
        "A Book (An Author)\n- Your Highlight on page 12 | location 1-2 | Added on Monday, 1 January 2020 12:00:00\n\nx\n==========\n",
    ),
    (
        "note.md",
        "---\ntitle: x\ntags: [a, b]\n---\n# x [[y]] ![](../../etc/passwd)\n",
    ),
    (
        "Journal.json",
        r#"{"metadata":{"version":"1.0"},"entries":[{"uuid":"A","text":"x","creationDate":"2020-01-01T00:00:00Z"}]}"#,
    ),
    (
        "note.json",
        r#"{"@context":"https://www.w3.org/ns/activitystreams","type":"Create","actor":"https://x.example/a","to":"as:Public","object":{"type":"Note","id":"https://x.example/1","content":"x","url":["https://x.example/2"],"attachment":{"url":"../../etc/passwd"}}}"#,
    ),
    (
        "entities/posts.jsonl",
        "{\"entity\":{\"id\":\"1\",\"x\":5,\"by\":[\"2\"]},\"createdAt\":1}\n",
    ),
    (
        "config.json",
        r#"{"counts":{"posts":1},"schema":{"entities":{"posts":{"attrs":{"x":{"valueType":"date"}}}},"links":{"a":{"forward":{"on":"posts","label":"by","has":"many"},"reverse":{"on":"x","label":"y"}}}}}"#,
    ),
    ("repo.car", "\u{1}\u{2}rootsgversion"),
    (
        "atom.xml",
        "<?xml version=\"1.0\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><title>x</title><entry><id>1</id><title>t</title></entry></feed>",
    ),
];

/// All importers on one source, each as far as it goes. Returns how many recognised it.
fn all_importers(source: &Source, place: &Place) -> usize {
    let mut recognised = 0;
    for importer in importers(Table::new()) {
        let recognition = match importer.recognise(source) {
            Ok(Some(recognition)) => recognition,
            Ok(None) => continue,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        recognised += 1;
        assert!(
            (0.0..=1.0).contains(&recognition.confidence),
            "{recognition:?}"
        );
        let mut pod = pod();
        let import = Import {
            source,
            importer: importer.as_ref(),
            recognition,
            pod: &mut pod,
            blobs: &place.blobs,
            options: Options::new(crate::pods::now),
        };
        match import.run(&mut |_| {}, &Cancel::new()) {
            Ok(report) => assert!(
                report.complete || !report.problems.is_empty(),
                "{}: incomplete without a word",
                importer.name()
            ),
            Err(failed) => assert!(!failed.error.code().is_empty()),
        }
    }
    recognised
}

fn source(place: &Place, files: &[(&str, Vec<u8>)]) -> Source {
    let files: Vec<_> = files
        .iter()
        .map(|(path, bytes)| ((*path).to_owned(), bytes.clone()))
        .collect();
    place.source("hostile", &files)
}

/// What a document becomes when somebody or something breaks it.
fn broken(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut all: Vec<Vec<u8>> = vec![Vec::new(), vec![0; 64], vec![0xff; 64]];
    // Cut off.
    all.extend((1..8).map(|n| bytes[..bytes.len() * n / 8].to_vec()));
    // Single bytes exchanged, over the whole length.
    for n in 0..24_usize {
        let mut flipped = bytes.to_vec();
        let at = (n * 7_919) % flipped.len();
        flipped[at] = [0, 0xff, b'"', b'{', b'9', b'<'][n % 6];
        all.push(flipped);
    }
    // Other encodings and marks.
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    all.push([&[0xff, 0xfe][..], &utf16].concat());
    all.push([&[0xef, 0xbb, 0xbf][..], bytes].concat());
    all.push(
        text.replace('x', "\u{e9}")
            .chars()
            .map(|c| c as u32 as u8)
            .collect(),
    );
    // Numbers, depths and lengths that no machine holds.
    for from in ["1", "2", "5"] {
        all.push(text.replace(from, "99999999999999999999").into_bytes());
        all.push(text.replace(from, "-1e999").into_bytes());
    }
    all.push(text.replace("\"x\"", &"[".repeat(10_000)).into_bytes());
    all.push(text.replace('x', &"long ".repeat(60_000)).into_bytes());
    all.push(text.replace('x', "\u{0}\u{202e}../../\r\n").into_bytes());
    // The same again and again.
    all.push([bytes, b"\n", bytes, bytes].concat());
    all
}

#[test]
fn every_importer_survives_every_broken_document() {
    let place = Place::new();
    for (path, text) in SEEDS {
        for bytes in broken(text) {
            all_importers(&source(&place, &[(path, bytes)]), &place);
        }
    }
    let most = most_memory();
    assert!(
        most.is_none_or(|kilobytes| kilobytes < 600_000),
        "{most:?} kB"
    );
}

#[test]
fn every_importer_survives_all_of_them_together() {
    let place = Place::new();
    let whole: Vec<(&str, Vec<u8>)> = SEEDS
        .iter()
        .map(|(path, text)| (*path, text.as_bytes().to_vec()))
        .collect();
    let recognised = all_importers(&source(&place, &whole), &place);
    assert!(
        recognised >= 5,
        "only {recognised} found something of theirs"
    );
    let cut: Vec<(&str, Vec<u8>)> = SEEDS
        .iter()
        .map(|(path, text)| (*path, text.as_bytes()[..text.len() * 2 / 3].to_vec()))
        .collect();
    all_importers(&source(&place, &cut), &place);
}

fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn zip_of(at: &Path, files: &[(String, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(at).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Opens an archive and, where it opens, lets every importer read it.
fn open(at: &Path, place: &Place) -> Result<usize, ImportError> {
    Source::open(at, &Limits::default()).map(|source| all_importers(&source, place))
}

#[test]
fn bombs_cost_no_memory_whoever_reads_them() {
    let place = Place::new();
    let at = place.folder.path().join("bomb.zip");
    // 100 MB of one byte: far over the ratio that is allowed. They are packed once, and go as they are under each name.
    let packed = place.folder.path().join("packed.zip");
    zip_of(&packed, &[("x".to_owned(), vec![b'['; 100 << 20])]);
    let mut packed = zip::ZipArchive::new(std::fs::File::open(packed).unwrap()).unwrap();
    for (path, _) in SEEDS {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&at).unwrap());
        zip.raw_copy_file_rename(packed.by_index_raw(0).unwrap(), *path)
            .unwrap();
        zip.finish().unwrap();
        assert!(
            matches!(open(&at, &place), Err(ImportError::Bomb { .. })),
            "{path}"
        );
    }
    // A bomb inside an archive is a file that is kept, not opened.
    let inner = std::fs::read(&at).unwrap();
    zip_of(
        &at,
        &[
            ("inner.zip".to_owned(), inner),
            ("a.csv".to_owned(), b"id,x\n1,2\n".to_vec()),
        ],
    );
    assert!(open(&at, &place).is_ok());
    // In a folder of archives, too.
    let folder = place.folder.path().join("parts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&at, folder.join("one.zip")).unwrap();
    assert!(open(&folder, &place).is_ok());
    zip_of(
        &folder.join("two.zip"),
        &[("zeros".to_owned(), vec![0; 100 << 20])],
    );
    assert!(matches!(
        open(&folder, &place),
        Err(ImportError::Bomb { .. })
    ));
    let most = most_memory();
    assert!(
        most.is_none_or(|kilobytes| kilobytes < 600_000),
        "{most:?} kB"
    );
}

#[test]
fn sizes_that_are_only_declared_are_not_believed() {
    let place = Place::new();
    for (path, text) in SEEDS.iter().take(12) {
        // A tar whose header promises 10 GB.
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_mode(0o644);
        header.set_size(10 << 30);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.resize(2_048, 0);
        let at = place.folder.path().join("declared.tar");
        std::fs::write(&at, &bytes).unwrap();
        let _ = open(&at, &place);
        // A zip that does: the sizes in its directory are overwritten.
        let at = place.folder.path().join("declared.zip");
        zip_of(&at, &[((*path).to_owned(), text.as_bytes().to_vec())]);
        let mut bytes = std::fs::read(&at).unwrap();
        let entry = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        bytes[entry + 24..entry + 28].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
        std::fs::write(&at, &bytes).unwrap();
        let _ = open(&at, &place);
    }
    let most = most_memory();
    assert!(
        most.is_none_or(|kilobytes| kilobytes < 600_000),
        "{most:?} kB"
    );
}

#[test]
fn names_that_climb_or_are_no_text_reach_nobody() {
    let place = Place::new();
    let at = place.folder.path().join("names.tar");
    let mut tar = tar::Builder::new(Vec::new());
    for (n, (path, text)) in SEEDS.iter().enumerate() {
        for name in [
            format!("../../{path}").into_bytes(),
            format!("/{path}").into_bytes(),
            [&b"caf\xe9/"[..], path.as_bytes()].concat(),
            path.as_bytes().to_vec(),
        ] {
            let mut header = tar::Header::new_gnu();
            let kind = if n % 5 == 4 {
                tar::EntryType::Symlink
            } else {
                tar::EntryType::Regular
            };
            header.set_entry_type(kind);
            let len = name.len().min(99);
            header.as_old_mut().name[..len].copy_from_slice(&name[..len]);
            if kind == tar::EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
                header.set_size(0);
                header.set_cksum();
                tar.append(&header, &b""[..]).unwrap();
            } else {
                header.set_size(text.len() as u64);
                header.set_cksum();
                tar.append(&header, text.as_bytes()).unwrap();
            }
        }
    }
    std::fs::write(&at, tar.into_inner().unwrap()).unwrap();
    let source = Source::open(&at, &Limits::default()).unwrap();
    assert!(
        source
            .entries()
            .iter()
            .all(|entry| !entry.path.contains("..") && !entry.path.starts_with('/'))
    );
    assert!(!source.problems().is_empty());
    all_importers(&source, &place);
}
