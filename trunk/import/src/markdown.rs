//! Folders of Markdown files with front matter: Obsidian vaults, Jekyll and Hugo sites, or just notes.

mod body;
mod front;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::note::{Names, Note, NoteFile};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::Source;
use crate::text::decode;
use crate::time::parse_any_time;
pub(crate) use body::{Body, Target, tags};
use front::Front;

/// Reads folders of Markdown files, with links between them and the files they show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markdown;

const NAME: &str = "markdown";

const KIND: Kind = Kind {
    ends: &[".md", ".markdown"],
    looks: |head| !head.is_empty() && !head.contains(&0),
    alone: false,
    beside: &[
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".webp",
        ".svg",
        ".bmp",
        ".pdf",
        ".mp3",
        ".mp4",
        ".m4a",
        ".webm",
        ".wav",
        ".ogg",
        ".mov",
        ".heic",
        ".canvas",
        ".css",
        ".base",
        ".excalidraw",
    ],
};

/// A vault by its name: the file's or folder's, without the end that says how it is packed.
pub(crate) fn vault(source: &Source) -> String {
    let name = source.name();
    let stem = [".zip", ".tar.gz", ".tgz", ".tar", ".md", ".markdown"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    stem.to_owned()
}

impl Importer for Markdown {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let Some(mut found) = KIND.recognise(NAME, "Markdown files", source)? else {
            return Ok(None);
        };
        let obsidian = source
            .entries()
            .iter()
            .any(|entry| entry.path.contains(".obsidian/"));
        if obsidian {
            found.confidence = 0.95;
            "an Obsidian vault".clone_into(&mut found.why);
        } else if exported(source)? {
            found.confidence = 0.96;
            "notes that Rhizome exported".clone_into(&mut found.why);
        } else {
            // Many exports hold a README; importers that know one better are surer.
            found.confidence *= 0.9;
        }
        found.source = format!("{NAME}/{}", vault(source));
        Ok(Some(found))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let pages = KIND.files(source)?;
        let places = Places::of(source, &pages);
        let mut reading = Reading {
            source,
            sink,
            names: Names::new(),
            places,
        };
        let total = pages.len() as u64;
        for (n, path) in pages.iter().enumerate() {
            reading.sink.progress(path, n as u64, total)?;
            reading.page(path)?;
        }
        Ok(())
    }
}

/// Whether the first note says, as exports of Rhizome do, which entity it was.
fn exported(source: &Source) -> Result<bool, ImportError> {
    let mut entries = source.entries().iter();
    let Some(first) = entries.find(|entry| KIND.is_called(&entry.path)) else {
        return Ok(false);
    };
    let head = source.head(&first.path, 16 << 10)?;
    Ok(head.starts_with(b"---\n") && memchr::memmem::find(&head, b"\nid: \"rz:").is_some())
}

/// Where notes and files of a vault are, as links name them.
struct Places {
    /// The folder that everything lies in, with its slash; empty where there is none.
    root: String,
    /// Paths by the last part of their name, lower case, of notes without the end.
    by_name: HashMap<String, Vec<String>>,
    pages: HashSet<String>,
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stem(path: &str) -> &str {
    let name = name_of(path);
    name.strip_suffix(".md")
        .or_else(|| name.strip_suffix(".markdown"))
        .unwrap_or(name)
}

impl Places {
    fn of(source: &Source, pages: &[String]) -> Self {
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for entry in source.entries() {
            let name = stem(&entry.path).to_lowercase();
            by_name.entry(name).or_default().push(entry.path.clone());
        }
        Self {
            root: root(source),
            by_name,
            pages: pages.iter().cloned().collect(),
        }
    }

