//! Conversations written out as text, one message after another: what WhatsApp exports, and what is made of Signal's.

mod stamp;

use rhizome_tuple::Value as Tuple;
use rustc_hash::FxHashSet;

use crate::attached::{Said, media};
use crate::audience::Audience;
use crate::chat::{ChatNames, Conversation, Message, Repeats};
use crate::chunks::{Chunk, Cut, each_chunk};
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::limits::TEXT_BYTES;
use crate::problem::{Problem, ProblemCode};
use crate::social::Names;
use crate::source::Source;
use crate::text::{decode, unmarked};
use stamp::{Order, Votes, header, unmark};

/// Reads conversations that WhatsApp wrote out as text, with the files beside them.
#[derive(Clone, Copy, Debug, Default)]
pub struct WhatsApp;

/// Reads conversations of Signal written out as text: `[2019-12-24, 12:23] Name: words`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signal;

/// Bytes and lines that are looked at to recognise a file, and files looked at.
const HEAD: usize = 8 << 10;
const LINES: usize = 40;
const MAX_FILES: usize = 10_000;
/// Characters of a name; what is longer before a colon is a sentence.
const MAX_NAME: usize = 60;
/// Participants of one conversation.
const MAX_PARTICIPANTS: usize = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    WhatsApp,
    Signal,
}

/// The files of a source that are conversations of a service.
fn files(source: &Source, service: Service) -> Result<Vec<String>, ImportError> {
    let mut found = Vec::new();
    let texts = source.entries().iter().filter(|entry| entry.ends("txt"));
    for entry in texts.take(MAX_FILES) {
        let head = source.head(&entry.path, HEAD)?;
        let (text, _) = decode(&head);
        let mut lines = text.lines().filter(|line| !unmark(line).is_empty());
        let first = lines.next().and_then(header);
        let more = lines.take(LINES).filter_map(header).count();
        // A line that looks like one may begin a diary; a conversation has a second one, or a name behind its only one.
        let Some((stamp, _)) = first.filter(|(_, rest)| more > 0 || rest.contains(": ")) else {
            continue;
        };
        let of = if stamp.is_iso_minute() {
            Service::Signal
        } else {
            Service::WhatsApp
        };
        if of == service {
            found.push(entry.path.clone());
        }
    }
    Ok(found)
}

fn recognise(
    source: &Source,
    service: Service,
    importer: &'static str,
    name: &str,
) -> Result<Option<Recognition>, ImportError> {
    let files = files(source, service)?;
    let Some(first) = files.first() else {
        return Ok(None);
    };
    Ok(Some(Recognition::of(
        importer,
        0.9,
        format!("{first} is a conversation as {name} writes it"),
    )))
}

impl Importer for WhatsApp {
    fn name(&self) -> &'static str {
        "whatsapp"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        recognise(source, Service::WhatsApp, self.name(), "WhatsApp")
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        read(source, Service::WhatsApp, "WhatsApp", sink)
    }
}

impl Importer for Signal {
    fn name(&self) -> &'static str {
        "signal"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        recognise(source, Service::Signal, self.name(), "Signal")
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        read(source, Service::Signal, "Signal", sink)
    }
}

fn read(
    source: &Source,
    service: Service,
    name: &'static str,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    for file in files(source, service)? {
        let mut reading = Reading {
            title: title(source, &file),
            source,
            sink: &mut *sink,
            file: &file,
            social: Names::new(),
            names: ChatNames::new(),
            order: Order::DayMonthYear,
            repeats: Repeats::default(),
            participants: FxHashSet::default(),
            media: FxHashSet::default(),
        };
        reading.whole(name)?;
    }
    Ok(())
}

/// What a conversation is called: by the name of its file, or, where that is the same for all, of what it came in.
fn title(source: &Source, file: &str) -> String {
    let mut parts = file.rsplit('/');
    let name = parts.next().unwrap_or(file);
    let stem = name.get(..name.len() - 4).unwrap_or(name);
    let stem = match stem.rsplit_once(" (") {
        // A second download of the same.
        Some((before, n)) if n.trim_end_matches(')').bytes().all(|b| b.is_ascii_digit()) => before,
        _ => stem,
    };
    let stem = if stem == "_chat" {
        let above = parts.next().unwrap_or(source.name());
        above.strip_suffix(".zip").unwrap_or(above)
    } else {
        stem
    };
    let known = [
        "WhatsApp Chat with ",
        "WhatsApp Chat - ",
        "WhatsApp-Chat mit ",
    ];
    let named = known.iter().find_map(|before| stem.strip_prefix(before));
    named.unwrap_or(stem).to_owned()
}

/// One file while it is read.
struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    file: &'a str,
    title: String,
    social: Names,
    names: ChatNames,
    order: Order,
    repeats: Repeats,
    participants: FxHashSet<String>,
    media: FxHashSet<String>,
}

fn cut(line: &[u8]) -> Cut {
    match header(&String::from_utf8_lossy(line)) {
        Some(_) => Cut::Before,
        None => Cut::Within,
    }
}

/// Who wrote a message, and what; nobody, where the service did.
fn split(rest: &str) -> (Option<&str>, &str) {
    let line = rest.lines().next().unwrap_or_default();
    let at = line.find(": ").or_else(|| line.find(':'));
    let Some((name, text)) = at.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) else {
        return (None, rest);
    };
    let sentence = name.chars().count() > MAX_NAME || name.contains(['"', '“', '”', '„', '«']);
    if name.trim().is_empty() || sentence {
        return (None, rest);
    }
    (Some(name.trim()), text.strip_prefix(' ').unwrap_or(text))
}

