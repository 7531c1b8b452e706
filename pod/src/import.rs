//! Imports of what lies on this machine.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use rhizome_import::{
    Cancel, Failed, Import, ImportError, Importer, Limits, MAX_MAPPING_LEN, Mapping, Options,
    Progress, Recognition, ReplicaPod, Report, Source, Table, recognise,
};

use crate::{
    App, Pod, PodError,
    home::{now_ms, random_bytes},
};

/// Below this an importer is used only when it is asked for by name.
const SURE_ENOUGH: f32 = 0.5;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Compare and report, write nothing.
    pub dry_run: bool,
    /// The name of the importer; none: the one that is surest.
    pub importer: Option<String>,
    /// A mapping file, for tables.
    pub mapping: Option<PathBuf>,
}

/// An import that did not come to its end.
#[derive(Debug)]
pub struct ImportFailed {
    /// Why.
    pub error: PodError,
    /// What was done until then, if it had begun.
    pub report: Option<Box<Report>>,
}

impl<E: Into<PodError>> From<E> for ImportFailed {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            report: None,
        }
    }
}

impl Pod {
    /// Imports an export: a folder, an archive or a file. Running it again adds nothing twice. `cancel` stops it; what was written until
    /// then stays.
    ///
    /// # Errors
    /// [`ImportFailed`], with a report of what was done.
    pub fn import(
        &self,
        path: &Path,
        options: &ImportOptions,
        progress: &mut dyn FnMut(Progress<'_>),
        cancel: &Cancel,
    ) -> Result<Report, ImportFailed> {
        let scratch = self.home().incoming();
        fs::create_dir_all(&scratch).map_err(|e| PodError::file(&scratch, e))?;
        let source = Source::open_with_scratch(path, &Limits::default(), &scratch)?;
        let importers = importers(options)?;
        let importers: Vec<&dyn Importer> = importers.iter().map(AsRef::as_ref).collect();
        let (importer, recognition) = choose(&source, &importers, options)?;

        // one import at a time: two of one account would both find its records new
        let _alone = self.importing();
        let author = self.author(App::Importer(importer.name()))?;
        let before = self.replica().snapshot().len();
        let mut random = random_bytes()?;
        let import = Import {
            source: &source,
            importer,
            recognition,
            pod: &mut ReplicaPod::new(self.replica(), &author, now_ms, &mut random),
            blobs: self.blobs(),
            options: Options {
                dry_run: options.dry_run,
                ..Options::new(now_ms)
            },
        };
        let report = import
            .run(progress, cancel)
            .map_err(|Failed { error, report }| ImportFailed {
                error: error.into(),
                report: Some(report),
            })?;
        if !options.dry_run {
            self.replica().flush()?;
            // much was written, and rewritten in the course of it
            if self.replica().snapshot().len() / 4 * 3 > before
                && let Err(error) = self.replica().compact()
            {
                tracing::warn!(%error, "the store could not be made smaller after an import");
            }
        }
        Ok(report)
    }
}

fn importers(options: &ImportOptions) -> Result<Vec<Box<dyn Importer>>, PodError> {
    let table = match &options.mapping {
        Some(path) => Table::with_mapping(Mapping::parse(&read_mapping(path)?)?),
        None => Table::new(),
    };
    Ok(rhizome_import::importers(table))
}

fn read_mapping(path: &Path) -> Result<Vec<u8>, PodError> {
    let io = |error| PodError::file(path, error);
    let mut bytes = Vec::new();
    // one byte more than is allowed, so that the parser can say what is wrong
    let most = MAX_MAPPING_LEN as u64 + 1;
    fs::File::open(path)
        .map_err(io)?
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

/// The surest importer, or the one asked for.
fn choose<'i>(
    source: &Source,
    importers: &[&'i dyn Importer],
    options: &ImportOptions,
) -> Result<(&'i dyn Importer, Recognition), PodError> {
    let by_name = |name: &str| importers.iter().copied().find(|i| i.name() == name);
    let none = |why: String| {
        PodError::from(ImportError::NotRecognised {
            what: source.name().to_owned(),
            why,
        })
    };
    if let Some(name) = &options.importer {
        let known = || {
            importers
                .iter()
                .map(|i| i.name())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let importer = by_name(name).ok_or_else(|| {
            PodError::Request(format!(
                "there is no importer `{name}`; there are {}",
                known()
            ))
        })?;
        let recognition = importer
            .recognise(source)?
            .ok_or_else(|| none(format!("`{name}` finds nothing of its kind in it")))?;
        return Ok((importer, recognition));
    }
    let mut found = recognise(source, importers)?;
    if found.is_empty() {
        return Err(none(
            "give an export as its platform made it, or a table as CSV, JSON or JSON Lines"
                .to_owned(),
        ));
    }
    let best = found.swap_remove(0);
    match by_name(best.importer) {
        Some(importer) if best.confidence >= SURE_ENOUGH => Ok((importer, best)),
        _ => Err(none(format!(
            "it is a little like `{}` ({}); name the importer if it is that",
            best.importer, best.why
        ))),
    }
}
