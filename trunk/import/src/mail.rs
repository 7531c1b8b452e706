//! Mail: mbox files, single messages (`.eml`), and folders of messages as Maildir keeps them.

mod flags;
mod message;
mod names;

use mail_parser::{HeaderName, MessageParser};
use rustc_hash::FxHashSet;

use crate::chunks::{Cut, each_chunk};
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::limits::MESSAGE_BYTES;
use crate::problem::{Problem, ProblemCode};
use crate::source::{Source, read_whole};
use flags::maildir;
use message::message_id;
use names::Names;

/// Reads mail: `.mbox` files (those of Google Takeout too), `.eml` files, Maildir folders, alone or many together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mail;

const NAME: &str = "mail";
/// Bytes of a file's beginning that are looked at.
const HEAD: usize = 4_096;
/// Files looked into before a source is recognised or not.
const LOOKED: usize = 64;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Many messages, each after a line `From `.
    Box,
    /// One.
    Single,
}

/// Whether bytes begin as the header of a message does: lines of `Name: value`, one of them of those a message has.
fn is_header(head: &[u8]) -> bool {
    let mut seen = false;
    for (n, line) in head.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii_end();
        if line.is_empty() || n > 40 {
            return seen;
        }
        if n > 0 && matches!(line.first(), Some(b' ' | b'\t')) {
            continue;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            // The last line may be cut off where looking ended.
            return seen;
        };
        let name = line.get(..colon).unwrap_or_default();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return false;
        }
        seen |= [
            &b"from"[..],
            b"received",
            b"message-id",
            b"return-path",
            b"mime-version",
        ]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    }
    seen
}

fn form(head: &[u8]) -> Option<Form> {
    if head.starts_with(b"From ") {
        let rest = head
            .iter()
            .position(|b| *b == b'\n')
            .and_then(|at| head.get(at + 1..));
        return rest.is_some_and(is_header).then_some(Form::Box);
    }
    is_header(head).then_some(Form::Single)
}

/// Whether a name says that a file may be mail: Maildir names have no end that tells.
fn may_be(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let end = name
        .rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase());
    let known =
        end.is_some_and(|end| matches!(end.as_str(), "mbox" | "mbx" | "eml" | "mail" | "msf"));
    known || maildir(path).is_some() || !name.contains('.')
}

/// The files of a source that hold mail.
fn files(source: &Source, most: usize) -> Result<(Vec<(String, Form)>, usize), ImportError> {
    let alone = source.entries().len() == 1;
    let mut found = Vec::new();
    let (mut looked, mut named) = (0, 0);
    for entry in source.entries() {
        if !alone && !may_be(&entry.path) {
            continue;
        }
        named += 1;
        if looked < most {
            looked += 1;
            if let Some(form) = form(&source.head(&entry.path, HEAD)?) {
                found.push((entry.path.clone(), form));
            }
        }
    }
    Ok((found, named))
}

impl Importer for Mail {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let (found, named) = files(source, LOOKED)?;
        if found.is_empty() {
            return Ok(None);
        }
        let right = found.len() as f32 / named.min(LOOKED) as f32;
        let share = right * named as f32 / source.entries().len() as f32;
        Ok(Some(Recognition::of(
            NAME,
            0.3 + 0.65 * share,
            format!("messages in {named} of {} files", source.entries().len()),
        )))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let (files, _) = files(source, usize::MAX)?;
        let mut reading = Reading {
            source,
            sink,
            names: Names::new(),
            parser: MessageParser::new()
                .with_mime_headers()
                .with_date_headers()
                .with_address_headers()
                .with_message_ids()
                .header_text(HeaderName::Subject)
                .header_text("X-Gmail-Labels")
                .header_text("X-Keywords")
                .header_raw(HeaderName::ListId),
            here: FxHashSet::default(),
        };
        for (file, form) in &files {
            reading.each(file, *form, &mut Reading::list)?;
        }
        for (file, form) in &files {
            reading.sink.used(file);
            reading.each(file, *form, &mut Reading::message)?;
        }
        Ok(())
    }
}

/// One message as it lies in a file.
struct Raw<'a> {
    file: &'a str,
    form: Form,
    number: u64,
    bytes: &'a [u8],
    over: bool,
}

type Take<'f, 'a> = &'f mut dyn FnMut(&mut Reading<'a>, &Raw<'_>) -> Result<(), ImportError>;

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    parser: MessageParser,
    /// Hashes of the message ids in this export, for references: an answer may come before what it answers.
    here: FxHashSet<u64>,
}

