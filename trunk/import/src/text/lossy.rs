//! Bytes that should be UTF-8, made so.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A reader whose output is always UTF-8: a leading byte order mark is dropped, every invalid sequence becomes U+FFFD
/// and is counted. One broken byte in a document of a million records then costs one character, not the document.
pub struct Lossy<R> {
    inner: BufReader<R>,
    /// Bytes ready to hand out, always whole characters.
    ready: Vec<u8>,
    at: usize,
    /// The start of a character that the next read may complete.
    pending: Vec<u8>,
    replaced: Replaced,
    begun: bool,
}

/// How many invalid sequences a [`Lossy`] reader replaced so far.
#[derive(Clone, Default)]
pub struct Replaced(Arc<AtomicU64>);

impl Replaced {
    /// The count.
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

impl<R: Read> Lossy<R> {
    pub fn new(inner: R) -> (Self, Replaced) {
        let replaced = Replaced::default();
        let inner = BufReader::with_capacity(1 << 16, inner);
        let lossy = Self {
            inner,
            ready: Vec::new(),
            at: 0,
            pending: Vec::new(),
            replaced: replaced.clone(),
            begun: false,
        };
        (lossy, replaced)
    }

    /// Refills `ready`; leaves it empty only at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.at = 0;
        while self.ready.is_empty() {
            let chunk = self.inner.fill_buf()?;
            let taken = chunk.len();
            if taken == 0 {
                if !self.pending.is_empty() {
                    self.pending.clear();
                    self.replaced.0.fetch_add(1, Relaxed);
                    self.ready.extend_from_slice(REPLACEMENT);
                }
                return Ok(());
            }
            let mut bytes = std::mem::take(&mut self.pending);
            bytes.extend_from_slice(chunk);
            self.inner.consume(taken);
            let mut rest = bytes.as_slice();
            if !self.begun {
                self.begun = true;
                rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
            }
            loop {
                match std::str::from_utf8(rest) {
                    Ok(text) => {
                        self.ready.extend_from_slice(text.as_bytes());
                        break;
                    }
                    Err(error) => {
                        let (good, bad) = rest.split_at(error.valid_up_to());
                        self.ready.extend_from_slice(good);
                        let Some(len) = error.error_len() else {
                            self.pending = bad.to_vec();
                            break;
                        };
                        self.replaced.0.fetch_add(1, Relaxed);
                        self.ready.extend_from_slice(REPLACEMENT);
                        rest = bad.get(len..).unwrap_or_default();
                    }
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Lossy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = {
            let ready = self.fill_buf()?;
            let n = ready.len().min(buffer.len());
            if let Some((into, from)) = buffer.get_mut(..n).zip(ready.get(..n)) {
                into.copy_from_slice(from);
            }
            n
        };
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Lossy<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.ready.len() {
            self.refill()?;
        }
        Ok(self.ready.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a call, so that every character is split.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(buffer.len()).min(1);
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn through(bytes: &[u8]) -> (String, u64) {
        let mut out = String::new();
        let (mut lossy, replaced) = Lossy::new(Trickle(bytes));
        lossy.read_to_string(&mut out).unwrap();
        (out, replaced.count())
    }

    #[test]
    fn good_text_is_untouched_however_it_is_split() {
        let text = "plain, é, 汉字, 🦣, a\u{feff}b";
        assert_eq!(through(text.as_bytes()), (text.to_owned(), 0));
    }

    #[test]
    fn bad_bytes_are_replaced_and_counted() {
        assert_eq!(through(b"caf\xe9 ok"), ("caf\u{fffd} ok".to_owned(), 1));
        assert_eq!(through(b"\xff\xfe"), ("\u{fffd}\u{fffd}".to_owned(), 2));
        assert_eq!(through(b"cut \xf0\x9f"), ("cut \u{fffd}".to_owned(), 1));
    }

    #[test]
    fn a_byte_order_mark_at_the_start_is_dropped() {
        let (mut lossy, _) = Lossy::new(&b"\xef\xbb\xbf{}"[..]);
        let mut out = String::new();
        lossy.read_to_string(&mut out).unwrap();
        assert_eq!(out, "{}");
    }
}
