//! What is exported and imported into an empty pod says the same there.

use crate::pod::Pod;
use proptest::prelude::*;
use rhizome_export::{Export, ExportError, Format};
use rhizome_import::{Limits, ProblemCode, Source, fixture};
use rhizome_ipld::car;
use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};

fn name(text: &str) -> Attribute {
    Attribute::new(text).unwrap()
}

fn entity(n: u8) -> EntityId {
    EntityId::derive("did:key:zAnybody", &[n])
}

/// A pod with every form and every kind of value, and files: none, a small one, one of several parts.
fn full() -> Pod {
    let mut pod = Pod::new("did:key:zFirst");
    let empty = pod.blobs.put_bytes(b"").unwrap();
    let small = pod.blobs.put_bytes(b"small").unwrap();
    let large: Vec<u8> = (0..3_300_000_u32).map(|n| (n / 7 % 251) as u8).collect();
    let large = pod.blobs.put_bytes(&large).unwrap();
    let e = entity(1);
    let one = |attribute, value| Edit::Assert(e, name(attribute), value);
    pod.say(vec![
        one("x/boolean", Value::Boolean(true)),
        one("x/integer", Value::Integer(i64::MIN)),
        one("x/float", Value::Float(2.5)),
        one("x/whole-float", Value::Float(2.0)),
        one("x/time", Value::Time(-5)),
        one("x/text", "line\nbreak \"quoted\" \u{1f33f} \u{0}".into()),
        one("x/bytes", Value::Bytes(vec![0, 255])),
        one("x/ref", Value::Ref(entity(2))),
        one("x/empty", Value::Blob(empty)),
        one("x/small", Value::Blob(small)),
        one("x/large", Value::Blob(large)),
        Edit::Insert(e, name("x/set"), "b".into()),
        Edit::Insert(e, name("x/set"), Value::Integer(1)),
        Edit::Insert(entity(2), name("x/set-of-one"), "a".into()),
        Edit::List(entity(2), name("x/list"), "c".into(), None),
        Edit::List(entity(2), name("x/list"), "a".into(), None),
        Edit::List(entity(2), name("x/list"), "c".into(), None),
        Edit::Add(entity(2), name("x/count"), 5),
        Edit::Assert(entity(3), name("device/name"), "laptop".into()),
        Edit::Assert(entity(3), name("x/text"), "of the device".into()),
    ]);
    pod.say(vec![
        Edit::Add(entity(2), name("x/count"), -2),
        Edit::Assert(entity(4), name("x/text"), "gone".into()),
    ]);
    pod.say(vec![Edit::Retract(entity(4), name("x/text"), None)]);
    pod
}

#[test]
fn an_export_in_an_empty_pod_makes_an_equal_one() {
    let pod = full();
    for format in [Format::Car, Format::Zip] {
        let (bytes, exported) = pod.export(format);
        assert_eq!((exported.entities, exported.files), (2, 3), "{format:?}");
        assert_eq!(exported.missing_total, 0);
        assert_eq!(pod.export(format).0, bytes, "the same each time");
        let mut other = Pod::new("did:key:zSecond");
        let path = other.put("export", &bytes);
        let report = other.import(&path);
        assert!(report.complete, "{:?}", report.problems);
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        assert_eq!(other.lines(), pod.lines(), "{format:?}");
        for cid in pod.blobs.iter().map(|blob| blob.unwrap().0) {
            other.blobs.verify(&cid).unwrap();
        }
        let again = other.import(&path);
        assert_eq!((again.added, again.changed, again.skipped), (0, 0, 0));
        assert_eq!(other.lines(), pod.lines());
    }
}

#[test]
fn lines_alone_bring_all_but_the_files() {
    let pod = full();
    let mut other = Pod::new("did:key:zSecond");
    let path = other.put("all.jsonl", &pod.export(Format::Jsonl).0);
    other.import(&path);
    assert_eq!(other.lines(), pod.lines());
    let (_, exported) = other.export(Format::Car);
    // the base of the import that brought them is there
    assert_eq!((exported.files, exported.missing_total), (0, 3));
}

