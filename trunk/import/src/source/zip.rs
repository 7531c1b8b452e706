//! A zip archive as a source.

use std::io::Read;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::bounded::Declared;
use super::{Entry, FileView, Listing, Metered, Packing, Place};
use crate::error::ImportError;
use crate::limits::{DIRECTORY_BYTES, Limits};
use crate::problem::ProblemCode;

/// One file of a zip: enough to open it any number of times, independently.
pub(super) struct Member {
    archive: Arc<ZipArchive<Metered<FileView>>>,
    file: FileView,
    index: usize,
}

pub(super) fn list(file: &FileView, name: &str, limits: &Limits) -> Result<Listing, ImportError> {
    let broken = |why: String| ImportError::Archive {
        what: name.to_owned(),
        why,
    };
    // The zip reader holds the whole central directory in memory, so its bytes are metered while it is read.
    let (metered, allowance) = Metered::new(file.clone(), DIRECTORY_BYTES);
    let mut archive = ZipArchive::new(metered).map_err(|error| {
        if allowance.spent() {
            ImportError::TooLarge {
                what: format!("the directory of {name}"),
                limit: DIRECTORY_BYTES,
            }
        } else {
            broken(error.to_string())
        }
    })?;
    allowance.lift();
    if archive.len() > limits.entries {
        return Err(ImportError::TooManyEntries {
            what: name.to_owned(),
            limit: limits.entries,
        });
    }
    if archive
        .has_overlapping_files()
        .map_err(|error| broken(error.to_string()))?
    {
        return Err(ImportError::Bomb {
            what: name.to_owned(),
            why: "its entries overlap".to_owned(),
        });
    }
    let repeated = archive.has_duplicate_names();
    let archive = Arc::new(archive);
    let mut listing = Listing::new(Packing::Zip);
    if repeated {
        listing.refuse(
            ProblemCode::DuplicateFile,
            name,
            "the archive lists files of the same name; one of each was read",
        );
    }
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let entry = archive
            .by_index_data(index)
            .map_err(|error| broken(error.to_string()))?;
        let raw = match entry.name() {
            Ok(raw) => raw.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        if entry.is_dir() {
            continue;
        }
        if entry.is_symlink() {
            listing.refuse(
                ProblemCode::Link,
                &raw,
                "links are not followed; it was left out",
            );
            continue;
        }
        if entry.encrypted() {
            listing.refuse(
                ProblemCode::Encrypted,
                &raw,
                "the file needs a password: unpack the archive and import the folder",
            );
            continue;
        }
        if !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            let message = "it is packed with a method that is not read: unpack the archive and import the folder";
            listing.refuse(ProblemCode::Damaged, &raw, message);
            continue;
        }
        // Reading a member checks its declared size, so the declared sizes bound what can come out.
        unpacked = unpacked.saturating_add(entry.size());
        let most = file
            .len()
            .saturating_mul(limits.ratio)
            .max(limits.ratio_floor);
        if unpacked > most {
            let why = format!("{} bytes unpack to more than {most}", file.len());
            return Err(ImportError::Bomb {
                what: name.to_owned(),
                why,
            });
        }
        let member = Member {
            archive: Arc::clone(&archive),
            file: file.clone(),
            index,
        };
        listing.take(&raw, entry.size(), Place::Zipped(member));
    }
    Ok(listing)
}

impl Member {
    pub(super) fn open(&self, entry: &Entry) -> Result<Box<dyn Read>, ImportError> {
        let (bytes, method, sum) = self.packed(entry)?;
        match method {
            CompressionMethod::Stored => Ok(Box::new(Declared::new(bytes, entry.size, Some(sum)))),
            _ => Ok(Box::new(Declared::new(
                flate2::read::DeflateDecoder::new(bytes),
                entry.size,
                Some(sum),
            ))),
        }
    }

    /// Its bytes in the archive, where they are not packed.
    pub(super) fn stored(&self, entry: &Entry) -> Result<Option<FileView>, ImportError> {
        let (bytes, method, _) = self.packed(entry)?;
        let whole = method == CompressionMethod::Stored && bytes.len() == entry.size;
        Ok(whole.then_some(bytes))
    }

    /// Its bytes as the archive holds them, how they are packed, and the sum of what comes out.
    fn packed(&self, entry: &Entry) -> Result<(FileView, CompressionMethod, u32), ImportError> {
        let broken = |why: String| ImportError::Archive {
            what: entry.path.clone(),
            why,
        };
        let mut archive = ZipArchive::clone(&self.archive);
        let member = archive
            .by_index_raw(self.index)
            .map_err(|error| broken(error.to_string()))?;
        let bytes = member
            .data_start()
            .and_then(|start| self.file.part(start, member.compressed_size()));
        let bytes = bytes.ok_or_else(|| broken("it lies outside the archive".to_owned()))?;
        Ok((bytes, member.compression(), member.crc32()))
    }
}
