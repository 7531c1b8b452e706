//! JSON lines with the files beside them, in a zip archive.

use std::io::{self, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::entities::Entities;
use crate::{Export, ExportError, Exported, Progress, Watch, files, jsonl};

/// The lines.
pub(crate) const LINES: &str = "export.jsonl";
/// Where the files are.
pub(crate) const FILES: &str = "files";
/// Files of this length and more need the long form of a zip's sizes; those that are counted while they are written need it in time.
const LARGE: u64 = 1 << 32;

pub(crate) fn write(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    let mut zip = ZipWriter::new_stream(out);
    let deflated = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(true);
    zip.start_file(LINES, deflated)?;
    let named = jsonl::lines(export, entities, &mut zip, watch, &mut exported)?;
    let here = files::present(export, named, &mut exported)?;
    let before = entities.len() as u64;
    let total = before + here.len() as u64;
    for (done, file) in (before..).zip(&here) {
        watch(Progress { done, total })?;
        // pictures and films are compressed as they are
        let stored = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(file.bytes >= LARGE);
        let ending = files::ending(export, &file.cid)?;
        zip.start_file(format!("{FILES}/{}{ending}", file.cid), stored)?;
        let blob = export.blobs.open(&file.cid)?;
        io::copy(&mut blob.reader(0, u64::MAX), &mut zip)?;
    }
    zip.finish()?.into_inner().flush()?;
    Ok(exported)
}
