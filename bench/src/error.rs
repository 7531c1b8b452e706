//! What can go wrong in a benchmark run.

use std::path::PathBuf;

/// Every failure names the engine or the file it came from: a benchmark that goes on after one would publish wrong figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("{path}, line {line}: {reason} (expected entity TAB attribute TAB type TAB value)")]
    Tuple {
        path: PathBuf,
        line: usize,
        reason: &'static str,
    },
    #[error("a message between the benchmark's processes is not what it should be: {0}")]
    Message(#[from] serde_json::Error),
    #[error("{engine}: {reason}")]
    Engine {
        engine: &'static str,
        reason: String,
    },
    #[error("{engine} stopped without an answer; its own message is above")]
    Gone { engine: &'static str },
    #[error("{query} with parameter {index}: {engine} and {other} disagree\n{difference}")]
    Disagreement {
        query: &'static str,
        index: usize,
        engine: &'static str,
        other: &'static str,
        difference: String,
    },
    #[error(transparent)]
    Pod(#[from] rhizome_pod::PodError),
    #[error("{0}")]
    Sync(String),
    #[error("grants: {0}")]
    Grants(String),
    #[error("unknown {what} \"{name}\"; known: {known}")]
    Unknown {
        what: &'static str,
        name: String,
        known: String,
    },
    #[error(
        "the generated file has SHA-256 {found}, not {expected}: the generator has changed, so figures would not compare"
    )]
    Data {
        found: String,
        expected: &'static str,
    },
}

impl Error {
    pub fn engine(engine: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |reason| Self::Engine {
            engine,
            reason: reason.to_string(),
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;
