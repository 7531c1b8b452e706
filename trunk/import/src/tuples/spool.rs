//! A file of lines in parts that fit memory: all lines of an entity are in one part.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use super::line::Line;
use crate::error::ImportError;
use crate::importer::Sink;
use crate::problem::{Problem, ProblemCode};
use crate::source::{Entry, Source};
use crate::text::Lossy;

/// The parts of one file, on disk where there are several. Every line in them is a good one.
pub enum Parts {
    /// All of it, in memory.
    One(Option<String>),
    /// Unnamed temporary files.
    Many { file: String, files: Vec<File> },
}

impl Parts {
    /// Reads the file and leaves out what is no tuple.
    pub fn split(source: &Source, entry: &Entry, sink: &mut dyn Sink) -> Result<Self, ImportError> {
        let reader = source.read(&entry.path)?;
        let most = source.limits().spool_bytes;
        let mut check = Check {
            entry,
            sink,
            number: 0,
        };
        let parts = if entry.size <= most {
            let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
            let read = |error| ImportError::read(&entry.path, error);
            { reader }.read_to_end(&mut bytes).map_err(read)?;
            let text = match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => {
                    check.encoding();
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                }
            };
            Self::One(Some(check.whole(text)?))
        } else {
            let count = (entry.size / (most / 2).max(1) + 1).min(256) as usize;
            check.apart(reader, count, source)?
        };
        Ok(parts)
    }

    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many { files, .. } => files.len(),
        }
    }

    /// A part as text. One that is in memory is given once.
    pub fn load(&mut self, part: usize) -> Result<String, ImportError> {
        match self {
            Self::One(text) => Ok(text.take().unwrap_or_default()),
            Self::Many { file, files } => {
                let mut text = String::new();
                let Some(part) = files.get_mut(part) else {
                    return Ok(text);
                };
                part.seek(SeekFrom::Start(0))
                    .and_then(|_| part.read_to_string(&mut text))
                    .map_err(|error| ImportError::read(file.as_str(), error))?;
                Ok(text)
            }
        }
    }
}

/// Looks at every line once, where its number is known.
struct Check<'a> {
    entry: &'a Entry,
    sink: &'a mut dyn Sink,
    number: u64,
}

impl Check<'_> {
    /// A line that is good, or nothing. Empty lines are nobody's fault.
    fn line<'l>(&mut self, line: &'l str) -> Option<Line<'l>> {
        self.number += 1;
        match Line::parse_text(line) {
            Ok(line) => Some(line),
            Err(_) if line.trim().is_empty() => None,
            Err(why) => {
                let item = format!("line {}", self.number);
                let message = format!("{why}; it was left out");
                self.sink.skip(
                    "line",
                    Problem::of_item(ProblemCode::Malformed, &self.entry.path, item, message),
                );
                None
            }
        }
    }

    fn encoding(&mut self) {
        let message = "some bytes are not UTF-8; each became U+FFFD";
        self.sink.problem(Problem::of_file(
            ProblemCode::Encoding,
            &self.entry.path,
            message,
        ));
    }

    /// All lines in memory; copied only if some are left out.
    fn whole(&mut self, text: String) -> Result<String, ImportError> {
        let mut out: Option<String> = None;
        let mut at = 0;
        let text_bytes = text.as_bytes();
        while at < text.len() {
            let end = memchr::memchr(b'\n', text_bytes.get(at..).unwrap_or_default())
                .map_or(text.len(), |n| at + n);
            let line = text.get(at..end).unwrap_or_default();
            if self.line(line).is_none() {
                out.get_or_insert_with(|| text.get(..at).unwrap_or_default().to_owned());
            } else if let Some(out) = &mut out {
                out.push_str(line);
                out.push('\n');
            }
            at = end + 1;
            if self.number.is_multiple_of(65_536) {
                self.sink
                    .progress(&self.entry.path, at as u64 / 2, self.entry.size)?;
            }
        }
        Ok(out.unwrap_or(text))
    }

    /// Lines into `count` files by their entity.
    fn apart(
        &mut self,
        reader: Box<dyn Read>,
        count: usize,
        source: &Source,
    ) -> Result<Parts, ImportError> {
        let path = &self.entry.path;
        let failed = |error| ImportError::read(path.as_str(), error);
        let new = || {
            Ok(BufWriter::with_capacity(
                1 << 16,
                tempfile::tempfile_in(source.scratch())?,
            ))
        };
        let mut files = (0..count)
            .map(|_| new())
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(failed)?;
        let (lossy, replaced) = Lossy::new(reader);
        let mut reader = BufReader::with_capacity(1 << 16, lossy);
        let hasher = RandomState::new();
        let mut done = 0_u64;
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = source.limits().record_bytes as u64;
            let n = reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut line)
                .map_err(failed)?;
            if n == 0 {
                break;
            }
            done += n as u64;
            if !line.ends_with(b"\n") && n as u64 == limit {
                done += reader.skip_until(b'\n').map_err(failed)? as u64;
            }
            let text = std::str::from_utf8(&line).unwrap_or_default();
            let text = text.strip_suffix('\n').unwrap_or(text);
            if let Some(good) = self.line(text)
                && let Some(file) = files.get_mut(hasher.hash_one(good.entity) as usize % count)
            {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.write_all(b"\n"))
                    .map_err(failed)?;
            }
            if self.number.is_multiple_of(65_536) {
                self.sink.progress(path, done / 2, self.entry.size)?;
            }
        }
        if replaced.count() > 0 {
            self.encoding();
        }
        let done = |file: BufWriter<File>| {
            file.into_inner()
                .map_err(std::io::IntoInnerError::into_error)
        };
        let files = files
            .into_iter()
            .map(done)
            .collect::<std::io::Result<_>>()
            .map_err(failed)?;
        Ok(Parts::Many {
            file: path.clone(),
            files,
        })
    }
}
