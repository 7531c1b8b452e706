//! Google Takeout: photographs with their sidecars, what was watched, searched and visited, places, subscriptions, playlists.
//!
//! Folders and files carry names in the account's language, so what a file is, its content says.

mod activity;
mod html;
mod kind;
mod location;
mod pairing;
mod photos;
mod sidecar;
mod youtube;

use std::collections::BTreeMap;

use crate::error::ImportError;
use crate::google_keep::keep_notes;
use crate::icalendar::ICalendars;
use crate::importer::{Importer, Recognition, Sink};
use crate::mail::Mail;
use crate::outcome::Outcome;
use crate::source::Source;
use crate::vcard::VCards;
use activity::Activities;
use kind::{Kind, kind_of_file};
use photos::Photos;

/// Reads a Google Takeout: a folder, one zip, or a folder of the zips it came in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takeout;

/// The `import/source` of everything read here.
const SOURCE: &str = "google";
/// Files that are looked into to recognise a takeout.
const LOOKED_AT: usize = 2_000;

impl Importer for Takeout {
    fn name(&self) -> &'static str {
        "takeout"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let mut found: BTreeMap<&'static str, usize> = BTreeMap::new();
        let candidates = source.entries().iter().filter(|e| kind::may_tell(&e.path));
        for entry in candidates.take(LOOKED_AT) {
            if let Some(words) = kind_of_file(source, entry).words() {
                *found.entry(words).or_default() += 1;
            }
        }
        let folder = source
            .entries()
            .iter()
            .any(|entry| entry.path.split('/').any(|part| part == "Takeout"));
        let mut why: Vec<String> = found
            .iter()
            .map(|(words, count)| format!("{count} {words}"))
            .collect();
        let confidence = match (found.is_empty(), folder) {
            (true, false) => return Ok(None),
            (true, true) => 0.55,
            (false, false) => 0.9,
            (false, true) => 0.97,
        };
        if folder {
            why.insert(0, "a folder Takeout".to_owned());
        }
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why: why.join(", "),
            source: SOURCE.to_owned(),
            account: None,
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut photos = Photos::default();
        let mut activities = Activities::new();
        let mut pages = Vec::new();
        for (at, entry) in source.entries().iter().enumerate() {
            if kind::is_media(&entry.path) {
                photos.media(&entry.path, at);
                continue;
            }
            if !kind::may_tell(&entry.path) {
                continue;
            }
            let kind = kind_of_file(source, entry);
            if kind != Kind::Other && kind != Kind::Sidecar && kind != Kind::Album {
                sink.used(&entry.path);
            }
            match kind {
                Kind::Sidecar => photos.sidecar(&entry.path, at),
                Kind::Album => photos.album(&entry.path, at),
                Kind::Activity => activities.json(source, entry, sink)?,
                Kind::ActivityHtml => pages.push(entry),
                Kind::Locations => location::records(source, entry, sink)?,
                Kind::Semantic => location::semantic(source, entry, sink)?,
                Kind::Subscriptions => youtube::subscriptions(source, entry, sink)?,
                Kind::Playlist => youtube::playlist(source, entry, sink)?,
                Kind::Other => {}
            }
        }
        // Of an activity in both, JSON says more than a page.
        for page in pages {
            activities.html(source, page, sink)?;
        }
        photos.read(source, sink)?;
        // Contacts, calendars and mail are in the forms everybody uses; their ids are those of these forms.
        let others: [&dyn Importer; 3] = [&VCards, &ICalendars, &Mail];
        for other in others {
            if let Some(recognition) = other.recognise(source)? {
                other.read(source, &recognition, sink)?;
            }
        }
        keep_notes(source, sink)
    }
}

/// What was wrong with a document as a whole.
fn report(file: &str, outcome: &Outcome, sink: &mut dyn Sink) {
    outcome.report(
        file,
        "document",
        "it does not hold the list it should",
        sink,
    );
}

/// The file's name without its folders, and the folder.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
