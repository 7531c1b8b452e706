//! Importers: other platforms' exports become tuples, and can run again.

mod audience;
mod base;
mod error;
mod fingerprint;
#[cfg(feature = "fixture")]
pub mod fixture;
mod importer;
mod json;
mod keys;
mod limits;
mod mastodon;
mod media;
mod memory_pod;
mod part;
mod pod;
mod preview;
mod problem;
mod progress;
mod reconcile;
mod record;
mod replica_pod;
mod report;
mod run;
mod source;
mod table;
mod text;
mod time;
mod tuples;
mod value_json;
mod vocabulary;

pub use audience::Audience;
pub use error::ImportError;
pub use importer::{Importer, Recognition, Sink, StoredFile, recognise};
pub use keys::Keys;
pub use limits::Limits;
pub use mastodon::Mastodon;
pub use memory_pod::MemoryPod;
pub use pod::{Pod, PodError};
pub use preview::Preview;
pub use problem::{Problem, ProblemCode};
pub use progress::{Cancel, Progress, Stage};
pub use reconcile::Resolution;
pub use record::{Fact, Identity, Record};
pub use replica_pod::ReplicaPod;
pub use report::{Counts, Difference, KeptFile, Range, Report, Totals};
pub use run::{Failed, Import, Options};
pub use source::{Entry, Packing, Source};
pub use table::{
    Column, Constant, FileMapping, Format, MAX_COLUMNS, MAX_MAPPING_LEN, Mapping, Table,
};
pub use text::{plain_text, sanitise};
pub use tuples::{Line, Scalar, Tuples};

/// The example of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
