//! The table of exports: every sample on this machine, by whom it is recognised and what becomes of it. It writes
//! `docs/exports.md` anew where there are samples.

use crate::pods::{Place, open, pod};
use rhizome_import::{
    Cancel, Import, Importer, Options, Report, Source, Table, importers, recognise,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What became of one sample.
struct Line {
    sample: String,
    importer: String,
    sure: String,
    imported: String,
    skipped: u64,
    kept: u64,
    problems: String,
}

fn run(
    source: &Source,
    importer: &dyn Importer,
    place: &Place,
    pod: &mut rhizome_import::MemoryPod,
) -> Report {
    let recognition = importer.recognise(source).unwrap().unwrap();
    let import = Import {
        source,
        importer,
        recognition,
        pod,
        blobs: &place.blobs,
        options: Options::new(crate::pods::now),
    };
    import.run(&mut |_| {}, &Cancel::new()).unwrap()
}

/// Imports a sample by whom it is recognised best, twice.
fn line(sample: &str, at: &Path) -> Line {
    let source = open(at);
    let all = importers(Table::new());
    let all: Vec<&dyn Importer> = all.iter().map(AsRef::as_ref).collect();
    let found = recognise(&source, &all).unwrap();
    let refused = |importer: &str, why: String| Line {
        sample: sample.to_owned(),
        importer: importer.to_owned(),
        sure: String::new(),
        imported: String::new(),
        skipped: 0,
        kept: 0,
        problems: why,
    };
    let Some(best) = found.first() else {
        return refused(
            "–",
            format!(
                "refused: no importer knows any of its {} files",
                source.entries().len()
            ),
        );
    };
    if best.confidence < 0.5 {
        return refused("–", format!("refused: a little like {}", best.importer));
    }
    let importer = *all.iter().find(|i| i.name() == best.importer).unwrap();
    let (place, mut pod) = (Place::new(), pod());
    let report = run(&source, importer, &place, &mut pod);
    let again = run(&source, importer, &place, &mut pod);
    assert_eq!(
        (again.added, again.changed),
        (0, 0),
        "{sample}: a second import is not nothing: {again:?}"
    );
    assert_eq!(again.unchanged, report.added, "{sample}");
    assert!(
        report.skipped == 0 || !report.problems.is_empty(),
        "{sample}: something was left out without a reason"
    );
    let imported = report
        .kinds
        .iter()
        .filter(|(kind, counts)| counts.added > 0 && *kind != "file")
        .map(|(kind, counts)| format!("{} {kind}", counts.added))
        .collect::<Vec<_>>();
    let mut problems: Vec<String> = report
        .totals
        .problems
        .iter()
        .map(|(code, count)| {
            let code = serde_json::to_value(code).unwrap();
            format!("{count} {}", code.as_str().unwrap())
        })
        .collect();
    if !report.complete {
        problems.push("a document breaks off".to_owned());
    }
    Line {
        sample: sample.to_owned(),
        importer: best.importer.to_owned(),
        sure: format!("{:.2}", best.confidence),
        imported: imported.join(", "),
        skipped: report.skipped,
        kept: report.totals.files,
        problems: problems.join(", "),
    }
}

/// A folder of samples that have nothing to do with each other.
const SEVERAL: &str = "chat-exports";

/// Names of the folders in a folder, in order.
fn folders(at: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(at)
        .unwrap()
        .map(|found| found.unwrap())
        .filter(|found| found.file_type().unwrap().is_dir())
        .map(|found| found.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn samples() -> Option<PathBuf> {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports");
    if at.is_dir() {
        return Some(at);
    }
    println!("skipped: no samples of exports on this machine");
    None
}

#[test]
fn every_sample_is_recognised_or_refused_with_a_reason() {
    let Some(at) = samples() else { return };
    let names = folders(&at).into_iter().flat_map(|name| {
        if name == SEVERAL {
            let each = folders(&at.join(&name)).into_iter();
            each.map(|inner| format!("{name}/{inner}")).collect()
        } else {
            vec![name]
        }
    });
    let names: Vec<String> = names.collect();
    let lines: Vec<Line> = names
        .iter()
        .map(|name| line(name, &at.join(name)))
        .collect();
    assert!(!lines.is_empty());
    let mut page = String::from(
        "# The table of exports\n\n\
        Samples of exports from public repositories and made-up ones, each imported as one folder, as `trunk/import/tests/exports.rs` found it. A second\n\
        import of each adds and changes nothing; the test checks that. *Kept* are files that no importer reads, kept as they are.\n\
        The samples are not part of this repository; some are broken on purpose.\n\n\
        | sample | importer | sure | imported | skipped | kept | problems |\n|---|---|---|---|---|---|---|\n",
    );
    for Line {
        sample,
        importer,
        sure,
        imported,
        skipped,
        kept,
        problems,
    } in &lines
    {
        writeln!(
            page,
            "| {sample} | {importer} | {sure} | {imported} | {skipped} | {kept} | {problems} |"
        )
        .unwrap();
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/exports.md");
    if std::fs::read_to_string(&docs).ok().as_deref() != Some(&page) {
        println!("{page}");
        std::fs::write(docs, page).unwrap();
    }
}
