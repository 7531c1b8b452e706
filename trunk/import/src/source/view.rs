//! Several independent readers over one open file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// A window of an open file with a position of its own: cloning it shares the file and nothing else, so a document can
/// be streamed while the media it names are read.
#[derive(Clone, Debug)]
pub struct FileView {
    file: Arc<File>,
    start: u64,
    len: u64,
    at: u64,
}

impl FileView {
    /// The whole file.
    pub fn whole(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            start: 0,
            len,
            at: 0,
        })
    }

    /// `len` bytes from `start` of this view; `None` where they are not all inside it.
    pub fn part(&self, start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?;
        (end <= self.len).then(|| Self {
            file: Arc::clone(&self.file),
            start: self.start + start,
            len,
            at: 0,
        })
    }

    /// Bytes in the view.
    pub fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

impl Read for FileView {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let (buffer, _) = buffer.split_at_mut(want);
        let n = read_at(&self.file, buffer, self.start + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for FileView {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "seek before the start of the file",
            )
        })?;
        Ok(self.at)
    }
}
