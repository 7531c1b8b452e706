//! The side that asks for a whole blob.

use std::{collections::VecDeque, io, sync::Arc};

use blake3::Hash;
use rhizome_ipld::Cid;

use crate::{
    Answer, BlobError, BlobKey, BlobStore, Held, MAX_BLOB, MAX_SLICE, Request,
    incoming::Incoming,
    location::{cid_of, hash_of},
    partial::{Arriving, Progress},
    sealing::OpenedReader,
    segment::{plain_len, sealed_len},
    slice::Verified,
    tree::last_group,
};

/// Questions on their way at a time.
pub(crate) const WINDOW: usize = 4;
/// How often a peer, or somebody else at work on the same blob, may send us back.
pub(crate) const MAX_REWINDS: usize = 8;

/// A ciphertext that a sealed peer says is the blob, and the key that should open it.
pub struct Sealed {
    /// What the peer holds.
    pub held: Held,
    /// The key of the blob in the epoch of the blind name it was found under.
    pub key: BlobKey,
}

/// What came of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Go on with [`Fetch::request`].
    More,
    /// The blob is in the store, on stable storage, under its own hash.
    Done,
}

/// Fetches one blob into a store, from one peer.
///
/// Send what [`request`](Self::request) returns until it returns `None`, hand each answer to
/// [`handle`](Self::handle) in the order of the questions, and so on until it says [`Step::Done`].
/// After an error drop it. What has been verified stays on disk; another `Fetch`, of another peer or
/// after a restart, goes on where this one ended. Any number may fetch one blob at once: they share
/// what arrives.
pub struct Fetch {
    store: BlobStore,
    cid: Cid,
    plaintext: Hash,
    limit: u64,
    /// The one being fetched first. Empty if the peer holds plaintext.
    sealed: VecDeque<Sealed>,
    root: Hash,
    arriving: Arc<Arriving>,
    /// Questions without an answer: from which byte on, and how many.
    asked: VecDeque<(u64, u64)>,
    /// Answers to pass over: to questions about what is no longer wanted.
    stale: usize,
    next: u64,
    rewinds: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The length is not proven yet: one question is enough.
    Starting,
    Going(u64),
    Done,
    Failed,
}

impl Fetch {
    /// From a device that holds plaintext. A blob of more than `limit` bytes is refused.
    ///
    /// Looks at what an earlier fetch left, and verifies it.
    pub fn plain(store: &BlobStore, cid: &Cid, limit: u64) -> Result<Self, BlobError> {
        Self::new(store, cid, VecDeque::new(), limit)
    }

    /// From a peer that holds ciphertext: `sealed` is what it answered to
    /// [`Request::Have`] with the blob's blind names. They are tried in turn.
    ///
    /// The ciphertext is collected in the store, and opened when it is whole.
    ///
    /// # Errors
    /// [`BlobError::NotHeld`] if `sealed` is empty.
    pub fn sealed(
        store: &BlobStore,
        cid: &Cid,
        sealed: Vec<Sealed>,
        limit: u64,
    ) -> Result<Self, BlobError> {
        if sealed.is_empty() {
            return Err(BlobError::NotHeld(*cid));
        }
        Self::new(store, cid, sealed.into(), limit)
    }

    fn new(
        store: &BlobStore,
        cid: &Cid,
        sealed: VecDeque<Sealed>,
        limit: u64,
    ) -> Result<Self, BlobError> {
        let plaintext = hash_of(cid)?;
        let root = sealed
            .front()
            .map_or(plaintext, |sealed| sealed.held.root.into());
        let mut fetch = Self {
            store: store.clone(),
            cid: *cid,
            plaintext,
            limit,
            sealed,
            root,
            arriving: store.arriving(root),
            asked: VecDeque::new(),
            stale: 0,
            next: 0,
            rewinds: 0,
            state: State::Starting,
        };
        if store.has(cid)? {
            fetch.state = State::Done;
        } else {
            fetch.resume()?;
        }
        Ok(fetch)
    }

