use rhizome_replica::ReplicaError;

use crate::{MAX_QUERY, MAX_WORDS};

/// What can go wrong with a search.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// There is nothing to look for.
    #[error("there is no word to look for: write at least one that is to be there")]
    Empty,
    /// The query is too long.
    #[error("a search is at most {MAX_QUERY} bytes long: this one has {0}")]
    Long(usize),
    /// The query has too many words.
    #[error("a search has at most {MAX_WORDS} words")]
    Words,
    /// `OR` beside a word that must not be there.
    #[error("OR stands between words that are to be there, not beside one with a minus sign")]
    Or,
    /// Whoever asked does not want to know any more.
    #[error("the search was stopped")]
    Stopped,
    /// The index failed.
    #[error("the search index failed: {0}; it can be deleted, and is made anew")]
    Index(#[from] tantivy::TantivyError),
    /// A file of the index failed.
    #[error("the search index failed: {0}; it can be deleted, and is made anew")]
    File(#[from] std::io::Error),
    /// The tuples could not be read.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
}
