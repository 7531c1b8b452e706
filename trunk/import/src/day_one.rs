//! Day One: the JSON export of journals, with photos, sounds, films and documents beside it.

use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{each_item, parse_path};
use crate::markdown::Body;
use crate::note::{Names, Note, NoteFile};
use crate::part::{Part, kind_of};
use crate::problem::{Problem, ProblemCode};
use crate::source::{Entry, Source};

/// Reads Day One's JSON exports: a JSON file for each journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct DayOne;

const NAME: &str = "day-one";

/// Kinds of files in entries: the field that lists them, the folder they lie in, and the end of their names where the
/// entry does not say it.
const MEDIA: [(&str, &str, &str); 4] = [
    ("photos", "photos", "jpeg"),
    ("videos", "videos", "mp4"),
    ("audios", "audios", "m4a"),
    ("pdfAttachments", "pdfs", "pdf"),
];

fn is_journal(source: &Source, entry: &Entry) -> Result<bool, ImportError> {
    if !entry.ends("json") {
        return Ok(false);
    }
    let head = String::from_utf8_lossy(&source.head(&entry.path, 16 << 10)?).into_owned();
    let entries = head.contains("\"entries\"") && head.contains("\"metadata\"");
    Ok(entries && (head.contains("\"creationDate\"") || head.contains("\"creationDevice")))
}

fn journals(source: &Source) -> Result<Vec<String>, ImportError> {
    source.files_that(|entry| is_journal(source, entry))
}

impl Importer for DayOne {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let journals = journals(source)?;
        if journals.is_empty() {
            return Ok(None);
        }
        Ok(Some(Recognition::of(
            NAME,
            0.95,
            format!("journals of Day One: {}", journals.len()),
        )))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let names = Names::new();
        for file in journals(source)? {
            let mut journal = Journal {
                source,
                sink,
                names: &names,
                file: &file,
            };
            journal.read()?;
        }
        Ok(())
    }
}

struct Journal<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: &'a Names,
    file: &'a str,
}