    /// The blob.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Bytes that are there and verified, and bytes there will be: of the ciphertext, from a sealed
    /// peer. `None` while the length is not proven.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self.arriving.progress(&self.store).ok()? {
            Progress::Part { next, len } => Some((next, len)),
            Progress::Whole { len } => Some((len, len)),
            Progress::Nothing | Progress::Over => None,
        }
    }

    /// Whether the blob is in the store, so that nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next question, or `None` until an answer has come.
    pub fn request(&mut self) -> Option<Request> {
        self.catch_up();
        let free = match self.state {
            State::Starting => self.asked.is_empty(),
            State::Going(len) => self.asked.len() < WINDOW && self.next < len,
            State::Done | State::Failed => false,
        };
        if !free {
            return None;
        }
        let offset = self.next;
        let len = match self.state {
            // The last group is there since the beginning.
            State::Going(len) => MAX_SLICE.min(last_group(len).saturating_sub(offset)),
            _ => MAX_SLICE,
        };
        self.next = match self.state {
            State::Going(len) if offset + MAX_SLICE >= last_group(len) => len,
            _ => offset.saturating_add(MAX_SLICE),
        };
        self.asked.push_back((offset, len));
        Some(Request::Get {
            root: *self.root.as_bytes(),
            offset,
            len,
        })
    }

    /// Asks for nothing that others have fetched meanwhile.
    fn catch_up(&mut self) {
        let running = matches!(self.state, State::Starting | State::Going(_));
        if running
            && self.asked.is_empty()
            && let Ok(Progress::Part { next, len }) = self.arriving.progress(&self.store)
        {
            self.state = State::Going(len);
            self.next = self.next.max(next);
        }
    }

    /// Takes the answer to the oldest question.
    ///
    /// # Errors
    /// [`BlobError::NotHeld`], [`BlobError::Refused`], [`BlobError::Unverified`],
    /// [`BlobError::Protocol`] and [`BlobError::Seal`] are of the peer: another one may do better.
    /// The others are of this device or the blob.
    pub fn handle(&mut self, answer: Answer) -> Result<Step, BlobError> {
        let step = self.take(answer);
        if step.is_err() {
            self.state = State::Failed;
        }
        step
    }

    fn take(&mut self, answer: Answer) -> Result<Step, BlobError> {
        if self.stale > 0 {
            self.stale -= 1;
            return Ok(self.step());
        }
        let asked = self
            .asked
            .pop_front()
            .ok_or(BlobError::Protocol("an answer without a question"))?;
        if self.state == State::Done {
            return Ok(Step::Done);
        }
        match answer {
            Answer::Slice { len, slice } => self.take_slice(asked, len, slice.0),
            Answer::Missing => self.give_up(BlobError::NotHeld(self.cid)),
            Answer::Refused(refusal) => self.give_up(BlobError::Refused(refusal)),
            _ => Err(BlobError::Protocol("not the answer to a Get")),
        }
    }

    fn take_slice(
        &mut self,
        (offset, wanted): (u64, u64),
        len: u64,
        slice: Vec<u8>,
    ) -> Result<Step, BlobError> {
        let foreign = BlobError::Unverified { cid: self.cid };
        if matches!(self.state, State::Going(proven) if proven != len) {
            return self.give_up(foreign);
        }
        let plain = if self.sealed.is_empty() {
            Some(len)
        } else {
            plain_len(len)
        };
        let Some(plain) = plain.filter(|_| len <= MAX_BLOB) else {
            return self.give_up(foreign);
        };
        let Ok(verified) = Verified::new(slice, self.root, len, offset, wanted) else {
            return self.give_up(foreign);
        };
        if plain > self.limit {
            return Err(BlobError::TooLarge { limit: self.limit });
        }
        match self.arriving.accept(&self.store, len, &verified) {
            Err(BlobError::Unverified { .. }) => return self.give_up(foreign),
            accepted => accepted?,
        };
        self.resume()
    }

    /// Goes on from what has arrived, whoever fetched it.
    fn resume(&mut self) -> Result<Step, BlobError> {
        let limit = match self.sealed.front() {
            Some(_) => sealed_len(self.limit),
            None => self.limit,
        };
        match self.arriving.progress(&self.store)? {
            Progress::Part { len, .. } | Progress::Whole { len } if len > limit => {
                return Err(BlobError::TooLarge { limit: self.limit });
            }
            Progress::Nothing => {
                self.state = State::Starting;
                self.rewind(0)?;
            }
            Progress::Part { next, len } => {
                if self.state == State::Starting {
                    self.next = next;
                }
                self.state = State::Going(len);
                self.next = self.next.max(next);
                // What was asked for lies beyond a gap.
                if self.asked.front().map_or(self.next, |(at, _)| *at) > next {
                    self.rewind(next)?;
                }
            }
            Progress::Whole { .. } => return self.finish(),
            Progress::Over if self.store.has(&self.cid)? => self.state = State::Done,
            Progress::Over => {
                self.arriving = self.store.arriving(self.root);
                self.state = State::Starting;
                self.rewind(0)?;
            }
        }
        Ok(self.step())
    }

    fn rewind(&mut self, next: u64) -> Result<(), BlobError> {
        self.stale += self.asked.len();
        self.asked.clear();
        if self.next > next {
            self.rewinds += 1;
        }
        self.next = next;
        if self.rewinds > MAX_REWINDS {
            return Err(BlobError::Protocol("no progress"));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Step, BlobError> {
        let Some(sealed) = self.sealed.front() else {
            self.arriving.publish(&self.store)?;
            self.state = State::Done;
            return Ok(Step::Done);
        };
        let (root, quota) = (self.store.directory(), self.store.quota());
        let opened = self.arriving.read(|ciphertext| {
            let plaintext = OpenedReader::new(ciphertext, &sealed.key);
            Incoming::receive(root, plaintext, self.limit, quota)
        });
        match opened {
            None => self.resume(),
            Some(Ok(incoming)) if incoming.hash == self.plaintext => {
                // what is sealed goes as soon as what was in it is here
                let sealed = sealed_len(incoming.len);
                incoming.publish_for(root, quota, Some(sealed))?;
                self.arriving.discard(&self.store)?;
                self.state = State::Done;
                Ok(Step::Done)
            }
            Some(Err(BlobError::Source(error))) if error.kind() != io::ErrorKind::InvalidData => {
                let error = error
                    .downcast()
                    .unwrap_or_else(BlobError::io(self.store.directory()));
                if matches!(error, BlobError::Corrupt { .. }) {
                    self.arriving.discard(&self.store)?;
                }
                Err(error)
            }
            // It does not open, or is another blob.
            Some(Ok(_) | Err(BlobError::Source(_))) => {
                self.arriving.discard(&self.store)?;
                self.give_up(BlobError::Seal { cid: self.cid })
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// Tries the next ciphertext, if there is one.
    fn give_up(&mut self, error: BlobError) -> Result<Step, BlobError> {
        self.sealed.pop_front();
        let Some(sealed) = self.sealed.front() else {
            return Err(error);
        };
        self.root = sealed.held.root.into();
        self.arriving = self.store.arriving(self.root);
        self.stale += self.asked.len();
        self.asked.clear();
        self.next = 0;
        self.rewinds = 0;
        self.state = State::Starting;
        self.resume()
    }

    fn step(&self) -> Step {
        match self.state {
            State::Done => Step::Done,
            _ => Step::More,
        }
    }
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("cid", &self.cid.to_string())
            .field("root", &cid_of(&self.root).to_string())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
