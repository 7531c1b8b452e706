//! How a subscription is kept up to date.

/// How a subscription is kept up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// A commit costs what it changes.
    Incremental,
    /// The query runs again after every commit that touches an attribute it mentions, and the results are compared.
    Rerun {
        /// What keeps it from being incremental.
        reason: String,
    },
}
