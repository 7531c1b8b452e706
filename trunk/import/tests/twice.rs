//! What every importer is held to: the same export again changes nothing, damage costs what is damaged and never panics.

use crate::pods::{Place, now, open, pod, recognised};
use rhizome_import::fixture::File;
use rhizome_import::{
    ImportError, Importer, Limits, MemoryPod, Options, Preview, ProblemCode, Report, Source,
};
use std::path::PathBuf;

/// A pod with what was imported into it.
pub struct Twice<'a> {
    pub place: Place,
    pub pod: MemoryPod,
    pub first: Report,
    importer: &'a dyn Importer,
}

impl<'a> Twice<'a> {
    /// Imports files twice: the second time nothing changes.
    pub fn new(importer: &'a dyn Importer, files: &[File]) -> Self {
        let place = Place::new();
        let mut pod = pod();
        let source = place.source("export", files);
        assert!(
            recognised(&source, importer).confidence > 0.6,
            "{:?}",
            recognised(&source, importer)
        );
        let first = place
            .run(&source, importer, &mut pod, Options::new(now))
            .unwrap();
        let again = place
            .run(&source, importer, &mut pod, Options::new(now))
            .unwrap();
        assert_eq!(
            (again.added, again.changed),
            (0, 0),
            "{:?} {:?}",
            again.taken,
            again.conflicts
        );
        assert_eq!(
            (again.unchanged, again.skipped),
            (first.added, first.skipped)
        );
        Self {
            place,
            pod,
            first,
            importer,
        }
    }

    /// A later export.
    pub fn later(&mut self, files: &[File]) -> Report {
        let source = self.place.source("export", files);
        self.place
            .run(&source, self.importer, &mut self.pod, Options::new(now))
            .unwrap()
    }
}

/// One file of an export.
pub fn file(path: &str, content: &str) -> File {
    (path.to_owned(), content.as_bytes().to_vec())
}

/// Files with one text in them replaced.
pub fn with(files: &[File], from: &str, to: &str) -> Vec<File> {
    let mut met = false;
    let changed = files
        .iter()
        .map(|(path, content)| match std::str::from_utf8(content) {
            Ok(text) if text.contains(from) => {
                met = true;
                (path.clone(), text.replace(from, to).into_bytes())
            }
            _ => (path.clone(), content.clone()),
        });
    let changed: Vec<File> = changed.collect();
    assert!(met, "{from} is in no file");
    changed
}

/// Reads files with a byte replaced and an end cut off: an error may only be of a document that cannot be read.
pub fn survives(importer: &dyn Importer, files: &[File], at: usize, byte: u8, cut: usize) {
    let mut files = files.to_vec();
    let total: usize = files.iter().map(|(_, content)| content.len()).sum();
    let mut at = at % total.max(1);
    for (_, content) in &mut files {
        if let Some(place) = content.get_mut(at) {
            *place = byte;
            if cut.is_multiple_of(3) {
                let keep = content.len() - cut % content.len().max(1) / 2;
                content.truncate(keep);
            }
            break;
        }
        at -= content.len();
    }
    let source = Source::from_memory("export", files, &Limits::default()).unwrap();
    let Some(found) = importer.recognise(&source).unwrap() else {
        return;
    };
    let mut preview = Preview::new(&source, "did:key:z", &found.source);
    match importer.read(&source, &found, &mut preview) {
        Ok(()) | Err(ImportError::Document { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Of all importers, the own one recognises these files best.
pub fn knows_its_own(all: &[(&dyn Importer, Vec<File>)]) {
    let importers = rhizome_import::importers(rhizome_import::Table::new());
    let importers: Vec<&dyn Importer> = importers.iter().map(AsRef::as_ref).collect();
    for (own, files) in all {
        let source = Source::from_memory("export", files.clone(), &Limits::default()).unwrap();
        let found = rhizome_import::recognise(&source, &importers).unwrap();
        assert_eq!(found[0].importer, own.name(), "{found:?}");
    }
}

/// What is wrong in these files is reported as such.
pub fn says_what_is_wrong(importer: &dyn Importer, files: &[File], wrong: &[(&str, &str)]) {
    for (from, to) in wrong {
        let report = Twice::new(importer, &with(files, from, to)).first;
        assert!(
            report.problems.iter().any(|problem| matches!(
                problem.code,
                ProblemCode::Malformed | ProblemCode::PartIgnored
            )),
            "{from}"
        );
    }
}

/// The samples of a kind of export, where the machine has them.
pub fn samples(folder: &str) -> Option<PathBuf> {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/exports")
        .join(folder);
    if at.exists() {
        return Some(at);
    }
    println!("skipped: no samples of {folder} on this machine");
    None
}

/// Imports a folder of samples twice, and gives the first report.
pub fn sampled(importer: &dyn Importer, folder: &str) -> Option<(Report, MemoryPod)> {
    let at = samples(folder)?;
    let place = Place::new();
    let mut pod = pod();
    let source = open(&at);
    let first = place
        .run(&source, importer, &mut pod, Options::new(now))
        .unwrap();
    let kinds: Vec<_> = first
        .kinds
        .iter()
        .map(|(kind, counts)| format!("{kind} {}", counts.added))
        .collect();
    println!("{folder}: {} skipped {}", kinds.join(", "), first.skipped);
    for problem in &first.problems {
        println!("  {problem:?}");
    }
    let again = place
        .run(&source, importer, &mut pod, Options::new(now))
        .unwrap();
    assert_eq!(
        (again.added, again.changed),
        (0, 0),
        "{folder}: {:?}",
        again.taken
    );
    Some((first, pod))
}
