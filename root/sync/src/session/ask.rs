//! Asking for what is missing, in an order and at a pace of our own, and giving it to the store in batches.

use super::event::{Fork, Learned, Local, Output, Progress};
use super::live::Live;
use crate::{
    SyncError,
    chain::{ChainState, Run},
    data::{Assembly, Item},
    limits::{Limits, MAX_BATCH, MAX_IDS, MAX_RUNS},
    message::Message,
    set::Id,
    store::{Commit, CommitName, Fate, Lack, Refusal, Store},
};
use rhizome_ipld::PublicKey;
use std::collections::VecDeque;

/// Questions that are open at a time.
const OPEN: usize = 4;

/// At most so much of what is missing of a chain is asked for out of order: one in so many.
const NEWEST_OF: u64 = 16;

/// A chain of the peer's that has something this side lacks.
pub(super) struct Task {
    pub(super) state: ChainState,
    /// Questions about it that are not answered.
    left: usize,
    /// Whether its ids are or were reconciled.
    pub(super) by_ids: bool,
}

enum Wish {
    /// Places of the chain of a task.
    Places(usize, PublicKey, Run),
    Ids(PublicKey, Vec<Id>),
    Leaves(Lack),
}

#[derive(Default)]
pub(super) struct Asking {
    pub(super) tasks: Vec<Task>,
    wishes: VecDeque<Wish>,
    open: VecDeque<Wish>,
    assembly: Assembly,
    batch: Vec<Commit>,
    batch_bytes: usize,
    granted: u64,
    received: u64,
    pub(super) refused: u64,
    pub(super) progress: Progress,
}

