//! Searching without an index.

use rhizome_replica::Snapshot;

use crate::{
    Found, Request, SearchError, Selects,
    document::Reader,
    matching::Matcher,
    rank::{Candidate, Statistics, best},
};

/// How often it is asked whether to go on.
const ASK_EVERY: u64 = 1_024;

/// Looks through all texts, as long as `check` says true: for few tuples, and where there is no index. The time it takes grows with the texts, not with what is found.
///
/// # Errors
/// [`SearchError::Stopped`], [`SearchError::Replica`].
pub fn scan(
    request: &Request<'_>,
    now: &Snapshot,
    selects: &Selects,
    check: &dyn Fn() -> bool,
) -> Result<Found, SearchError> {
    let mut reader = Reader::new(now, selects);
    let mut matcher = Matcher::new(now, request.query, request.attributes, request.kind);
    let mut statistics = Statistics {
        with: vec![0; request.query.atoms().count()],
        ..Statistics::default()
    };
    let mut candidates = Vec::new();
    let mut stopped = false;
    reader.all(|_, document| {
        statistics.documents += 1;
        if statistics.documents.is_multiple_of(ASK_EVERY) && !check() {
            stopped = true;
            return false;
        }
        if let Some(found) = matcher.matches(&document) {
            statistics.words += u64::from(found.length);
            for (with, count) in statistics.with.iter_mut().zip(&found.counts) {
                *with += u64::from(*count > 0);
            }
            candidates.push(Candidate {
                e: document.e,
                created: document.created,
                found,
            });
        }
        true
    });
    if stopped {
        return Err(SearchError::Stopped);
    }
    now.fault()?;
    // the length of what was found stands for that of everything
    let found = candidates.len().max(1) as u64;
    statistics.words = statistics.words / found * statistics.documents;
    best(candidates, &statistics, request, &mut matcher, &mut reader)
}