impl Reading<'_> {
    fn chunks(
        &mut self,
        take: &mut dyn FnMut(&mut Self, Chunk<'_>) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let head = self.source.head(self.file, 4)?;
        let reader = unmarked(self.source.read(self.file)?, &head);
        let file = self.file;
        each_chunk(file, reader, TEXT_BYTES, &mut cut, &mut |chunk| {
            take(self, chunk)
        })
    }

    fn whole(&mut self, service: &'static str) -> Result<(), ImportError> {
        self.sink.used(self.file);
        let mut votes = Votes::default();
        self.chunks(&mut |_, chunk| {
            let line = chunk.bytes.get(..256).unwrap_or(chunk.bytes);
            if let Some((stamp, _)) = header(&String::from_utf8_lossy(line)) {
                votes.take(&stamp);
            }
            Ok(())
        })?;
        let (order, sure) = votes.order();
        self.order = order;
        if !sure {
            let read = match order {
                Order::MonthDayYear => "the month first",
                _ => "the day first",
            };
            let message = format!(
                "its dates do not show whether days or months come first; they were read with {read}"
            );
            let problem = Problem::of_file(ProblemCode::PartIgnored, self.file, message);
            self.sink.problem(problem);
        }
        let total = self.source.find(self.file).map_or(0, |entry| entry.size);
        self.chunks(&mut |reading, chunk| {
            if chunk.number % 256 == 0 {
                reading.sink.progress(reading.file, chunk.done, total)?;
            }
            reading.message(&chunk)
        })?;
        let mut participants: Vec<String> = self.participants.drain().collect();
        participants.sort_unstable();
        let conversation = Conversation {
            service,
            title: Some(&self.title),
            participants,
            whole: false,
        };
        let key = format!("conversation/{}", self.title);
        self.sink.record(conversation.record(&self.names, key))
    }

    fn message(&mut self, chunk: &Chunk<'_>) -> Result<(), ImportError> {
        let item = format!("message {}", chunk.number);
        let (text, strange) = decode(chunk.bytes);
        if let Some(strange) = strange {
            let problem = Problem::of_item(ProblemCode::Encoding, self.file, &item, strange);
            self.sink.problem(problem);
        }
        let text = text.replace("\r\n", "\n");
        let Some((stamp, rest)) = header(&text) else {
            let why = if chunk.over {
                format!("it is longer than {TEXT_BYTES} bytes; it was left out")
            } else {
                "it does not begin with a moment; it was left out".to_owned()
            };
            let problem = Problem::of_item(ProblemCode::Malformed, self.file, item, why);
            self.sink.skip("message", problem);
            return Ok(());
        };
        let sent = stamp.time(self.order);
        if sent.is_none() {
            let why = "its date is in no calendar; it has no time";
            let problem = Problem::of_item(ProblemCode::PartIgnored, self.file, &item, why);
            self.sink.problem(problem);
        }
        let (sender, words) = split(rest.trim_end());
        let words = unmark(words);
        if let Some(name) = sender
            && self.participants.len() < MAX_PARTICIPANTS
        {
            self.participants.insert(name.to_owned());
        }
        let said = sent.map(|sent| sent.to_string()).unwrap_or_default();
        let key = self
            .repeats
            .key(&[&self.title, &said, sender.unwrap_or_default(), words]);
        let (attachment, words) = self.attachment(&item, words, sent)?;
        let conversation = self.sink.entity(&format!("conversation/{}", self.title));
        let message = Message {
            sender,
            sent,
            text: Some(words),
            attachments: attachment.into_iter().collect(),
            notice: sender.is_none(),
            ..Message::default()
        };
        let record = message.record(&self.names, format!("message/{key}"), conversation);
        self.sink.record(record)
    }

    /// A file that a message names, `<attached: NAME>` or `NAME (file attached)` in any language, and the words beside it.
    fn attachment<'w>(
        &mut self,
        item: &str,
        words: &'w str,
        sent: Option<i64>,
    ) -> Result<(Option<Tuple>, &'w str), ImportError> {
        let (line, rest) = words.split_once('\n').unwrap_or((words, ""));
        let inside = line.strip_prefix('<').and_then(|of| of.strip_suffix('>'));
        let named = inside.and_then(|of| Some(of.split_once(": ")?.1));
        let before = line
            .strip_suffix(')')
            .and_then(|of| Some(of.rsplit_once(" (")?.0));
        let Some(name) = named.or(before).filter(|name| name.contains('.')) else {
            return Ok((None, words));
        };
        let own = self.file.rsplit('/').next().unwrap_or(self.file);
        let folder = self.file.strip_suffix(own).unwrap_or_default();
        let path = format!("{folder}{name}");
        let here = path != self.file && self.source.find(&path).is_some();
        if !here && named.is_none() {
            return Ok((None, words));
        }
        let key = format!("media/{}/{name}", self.title);
        let entity = Tuple::Ref(self.sink.entity(&key));
        if self.media.insert(key.clone()) {
            let stored = if here {
                self.sink.file(&path)?
            } else {
                let message = format!("the export does not hold the file {name}");
                let problem = Problem::of_item(ProblemCode::MissingFile, self.file, item, message);
                self.sink.problem(problem);
                None
            };
            let said = Said {
                created: sent,
                ..Said::default()
            };
            let mut facts = media(&self.social, Audience::Direct, said, stored.as_ref());
            facts.one(&self.social.title, name);
            self.sink.record(facts.record("media", key, None, None))?;
        }
        Ok((Some(entity), rest))
    }
}
