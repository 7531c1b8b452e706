//! Evernote: ENEX files, a notebook each.

mod enml;

use rustc_hash::FxHashMap;

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::limits::MESSAGE_BYTES;
use crate::note::{Names, Note, NoteFile};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::Source;
use crate::text::{clean, decode};
use crate::time::parse_any_time;
use crate::xml::{Element, Met, each_element};

/// Reads ENEX files, as Evernote exports notebooks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evernote;

const NAME: &str = "evernote";

const KIND: Kind = Kind {
    ends: &[".enex"],
    looks: |head| {
        let head = decode(head).0;
        head.contains("<en-export") || head.contains("evernote-export")
    },
    alone: true,
    beside: &[],
};

impl Importer for Evernote {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        KIND.recognise(NAME, "ENEX notebooks", source)
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut reading = Reading {
            sink,
            names: Names::new(),
            seen: FxHashMap::default(),
        };
        for file in KIND.files(source)? {
            reading.notebook(source, &file)?;
        }
        Ok(())
    }
}

struct Reading<'a> {
    sink: &'a mut dyn Sink,
    names: Names,
    /// How many notes of a key were met: ENEX gives notes no ids, and two may be begun and called alike.
    seen: FxHashMap<[u8; 16], u32>,
}

impl Reading<'_> {
    fn notebook(&mut self, source: &Source, file: &str) -> Result<(), ImportError> {
        self.sink.used(file);
        let total = source.find(file).map_or(0, |entry| entry.size);
        let name = file.rsplit('/').next().unwrap_or(file);
        let name = name.get(..name.len().saturating_sub(5)).unwrap_or(name);
        let note =
            |path: &[String]| path.len() == 2 && path.last().is_some_and(|last| last == "note");
        let outcome = each_element(source, file, MESSAGE_BYTES, &note, &mut |_, met, done| {
            if let Met::Item(note) = met {
                self.sink.progress(file, done, total)?;
                self.note(file, name, &note)?;
            }
            Ok(())
        })?;
        outcome.report(file, "notebook", "", self.sink);
        self.sink.progress(file, total, total)
    }

    /// When a note was begun and what it is called; of several alike the second is `…/2`.
    fn key(&mut self, element: &Element) -> String {
        let created = element.text_of("created").unwrap_or_default();
        let title = element.text_of("title").unwrap_or_default();
        let mut hash = blake3::Hasher::new();
        hash.update(&(created.len() as u64).to_le_bytes())
            .update(created.as_bytes());
        hash.update(title.as_bytes());
        if created.is_empty() {
            hash.update(element.text_of("content").unwrap_or_default().as_bytes());
        }
        let hash = hash.finalize();
        let (print, _) = hash
            .as_bytes()
            .split_first_chunk::<16>()
            .unwrap_or((&[0; 16], &[]));
        let met = self.seen.entry(*print).or_default();
        *met += 1;
        let hex = data_encoding::HEXLOWER.encode(print);
        match *met {
            1 => format!("{created}#{hex}"),
            n => format!("{created}#{hex}/{n}"),
        }
    }

    fn note(&mut self, file: &str, notebook: &str, element: &Element) -> Result<(), ImportError> {
        let key = self.key(element);
        let of = self.sink.entity(&key);
        let said = element.child("note-attributes");
        let attribute = |name: &str| said.and_then(|said| said.text_of(name)).map(str::to_owned);
        let number = |name: &str| attribute(name)?.parse::<f64>().ok();
        let content = enml::read(element.text_of("content").unwrap_or_default());
        if content.encrypted > 0 {
            let message = format!(
                "{} encrypted parts cannot be read; they were left out",
                content.encrypted
            );
            self.problem(file, &key, ProblemCode::Encrypted, message);
        }
        let (html, text) = clean(&content.html);
        let mut note = Note {
            title: element.text_of("title").map(str::to_owned),
            created: self.time(file, &key, element, "created"),
            updated: self.time(file, &key, element, "updated"),
            tags: element
                .each("tag")
                .map(|tag| tag.text.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
            folder: Some(notebook.to_owned()),
            author: attribute("author"),
            url: attribute("source-url"),
            place: attribute("place-name"),
            position: number("latitude").zip(number("longitude")),
            due: attribute("reminder-time").and_then(|text| parse_any_time(&text)),
            urls: content.links,
            tasks: text
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("[ ] ") || line.starts_with("[x] "))
                .map(str::to_owned)
                .collect(),
            ..Note::default()
        };
        for task in element.each("task") {
            let done = task
                .text_of("taskStatus")
                .is_some_and(|status| status == "completed");
            let title = task.text_of("title").unwrap_or_default();
            note.tasks
                .push(format!("[{}] {title}", if done { 'x' } else { ' ' }));
        }
        for (name, value) in [
            ("source", attribute("source")),
            ("reminder-done", attribute("reminder-done-time")),
        ] {
            note.properties
                .extend(value.map(|value| format!("{name}: {value}")));
        }
        note.text = Some(text);
        note.html = Some(html);
        for (n, resource) in element.each("resource").enumerate() {
            let stored = self.resource(file, &key, n, resource)?;
            let about = resource.child("resource-attributes");
            let about = |name: &str| about.and_then(|about| about.text_of(name));
            let said = NoteFile {
                name: about("file-name"),
                mime: resource.text_of("mime"),
                url: about("source-url"),
                text: None,
            };
            note.files.push(said.record(
                format!("{key}#{n}"),
                of,
                stored,
                &self.names,
                self.sink,
            )?);
        }
        note.record(key, &self.names, self.sink)
    }

    fn problem(&mut self, file: &str, key: &str, code: ProblemCode, message: impl Into<String>) {
        self.sink
            .problem(Problem::of_item(code, file, key, message));
    }

    fn time(&mut self, file: &str, key: &str, element: &Element, name: &str) -> Option<i64> {
        let text = element.text_of(name)?;
        let time = parse_any_time(text);
        if time.is_none() {
            let message = format!("{name} is not a time: {}; it was left out", shorten(text));
            self.problem(file, key, ProblemCode::PartIgnored, message);
        }
        time
    }

    fn resource(
        &mut self,
        file: &str,
        key: &str,
        n: usize,
        resource: &Element,
    ) -> Result<Option<crate::importer::StoredFile>, ImportError> {
        let Some(data) = resource.child("data") else {
            self.problem(
                file,
                key,
                ProblemCode::MissingFile,
                "a file in it is not in the export",
            );
            return Ok(None);
        };
        let packed: Vec<u8> = data
            .text
            .bytes()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        match data_encoding::BASE64.decode(&packed) {
            Ok(bytes) => self.sink.bytes(&format!("{file} {key} file {n}"), &bytes),
            Err(error) => {
                let message = format!("a file in it cannot be read ({error}); it was left out");
                self.problem(file, key, ProblemCode::Damaged, message);
                Ok(None)
            }
        }
    }
}
