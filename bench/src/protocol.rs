//! What the benchmark says to an engine's process, and what that answers: one JSON object a line, in both directions.
//!
//! `js/datascript.mjs` speaks the same protocol.

use serde::{Deserialize, Serialize};

use crate::answers::Answer;
use crate::live::Latency;
use crate::load::Load;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Load the data; answered by [`Reply::Loaded`]. Comes first.
    Load,
    /// Answer every parameter of a query once, canonically; answered by [`Reply::Answers`].
    Answers { query: String },
    /// The canonical rows for one parameter; answered by [`Reply::Rows`].
    Rows { query: String, index: usize },
    /// Run a query for about `budget_ms` of CPU time, going on through its parameters where the last request for it
    /// stopped; answered by [`Reply::Times`].
    Time { query: String, budget_ms: f64 },
    /// Measure live queries; answered by [`Reply::Live`].
    Live { subscribers: usize, commits: usize },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Loaded(Load),
    Answers(Vec<Answer>),
    Rows(Vec<String>),
    /// CPU microseconds of each call.
    Times(Vec<f64>),
    Live(Latency),
    /// The engine failed; the run is over.
    Failed(String),
}