impl Journal<'_> {
    fn read(&mut self) -> Result<(), ImportError> {
        let (file, source) = (self.file, self.source);
        self.sink.used(file);
        let total = source.find(file).map_or(0, |entry| entry.size);
        let path = parse_path("/entries/*").unwrap_or_default();
        let outcome = each_item(
            source.read(file)?,
            &path,
            source.limits().record_bytes,
            &mut |n, item, done| {
                if n % 64 == 0 {
                    self.sink.progress(file, done, total)?;
                }
                let wrong = match serde_json::from_str::<Value>(item) {
                    Ok(Value::Object(entry)) => return self.entry(n, &entry),
                    Ok(other) => format!("an entry is an object, not a {}", kind_of(&other)),
                    Err(error) => error.to_string(),
                };
                self.left_out(n, &wrong);
                Ok(())
            },
        )?;
        let unlike = "its entries are not a list";
        outcome.report(file, "journal", unlike, self.sink);
        self.sink.progress(file, total, total)
    }

    fn left_out(&mut self, n: u64, why: &str) {
        let message = format!("{why}; it was left out");
        let problem = Problem::of_item(
            ProblemCode::Malformed,
            self.file,
            format!("entry {n}"),
            message,
        );
        self.sink.skip("note", problem);
    }

    fn entry(&mut self, n: u64, entry: &Map<String, Value>) -> Result<(), ImportError> {
        let mut part = Part::new(entry);
        let Some(key) = part.text("uuid").map(str::to_owned) else {
            self.left_out(n, "it has no uuid");
            return Ok(());
        };
        let journal = self.file.rsplit('/').next().unwrap_or(self.file);
        let mut note = Note {
            created: part.time("creationDate"),
            updated: part.time("modifiedDate"),
            time_zone: part.text("timeZone").map(str::to_owned),
            pinned: part.boolean("isPinned").unwrap_or_default(),
            folder: Some(
                journal
                    .get(..journal.len().saturating_sub(5))
                    .unwrap_or(journal)
                    .to_owned(),
            ),
            tags: part.texts("tags").into_iter().map(str::to_owned).collect(),
            ..Note::default()
        };
        if part.boolean("starred") == Some(true) {
            note.properties.insert("starred: true".to_owned());
        }
        if let Some(text) = part.text("text") {
            // Day One writes a backslash before what Markdown might take for its own.
            let body = Body::read(text);
            note.title = body.heading;
            note.urls = body
                .targets
                .into_iter()
                .map(|target| target.to)
                .filter(|to| to.starts_with("http"))
                .collect();
            note.tasks = body.tasks;
            note.text = Some(body.text);
            note.markdown = Some(text.to_owned());
        }
        for (name, value) in [("activity", "activityName"), ("steps", "stepCount")] {
            if let Some(Value::Object(activity)) = part.get("userActivity") {
                let said = activity
                    .get(value)
                    .filter(|said| said.is_string() || said.as_i64().is_some_and(|n| n > 0));
                let said = said.map(|said| {
                    said.as_str()
                        .map_or_else(|| said.to_string(), str::to_owned)
                });
                note.properties
                    .extend(said.map(|said| format!("{name}: {said}")));
            }
        }
        if let Some(place) = part.object("location") {
            location(place, &mut note, &mut part);
        }
        if let Some(weather) = part.object("weather") {
            let words = ["conditionsDescription", "weatherCode"]
                .iter()
                .find_map(|name| weather.get(*name)?.as_str());
            let degrees = weather
                .get("temperatureCelsius")
                .and_then(Value::as_f64)
                .map(|degrees| format!("{degrees:.0} °C"));
            let all: Vec<String> = words
                .map(str::to_owned)
                .into_iter()
                .chain(degrees)
                .collect();
            note.weather = Some(all.join(", "));
        }
        for (field, folder, end) in MEDIA {
            for (at, media) in part.objects(field).into_iter().enumerate() {
                let file = self.media(&key, (field, at), (folder, end), media)?;
                note.files.extend(file);
            }
        }
        let file = self.file;
        part.problems(file, &key)
            .for_each(|problem| self.sink.problem(problem));
        note.record(key, self.names, self.sink)
    }

    fn media(
        &mut self,
        key: &str,
        (field, at): (&str, usize),
        (folder, end): (&str, &str),
        media: &Map<String, Value>,
    ) -> Result<Option<rhizome_tuple::EntityId>, ImportError> {
        let said = |name: &str| {
            media
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let Some(id) = said("identifier").or(said("md5")) else {
            let message = format!("{field} {at} has neither identifier nor md5; it was left out");
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                self.file,
                key,
                message,
            ));
            return Ok(None);
        };
        let root = self
            .file
            .rsplit_once('/')
            .map_or(String::new(), |(root, _)| format!("{root}/"));
        let end = said("type").or(said("format")).unwrap_or(end);
        let path = said("md5").map(|md5| format!("{root}{folder}/{md5}.{end}"));
        // The end of the name is not always the type.
        let found = path.as_ref().and_then(|path| {
            let stem = path
                .rsplit_once('.')
                .map_or(path.as_str(), |(stem, _)| stem);
            let from = self
                .source
                .entries()
                .partition_point(|entry| entry.path.as_str() < stem);
            let entry = self.source.entries().get(from)?;
            entry
                .path
                .starts_with(&format!("{stem}."))
                .then(|| entry.path.clone())
        });
        let stored = match found.or(path) {
            Some(path) => self.sink.file(&path)?,
            None => None,
        };
        let file = NoteFile {
            name: said("filename"),
            text: said("caption").or(said("transcription")),
            ..NoteFile::default()
        };
        let of = self.sink.entity(key);
        let record = file.record(format!("{key}#{id}"), of, stored, self.names, self.sink)?;
        Ok(Some(record))
    }
}

fn location(place: &Map<String, Value>, note: &mut Note, part: &mut Part<'_>) {
    let number = |name: &str| place.get(name).and_then(Value::as_f64);
    note.position = number("latitude").zip(number("longitude"));
    if note.position.is_none() && place.contains_key("latitude") {
        part.complain("location is at no place; it was left out");
    }
    let names = ["placeName", "localityName", "administrativeArea", "country"];
    let mut words: Vec<&str> = names
        .iter()
        .filter_map(|name| place.get(*name)?.as_str())
        .collect();
    words.retain(|word| !word.is_empty());
    words.dedup();
    note.place = Some(words.join(", "));
}
