//! The blocks of a CAR file, each checked against its name, to be read in any order.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use rhizome_ipld::{Cid, car};
use rustc_hash::FxHashMap;

use crate::error::ImportError;
use crate::source::Source;

/// Blocks of one repository: its records and about a third as many nodes of its tree.
const MAX_BLOCKS: usize = 1 << 23;

/// A block's name without what it is made of: two names of one hash are of the same bytes.
type Digest = [u8; 32];

/// The blocks of one file, in an unnamed temporary file; about 50 bytes of memory each.
pub struct Blocks {
    file: File,
    places: FxHashMap<Digest, (u64, u32)>,
}

impl Blocks {
    /// Reads a CAR to its end or to its first fault, which is given with what came before. `seen` is told how many bytes are
    /// read and may stop it.
    ///
    /// # Errors
    /// What the disk says, what `seen` says, [`ImportError::Document`] where not even the header can be read.
    pub fn read(
        source: &Source,
        path: &str,
        seen: &mut dyn FnMut(u64) -> Result<(), ImportError>,
    ) -> Result<(Self, Vec<Cid>, Option<String>), ImportError> {
        let mut reader = open(source, path)?;
        let roots = reader.roots().to_vec();
        let scratch = |error| ImportError::read("a temporary file", error);
        let file = tempfile::tempfile_in(source.scratch()).map_err(scratch)?;
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        let mut places = FxHashMap::default();
        let (mut at, mut broken) = (0_u64, None);
        for block in &mut reader {
            let (cid, bytes) = match block {
                Ok(block) => block,
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            };
            let Some(digest) = digest(&cid) else {
                continue;
            };
            if places.len() >= MAX_BLOCKS {
                broken = Some(format!("it holds more than {MAX_BLOCKS} blocks"));
                break;
            }
            if let std::collections::hash_map::Entry::Vacant(vacant) = places.entry(digest) {
                vacant.insert((at, bytes.len() as u32));
                writer.write_all(&bytes).map_err(scratch)?;
                at += bytes.len() as u64;
                if places.len() % 1_024 == 0 {
                    seen(at)?;
                }
            }
        }
        let file = writer
            .into_inner()
            .map_err(|error| scratch(error.into_error()))?;
        Ok((Self { file, places }, roots, broken))
    }

    /// The bytes of a block; `None` where the file does not hold it.
    pub fn get(&mut self, cid: &Cid) -> Result<Option<Vec<u8>>, ImportError> {
        let Some(&(at, len)) = digest(cid).and_then(|digest| self.places.get(&digest)) else {
            return Ok(None);
        };
        let mut bytes = vec![0; len as usize];
        let read = self
            .file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| ImportError::read("a temporary file", error))?;
        Ok(Some(bytes))
    }
}

fn digest(cid: &Cid) -> Option<Digest> {
    cid.hash().digest().try_into().ok()
}

type Stream = car::Reader<BufReader<Box<dyn Read>>>;

fn open(source: &Source, path: &str) -> Result<Stream, ImportError> {
    let stream = BufReader::with_capacity(1 << 16, source.read(path)?);
    car::Reader::new(stream, car::Limits::default()).map_err(|error| match error {
        car::CarError::Io(error) => ImportError::read(path, error),
        error => ImportError::Document {
            file: path.to_owned(),
            why: error.to_string(),
        },
    })
}

/// The root block of a file: `None` where it is no CAR, or does not hold its root.
pub fn root(source: &Source, path: &str) -> Result<Option<Vec<u8>>, ImportError> {
    let reader = match open(source, path) {
        Ok(reader) => reader,
        Err(ImportError::Document { .. }) => return Ok(None),
        Err(ImportError::Read { error, .. }) if error.kind() != io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(wanted) = reader.roots().first().copied() else {
        return Ok(None);
    };
    // It usually is the first block; a fault before it is found again by whoever reads on.
    let found = reader
        .map_while(Result::ok)
        .find(|(cid, _)| *cid == wanted)
        .map(|(_, bytes)| bytes);
    Ok(found)
}
