//! Which commits a peer is known to have. What is not known is said to be unknown.

use std::collections::BTreeMap;

use rhizome_sync::{Local, Output, set::Id};

/// Commits that are remembered as missing at a peer; beyond, nothing is known until the next comparison.
const MAX_MISSING: usize = 100_000;

/// What one peer has of what is here.
///
/// A comparison says that everything that was here *when it began* is there when it ends, but not when it began. So everything here is
/// stamped with a turn that moves on at each thing a session says, and a comparison vouches for what is older than the last turn at which it
/// cannot have begun yet.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Something has been compared, and nothing was lost from sight since.
    known: bool,
    turn: u64,
    /// The comparison that is under way, or comes next, began in this turn at the earliest.
    began: u64,
    /// Commits that the peer is not known to have, with the turn in which they came here.
    missing: BTreeMap<Id, u64>,
}

impl Reach {
    /// A session begins, and compares everything first.
    pub fn open(&mut self) {
        self.turn += 1;
        self.began = self.turn;
    }

    /// A commit is new here.
    pub fn came(&mut self, id: Id) {
        if self.missing.len() >= MAX_MISSING {
            self.missing.clear();
            self.known = false;
            self.began = self.turn + 1;
        }
        self.missing.insert(id, self.turn);
    }

    /// The peer has it: it gave it, or confirmed it.
    fn there(&mut self, id: &Id) {
        self.missing.remove(id);
    }

    /// A comparison is over; `kept` says whether the peer kept all it was given.
    fn compared(&mut self, kept: bool) {
        if kept && self.began <= self.turn {
            let began = self.began;
            self.missing.retain(|_, turn| *turn >= began);
            self.known = true;
        }
        self.began = self.turn;
    }

    /// Takes in what the session says.
    pub fn hear(&mut self, output: &Output) {
        match output {
            Output::Learned(learned) => learned.commits.iter().for_each(|c| self.there(&c.id)),
            Output::Delivered(Local::Commit(name)) => self.there(&name.id),
            Output::Synced(synced) => self.compared(synced.refused_by_peer == 0 && !synced.more),
            _ => (),
        }
        self.step();
    }

    fn step(&mut self) {
        self.turn += 1;
    }

    /// How many commits wait, if that is known.
    pub fn pending(&self) -> Option<u64> {
        self.known.then_some(self.missing.len() as u64)
    }

    /// Whether the peer has a commit that is here, if that is known.
    pub fn has(&self, id: &Id) -> Option<bool> {
        self.known.then(|| !self.missing.contains_key(id))
    }

    /// The commits that are not known to be there, if that is known.
    pub fn missing(&self) -> Option<impl Iterator<Item = &Id>> {
        self.known.then(|| self.missing.keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Id = [1; 32];
    const B: Id = [2; 32];

    #[test]
    fn nothing_is_known_before_the_first_comparison() {
        let mut reach = Reach::default();
        reach.came(A);
        assert_eq!((reach.pending(), reach.has(&A)), (None, None));
        reach.open();
        reach.there(&A);
        assert_eq!(reach.pending(), None);
        reach.compared(false);
        assert_eq!(reach.pending(), None, "it did not keep everything");
        reach.compared(true);
        assert_eq!((reach.pending(), reach.has(&A)), (Some(0), Some(true)));
    }

    #[test]
    fn what_comes_during_a_comparison_waits_for_its_confirmation() {
        let mut reach = Reach::default();
        reach.came(A);
        reach.open();
        reach.step();
        reach.came(B);
        reach.step();
        reach.compared(true);
        assert_eq!((reach.has(&A), reach.has(&B)), (Some(true), Some(false)));
        assert_eq!(reach.pending(), Some(1));
        reach.there(&B);
        assert_eq!(reach.pending(), Some(0));
    }

    #[test]
    fn a_later_comparison_vouches_for_what_was_there_before_it() {
        let mut reach = Reach::default();
        reach.open();
        reach.step();
        reach.compared(true);
        reach.step();
        // it may have begun before this came
        reach.came(A);
        reach.step();
        reach.compared(true);
        assert_eq!(reach.has(&A), Some(false));
        reach.step();
        reach.compared(true);
        assert_eq!(reach.has(&A), Some(true));
    }

    #[test]
    fn what_is_written_while_nobody_is_there_waits_for_the_next_session() {
        let mut reach = Reach::default();
        reach.open();
        reach.compared(true);
        reach.step();
        reach.came(A);
        assert_eq!(reach.pending(), Some(1));
        reach.open();
        reach.step();
        reach.compared(true);
        assert_eq!(reach.pending(), Some(0));
    }

    #[test]
    fn too_much_to_remember_is_unknown_until_compared() {
        let mut reach = Reach::default();
        reach.open();
        reach.compared(true);
        for n in 0..=MAX_MISSING as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            reach.came(id);
        }
        assert_eq!((reach.pending(), reach.has(&A)), (None, None));
        reach.step();
        reach.compared(true);
        assert_eq!(reach.pending(), None, "it may have begun before");
        reach.open();
        reach.compared(true);
        assert_eq!(reach.pending(), Some(0));
    }
}