/// Who moves to another pod goes on importing there what was imported here.
#[test]
fn an_archive_is_met_again_in_the_pod_that_an_export_was_imported_into() {
    let mut pod = Pod::new("did:key:zFirst");
    let archive = pod.folder.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    fixture::write_folder(&fixture::mastodon(), &archive).unwrap();
    let first = pod.import(&archive);
    assert!(first.added > 0);
    let mut other = Pod::new("did:key:zSecond");
    let path = other.put("pod.car", &pod.export(Format::Car).0);
    other.import(&path);
    assert_eq!(other.lines(), pod.lines());
    let again = other.import(&archive);
    assert_eq!((again.added, again.changed), (0, 0), "{again:?}");
    assert_eq!(again.unchanged, first.added);
    assert!(!again.totals.problems.contains_key(&ProblemCode::Base));
}

#[test]
fn every_block_is_small_and_is_what_its_name_says() {
    let (bytes, _) = full().export(Format::Car);
    let reader = car::Reader::new(bytes.as_slice(), car::Limits::default()).unwrap();
    let blocks: Vec<_> = reader.map(Result::unwrap).collect();
    assert!(blocks.len() > 8);
    assert!(blocks.iter().all(|(_, block)| block.len() <= 1 << 20));
}

#[test]
fn a_file_that_is_not_here_is_named_and_the_rest_is_exported() {
    let pod = full();
    let (cid, _) = pod.blobs.iter().next().unwrap().unwrap();
    pod.blobs.remove(&cid).unwrap();
    for format in [Format::Car, Format::Zip, Format::Jsonl] {
        let (_, exported) = pod.export(format);
        assert_eq!(exported.missing, [cid.to_string()]);
        assert_eq!((exported.files, exported.entities), (2, 2));
    }
}

#[test]
fn it_can_be_stopped() {
    let pod = full();
    let export = Export {
        now: &pod.replica.snapshot(),
        blobs: &pod.blobs,
        pod: &pod.did,
        own: &|_| false,
    };
    for format in Format::ALL {
        let mut stop = |_| Err(ExportError::Stopped);
        let stopped = export.write(format, &mut Vec::new(), &mut stop);
        assert!(matches!(stopped, Err(ExportError::Stopped)));
    }
}

/// Wherever an export breaks off, what came before is imported, the report says so, and what is imported of the whole one later makes it equal.
#[test]
fn a_truncated_export_is_imported_as_far_as_it_goes() {
    let pod = full();
    for format in [Format::Car, Format::Jsonl] {
        let (bytes, _) = pod.export(format);
        let step = bytes.len() / 23;
        let head = match format {
            Format::Jsonl => bytes.iter().position(|b| *b == b'\n').unwrap(),
            _ => 4_096,
        };
        for end in (head..bytes.len()).step_by(step) {
            let mut other = Pod::new("did:key:zSecond");
            let cut = other.put("cut", &bytes[..end]);
            let report = other.import(&cut);
            assert!(!report.complete, "{format:?} to {end}");
            let whole = other.put("whole", &bytes);
            assert!(other.import(&whole).complete);
            assert_eq!(other.lines(), pod.lines(), "{format:?} to {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nothing that stands in a file makes the importer panic, or take what a block's name does not vouch for.
    #[test]
    fn damaged_exports_are_refused_or_reported(at in 0_u64..1_000_000, to in any::<u8>(), lines in any::<bool>()) {
        thread_local!(static EXPORTS: [Vec<u8>; 2] = {
            let mut pod = Pod::new("did:key:zFirst");
            let file = pod.blobs.put_bytes(&[5; 1_100_000]).unwrap();
            pod.say(vec![
                Edit::Assert(entity(1), name("x/text"), "some text".into()),
                Edit::Assert(entity(1), name("x/file"), Value::Blob(file)),
                Edit::Insert(entity(1), name("x/set"), Value::Integer(1)),
            ]);
            [pod.export(Format::Car).0, pod.export(Format::Jsonl).0]
        });
        let mut bytes = EXPORTS.with(|all| all[usize::from(lines)].clone());
        let at = (at * bytes.len() as u64 / 1_000_000) as usize;
        bytes[at] = to;
        let source = Source::from_memory("x", [("x".to_owned(), bytes)], &Limits::default()).unwrap();
        let importer = rhizome_import::Rhizome;
        if let Some(recognition) = rhizome_import::Importer::recognise(&importer, &source).unwrap() {
            let mut preview = rhizome_import::Preview::new(&source, "did:key:zSecond", &recognition.source);
            rhizome_import::Importer::read(&importer, &source, &recognition, &mut preview).unwrap();
            prop_assert!(preview.records.len() <= 1);
        }
    }
}
