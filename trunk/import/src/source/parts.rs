//! Archives that together are one export: in a folder, as Google Takeout sends them, or in an archive, as Notion does. They
//! are read as if all were unpacked into one folder.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Entry, FileView, Listing, Place, Source, gzip};
use crate::error::ImportError;
use crate::limits::Limits;
use crate::problem::{Problem, ProblemCode};

/// Archives of one export.
const MOST: usize = 1_000;
/// Archives in an archive: each may be unpacked to a temporary file that stays open.
const MOST_INSIDE: usize = 100;

/// Where archives are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// In a folder on disk.
    Folder,
    /// In an archive of so many bytes.
    Archive(u64),
}

/// Whether archives are all there is.
fn holds_only_archives(listing: &Listing, around: Around) -> bool {
    let archive = |path: &str| {
        let path = path.to_ascii_lowercase();
        let named = [".zip", ".tgz", ".tar.gz", ".tar"]
            .iter()
            .any(|end| path.ends_with(end));
        named && (around != Around::Folder || !path.contains('/'))
    };
    let most = match around {
        Around::Folder => MOST,
        Around::Archive(_) => MOST_INSIDE,
    };
    let files = &listing.files;
    !files.is_empty() && files.len() <= most && files.iter().all(|(entry, _)| archive(&entry.path))
}

/// Replaces archives that are all there is by what is in them, where a folder is an archive that holds nothing but archives
/// too. Deeper ones stay files.
pub(super) fn unpack(
    listing: Listing,
    around: Around,
    limits: &Limits,
    scratch: &Path,
) -> Result<Listing, ImportError> {
    if !holds_only_archives(&listing, around) {
        return Ok(listing);
    }
    let mut all = Listing::new(listing.packing);
    all.problems = listing.problems;
    all.litter = listing.litter;
    let mut packed = 0_u64;
    for (entry, place) in listing.files {
        packed = packed.saturating_add(entry.size);
        if packed > limits.total_bytes {
            return Err(ImportError::TooLarge {
                what: entry.path,
                limit: limits.total_bytes,
            });
        }
        let one = match inside(&entry, &place, around, limits, scratch) {
            Ok(one) => one,
            // An archive in another that cannot be read is a file like any other.
            Err(ImportError::Archive { why, .. }) if around != Around::Folder => {
                let message = format!("it is not a readable archive and stays a file: {why}");
                let problem = Problem::of_file(ProblemCode::Damaged, &entry.path, message);
                all.problems.push(problem);
                None
            }
            Err(error) => return Err(error),
        };
        let Some(mut one) = one else {
            all.files.push((entry, place));
            continue;
        };
        all.files.append(&mut one.files);
        all.problems.append(&mut one.problems);
        all.litter += one.litter;
        if all.files.len() > limits.entries {
            return Err(ImportError::TooManyEntries {
                what: entry.path,
                limit: limits.entries,
            });
        }
        // What an archive unpacks to is bounded by its own bytes, however often it was packed.
        if let Around::Archive(bytes) = around {
            let most = bytes.saturating_mul(limits.ratio).max(limits.ratio_floor);
            let unpacked = all.files.iter().map(|(entry, _)| entry.size);
            if unpacked.fold(0, u64::saturating_add) > most {
                return Err(ImportError::Bomb {
                    what: entry.path,
                    why: format!("{bytes} bytes unpack to more than {most}"),
                });
            }
        }
    }
    Ok(all)
}

/// What is in an archive; `None` where it is none.
fn inside(
    entry: &Entry,
    place: &Place,
    around: Around,
    limits: &Limits,
    scratch: &Path,
) -> Result<Option<Listing>, ImportError> {
    let Some(file) = view(entry, place, limits, scratch)? else {
        return Ok(None);
    };
    let len = file.len();
    let (file, inner) = gzip::unpack(file, &entry.path, limits, scratch)?;
    let one = Source::list_file(file, &inner, limits)?;
    Ok(match (one.packing, around) {
        (super::Packing::File, _) => None,
        (_, Around::Folder) => Some(unpack(one, Around::Archive(len), limits, scratch)?),
        _ => Some(one),
    })
}

/// The bytes of an archive, readable at any place.
fn view(
    entry: &Entry,
    place: &Place,
    limits: &Limits,
    scratch: &Path,
) -> Result<Option<FileView>, ImportError> {
    let io = |error| ImportError::read(&entry.path, error);
    match place {
        Place::OnDisk(on_disk) => {
            let file = File::open(on_disk).and_then(FileView::whole);
            file.map(Some).map_err(io)
        }
        Place::Stored(view) => Ok(Some(view.clone())),
        Place::InMemory(_) => Ok(None),
        Place::Zipped(member) => {
            if let Some(view) = member.stored(entry)? {
                return Ok(Some(view));
            }
            if entry.size > limits.file_bytes {
                return Err(ImportError::TooLarge {
                    what: entry.path.clone(),
                    limit: limits.file_bytes,
                });
            }
            let mut spool = tempfile::tempfile_in(scratch).map_err(io)?;
            io::copy(&mut member.open(entry)?, &mut spool).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof => ImportError::Archive {
                    what: entry.path.clone(),
                    why: error.to_string(),
                },
                _ => io(error),
            })?;
            FileView::whole(spool).map(Some).map_err(io)
        }
    }
}
