//! Entities that the index does not know as they are now.

use std::collections::BTreeSet;

/// What was written and is not indexed yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Touched since the last writing began.
    pub new: BTreeSet<u32>,
    /// Being written.
    pub writing: BTreeSet<u32>,
    /// The index knows everything but these. If not, it is of no use yet.
    pub ready: bool,
    /// Numbers of entities are other ones now: nothing in the index means anything.
    pub wipe: bool,
    /// Commits of the moment up to which changes were told.
    pub told: u32,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.new.len() + self.writing.len()
    }

    /// All of them, the newest first.
    pub fn all(&self) -> BTreeSet<u32> {
        self.new.union(&self.writing).copied().collect()
    }
}
