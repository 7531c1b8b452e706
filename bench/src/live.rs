//! How long a subscriber of a live query waits for a commit.

use serde::{Deserialize, Serialize};

/// Wall-clock microseconds from the start of a commit until its subscriber has the difference.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Tuples in the store, live queries open, commits measured.
    pub tuples: usize,
    pub subscribers: usize,
    pub commits: usize,
    pub p50_us: f64,
    pub p99_us: f64,
}
