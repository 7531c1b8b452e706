//! A folder of archives that together are one export: read as if all were unpacked into one folder.

use std::fs::File;

use super::{FileView, Listing, Packing, Place, Source, gzip};
use crate::error::ImportError;
use crate::limits::Limits;
use std::path::Path;

/// Archives of one export.
const MOST: usize = 1_000;

/// Whether a folder holds archives and nothing else.
fn holds_only_archives(listing: &Listing) -> bool {
    let archive = |path: &str| {
        let path = path.to_ascii_lowercase();
        [".zip", ".tgz", ".tar.gz", ".tar"]
            .iter()
            .any(|end| path.ends_with(end))
            && !path.contains('/')
    };
    let files = &listing.files;
    !files.is_empty() && files.len() <= MOST && files.iter().all(|(entry, _)| archive(&entry.path))
}

/// Replaces archives that are all a folder holds by what is in them. Archives inside them stay files.
pub(super) fn unpack(
    listing: Listing,
    limits: &Limits,
    scratch: &Path,
) -> Result<Listing, ImportError> {
    if !holds_only_archives(&listing) {
        return Ok(listing);
    }
    let mut all = Listing::new(Packing::Directory);
    all.problems = listing.problems;
    all.litter = listing.litter;
    for (entry, place) in listing.files {
        let Place::OnDisk(on_disk) = &place else {
            all.files.push((entry, place));
            continue;
        };
        let file = File::open(on_disk)
            .and_then(FileView::whole)
            .map_err(|error| ImportError::read(&entry.path, error))?;
        let (file, inner) = gzip::unpack(file, &entry.path, limits, scratch)?;
        let mut one = Source::list_file(file, &inner, limits)?;
        if one.packing == Packing::File {
            all.files.push((entry, place));
            continue;
        }
        all.files.append(&mut one.files);
        all.problems.append(&mut one.problems);
        all.litter += one.litter;
        if all.files.len() > limits.entries {
            return Err(ImportError::TooManyEntries {
                what: entry.path,
                limit: limits.entries,
            });
        }
    }
    Ok(all)
}