    /// The native id of the note at `path`.
    fn key<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// What a link in the note at `from` leads to.
    fn find(&self, source: &Source, from: &str, target: &str) -> Option<String> {
        let target = target.split('#').next().unwrap_or(target).trim();
        if target.is_empty() {
            return None;
        }
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let here = [folder, self.root.trim_end_matches('/')];
        for base in here {
            let Some(path) = resolve(base, target) else {
                continue;
            };
            for end in ["", ".md", ".markdown", "/index.md", "/_index.md"] {
                let path = format!("{path}{end}");
                if source.find(&path).is_some() {
                    return Some(path);
                }
            }
        }
        // A wiki link names a note anywhere, with as much of its path as tells it from others.
        let wanted = target.trim_start_matches('/').to_lowercase();
        let wanted = wanted.strip_suffix(".md").unwrap_or(&wanted);
        let candidates = self.by_name.get(name_of(wanted))?;
        let fits = |path: &&String| {
            let path = path.to_lowercase();
            let path = path.strip_suffix(".md").unwrap_or(&path);
            path == wanted || path.ends_with(&format!("/{wanted}"))
        };
        candidates
            .iter()
            .filter(fits)
            .min_by_key(|path| path.len())
            .cloned()
    }
}

/// The one folder that holds everything, as archives often have it.
pub(crate) fn root(source: &Source) -> String {
    let first = source
        .entries()
        .first()
        .and_then(|entry| entry.path.split_once('/'));
    let Some((folder, _)) = first else {
        return String::new();
    };
    let folder = format!("{folder}/");
    let all = source
        .entries()
        .iter()
        .all(|entry| entry.path.starts_with(&folder));
    if all { folder } else { String::new() }
}

/// A relative path from a folder; `None` where it leaves the export.
pub(crate) fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    places: Places,
}

/// Names by which front matter says when something was begun and last changed.
const CREATED: [&str; 6] = [
    "created",
    "date",
    "created_at",
    "creation date",
    "date created",
    "ctime",
];
const UPDATED: [&str; 7] = [
    "updated",
    "modified",
    "lastmod",
    "last_modified_at",
    "updated_at",
    "date modified",
    "mtime",
];

/// What only the exports of Rhizome say by these names; in other front matter they are properties.
const OURS: [&str; 15] = [
    "archived",
    "colour",
    "due",
    "folder",
    "id",
    "latitude",
    "links",
    "longitude",
    "pinned",
    "place",
    "properties",
    "shared-with",
    "time-zone",
    "trashed",
    "weather",
];

/// Reads [`OURS`]; the answer is what the note leads to without its text saying so. The `id` stays unread: what a file says
/// must not choose which entity is written.
fn exported_matter(fields: &BTreeMap<String, Vec<String>>, note: &mut Note) -> Vec<Target> {
    let all = |name: &str| fields.get(name).into_iter().flatten().cloned();
    let first = |name: &str| all(name).next();
    let yes = |name: &str| first(name).as_deref() == Some("true");
    let number = |name: &str| first(name).and_then(|text| text.parse::<f64>().ok());
    note.folder = first("folder");
    note.due = first("due").and_then(|text| parse_any_time(&text));
    note.place = first("place");
    note.position = number("latitude").zip(number("longitude"));
    note.time_zone = first("time-zone");
    note.weather = first("weather");
    note.colour = first("colour");
    note.pinned = yes("pinned");
    note.archived = yes("archived");
    note.trashed = yes("trashed");
    note.shared_with.extend(all("shared-with"));
    note.properties.extend(all("properties"));
    let inside = |link: String| Some(link.strip_prefix("[[")?.strip_suffix("]]")?.to_owned());
    all("links")
        .filter_map(inside)
        .map(|to| Target { to, shown: false })
        .collect()
}

