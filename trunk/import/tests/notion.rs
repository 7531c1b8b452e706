//! A workspace of Notion's, made up here.

use crate::pods::{Place, entity, now, pod, text, value};
use crate::twice::{Twice, file, knows_its_own, survives, with};
use proptest::prelude::*;
use rhizome_import::fixture::{File, png};
use rhizome_import::{Limits, Notion, Options, ProblemCode, Source};
use rhizome_tuple::Value;

const HOME: &str = "00000000000000000000000000000001";
const BASE: &str = "00000000000000000000000000000002";
const ROW: &str = "00000000000000000000000000000003";
const OLD: &str = "00000000000000000000000000000004";

fn workspace() -> Vec<File> {
    vec![
        file(
            &format!("Home {HOME}.md"),
            &format!(
                "# Home\n\nCreated: May 3, 2023 10:00 AM\nTags: one, two\nStatus: Done\n\nSee [Base](Home/Base%20{BASE}.csv) and [row](Home/Base/Row%20{ROW}.md).\n\n![p](Home/p.png)\n\n- [x] done\n\n[x](https://x.example/)\n![gone](Home/gone.png)\n"
            ),
        ),
        file(&format!("Home/Base {BASE}.csv"), "Name,Status\nRow,Open\n"),
        file(
            &format!("Home/Base {BASE}_all.csv"),
            "Name,Status\nRow,Open\nRow 2,Done\n",
        ),
        file(
            &format!("Home/Base/Row {ROW}.md"),
            "# Row\n\nStatus: Open\n\nwords\n",
        ),
        file(
            &format!("Old {OLD}.html"),
            "<html><body><p>Hi <script>x</script><b>you</b></p></body></html>",
        ),
        ("Home/p.png".to_owned(), png(2, 2, [1, 2, 3], [4, 5, 6])),
    ]
}

#[test]
fn pages_databases_and_files_are_read() {
    let mut twice = Twice::new(&Notion, &workspace());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (report.kinds["note"].added, report.kinds["note-file"].added),
        (4, 3),
        "{:?}",
        report.problems
    );
    let of = |id: &str| entity("notion", id);
    assert_eq!(text(pod, &of(HOME), "note/title").as_deref(), Some("Home"));
    assert_eq!(
        value(pod, &of(HOME), "note/created"),
        Some(&Value::Time(1_683_108_000_000))
    );
    assert_eq!(pod.values(&of(HOME), "note/tag").len(), 2);
    assert_eq!(
        pod.values(&of(HOME), "note/property"),
        [Value::from("Status: Done")]
    );
    let links = pod.values(&of(HOME), "note/link");
    assert!(
        links.len() == 2
            && links.contains(&Value::Ref(of(ROW)))
            && links.contains(&Value::Ref(of(BASE)))
    );
    assert_eq!(pod.values(&of(HOME), "note/child"), [Value::Ref(of(BASE))]);
    assert_eq!(pod.values(&of(BASE), "note/child"), [Value::Ref(of(ROW))]);
    assert_eq!(pod.values(&of(BASE), "note/file").len(), 2, "both tables");
    assert_eq!(text(pod, &of(OLD), "note/text").as_deref(), Some("Hi you"));
    assert_eq!(report.totals.problems[&ProblemCode::MissingFile], 1);
    let report = twice.later(&with(
        &workspace(),
        "Status: Open\n\nwords",
        "Status: Done\n\nwords",
    ));
    assert_eq!((report.added, report.changed), (0, 1));
    let moved: Vec<File> = workspace()
        .into_iter()
        .map(|(path, bytes)| (path.replace("Row ", "Renamed "), bytes))
        .collect();
    let report = twice.later(&with(&moved, "Row%20", "Renamed%20"));
    assert_eq!(
        (report.added, report.totals.vanished),
        (0, 0),
        "known by its digits"
    );
}

#[test]
fn a_large_export_in_parts_is_read_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let zip = |files: &[File]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(name.as_str(), options).unwrap();
            std::io::Write::write_all(&mut zip, bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let all = workspace();
    let parts = [
        ("ExportBlock-0-Part-1.zip".to_owned(), zip(&all[..3])),
        ("ExportBlock-0-Part-2.zip".to_owned(), zip(&all[3..])),
    ];
    let at = folder.path().join("Export.zip");
    std::fs::write(&at, zip(&parts)).unwrap();
    let source = Source::open(&at, &Limits::default()).unwrap();
    let (place, mut pod) = (Place::new(), pod());
    let report = place
        .run(&source, &Notion, &mut pod, Options::new(now))
        .unwrap();
    assert_eq!(
        (report.kinds["note"].added, report.kinds["note-file"].added),
        (4, 3)
    );
}

#[test]
fn it_is_surer_than_others() {
    knows_its_own(&[(&Notion, workspace())]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn damaged_workspaces_never_panic(at: usize, byte: u8, cut: usize) {
        survives(&Notion, &workspace(), at, byte, cut);
    }
}
