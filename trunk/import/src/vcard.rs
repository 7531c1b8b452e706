//! Address books: vCard 2.1, 3.0 and 4.0, one card or many in a file.

mod card;
mod names;

use std::collections::HashMap;

use calcard::vcard::VCard;
use calcard::{Entry, Parser};
use rhizome_tuple::Value;
use rustc_hash::FxHashSet;

use crate::audience::Audience;
use crate::chunks::{Cut, each_chunk};
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::Source;
use crate::text::{decode, unmarked};
use card::Card;
pub(crate) use names::Names;

/// Reads vCard files (`.vcf`), as telephones, mail programs and address books export them.
#[derive(Clone, Copy, Debug, Default)]
pub struct VCards;

const NAME: &str = "vcard";

const KIND: Kind = Kind {
    ends: &[".vcf", ".vcard"],
    looks: |head| {
        let text = decode(head).0;
        text.trim_start()
            .get(..11)
            .is_some_and(|start| start.eq_ignore_ascii_case("BEGIN:VCARD"))
    },
    alone: true,
    beside: &[".jpg", ".jpeg", ".png"],
};

impl Importer for VCards {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        KIND.recognise(NAME, "vCards", source)
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut reading = Reading {
            names: Names::new(),
            known: FxHashSet::default(),
            groups: Vec::new(),
            sink,
        };
        for file in KIND.files(source)? {
            reading.file(source, &file)?;
        }
        reading.groups()
    }
}

struct Reading<'a> {
    sink: &'a mut dyn Sink,
    names: Names,
    /// Keys of the contacts read, for the members of groups.
    known: FxHashSet<String>,
    /// Groups wait until every contact is known.
    groups: Vec<(Card, String)>,
}

/// Where one card ends. Cards may lie in cards (`AGENT` in version 2.1).
fn card_end(depth: &mut usize, line: &[u8]) -> Cut {
    let line = line
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(line)
        .trim_ascii();
    if line.eq_ignore_ascii_case(b"BEGIN:VCARD") {
        *depth += 1;
        // One at the start of a line closes what was left open: an agent's card is indented or follows `AGENT:`.
        return if *depth > 1 { Cut::Within } else { Cut::Before };
    }
    if line.eq_ignore_ascii_case(b"END:VCARD") {
        *depth = depth.saturating_sub(1);
        if *depth == 0 {
            return Cut::After;
        }
    }
    Cut::Within
}

impl Reading<'_> {
    fn file(&mut self, source: &Source, file: &str) -> Result<(), ImportError> {
        self.sink.used(file);
        let total = source.find(file).map_or(0, |entry| entry.size);
        let reader = unmarked(source.read(file)?, &source.head(file, 4)?);
        let limit = source.limits().record_bytes;
        let mut depth = 0;
        each_chunk(
            file,
            reader,
            limit,
            &mut |line| card_end(&mut depth, line),
            &mut |chunk| {
                if chunk.number % 256 == 0 {
                    self.sink.progress(file, chunk.done, total)?;
                }
                let item = format!("card {}", chunk.number);
                if chunk.over {
                    let message = format!("it has more than {limit} bytes; it was left out");
                    self.sink.skip(
                        "contact",
                        Problem::of_item(ProblemCode::TooLong, file, item, message),
                    );
                    return Ok(());
                }
                if chunk.bytes.trim_ascii().is_empty() {
                    return Ok(());
                }
                let (text, guessed) = decode(chunk.bytes);
                if let Some(message) = guessed {
                    self.sink.problem(Problem::of_item(
                        ProblemCode::Encoding,
                        file,
                        item.as_str(),
                        message,
                    ));
                }
                self.card(file, &item, &text)
            },
        )?;
        self.sink.progress(file, total, total)
    }

    fn card(&mut self, file: &str, item: &str, text: &str) -> Result<(), ImportError> {
        // The reader takes a card without its end for one: what the rest would have said would seem emptied.
        let ended = text.trim_end().lines().next_back();
        if !ended.is_some_and(|line| line.trim().eq_ignore_ascii_case("END:VCARD")) {
            let message = "it has no end; it was left out";
            self.sink.incomplete(Problem::of_item(
                ProblemCode::Malformed,
                file,
                item,
                message,
            ));
            return Ok(());
        }
        let mut parser = Parser::new(text);
        let vcard = loop {
            match parser.entry() {
                Entry::VCard(vcard) => break vcard,
                Entry::Eof | Entry::UnterminatedComponent(_) => break VCard::default(),
                _ => {}
            }
        };
        let Some(card) = Card::read(&vcard) else {
            let message = "it names nobody; it was left out";
            self.sink.skip(
                "contact",
                Problem::of_item(ProblemCode::Malformed, file, item, message),
            );
            return Ok(());
        };
        if card.group {
            self.groups.push((card, file.to_owned()));
            return Ok(());
        }
        let key = card.key();
        let photo = match &card.photo {
            Some(bytes) => self.sink.bytes(&format!("{file} {item} photo"), bytes)?,
            None => None,
        };
        for what in &card.ignored {
            let message = format!("{} was left out", shorten(what));
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                file,
                key.as_str(),
                message,
            ));
        }
        let facts = card.facts(&self.names, photo.map(|photo| photo.cid));
        self.known.insert(key.clone());
        self.sink
            .record(facts.record("contact", key, None, Some(Audience::Direct)))
    }

    /// Groups, with those of their members that are here.
    fn groups(&mut self) -> Result<(), ImportError> {
        for (card, file) in std::mem::take(&mut self.groups) {
            let key = card.key();
            let names = &self.names;
            let mut facts = Facts::default();
            facts.one(&names.r#type, "contact-group");
            facts.one(&names.name, card.name.as_str());
            facts.or_empty(&names.note, card.note.as_deref());
            facts.maybe(&names.uid, card.uid.as_deref());
            facts.maybe(&names.updated, card.updated.map(Value::Time));
            let (here, gone): (Vec<_>, Vec<_>) = card
                .members
                .iter()
                .partition(|uid| self.known.contains(*uid));
            let members = here.iter().map(|uid| self.sink.entity(uid).into());
            facts.set(&names.member, members.collect());
            if !gone.is_empty() {
                let message = format!("{} of its members are not in the export", gone.len());
                self.sink.problem(Problem::of_item(
                    ProblemCode::PartIgnored,
                    file,
                    key.as_str(),
                    message,
                ));
            }
            self.sink
                .record(facts.record("contact-group", key, None, Some(Audience::Direct)))?;
        }
        Ok(())
    }
}

/// Labels that a group of lines is given by `X-ABLabel`, by the group's name.
type Labels = HashMap<String, String>;
