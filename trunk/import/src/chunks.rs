//! Line-wise documents of many records, such as mailboxes and address books, one record at a time.

use std::io::{BufRead, BufReader, Read};

use crate::error::ImportError;

/// Where a line stands between records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In the midst of one.
    Within,
    /// It is the first of the next.
    Before,
    /// It is the last of this one.
    After,
}

/// One record of a document.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// Its number, from 0.
    pub number: u64,
    /// Its lines; empty where they are more than the limit.
    pub bytes: &'a [u8],
    /// Whether it is longer than the limit.
    pub over: bool,
    /// Bytes of the document read so far.
    pub done: u64,
}

/// Bytes of a line that `cut` is asked about; the marks of records are short.
const MARK: usize = 256;

/// Reads a document line by line and hands over what lies between cuts, at most `limit` bytes each; of longer ones only
/// that they were there. The last record needs no mark after it.
pub fn each_chunk(
    file: &str,
    reader: impl Read,
    limit: usize,
    cut: &mut dyn FnMut(&[u8]) -> Cut,
    take: &mut dyn FnMut(Chunk<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut state = State {
        bytes: Vec::new(),
        number: 0,
        over: false,
        done: 0,
    };
    // The start of the line, kept apart until it is known to which record it belongs.
    let mut line = Vec::new();
    let mut asked = false;
    // A line that is the last of a record ends it when it is whole, however many pieces it comes in.
    let mut after = false;
    loop {
        let piece = reader
            .fill_buf()
            .map_err(|error| ImportError::read(file, error))?;
        if piece.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', piece).map(|at| at + 1);
        let part = piece.get(..end.unwrap_or(piece.len())).unwrap_or(piece);
        let n = part.len();
        if asked {
            state.add(part, limit);
        } else {
            line.extend_from_slice(part);
        }
        reader.consume(n);
        state.done += n as u64;
        let whole = end.is_some();
        if !asked && (whole || line.len() >= MARK) {
            let answer = cut(line.get(..line.len().min(MARK)).unwrap_or(&line));
            if answer == Cut::Before {
                state.give(take)?;
            }
            after = answer == Cut::After;
            state.add(&line, limit);
            line.clear();
            asked = !whole;
        } else if whole {
            asked = false;
        }
        if whole && std::mem::take(&mut after) {
            state.give(take)?;
        }
    }
    if !line.is_empty() {
        let answer = cut(&line);
        if answer == Cut::Before {
            state.give(take)?;
        }
        state.add(&line, limit);
    }
    state.give(take)
}

struct State {
    bytes: Vec<u8>,
    number: u64,
    over: bool,
    done: u64,
}

impl State {
    fn add(&mut self, part: &[u8], limit: usize) {
        if self.over || self.bytes.len() + part.len() > limit {
            self.over = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(part);
        }
    }

    fn give(
        &mut self,
        take: &mut dyn FnMut(Chunk<'_>) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        if self.bytes.is_empty() && !self.over {
            return Ok(());
        }
        let chunk = Chunk {
            number: self.number,
            bytes: &self.bytes,
            over: self.over,
            done: self.done,
        };
        take(chunk)?;
        self.number += 1;
        self.bytes.clear();
        self.over = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &[u8]) -> Cut {
        match line {
            [b'>', ..] => Cut::Before,
            [b'.', ..] => Cut::After,
            _ => Cut::Within,
        }
    }

    fn chunks(document: &[u8], limit: usize) -> Vec<(String, bool)> {
        let mut out = Vec::new();
        each_chunk("x", document, limit, &mut cut, &mut |chunk| {
            assert_eq!(chunk.number, out.len() as u64);
            out.push((
                String::from_utf8_lossy(chunk.bytes).into_owned(),
                chunk.over,
            ));
            Ok(())
        })
        .unwrap();
        out
    }

    fn texts(document: &str) -> Vec<String> {
        chunks(document.as_bytes(), 1 << 20)
            .into_iter()
            .map(|(text, _)| text)
            .collect()
    }

    #[test]
    fn records_are_cut_before_and_after_marks() {
        assert_eq!(texts(">a\nb\n>c\n"), [">a\nb\n", ">c\n"]);
        assert_eq!(texts("a\n.\nb\n.\n"), ["a\n.\n", "b\n.\n"]);
        assert_eq!(texts("a\r\n.\r\nb"), ["a\r\n.\r\n", "b"]);
        assert_eq!(texts("a\n>b"), ["a\n", ">b"]);
        assert!(texts("").is_empty());
    }

    #[test]
    fn a_record_over_the_limit_costs_itself() {
        let long = format!(">a\n>{}\n>c\n", "x".repeat(300_000));
        let found = chunks(long.as_bytes(), 1_000);
        assert_eq!(
            found,
            [
                (">a\n".to_owned(), false),
                (String::new(), true),
                (">c\n".to_owned(), false)
            ]
        );
    }

    #[test]
    fn a_long_line_is_kept_whole() {
        let line = "y".repeat(200_000);
        let document = format!(">a\n{line}\nz\n>b\n");
        assert_eq!(
            texts(&document),
            [format!(">a\n{line}\nz\n"), ">b\n".to_owned()]
        );
        // Lines that each end a record, longer than what is read at once.
        let lines: Vec<String> = (0..5).map(|n| format!(".{n}{line}\n")).collect();
        assert_eq!(texts(&lines.concat()), lines);
    }
}
