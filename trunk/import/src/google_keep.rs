//! Google Keep: the JSON notes of Google Takeout.

use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::note::{Names, Note, NoteFile};
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::{Entry, Source};
use crate::text::clean;

/// Reads the notes of Google Keep: a JSON file each, with attachments beside them. The HTML files that Takeout puts beside
/// say the same and are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct GoogleKeep;

const NAME: &str = "google-keep";
/// Files looked into before a source is recognised or not.
const LOOKED: usize = 24;

fn is_note(fields: &Map<String, Value>) -> bool {
    let has = |name: &str| fields.contains_key(name);
    has("userEditedTimestampUsec") && (has("isTrashed") || has("isArchived") || has("isPinned"))
}

/// Whether a file is a note of Keep's, by its content.
fn is_keep(source: &Source, entry: &Entry) -> Result<bool, ImportError> {
    if entry.size > source.limits().document_bytes as u64 {
        return Ok(false);
    }
    let bytes = source.read_document(&entry.path)?;
    let note: Option<Map<String, Value>> = serde_json::from_slice(&bytes).ok();
    Ok(note.is_some_and(|fields| is_note(&fields)))
}

impl Importer for GoogleKeep {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let entries = source.entries().iter();
        let json: Vec<&Entry> = entries.filter(|entry| entry.ends("json")).collect();
        let mut right = 0;
        for entry in json.iter().take(LOOKED) {
            right += usize::from(is_keep(source, entry)?);
        }
        if right == 0 {
            return Ok(None);
        }
        let share = right as f32 / json.len().min(LOOKED) as f32;
        Ok(Some(Recognition::of(
            NAME,
            0.4 + 0.55 * share,
            format!(
                "{right} of the first {} JSON files are notes",
                json.len().min(LOOKED)
            ),
        )))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        keep_notes(source, sink)
    }
}

/// Bytes of a note before the first of the names that tell it: they stand before its text.
const HEAD: usize = 512;

/// Reads every note of a source, whatever else it holds.
pub(crate) fn keep_notes(source: &Source, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let names = Names::new();
    let total = source.entries().len() as u64;
    for (n, entry) in source.entries().iter().enumerate() {
        if n % 64 == 0 {
            sink.progress(&entry.path, n as u64, total)?;
        }
        if !entry.ends("json") {
            continue;
        }
        let head = source.head(&entry.path, HEAD)?;
        let told = [
            "\"isTrashed\"",
            "\"isArchived\"",
            "\"userEditedTimestampUsec\"",
        ];
        if told
            .iter()
            .any(|name| memchr::memmem::find(&head, name.as_bytes()).is_some())
        {
            keep_note(source, &entry.path, &names, sink)?;
        }
    }
    Ok(())
}

