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
    /// When something was lost from sight last.
    lost: u64,
    /// Commits that the peer is not known to have, with the turn in which they came here.
    missing: BTreeMap<Id, u64>,
    /// Sessions that are open now: both sides may dial at the same time.
    sessions: u32,
}

/// The comparison of a session that is under way, or comes next: the turn in which it began at the earliest.
pub(crate) struct Comparison(u64);

impl Reach {
    /// A session begins, and compares everything first.
    pub fn open(&mut self) -> Comparison {
        self.sessions += 1;
        self.turn += 1;
        Comparison(self.turn)
    }

    /// A session is over. Says whether another one is open.
    pub fn close(&mut self) -> bool {
        self.sessions = self.sessions.saturating_sub(1);
        self.sessions > 0
    }

    /// A commit is new here.
    pub fn came(&mut self, id: Id) {
        if self.missing.len() >= MAX_MISSING {
            self.missing.clear();
            self.known = false;
            self.lost = self.turn;
        }
        self.missing.insert(id, self.turn);
    }

    /// Takes in what a session says.
    pub fn hear(&mut self, session: &mut Comparison, output: &Output) {
        match output {
            Output::Learned(learned) => learned.commits.iter().for_each(|c| self.there(&c.id)),
            Output::Delivered(Local::Commit(name)) | Output::Known(name) => self.there(&name.id),
            Output::Synced(synced) => {
                self.compared(session, synced.refused_by_peer == 0 && !synced.more);
            }
            _ => (),
        }
        self.step();
    }

    fn step(&mut self) {
        self.turn += 1;
    }

    /// The peer has it: it gave it, or confirmed it.
    pub fn there(&mut self, id: &Id) {
        self.missing.remove(id);
    }

    /// A comparison is over; `kept` says whether the peer kept all it was given.
    fn compared(&mut self, Comparison(began): &mut Comparison, kept: bool) {
        if kept && *began > self.lost {
            self.missing.retain(|_, turn| *turn >= *began);
            self.known = true;
        }
        *began = self.turn;
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
        let mut session = reach.open();
        reach.there(&A);
        assert_eq!(reach.pending(), None);
        reach.compared(&mut session, false);
        assert_eq!(reach.pending(), None, "it did not keep everything");
        reach.compared(&mut session, true);
        assert_eq!((reach.pending(), reach.has(&A)), (Some(0), Some(true)));
    }

    #[test]
    fn what_comes_during_a_comparison_waits_for_its_confirmation() {
        let mut reach = Reach::default();
        reach.came(A);
        let mut session = reach.open();
        reach.step();
        reach.came(B);
        reach.step();
        reach.compared(&mut session, true);
        assert_eq!((reach.has(&A), reach.has(&B)), (Some(true), Some(false)));
        assert_eq!(reach.pending(), Some(1));
        reach.there(&B);
        assert_eq!(reach.pending(), Some(0));
    }

    #[test]
    fn a_later_comparison_vouches_for_what_was_there_before_it() {
        let mut reach = Reach::default();
        let mut session = reach.open();
        reach.step();
        reach.compared(&mut session, true);
        reach.step();
        // it may have begun before this came
        reach.came(A);
        reach.step();
        reach.compared(&mut session, true);
        assert_eq!(reach.has(&A), Some(false));
        reach.step();
        reach.compared(&mut session, true);
        assert_eq!(reach.has(&A), Some(true));
    }

    #[test]
    fn what_is_written_while_nobody_is_there_waits_for_the_next_session() {
        let mut reach = Reach::default();
        let mut session = reach.open();
        reach.compared(&mut session, true);
        reach.step();
        reach.came(A);
        assert_eq!(reach.pending(), Some(1));
        session = reach.open();
        reach.step();
        reach.compared(&mut session, true);
        assert_eq!(reach.pending(), Some(0));
    }

    #[test]
    fn too_much_to_remember_is_unknown_until_compared() {
        let mut reach = Reach::default();
        let mut session = reach.open();
        reach.compared(&mut session, true);
        for n in 0..=MAX_MISSING as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            reach.came(id);
        }
        assert_eq!((reach.pending(), reach.has(&A)), (None, None));
        reach.step();
        reach.compared(&mut session, true);
        assert_eq!(reach.pending(), None, "it may have begun before");
        session = reach.open();
        reach.compared(&mut session, true);
        assert_eq!(reach.pending(), Some(0));
    }

    #[test]
    fn two_sessions_at_a_time_vouch_each_for_its_own() {
        let mut reach = Reach::default();
        let mut first = reach.open();
        reach.step();
        reach.came(A);
        let mut second = reach.open();
        reach.step();
        reach.compared(&mut first, true);
        assert_eq!(reach.has(&A), Some(false), "it came after the first began");
        reach.compared(&mut second, true);
        assert_eq!(reach.has(&A), Some(true));
        assert!(reach.close(), "one is still open");
        assert!(!reach.close());
    }
}
