//! Readers that stop where they must.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A reader of a packed file that gives exactly the bytes its archive declared and checks them: more, fewer, or with
/// another checksum is an error, so a lying header is found instead of trusted.
pub struct Declared<R> {
    inner: R,
    left: u64,
    checksum: Option<(flate2::Crc, u32)>,
}

impl<R: Read> Declared<R> {
    /// `len` bytes are expected, with the CRC-32 `checksum` if the archive gave one.
    pub fn new(inner: R, len: u64, checksum: Option<u32>) -> Self {
        Self {
            inner,
            left: len,
            checksum: checksum.map(|sum| (flate2::Crc::new(), sum)),
        }
    }

    fn finish(&mut self) -> io::Result<usize> {
        if self.left > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file ends before its declared length",
            ));
        }
        match &self.checksum {
            Some((crc, declared)) if crc.sum() != *declared => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the checksum does not match: the archive is damaged",
            )),
            _ => Ok(0),
        }
    }
}

impl<R: Read> Read for Declared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let n = self.inner.read(buffer)?;
        if n == 0 {
            return self.finish();
        }
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the file unpacks to more than its declared length",
            )
        })?;
        if let Some((crc, _)) = &mut self.checksum {
            crc.update(buffer.get(..n).unwrap_or_default());
        }
        Ok(n)
    }
}

/// A reader that fails once more than an allowance was read; the holder of the [`Allowance`] renews it at each record,
/// so one endless record cannot fill memory however long the document is.
#[derive(Clone)]
pub struct Metered<R> {
    inner: R,
    allowance: Allowance,
}

/// What a [`Metered`] reader may still give. Relaxed atomics, only so that a source can move between threads.
#[derive(Clone)]
pub struct Allowance {
    left: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    full: u64,
}

impl Allowance {
    /// Starts again with the full allowance.
    pub fn renew(&self) {
        self.left.store(self.full, Relaxed);
    }

    /// Lets everything through from now on.
    pub fn lift(&self) {
        self.left.store(u64::MAX, Relaxed);
    }

    /// Bytes read so far in all.
    pub fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Whether the allowance was used up, which tells this failure from others.
    pub fn spent(&self) -> bool {
        self.left.load(Relaxed) == 0
    }
}

impl<R> Metered<R> {
    /// Lets `full` bytes through between renewals.
    pub fn new(inner: R, full: u64) -> (Self, Allowance) {
        let allowance = Allowance {
            left: Arc::new(AtomicU64::new(full)),
            read: Arc::default(),
            full,
        };
        (
            Self {
                inner,
                allowance: allowance.clone(),
            },
            allowance,
        )
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.left.load(Relaxed);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is longer than may be read at once",
            ));
        }
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self
            .inner
            .read(buffer.get_mut(..want).unwrap_or_default())?;
        self.allowance.left.store(left - n as u64, Relaxed);
        self.allowance.read.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}

/// Seeking is free: only bytes that are read are held by anyone.
impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Reads at most `limit` bytes into memory; `None` where there are more.
pub fn read_whole(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
