//! Files that tuples name.

use rhizome_blob::{BlobError, Cid};

use crate::{Export, ExportError, Exported};

/// A file that is here.
pub(crate) struct File {
    pub cid: Cid,
    pub bytes: u64,
}

/// Those of the named files that are here, each once, by their names; the others are counted as missing.
pub(crate) fn present(
    export: &Export<'_>,
    mut named: Vec<Cid>,
    exported: &mut Exported,
) -> Result<Vec<File>, ExportError> {
    named.sort_unstable();
    named.dedup();
    let mut files = Vec::with_capacity(named.len());
    for cid in named {
        match export.blobs.len(&cid) {
            Ok(bytes) => {
                exported.files += 1;
                exported.file_bytes += bytes;
                files.push(File { cid, bytes });
            }
            Err(BlobError::Missing(_)) => exported.miss(&cid),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(files)
}

/// How names of such files end, by their first bytes, with a full stop; nothing for files of no known kind.
pub(crate) fn ending(export: &Export<'_>, cid: &Cid) -> Result<String, ExportError> {
    let head = export.blobs.open(cid)?.read_range(0, 4_096)?;
    Ok(infer::get(&head).map_or_else(String::new, |kind| format!(".{}", kind.extension())))
}
