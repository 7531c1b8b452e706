//! Bounds on what a set of live queries may hold.

/// Bounds on a [`super::LiveSet`]. Each has a name that the error repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLimits {
    /// Subscriptions at once.
    pub subscriptions: usize,
    /// Rows held for one result; for aggregates, rows and groups.
    pub subscription_rows: usize,
    /// Tuples that rules derive for all results of one form.
    pub derived_tuples: usize,
    /// Steps of evaluation that one commit may cost one form of query, and that one result may cost at the start; beyond, the
    /// subscriptions of that form are run anew instead.
    pub live_steps: u64,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            subscriptions: 100_000,
            subscription_rows: 1_000_000,
            derived_tuples: 2_000_000,
            live_steps: 50_000_000,
        }
    }
}
