//! What those who keep a view say about proposals.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rhizome_ipld::PublicKey;
use rhizome_replica::Snapshot;
use rhizome_tuple::CommitId;

use crate::{Guests, Note, ViewError, notes};

/// Comments of one person on one proposal that are listed: the newest. So nobody pushes out what others say.
pub const MAX_LISTED: usize = 100;

/// What somebody says about a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Who, as a DID.
    pub from: String,
    /// When, by his clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// The words.
    pub text: String,
}

/// The comments on one proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Oldest first.
    pub comments: Vec<Comment>,
    /// How many more there are, older ones of people who said more than [`MAX_LISTED`].
    pub left_out: usize,
}

/// The comments in a view, by the commit that they are about: of a proposal, or of what was refused. Those count of which it is known whose they are.
///
/// # Errors
/// Those of reading the log.
pub fn threads(
    view: &str,
    now: &Snapshot,
    guests: &Guests,
) -> Result<BTreeMap<CommitId, Thread>, ViewError> {
    let all = notes(view, now)?;
    let asked = all.iter().filter_map(|left| match left.note {
        Note::Proposal { .. } => Some(left.leaf.0),
        _ => None,
    });
    let about: BTreeSet<CommitId> = asked.chain(guests.refused.keys().copied()).collect();
    let mut out: BTreeMap<CommitId, Thread> = BTreeMap::new();
    let mut who: HashMap<(PublicKey, bool), Option<&str>> = HashMap::new();
    let mut said: HashMap<(CommitId, &str), usize> = HashMap::new();
    for left in all.iter().rev() {
        let Note::Comment(commit, text) = &left.note else {
            continue;
        };
        if !about.contains(commit) {
            continue;
        }
        let by = (left.author, left.by_owner);
        let Some(from) = *who.entry(by).or_insert_with(|| guests.speaker(left)) else {
            continue;
        };
        let thread = out.entry(*commit).or_default();
        let before = said.entry((*commit, from)).or_default();
        *before += 1;
        if *before > MAX_LISTED {
            thread.left_out += 1;
        } else {
            thread.comments.push(Comment {
                from: from.to_owned(),
                at_ms: left.hlc.ms(),
                text: text.clone(),
            });
        }
    }
    for thread in out.values_mut() {
        thread.comments.reverse();
    }
    Ok(out)
}