/// Whether everything in the peer's chain is here. Exact when it says yes.
pub(super) fn satisfied(theirs: &ChainState, store: &dyn Store) -> Result<bool, SyncError> {
    let Some(mine) = store.chain(&theirs.key)? else {
        return Ok(theirs.count == 0);
    };
    if mine.fingerprint == theirs.fingerprint {
        return Ok(true);
    }
    if !mine.whole || theirs.heads.len() > MAX_RUNS {
        return Ok(false);
    }
    // nothing is missing below what is here, so the heads bring all before them
    for (_, id) in &theirs.heads {
        if !store.holds(&theirs.key, id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Asking {
    pub(super) fn is_waiting_for_peer(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether nothing is wanted but leaves that were lacking before.
    pub(super) fn is_content(&self) -> bool {
        let no_commits = |w: &Wish| matches!(w, Wish::Leaves(_));
        self.wishes.iter().all(no_commits) && self.open.iter().all(no_commits)
    }

    /// Whether bytes of leaves are asked for.
    pub(super) fn wants_leaves(&self) -> bool {
        let leaves = |w: &Wish| matches!(w, Wish::Leaves(_));
        self.wishes.iter().any(leaves) || self.open.iter().any(leaves)
    }

    /// Plans a round: what to ask for of the peer's chains. Returns the chains whose ids have to be reconciled.
    pub(super) fn plan(
        &mut self,
        states: Vec<ChainState>,
        newest_first: u64,
        store: &dyn Store,
    ) -> Result<Vec<PublicKey>, SyncError> {
        let (mut newest, mut rest, mut by_ids) = (Vec::new(), Vec::new(), Vec::new());
        self.tasks.clear();
        self.progress.commits_missing = 0;
        self.progress.commits_taken = 0;
        for state in states {
            if satisfied(&state, store)? {
                continue;
            }
            let mine = store.chain(&state.key)?;
            let held = mine.map_or(Some(Vec::new()), |m| m.runs);
            let missing = match (&state.runs, held) {
                (Some(theirs), Some(held)) => Run::without(theirs, &held),
                _ => Vec::new(),
            };
            let (task, key) = (self.tasks.len(), state.key);
            self.tasks.push(Task {
                state,
                left: 0,
                by_ids: missing.is_empty(),
            });
            if missing.is_empty() {
                by_ids.push(key);
                continue;
            }
            let total = Run::total(&missing).unwrap_or(u64::MAX);
            self.progress.commits_missing = self.progress.commits_missing.saturating_add(total);
            let mut left = missing.len();
            let mut missing: Vec<Run> = missing;
            // of few commits, which may be large, fewer
            let newest_first = newest_first.min(total / NEWEST_OF);
            if newest_first > 0
                && let Some(last) = missing.last_mut()
            {
                let from = last.to.saturating_sub(newest_first - 1).max(last.from);
                let run = Run { from, to: last.to };
                newest.push(Wish::Places(task, key, run));
                if from > last.from {
                    last.to = from - 1;
                    left += 1;
                } else {
                    missing.pop();
                }
            }
            rest.extend(missing.into_iter().map(|r| Wish::Places(task, key, r)));
            if let Some(task) = self.tasks.last_mut() {
                task.left = left;
            }
        }
        self.wishes.extend(newest);
        self.wishes.extend(rest);
        Ok(by_ids)
    }

    /// Wishes for commits that a reconciliation has named.
    pub(super) fn want(
        &mut self,
        key: PublicKey,
        ids: Vec<Id>,
        store: &dyn Store,
    ) -> Result<(), SyncError> {
        let mut missing = Vec::new();
        for id in ids {
            if !store.holds(&key, &id)? {
                missing.push(id);
            }
        }
        let progress = &mut self.progress.commits_missing;
        *progress = progress.saturating_add(missing.len() as u64);
        for some in missing.chunks(MAX_IDS) {
            self.wishes.push_back(Wish::Ids(key, some.to_vec()));
        }
        Ok(())
    }

    /// Wishes for bytes of leaves.
    pub(super) fn want_leaves(&mut self, lacking: Vec<Lack>) {
        self.wishes.extend(lacking.into_iter().map(Wish::Leaves));
    }

    /// How many further bytes the peer may send now.
    fn grant(&mut self, window: usize) -> u64 {
        let window = window as u64;
        let under_way = self.granted.saturating_sub(self.received);
        if under_way > window / 2 {
            return 0;
        }
        // a message that went past what was granted counts against what comes
        let more = (self.received + window).saturating_sub(self.granted);
        self.granted += more;
        more
    }

    /// Asks as much as may be asked at a time.
    pub(super) fn ask(&mut self, limits: &Limits, out: &mut VecDeque<Output>) {
        while self.open.len() < OPEN
            && let Some(wish) = self.wishes.pop_front()
        {
            let credit = self.grant(limits.window);
            let message = match &wish {
                Wish::Places(_, key, run) => Message::WantPlaces {
                    key: *key,
                    run: *run,
                    credit,
                },
                Wish::Ids(key, ids) => Message::WantIds {
                    key: *key,
                    credit,
                    ids: ids.clone(),
                },
                Wish::Leaves(lack) => Message::WantLeaves {
                    key: lack.key,
                    id: lack.id,
                    credit,
                    leaves: lack.leaves.clone(),
                },
            };
            out.push_back(Output::Send(message.to_bytes()));
            self.open.push_back(wish);
        }
    }

    /// Takes a piece of the answers.
    pub(super) fn answered(
        &mut self,
        body: &[u8],
        limits: &Limits,
        live: &mut Live,
        store: &mut dyn Store,
        out: &mut VecDeque<Output>,
    ) -> Result<(), SyncError> {
        if self.open.is_empty() {
            return Err(SyncError::Unexpected("an answer to no question"));
        }
        self.received = self.received.saturating_add(body.len() as u64 + 1);
        self.progress.bytes_received += body.len() as u64 + 1;
        for item in self.assembly.feed(body, limits.commit)? {
            match item {
                Item::Commit(commit) => {
                    self.batch_bytes += commit.envelope.len();
                    self.batch_bytes += commit.leaves.iter().map(crate::Leaf::size).sum::<usize>();
                    self.batch.push(commit);
                    if self.batch.len() >= MAX_BATCH || self.batch_bytes >= limits.batch {
                        self.apply(live, store, out)?;
                    }
                }
                Item::TooLarge(envelope) => {
                    let name = store.name(&envelope);
                    let name = name.ok_or(SyncError::Invalid("a commit"))?;
                    self.refuse(name, Refusal::TooLarge, out);
                }
                Item::Fill(key, id, leaves) => self.fill(key, id, leaves, store, out)?,
            }
        }
        let credit = self.grant(limits.window);
        if credit > 0 {
            out.push_back(Output::Send(Message::Credit(credit).to_bytes()));
        }
        Ok(())
    }

    fn fill(
        &self,
        key: PublicKey,
        id: Id,
        leaves: Vec<(u32, Vec<u8>)>,
        store: &mut dyn Store,
        out: &mut VecDeque<Output>,
    ) -> Result<(), SyncError> {
        let asked = |w: &Wish| match w {
            Wish::Leaves(l) => {
                l.key == key
                    && l.id == id
                    && leaves
                        .iter()
                        .all(|(i, _)| l.leaves.binary_search(i).is_ok())
            }
            _ => false,
        };
        if !self.open.front().is_some_and(asked) {
            return Err(SyncError::Unexpected("leaves that were not asked for"));
        }
        if !store.take_leaves(&key, &id, leaves)? {
            return Err(SyncError::Invalid("a leaf"));
        }
        out.push_back(Output::Learned(Learned {
            filled: vec![(key, id)],
            ..Learned::default()
        }));
        Ok(())
    }

    /// The oldest question is answered. Returns a chain whose ids have to be reconciled after all.
    pub(super) fn ended(
        &mut self,
        live: &mut Live,
        store: &mut dyn Store,
        out: &mut VecDeque<Output>,
    ) -> Result<Option<PublicKey>, SyncError> {
        if !self.assembly.is_empty() {
            return Err(SyncError::Unexpected(
                "the end of an answer within a commit",
            ));
        }
        self.apply(live, store, out)?;
        let wish = self
            .open
            .pop_front()
            .ok_or(SyncError::Unexpected("the end of an answer to no question"))?;
        if let Wish::Places(task, key, _) = wish
            && let Some(task) = self.tasks.get_mut(task)
        {
            task.left = task.left.saturating_sub(1);
            if task.left == 0 && !satisfied(&task.state, store)? {
                task.by_ids = true;
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Gives the store what has come.
    fn apply(
        &mut self,
        live: &mut Live,
        store: &mut dyn Store,
        out: &mut VecDeque<Output>,
    ) -> Result<(), SyncError> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if !batch.is_empty() {
            self.take(batch, live, store, out)?;
        }
        Ok(())
    }

    /// Gives commits to the store and says what became of them.
    pub(super) fn take(
        &mut self,
        batch: Vec<Commit>,
        live: &mut Live,
        store: &mut dyn Store,
        out: &mut VecDeque<Output>,
    ) -> Result<(), SyncError> {
        let n = batch.len();
        let fates = store.take_commits(batch)?;
        if fates.len() != n {
            return Err(SyncError::Store(
                "it did not say what became of each commit".into(),
            ));
        }
        let mut learned = Learned::default();
        let mut forks = Vec::new();
        let mut forged = false;
        for fate in fates {
            match fate {
                Fate::Taken { name, rival } => {
                    self.progress.commits_taken += 1;
                    live.came(name.id);
                    learned.commits.push(name);
                    forks.extend(rival.map(|rival| (name, rival)));
                }
                Fate::Known(name) => {
                    live.came(name.id);
                    out.push_back(Output::Known(name));
                }
                Fate::Refused { name, why } => self.refuse(name, why, out),
                Fate::Invalid => forged = true,
            }
        }
        if !learned.commits.is_empty() {
            out.push_back(Output::Learned(learned));
        }
        for (name, rival) in forks {
            let read = |id: &Id| store.commit(&name.key, id, 0);
            if let (Some(first), Some(second)) = (read(&rival)?, read(&name.id)?) {
                out.push_back(Output::Fork(Box::new(Fork {
                    key: name.key,
                    seq: name.seq,
                    ids: [rival, name.id],
                    envelopes: [first.envelope, second.envelope],
                })));
            }
        }
        if forged {
            return Err(SyncError::Invalid("a commit"));
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, name: CommitName, why: Refusal, out: &mut VecDeque<Output>) {
        self.refused += 1;
        let message = Message::CommitRefused(name, why);
        out.push_back(Output::Send(message.to_bytes()));
    }

    pub(super) fn refuse_certificate(&mut self, id: Id, why: Refusal, out: &mut VecDeque<Output>) {
        self.refused += 1;
        let message = Message::CertificateRefused(id, why);
        out.push_back(Output::Send(message.to_bytes()));
    }

    /// Chains of which something is still missing.
    pub(super) fn withheld(&self, store: &dyn Store) -> Result<u64, SyncError> {
        let mut n = 0;
        for task in self.tasks.iter().filter(|t| t.by_ids) {
            n += u64::from(!satisfied(&task.state, store)?);
        }
        Ok(n)
    }
}

/// A pushed thing, from what the peer says about it.
pub(super) fn refused_local(message: &Message<'_>) -> Option<(Local, Refusal)> {
    match message {
        Message::CommitRefused(name, why) => Some((Local::Commit(*name), *why)),
        Message::CertificateRefused(id, why) => Some((Local::Certificate(*id), *why)),
        _ => None,
    }
}
