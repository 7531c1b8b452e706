#![doc = include_str!("../README.md")]

mod activity;
mod car;
mod content_line;
mod entities;
mod error;
mod files;
mod icalendar;
mod jsonl;
mod markdown;
mod packed;
mod vcard;

use std::io::Write;

use rhizome_blob::{BlobStore, Cid};
use rhizome_replica::Snapshot;
use serde::Serialize;

pub use entities::{Entity, Held};
pub use error::ExportError;

use entities::Entities;

/// How the importer of exports is called, and the source of what it writes about its runs.
pub const SOURCE: &str = "rhizome";
/// The version of the formats.
pub const VERSION: u64 = 1;

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Everything, files included, as blocks of a CAR, version 1.
    Car,
    /// Everything but the bytes of files, an entity a line.
    Jsonl,
    /// The same lines, with the files beside them, as a zip archive.
    Zip,
    /// Profiles and posts with their pictures, as archives of Mastodon are, in a zip archive.
    ActivityStreams,
    /// Notes, articles and posts with what they show, as Markdown files in a zip archive.
    Markdown,
    /// Contacts.
    VCard,
    /// Events, tasks and journals.
    ICalendar,
}

impl Format {
    /// All, the fullest first.
    pub const ALL: [Self; 7] = [
        Self::Car,
        Self::Zip,
        Self::Jsonl,
        Self::ActivityStreams,
        Self::Markdown,
        Self::VCard,
        Self::ICalendar,
    ];

    /// What it is called: `car`, `zip`, `jsonl`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Car => "car",
            Self::Jsonl => "jsonl",
            Self::Zip => "zip",
            Self::ActivityStreams => "activitystreams",
            Self::Markdown => "markdown",
            Self::VCard => "vcard",
            Self::ICalendar => "icalendar",
        }
    }

    /// How names of its files end, without the full stop.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Car => "car",
            Self::Jsonl => "jsonl",
            Self::Zip | Self::ActivityStreams | Self::Markdown => "zip",
            Self::VCard => "vcf",
            Self::ICalendar => "ics",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Car => "application/vnd.ipld.car; version=1",
            Self::Jsonl => "application/jsonl",
            Self::Zip | Self::ActivityStreams | Self::Markdown => "application/zip",
            Self::VCard => "text/vcard; charset=utf-8",
            Self::ICalendar => "text/calendar; charset=utf-8",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = ExportError;

    fn from_str(name: &str) -> Result<Self, ExportError> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| ExportError::Format(name.chars().take(40).collect()))
    }
}

/// A moment of a pod, to be written out.
pub struct Export<'a> {
    /// The moment.
    pub now: &'a Snapshot,
    /// Where its files are.
    pub blobs: &'a BlobStore,
    /// Whose it is, a DID.
    pub pod: &'a str,
    /// Attributes of the pod's own bookkeeping: entities that have one are left out.
    pub own: &'a dyn Fn(&str) -> bool,
}

/// What an export holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Entities.
    pub entities: u64,
    /// Values of their attributes.
    pub facts: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files that are named and whose bytes are not on this device, the first thousand.
    pub missing: Vec<String>,
    /// How many there are of them.
    pub missing_total: u64,
}

/// Names of missing files that are listed.
const MISSING: usize = 1_000;

impl Exported {
    fn miss(&mut self, cid: &Cid) {
        self.missing_total += 1;
        if self.missing.len() < MISSING {
            self.missing.push(cid.to_string());
        }
    }

    fn take(&mut self, entity: &Entity) {
        self.entities += 1;
        self.facts += entity
            .held
            .iter()
            .map(|h| h.values.len() as u64)
            .sum::<u64>();
    }
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Entities and files done.
    pub done: u64,
    /// Of how many; files are known once all entities were looked at.
    pub total: u64,
}

/// Told now and then; what it returns as an error ends the export.
pub type Watch<'w> = &'w mut dyn FnMut(Progress) -> Result<(), ExportError>;

impl Export<'_> {
    /// Writes it. The same moment always gives the same bytes.
    ///
    /// # Errors
    /// [`ExportError`]; what was written until then is no export.
    pub fn write(
        &self,
        format: Format,
        out: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<Exported, ExportError> {
        let entities = Entities::of(self)?;
        let write = match format {
            Format::Car => car::write,
            Format::Jsonl => jsonl::write,
            Format::Zip => packed::write,
            Format::ActivityStreams => activity::write,
            Format::Markdown => markdown::write,
            Format::VCard => vcard::write,
            Format::ICalendar => icalendar::write,
        };
        write(self, &entities, out, watch)
    }
}
