//! Gzip around a tar or a single file: unpacked once to an unnamed temporary file, because archives are read in any order.

use std::io::{BufWriter, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::{FileView, read_up_to};
use crate::error::ImportError;
use crate::limits::Limits;

/// The file itself where it is not a gzip, else its unpacked bytes, with the name without `.gz`.
pub(super) fn unpack(
    file: FileView,
    name: &str,
    limits: &Limits,
    scratch: &Path,
) -> Result<(FileView, String), ImportError> {
    let mut magic = [0_u8; 3];
    let n = read_up_to(&mut file.clone(), &mut magic)
        .map_err(|error| ImportError::read(name, error))?;
    if magic.get(..n) != Some(b"\x1f\x8b\x08") {
        return Ok((file, name.to_owned()));
    }
    let packed = file.len();
    let most = limits
        .total_bytes
        .min(packed.saturating_mul(limits.ratio).max(limits.ratio_floor));
    let io = |error| ImportError::read(name, error);
    let spool = tempfile::tempfile_in(scratch).map_err(io)?;
    let mut writer = BufWriter::with_capacity(1 << 17, spool);
    let mut reader =
        MultiGzDecoder::new(std::io::BufReader::with_capacity(1 << 17, file)).take(most + 1);
    let unpacked = std::io::copy(&mut reader, &mut writer).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput
        | std::io::ErrorKind::InvalidData
        | std::io::ErrorKind::UnexpectedEof => ImportError::Archive {
            what: name.to_owned(),
            why: error.to_string(),
        },
        _ => io(error),
    })?;
    if unpacked > most {
        return Err(if most == limits.total_bytes {
            ImportError::TooLarge {
                what: name.to_owned(),
                limit: most,
            }
        } else {
            ImportError::Bomb {
                what: name.to_owned(),
                why: format!("{packed} bytes unpack to more than {most}"),
            }
        });
    }
    writer.flush().map_err(io)?;
    let spool = writer
        .into_inner()
        .map_err(|error| io(error.into_error()))?;
    let inner = [(".tgz", ".tar"), (".gz", "")]
        .iter()
        .find_map(|(ending, instead)| Some(format!("{}{instead}", name.strip_suffix(ending)?)));
    Ok((
        FileView::whole(spool).map_err(io)?,
        inner.unwrap_or_else(|| name.to_owned()),
    ))
}
