//! Importers: other platforms' exports become tuples, and can run again.
//!
//! A [`Source`] is an export as files, however packed. An [`Importer`] recognises it and hands [`Record`]s to a [`Sink`].
//! An [`Import`] compares each with what the last import said and with what the [`Pod`] shows, writes what follows, and
//! gives a [`Report`].
//!
//! ```
//! use rhizome_import::{Cancel, Import, Importer, Limits, MemoryPod, Options, Source, Table};
//! use rhizome_tuple::Value;
//!
//! let files = [("people.csv".to_owned(), b"id,name\n1,Ada\n2,Grace\n".to_vec())];
//! let source = Source::from_memory("people", files, &Limits::default())?;
//! let importer = Table::new();
//! let recognition = importer.recognise(&source)?.ok_or("not a table")?;
//! let folder = tempfile::tempdir()?;
//! let blobs = rhizome_blob::BlobStore::in_directory(folder.path())?;
//! let mut pod = MemoryPod::new("did:key:z6Mk");
//! let options = Options::new(|| 1_700_000_000_000);
//! let import = Import { source: &source, importer: &importer, recognition, pod: &mut pod, blobs: &blobs, options };
//! let report = import.run(&mut |_| {}, &Cancel::new())?;
//! assert_eq!((report.added, report.changed), (2, 0));
//! let ada = rhizome_import::Keys::new("did:key:z6Mk", "people").entity("people/1");
//! assert_eq!(pod.values(&ada, "people/name"), [Value::from("Ada")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything read is bounded by [`Limits`]; what cannot be read is a [`Problem`] in the report. The rules of comparing,
//! the mapping file and the bytes of the import base are in `docs/import.md`.

mod activitystreams;
mod assignment;
mod attached;
mod audience;
mod base;
mod bluesky;
mod chat;
mod chunks;
mod day_one;
mod error;
mod evernote;
mod facts;
mod feeds;
mod fingerprint;
#[cfg(feature = "fixture")]
pub mod fixture;
mod google_keep;
mod gpx;
mod health;
mod icalendar;
mod importer;
mod importers;
mod instantdb;
mod json;
mod keys;
mod kind;
mod kindle;
mod limits;
mod mail;
mod markdown;
mod mastodon;
mod media;
mod medium;
mod memory_pod;
mod meta;
mod note;
mod notion;
mod outcome;
mod part;
mod pod;
mod preview;
mod problem;
mod progress;
mod reconcile;
mod record;
mod replica_pod;
mod report;
mod rhizome;
mod roam;
mod run;
mod social;
mod source;
mod substack;
mod table;
mod takeout;
mod telegram;
mod text;
mod time;
mod transcript;
mod tuples;
mod twitter;
mod value_json;
mod vcard;
mod vocabulary;
mod wordpress;
mod xml;

pub use activitystreams::ActivityStreams;
pub use audience::Audience;
pub use base::{BaseError, check_base};
pub use bluesky::Bluesky;
pub use day_one::DayOne;
pub use error::ImportError;
pub use evernote::Evernote;
pub use feeds::Feeds;
pub use google_keep::GoogleKeep;
pub use gpx::Gpx;
pub use health::Health;
pub use icalendar::ICalendars;
pub use importer::{Importer, Recognition, Sink, StoredFile, recognise};
pub use importers::importers;
pub use instantdb::InstantDb;
pub use keys::Keys;
pub use kindle::Kindle;
pub use limits::Limits;
pub use mail::Mail;
pub use markdown::Markdown;
pub use mastodon::Mastodon;
pub use medium::Medium;
pub use memory_pod::MemoryPod;
pub use meta::facebook::Facebook;
pub use meta::instagram::Instagram;
pub use notion::Notion;
pub use pod::{Pod, PodError};
pub use preview::Preview;
pub use problem::{Problem, ProblemCode};
pub use progress::{Cancel, Progress, Stage};
pub use reconcile::Resolution;
pub use record::{Fact, Identity, Record};
pub use replica_pod::ReplicaPod;
pub use report::{Counts, Difference, KeptFile, Range, Report, Totals};
pub use rhizome::Rhizome;
pub use roam::Roam;
pub use run::{Failed, Import, Options};
pub use source::{Entry, Packing, Source};
pub use substack::Substack;
pub use table::{
    Column, Constant, FileMapping, Format, MAX_COLUMNS, MAX_MAPPING_LEN, Mapping, Published, Table,
    published,
};
pub use takeout::Takeout;
pub use telegram::Telegram;
pub use text::{plain_text, sanitise};
pub use transcript::{Signal, WhatsApp};
pub use tuples::{Line, Scalar, Tuples};
pub use twitter::Twitter;
pub use vcard::VCards;
pub use wordpress::WordPress;

/// The example of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