/// Reads the file at `path` where it is a note of Keep's; what is JSON and no note stays as it is.
fn keep_note(
    source: &Source,
    path: &str,
    names: &Names,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    let malformed = |message: String| Problem::of_file(ProblemCode::Malformed, path, message);
    let bytes = match source.read_document(path) {
        Ok(bytes) => bytes,
        Err(ImportError::TooLarge { limit, .. }) => {
            sink.problem(malformed(format!(
                "a note has at most {limit} bytes; it was left as it is"
            )));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let fields: Map<String, Value> = match serde_json::from_slice(&bytes) {
        Ok(fields) => fields,
        Err(error) => {
            sink.skip("note", malformed(format!("{error}; it was left as it is")));
            return Ok(());
        }
    };
    if !is_note(&fields) {
        sink.skip(
            "note",
            malformed("it is no note of Keep's; it was left as it is".to_owned()),
        );
        return Ok(());
    }
    sink.used(path);
    let stem = path.get(..path.len().saturating_sub(5)).unwrap_or(path);
    for page in [".html", ".HTML"] {
        let page = format!("{stem}{page}");
        if source.find(&page).is_some() {
            sink.used(&page);
        }
    }
    let mut part = Part::new(&fields);
    let created = part.count("createdTimestampUsec");
    // Notes have no id. When they were begun never changes, to the microsecond; older exports do not say it.
    let key = if let Some(created) = created.filter(|created| *created > 0) {
        created.to_string()
    } else {
        let name = path.rsplit('/').next().unwrap_or(path);
        format!("#{}", blake3::hash(name.as_bytes()).to_hex())
    };
    let of = sink.entity(&key);
    let mut note = Note {
        title: part.text("title").map(str::to_owned),
        created: created.map(|usec| usec / 1_000),
        updated: part
            .count("userEditedTimestampUsec")
            .map(|usec| usec / 1_000),
        pinned: part.boolean("isPinned").unwrap_or_default(),
        archived: part.boolean("isArchived").unwrap_or_default(),
        trashed: part.boolean("isTrashed").unwrap_or_default(),
        colour: part
            .text("color")
            .filter(|colour| *colour != "DEFAULT")
            .map(str::to_lowercase),
        ..Note::default()
    };
    if let Some(html) = part.text("textContentHtml") {
        note.html = Some(clean(html).0);
    }
    note.tasks = tasks(&mut part);
    let text = part.text("textContent").map(str::to_owned);
    note.text = text.or_else(|| (!note.tasks.is_empty()).then(|| note.tasks.join("\n")));
    for label in part.objects("labels") {
        let mut label = Part::new(label);
        note.tags.extend(label.text("name").map(str::to_owned));
        label
            .problems(path, &key)
            .for_each(|problem| sink.problem(problem));
    }
    for annotation in part.objects("annotations") {
        let mut annotation = Part::new(annotation);
        note.urls.extend(annotation.text("url").map(str::to_owned));
        annotation
            .problems(path, &key)
            .for_each(|problem| sink.problem(problem));
    }
    for person in part.objects("sharees") {
        let mut person = Part::new(person);
        if person.boolean("isOwner") != Some(true) {
            note.shared_with
                .extend(person.text("email").map(str::to_owned));
        }
        person
            .problems(path, &key)
            .for_each(|problem| sink.problem(problem));
    }
    for (n, file) in part.objects("attachments").into_iter().enumerate() {
        let mut file = Part::new(file);
        let Some(name) = file.text("filePath") else {
            file.complain("an attachment does not say which file it is");
            file.problems(path, &key)
                .for_each(|problem| sink.problem(problem));
            continue;
        };
        let stored = if let Some(at) = beside(source, path, name) {
            sink.file(&at)?
        } else {
            let message = "the note names this file, but the export does not hold it";
            let file = shorten(name);
            sink.problem(Problem::of_item(
                ProblemCode::MissingFile,
                file,
                key.as_str(),
                message,
            ));
            None
        };
        let said = NoteFile {
            name: Some(name),
            mime: file.text("mimetype"),
            ..NoteFile::default()
        };
        note.files
            .push(said.record(format!("{key}/{n}"), of, stored, names, sink)?);
    }
    part.problems(path, &key)
        .for_each(|problem| sink.problem(problem));
    note.record(key, names, sink)
}

fn tasks(part: &mut Part<'_>) -> Vec<String> {
    let items = part.objects("listContent").into_iter();
    items
        .map(|item| {
            let said = |name: &str| item.get(name);
            let done = said("isChecked")
                .and_then(Value::as_bool)
                .unwrap_or_default();
            let text = said("text").and_then(Value::as_str).unwrap_or_default();
            format!("[{}] {text}", if done { 'x' } else { ' ' })
        })
        .collect()
}

/// The file that a note names. Takeout writes `.jpeg` in the note for a file that it calls `.jpg`.
fn beside(source: &Source, note: &str, name: &str) -> Option<String> {
    let folder = note.rsplit_once('/').map_or("", |(folder, _)| folder);
    let at = |name: &str| {
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        source.find(&path).map(|entry| entry.path.clone())
    };
    at(name).or_else(|| {
        let (stem, end) = name.rsplit_once('.')?;
        let other = match end {
            "jpeg" => "jpg",
            "jpg" => "jpeg",
            "3gp" => "amr",
            _ => return None,
        };
        at(&format!("{stem}.{other}"))
    })
}
