//! Notion: the export of a workspace as Markdown and CSV, or as HTML.

mod page;

use std::collections::{BTreeMap, HashMap};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::markdown::{Body, resolve};
use crate::note::{Names, Note, NoteFile};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::Source;
use crate::text::{clean, decode};
use page::{Page, time};

/// Reads Notion exports, Markdown with CSV or HTML, with the files in pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notion;

const NAME: &str = "notion";

/// What a file of the export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Markdown,
    Html,
    Table,
}

/// A file whose name ends with the 32 hexadecimal digits of its page: form, title, digits.
fn named(path: &str) -> Option<(Form, &str, &str)> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, end) = name.rsplit_once('.')?;
    let form = match end.to_ascii_lowercase().as_str() {
        "md" => Form::Markdown,
        "html" => Form::Html,
        "csv" => Form::Table,
        _ => return None,
    };
    let stem = stem.strip_suffix("_all").unwrap_or(stem);
    let at = stem.len().checked_sub(32)?;
    let (title, id) = stem.split_at_checked(at)?;
    let digits = id
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let title = title.strip_suffix([' ', '-', '_']).unwrap_or(title);
    digits.then_some((form, title, id))
}

impl Importer for Notion {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let documents = source.entries().iter().filter(|entry| {
            let end = entry
                .path
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            matches!(end.as_str(), "md" | "html" | "csv")
        });
        let (mut all, mut right) = (0_usize, 0_usize);
        for entry in documents {
            all += 1;
            right += usize::from(named(&entry.path).is_some());
        }
        if right == 0 {
            return Ok(None);
        }
        Ok(Some(Recognition::of(
            NAME,
            0.4 + 0.56 * right as f32 / all as f32,
            format!("{right} of {all} documents are named as Notion names pages"),
        )))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut reading = Reading::of(source, sink);
        let pages: Vec<String> = reading.pages.keys().cloned().collect();
        let total = pages.len() as u64;
        for (n, path) in pages.iter().enumerate() {
            reading.sink.progress(path, n as u64, total)?;
            reading.page(path)?;
        }
        Ok(())
    }
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// The digits of every page, by the path of its file; a database has one, whatever tables of it there are.
    pages: BTreeMap<String, String>,
    /// Paths of the pages in each page, by its digits.
    inside: HashMap<String, Vec<String>>,
}

impl<'a> Reading<'a> {
    fn of(source: &'a Source, sink: &'a mut dyn Sink) -> Self {
        let mut by_id: BTreeMap<&str, (&str, Form)> = BTreeMap::new();
        for entry in source.entries() {
            if let Some((form, _, id)) = named(&entry.path) {
                let known = by_id.entry(id).or_insert((&entry.path, form));
                // A page's own text goes before a table of what is in it.
                if known.1 == Form::Table && form != Form::Table {
                    *known = (&entry.path, form);
                }
            }
        }
        // A page's folder has its name, with the digits or, in newer exports, without.
        let mut folders: HashMap<String, &str> = HashMap::new();
        for (id, (path, _)) in &by_id {
            let folder = path
                .rsplit_once('/')
                .map_or(String::new(), |(folder, _)| format!("{folder}/"));
            if let Some((_, title, _)) = named(path) {
                folders.insert(format!("{folder}{title} {id}"), id);
                folders.entry(format!("{folder}{title}")).or_insert(id);
            }
        }
        let mut inside: HashMap<String, Vec<String>> = HashMap::new();
        for (id, (path, _)) in &by_id {
            let above = path
                .rsplit_once('/')
                .and_then(|(folder, _)| folders.get(folder));
            if let Some(above) = above.filter(|above| *above != id) {
                inside
                    .entry((*above).to_owned())
                    .or_default()
                    .push((*path).to_owned());
            }
        }
        for paths in inside.values_mut() {
            paths.sort();
        }
        Self {
            source,
            sink,
            names: Names::new(),
            pages: by_id
                .iter()
                .map(|(id, (path, _))| ((*path).to_owned(), (*id).to_owned()))
                .collect(),
            inside,
        }
    }