impl Reading<'_> {
    fn page(&mut self, path: &str) -> Result<(), ImportError> {
        self.sink.used(path);
        let bytes = match self.source.read_document(path) {
            Ok(bytes) => bytes,
            Err(ImportError::TooLarge { limit, .. }) => {
                let message = format!("a note has at most {limit} bytes; it was left out");
                self.sink.skip(
                    "note",
                    Problem::of_file(ProblemCode::TooLong, path, message),
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (text, guessed) = decode(&bytes);
        if let Some(message) = guessed {
            self.sink
                .problem(Problem::of_file(ProblemCode::Encoding, path, message));
        }
        let text = text.replace("\r\n", "\n");
        let (front, rest) = Front::split(&text);
        for message in &front.wrong {
            self.sink.problem(Problem::of_file(
                ProblemCode::PartIgnored,
                path,
                message.as_str(),
            ));
        }
        let body = Body::read(rest);
        let key = self.places.key(path).to_owned();
        let of = self.sink.entity(&key);
        let mut note = Note {
            text: Some(body.text.clone()),
            markdown: Some(rest.to_owned()),
            tags: body.tags.iter().cloned().collect(),
            tasks: body.tasks.clone(),
            folder: key.rsplit_once('/').map(|(folder, _)| folder.to_owned()),
            ..Note::default()
        };
        let ours = front.is_ours();
        self.matter(path, &front, &mut note);
        let mut targets = body.targets.clone();
        if ours {
            targets.extend(exported_matter(&front.fields, &mut note));
        } else {
            note.title = note.title.or_else(|| Some(title(path, &body)));
            let dated = || name_of(path).get(..10).and_then(parse_any_time);
            note.created = note.created.or_else(dated);
        }
        self.targets(path, &key, &targets, &mut note)?;
        debug_assert_eq!(of, self.sink.entity(&key));
        note.record(key, &self.names, self.sink)
    }

    fn matter(&mut self, path: &str, front: &Front, note: &mut Note) {
        let ours = front.is_ours();
        for (name, values) in &front.fields {
            let lower = name.to_lowercase();
            let first = values.first().map(String::as_str);
            let comma = |c| c == ',' && !front.lists.contains(name);
            let words = || values.iter().flat_map(|value| value.split(comma));
            // Zola gathers them in a table.
            match lower.strip_prefix("taxonomies.").unwrap_or(&lower) {
                "title" => note.title = first.map(str::to_owned),
                "tags" | "tag" | "categories" | "category" | "keywords" => {
                    let words = words().map(|word| word.trim().trim_start_matches('#').to_owned());
                    note.tags.extend(words.filter(|word| !word.is_empty()));
                }
                "aliases" | "alias" => note.aliases.extend(values.iter().cloned()),
                "author" | "authors" => note.author = Some(values.join(", ")),
                "url" | "source" | "permalink" => note.url = first.map(str::to_owned),
                name if ours && OURS.contains(&name) => {}
                name if CREATED.contains(&name) || UPDATED.contains(&name) => {
                    let time = first.and_then(parse_any_time);
                    if time.is_none() {
                        let message =
                            format!("{} is not a time; it was kept as a property", shorten(name));
                        self.sink.problem(Problem::of_file(
                            ProblemCode::PartIgnored,
                            path,
                            message,
                        ));
                        note.properties
                            .extend(values.iter().map(|value| format!("{name}: {value}")));
                    } else if CREATED.contains(&name) {
                        note.created = note.created.or(time);
                    } else {
                        note.updated = note.updated.or(time);
                    }
                }
                _ => note
                    .properties
                    .extend(values.iter().map(|value| format!("{name}: {value}"))),
            }
        }
    }

    /// Links to notes become references, files it shows go to the blobs, addresses stay.
    fn targets(
        &mut self,
        path: &str,
        key: &str,
        targets: &[Target],
        note: &mut Note,
    ) -> Result<(), ImportError> {
        let of = self.sink.entity(key);
        let mut shown: Vec<String> = Vec::new();
        for target in targets {
            if target.is_address() {
                note.urls.insert(target.to.clone());
                continue;
            }
            let Some(at) = self.places.find(self.source, path, &target.to) else {
                if target.shown {
                    let message = "the note shows this file, but the export does not hold it";
                    let file = shorten(&target.to);
                    self.sink.problem(Problem::of_item(
                        ProblemCode::MissingFile,
                        file,
                        key,
                        message,
                    ));
                }
                continue;
            };
            if self.places.pages.contains(&at) {
                note.links.insert(self.sink.entity(self.places.key(&at)));
            } else if !shown.contains(&at) {
                let stored = self.sink.file(&at)?;
                let file = NoteFile {
                    name: Some(name_of(&at)),
                    ..NoteFile::default()
                };
                let inside = self.places.key(&at).to_owned();
                let file_key = format!("{key}#file/{inside}");
                note.files
                    .push(file.record(file_key, of, stored, &self.names, self.sink)?);
                shown.push(at);
            }
        }
        Ok(())
    }
}

/// What a note is called: by its file; files with general names by their heading, or the folder they are in.
fn title(path: &str, body: &Body) -> String {
    let own = stem(path);
    if matches!(own.to_lowercase().as_str(), "index" | "_index" | "readme") {
        let folder = path.rsplit('/').nth(1);
        return body
            .heading
            .clone()
            .unwrap_or_else(|| folder.unwrap_or(own).to_owned());
    }
    // Jekyll names posts by their date.
    let dated = own
        .get(..10)
        .is_some_and(|date| parse_any_time(date).is_some());
    match own.get(11..) {
        Some(rest) if dated && !rest.is_empty() => body
            .heading
            .clone()
            .unwrap_or_else(|| rest.replace('-', " ")),
        _ => own.to_owned(),
    }
}