/// A message id in eight bytes; a false hit costs a reference to nothing.
fn print(id: &str) -> u64 {
    let hash = blake3::hash(id.as_bytes());
    let (first, _) = hash
        .as_bytes()
        .split_first_chunk::<8>()
        .unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*first)
}

/// Takes one `>` from the lines that an mbox writer put one before.
fn unquote(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let quoted = line.iter().take_while(|b| **b == b'>').count();
        let from = line
            .get(quoted..)
            .is_some_and(|rest| rest.starts_with(b"From "));
        let line = if quoted > 0 && from {
            line.get(1..).unwrap_or(line)
        } else {
            line
        };
        out.extend_from_slice(line);
    }
    out
}

impl<'a> Reading<'a> {
    /// Hands over every message of a file.
    fn each(&mut self, file: &str, form: Form, take: Take<'_, 'a>) -> Result<(), ImportError> {
        let source = self.source;
        let total = source.find(file).map_or(0, |entry| entry.size);
        if form == Form::Single {
            let whole = read_whole(source.read(file)?, MESSAGE_BYTES)
                .map_err(|error| ImportError::read(file, error))?;
            let raw = Raw {
                file,
                form,
                number: 0,
                bytes: whole.as_deref().unwrap_or_default(),
                over: whole.is_none(),
            };
            return take(self, &raw);
        }
        // A line `From ` begins a message after an empty line only; in a text it may begin a sentence.
        let mut blank = true;
        let mut cut = |line: &[u8]| {
            let begins = blank && line.starts_with(b"From ");
            blank = line.trim_ascii_end().is_empty();
            if begins { Cut::Before } else { Cut::Within }
        };
        each_chunk(
            file,
            source.read(file)?,
            MESSAGE_BYTES,
            &mut cut,
            &mut |chunk| {
                if chunk.number % 64 == 0 {
                    self.sink.progress(file, chunk.done, total)?;
                }
                let start = memchr::memchr(b'\n', chunk.bytes).map_or(0, |at| at + 1);
                let bytes = unquote(chunk.bytes.get(start..).unwrap_or_default());
                let raw = Raw {
                    file,
                    form,
                    number: chunk.number,
                    bytes: &bytes,
                    over: chunk.over,
                };
                take(self, &raw)
            },
        )?;
        self.sink.progress(file, total, total)
    }

    /// The first reading, for the ids alone.
    #[allow(clippy::unnecessary_wraps)] // it is handed over where reading is
    fn list(&mut self, raw: &Raw<'_>) -> Result<(), ImportError> {
        let parser = MessageParser::new()
            .header_id(HeaderName::MessageId)
            .default_header_ignore();
        if let Some(parsed) = parser.parse_headers(raw.bytes)
            && let Some(id) = message_id(&parsed)
        {
            self.here.insert(print(&id));
        }
        Ok(())
    }

    fn message(&mut self, raw: &Raw<'_>) -> Result<(), ImportError> {
        let item = format!("message {}", raw.number);
        if raw.over {
            let message = format!("it has more than {MESSAGE_BYTES} bytes; it was left out");
            let problem = Problem::of_item(ProblemCode::TooLong, raw.file, item, message);
            self.sink.skip("mail", problem);
            return Ok(());
        }
        let parsed = self.parser.parse(raw.bytes);
        if let Some(parsed) = parsed.filter(|parsed| !parsed.headers().is_empty()) {
            return self.parsed(raw, &item, &parsed);
        }
        let message = "it is no message; it was left out";
        let problem = Problem::of_item(ProblemCode::Malformed, raw.file, item, message);
        self.sink.skip("mail", problem);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_mail_from_text() {
        assert_eq!(
            form(b"From x Mon Jan 1\nFrom: a@b\nTo: c@d\n\nhi"),
            Some(Form::Box)
        );
        assert_eq!(
            form(b"Received: by x\n for y\nSubject: z\n\nhi"),
            Some(Form::Single)
        );
        assert_eq!(form(b"From here on it is a text.\nYes.\n"), None);
        assert_eq!(
            form(b"name: value\nother: value\n"),
            None,
            "front matter without dashes"
        );
        assert_eq!(form(b"{\"from\": 1}\n"), None);
        assert_eq!(form(b""), None);
    }

    #[test]
    fn quoted_lines_lose_one_mark() {
        let quoted = b">From a\n>>From b\n> From c\nFrom d\n";
        assert_eq!(unquote(quoted), b"From a\n>From b\n> From c\nFrom d\n");
    }
}
