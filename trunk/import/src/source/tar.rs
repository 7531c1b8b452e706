//! A tar archive as a source.

use super::{Allowance, FileView, Listing, Metered, Packing, Place};
use crate::error::ImportError;
use crate::limits::Limits;
use crate::problem::ProblemCode;

/// Bytes of headers (long names, extended attributes) before one member: the reader holds them in memory.
const HEADER_BYTES: u64 = 1 << 20;

pub(super) fn list(file: &FileView, name: &str, limits: &Limits) -> Result<Listing, ImportError> {
    let mut listing = Listing::new(Packing::Tar);
    let (metered, allowance) = Metered::new(file.clone(), HEADER_BYTES);
    let mut archive = tar::Archive::new(metered);
    let broken = |error: std::io::Error, allowance: &Allowance| {
        let why = if allowance.spent() {
            "a member's headers are too long".to_owned()
        } else {
            error.to_string()
        };
        ImportError::Archive {
            what: name.to_owned(),
            why,
        }
    };
    let members = archive
        .entries_with_seek()
        .map_err(|error| broken(error, &allowance))?;
    for (n, member) in members.enumerate() {
        let member = member.map_err(|error| broken(error, &allowance))?;
        allowance.renew();
        if n >= limits.entries {
            return Err(ImportError::TooManyEntries {
                what: name.to_owned(),
                limit: limits.entries,
            });
        }
        let raw = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        match member.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let size = member.size();
                match file.part(member.raw_file_position(), size) {
                    Some(view) => listing.take(&raw, size, Place::Stored(view)),
                    None => listing.refuse(
                        ProblemCode::Damaged,
                        &raw,
                        "the archive ends inside this file; it was left out",
                    ),
                }
            }
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
            _ => listing.refuse(
                ProblemCode::Link,
                &raw,
                "links and special files are not followed; it was left out",
            ),
        }
    }
    Ok(listing)
}
