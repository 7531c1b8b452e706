//! Streams into the sealed form and out of it.

use std::{
    io::{self, Read, Write},
    mem,
};

use blake3::{Hash, Hasher};
use rhizome_ipld::Cid;

use crate::{
    BlobError, BlobKey,
    location::cid_of,
    segment::{Cipher, SEALED, SEGMENT},
};

/// Seals what it reads: plaintext in, ciphertext out.
pub struct SealedReader<R> {
    source: R,
    cipher: Cipher,
    index: u64,
    /// Kept over an error of the source, after which reading can go on.
    filling: Vec<u8>,
    /// The segment after the one being handed out. There is always one more to look at, because the
    /// last one is sealed as the last.
    ahead: Option<Vec<u8>>,
    ready: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> SealedReader<R> {
    /// Seals `source`, which must be the blob that `key` is the key of and nothing else.
    pub fn new(source: R, key: &BlobKey) -> Self {
        Self {
            source,
            cipher: Cipher::new(key),
            index: 0,
            filling: Vec::new(),
            ahead: None,
            ready: io::Cursor::default(),
            ended: false,
        }
    }

    fn segment(&mut self) -> io::Result<Vec<u8>> {
        self.filling.reserve_exact(SEALED as usize);
        let room = SEGMENT - self.filling.len() as u64;
        (&mut self.source)
            .take(room)
            .read_to_end(&mut self.filling)?;
        Ok(mem::take(&mut self.filling))
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.ready.read(buffer)?;
        if read > 0 || buffer.is_empty() || self.ended {
            return Ok(read);
        }
        if self.ahead.is_none() {
            self.ahead = Some(self.segment()?);
        }
        let next = self.segment()?;
        let mut segment = self.ahead.replace(next).unwrap_or_default();
        let last = self.ahead.as_ref().is_none_or(Vec::is_empty);
        self.cipher.seal(self.index, last, &mut segment);
        self.index += 1;
        self.ended = last;
        self.ready = io::Cursor::new(segment);
        self.ready.read(buffer)
    }
}

/// Opens what is written to it: ciphertext in, plaintext to the writer inside.
///
/// Every byte handed on is authentic for its place, but only [`finish`](Self::finish) tells that the
/// end was reached, and only the hash of the whole that it is the blob one asked for.
pub struct OpeningWriter<W> {
    target: W,
    cipher: Cipher,
    index: u64,
    segment: Vec<u8>,
}

impl<W: Write> OpeningWriter<W> {
    /// Opens under `key` and writes into `target`.
    pub fn new(target: W, key: &BlobKey) -> Self {
        Self {
            target,
            cipher: Cipher::new(key),
            index: 0,
            segment: Vec::with_capacity(SEALED as usize),
        }
    }

    /// Opens the last segment and gives the writer back.
    ///
    /// # Errors
    /// If the ciphertext was cut short or is another's.
    pub fn finish(mut self) -> io::Result<W> {
        self.open(true)?;
        Ok(self.target)
    }

    fn open(&mut self, last: bool) -> io::Result<()> {
        let foreign = || io::Error::new(io::ErrorKind::InvalidData, "a segment does not open");
        // No blob but the empty one ends with an empty segment.
        if last && self.index > 0 && self.segment.len() as u64 <= SEALED - SEGMENT {
            return Err(foreign());
        }
        self.cipher
            .open(self.index, last, &mut self.segment)
            .map_err(|_| foreign())?;
        self.target.write_all(&self.segment)?;
        self.segment.clear();
        self.index += 1;
        Ok(())
    }
}

impl<W: Write> Write for OpeningWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full segment is opened only when something follows it, since it may be the last.
        if self.segment.len() as u64 == SEALED && !bytes.is_empty() {
            self.open(false)?;
        }
        let room = SEALED as usize - self.segment.len();
        let (taken, _) = bytes.split_at(room.min(bytes.len()));
        self.segment.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// Opens what it reads: ciphertext in, plaintext out. Reads to the end only if the last segment says
/// that it is the last.
pub(crate) struct OpenedReader<R> {
    source: R,
    /// `None` once the end was reached.
    opening: Option<OpeningWriter<Vec<u8>>>,
    ready: io::Cursor<Vec<u8>>,
    buffer: Vec<u8>,
}

impl<R: Read> OpenedReader<R> {
    pub(crate) fn new(source: R, key: &BlobKey) -> Self {
        Self {
            source,
            opening: Some(OpeningWriter::new(Vec::new(), key)),
            ready: io::Cursor::default(),
            buffer: vec![0; SEALED as usize],
        }
    }
}

impl<R: Read> Read for OpenedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.ready.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut opening) = self.opening.take() else {
                return Ok(0);
            };
            let plain = match self.source.read(&mut self.buffer) {
                Ok(0) => opening.finish()?,
                Ok(read) => {
                    opening.write_all(self.buffer.get(..read).unwrap_or_default())?;
                    let plain = mem::take(&mut opening.target);
                    self.opening = Some(opening);
                    plain
                }
                Err(error) => {
                    self.opening = Some(opening);
                    return Err(error);
                }
            };
            self.ready = io::Cursor::new(plain);
        }
    }
}

/// Seals `source` into `target`. Returns the name of the ciphertext and its length.
///
/// # Errors
/// [`BlobError::Source`] if `source` fails, [`BlobError::Target`] if `target` does.
pub fn seal(
    source: impl Read,
    key: &BlobKey,
    mut target: impl Write,
) -> Result<(Cid, u64), BlobError> {
    let mut sealed = SealedReader::new(source, key);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; SEALED as usize];
    let mut len = 0;
    loop {
        let read = match sealed.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BlobError::Source(error)),
        };
        len += read.len() as u64;
        hasher.update(read);
        target.write_all(read).map_err(BlobError::Target)?;
    }
    let root: Hash = hasher.finalize();
    Ok((cid_of(&root), len))
}
