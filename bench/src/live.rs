//! How long a subscriber of a live query waits for a commit.

use serde::{Deserialize, Serialize};

/// Microseconds from the start of a commit until its subscriber has the decoded difference.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Tuples in the store, live queries open, commits measured.
    pub tuples: usize,
    pub subscribers: usize,
    pub commits: usize,
    /// On the wall's clock, of all commits.
    pub p50_us: f64,
    pub p99_us: f64,
    /// CPU time of the thread that commits and hands out.
    pub cpu_p50_us: f64,
    pub cpu_p99_us: f64,
    /// The same by kind of live query.
    pub kinds: Vec<Kind>,
}

/// The commits that touch one kind of live query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kind {
    pub name: String,
    pub p50_us: f64,
    pub p99_us: f64,
    pub cpu_p50_us: f64,
    pub commits: usize,
}
