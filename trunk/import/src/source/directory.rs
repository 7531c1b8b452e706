//! A folder on disk as a source. Links are never followed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::bounded::Declared;
use super::{Entry, Listing, Packing, Place};
use crate::error::ImportError;
use crate::limits::{Limits, PATH_DEPTH};
use crate::problem::ProblemCode;

pub(super) fn list(root: &Path, limits: &Limits) -> Result<Listing, ImportError> {
    let mut listing = Listing::new(Packing::Directory);
    let mut folders: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    let mut seen = 0_usize;
    while let Some((folder, depth)) = folders.pop() {
        let error = |error| ImportError::read(folder.display().to_string(), error);
        for found in std::fs::read_dir(&folder).map_err(error)? {
            let found = found.map_err(error)?;
            seen += 1;
            if seen > limits.entries {
                return Err(ImportError::TooManyEntries {
                    what: root.display().to_string(),
                    limit: limits.entries,
                });
            }
            let on_disk = found.path();
            let inside = on_disk.strip_prefix(root).unwrap_or(&on_disk);
            let name = inside.to_string_lossy().into_owned();
            // `file_type` and this metadata describe the link itself, not what it points to.
            let kind = found.file_type().map_err(error)?;
            if kind.is_dir() && depth < PATH_DEPTH {
                folders.push((on_disk, depth + 1));
            } else if kind.is_dir() {
                listing.refuse(
                    ProblemCode::UnsafePath,
                    &name,
                    "this folder lies too deep; it was left out",
                );
            } else if kind.is_file() {
                let size = found.metadata().map_err(error)?.len();
                listing.take(&name, size, Place::OnDisk(on_disk));
            } else {
                listing.refuse(
                    ProblemCode::Link,
                    &name,
                    "links and special files are not followed; it was left out",
                );
            }
        }
    }
    Ok(listing)
}

/// Opens a listed file, unless it became a link since.
pub(super) fn open(on_disk: &Path, entry: &Entry) -> Result<Box<dyn Read>, ImportError> {
    let error = |error| ImportError::read(&entry.path, error);
    if !std::fs::symlink_metadata(on_disk).map_err(error)?.is_file() {
        return Err(error(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is no longer a regular file",
        )));
    }
    let file = File::open(on_disk).map_err(error)?;
    Ok(Box::new(Declared::new(file, entry.size, None)))
}