    fn text(&mut self, path: &str) -> Result<Option<String>, ImportError> {
        match self.source.read_document(path) {
            Ok(bytes) => {
                let (text, guessed) = decode(&bytes);
                if let Some(message) = guessed {
                    self.sink
                        .problem(Problem::of_file(ProblemCode::Encoding, path, message));
                }
                Ok(Some(text.replace("\r\n", "\n")))
            }
            Err(ImportError::TooLarge { limit, .. }) => {
                let message = format!("a page has at most {limit} bytes; it was left out");
                self.sink.skip(
                    "note",
                    Problem::of_file(ProblemCode::TooLong, path, message),
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn page(&mut self, path: &str) -> Result<(), ImportError> {
        let (Some((form, title, id)), folder) = (named(path), folder_of(path)) else {
            return Ok(());
        };
        let mut note = Note {
            title: Some(title.to_owned()),
            folder: (!folder.is_empty()).then(|| folder.to_owned()),
            ..Note::default()
        };
        let mut targets = Vec::new();
        if form != Form::Table {
            let Some(text) = self.text(path)? else {
                return Ok(());
            };
            self.sink.used(path);
            if form == Form::Html {
                let (html, text) = clean(&text);
                (note.html, note.text) = (Some(html), Some(text));
            } else {
                let page = Page::split(&text);
                self.properties(path, &page, &mut note);
                let body = Body::read(page.body);
                note.markdown = Some(page.body.to_owned());
                note.text = Some(body.text);
                note.tasks = body.tasks;
                targets = body.targets;
            }
        }
        let inside = self.inside.get(id).into_iter().flatten();
        let inside: Vec<_> = inside.filter_map(|path| self.pages.get(path)).collect();
        note.children = inside.into_iter().map(|id| self.sink.entity(id)).collect();
        for target in targets {
            if target.is_address() {
                note.urls.insert(target.to);
                continue;
            }
            let Some(at) = resolve(folder, &target.to) else {
                continue;
            };
            if let Some((_, _, linked)) = named(&at).filter(|_| self.source.find(&at).is_some()) {
                note.links.insert(self.sink.entity(linked));
            } else if self.source.find(&at).is_some() {
                self.file(id, &at, &mut note)?;
            } else if target.shown {
                let message = "the page shows this file, but the export does not hold it";
                self.sink.problem(Problem::of_item(
                    ProblemCode::MissingFile,
                    shorten(&at),
                    id,
                    message,
                ));
            }
        }
        // The tables of a database stay as they are; their rows are its pages.
        let tables: Vec<String> = self.tables(id);
        for table in tables {
            self.file(id, &table, &mut note)?;
        }
        note.record(id.to_owned(), &self.names, self.sink)
    }

    fn tables(&self, id: &str) -> Vec<String> {
        let entries = self.source.entries().iter();
        let own = entries.filter(|entry| {
            named(&entry.path).is_some_and(|(form, _, own)| form == Form::Table && own == id)
        });
        own.map(|entry| entry.path.clone()).collect()
    }

    fn file(&mut self, id: &str, at: &str, note: &mut Note) -> Result<(), ImportError> {
        let key = format!("{id}#{at}");
        let file = self.sink.entity(&key);
        if note.files.contains(&file) {
            return Ok(());
        }
        let stored = self.sink.file(at)?;
        let of = self.sink.entity(id);
        let said = NoteFile {
            name: at.rsplit('/').next(),
            ..NoteFile::default()
        };
        note.files
            .push(said.record(key, of, stored, &self.names, self.sink)?);
        Ok(())
    }

    fn properties(&mut self, path: &str, page: &Page<'_>, note: &mut Note) {
        if let Some(title) = page.title {
            note.title = Some(title.to_owned());
        }
        for (name, value) in &page.properties {
            match name.to_lowercase().as_str() {
                "created" | "created time" | "created at" | "date created"
                    if time(value).is_some() =>
                {
                    note.created = time(value);
                }
                "last edited time" | "last edited" | "updated" if time(value).is_some() => {
                    note.updated = time(value);
                }
                "tags" | "tag" => {
                    let words = value
                        .split(',')
                        .map(str::trim)
                        .filter(|word| !word.is_empty());
                    note.tags.extend(words.map(str::to_owned));
                }
                "url" | "link" if value.contains("://") => note.url = Some((*value).to_owned()),
                "created by" | "author" => note.author = Some((*value).to_owned()),
                _ => {
                    note.properties.insert(format!("{name}: {value}"));
                }
            }
        }
        if note.properties.len() > 1_000 {
            let message = "it has more than 1000 properties; the rest was left out";
            self.sink
                .problem(Problem::of_file(ProblemCode::TooLong, path, message));
            note.properties = std::mem::take(&mut note.properties)
                .into_iter()
                .take(1_000)
                .collect();
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pages_end_with_their_ids() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            named(&format!("a/My page {id}.md")),
            Some((Form::Markdown, "My page", id))
        );
        assert_eq!(
            named(&format!("Base {id}_all.csv")),
            Some((Form::Table, "Base", id))
        );
        assert_eq!(named(&format!("{id}.html")), Some((Form::Html, "", id)));
        assert_eq!(named("a/My page.md"), None);
        assert_eq!(named(&format!("x {id}.png")), None);
        assert_eq!(named("é23456789abcdef0123456789abcdef0.md"), None);
    }
}
