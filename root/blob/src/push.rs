//! The side that offers a blob.

use std::collections::VecDeque;

use crate::{
    Answer, BlindName, Blob, BlobError, MAX_SLICE, Request, SealedBlob, Slice,
    fetch::{MAX_REWINDS, WINDOW},
};

/// What came of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushStep {
    /// Go on with [`Push::request`].
    More,
    /// The peer has the blob, on stable storage.
    Done,
}

/// Gives one blob to one peer. Used as [`Fetch`](crate::Fetch) is; begins by asking where the peer
/// left off.
pub struct Push {
    source: Source,
    name: [u8; 32],
    root: [u8; 32],
    len: u64,
    /// Where the peer should be after each question that has no answer yet.
    asked: VecDeque<u64>,
    next: u64,
    /// The peer is behind: where to begin again when all is answered.
    back: Option<u64>,
    rewinds: usize,
    state: State,
}

enum Source {
    Plain(Blob),
    Sealed(SealedBlob),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The offer has not been answered.
    Offering,
    Going,
    Done,
    Failed,
}

impl Push {
    /// Plaintext for a device that has the keys.
    pub fn plain(blob: Blob) -> Self {
        let root = *blob.hash().as_bytes();
        Self::new(root, root, blob.len(), Source::Plain(blob))
    }

    /// Ciphertext for a sealed peer, under the blind name.
    pub fn sealed(name: BlindName, blob: SealedBlob) -> Self {
        let root = *blob.hash().as_bytes();
        Self::new(name.0, root, blob.len(), Source::Sealed(blob))
    }

    fn new(name: [u8; 32], root: [u8; 32], len: u64, source: Source) -> Self {
        Self {
            source,
            name,
            root,
            len,
            asked: VecDeque::new(),
            next: 0,
            back: None,
            rewinds: 0,
            state: State::Offering,
        }
    }

    /// Bytes that the peer has or is being sent, and bytes there are.
    pub fn progress(&self) -> (u64, u64) {
        (self.next.min(self.len), self.len)
    }

    /// Whether the peer has it.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next question, or `None` until an answer has come.
    ///
    /// # Errors
    /// If the blob cannot be read.
    pub fn request(&mut self) -> Result<Option<Request>, BlobError> {
        let free = match self.state {
            State::Offering => self.asked.is_empty(),
            State::Going => {
                self.back.is_none() && self.asked.len() < WINDOW && self.next < self.len
            }
            State::Done | State::Failed => false,
        };
        if !free {
            return Ok(None);
        }
        let offset = self.next;
        let slice = if self.state == State::Offering {
            Vec::new()
        } else {
            self.next = offset.saturating_add(MAX_SLICE).min(self.len);
            match &mut self.source {
                Source::Plain(blob) => blob.slice(offset, MAX_SLICE)?,
                Source::Sealed(blob) => blob.slice(offset, MAX_SLICE)?,
            }
        };
        self.asked.push_back(self.next);
        Ok(Some(Request::Put {
            name: self.name,
            root: self.root,
            len: self.len,
            offset,
            slice: Slice(slice),
        }))
    }

    /// Takes the answer to the oldest question.
    ///
    /// # Errors
    /// [`BlobError::Refused`] with the reason, [`BlobError::Protocol`].
    pub fn handle(&mut self, answer: &Answer) -> Result<PushStep, BlobError> {
        let step = self.take(answer);
        if step.is_err() {
            self.state = State::Failed;
        }
        step
    }

    fn take(&mut self, answer: &Answer) -> Result<PushStep, BlobError> {
        let expected = self
            .asked
            .pop_front()
            .ok_or(BlobError::Protocol("an answer without a question"))?;
        match *answer {
            _ if self.state == State::Done => {}
            Answer::Done => self.state = State::Done,
            Answer::Refused(refusal) => return Err(BlobError::Refused(refusal)),
            Answer::Next(next) if next < self.len => self.went_to(expected, next)?,
            _ => return Err(BlobError::Protocol("not the answer to a Put")),
        }
        Ok(match self.state {
            State::Done => PushStep::Done,
            _ => PushStep::More,
        })
    }

    fn went_to(&mut self, expected: u64, next: u64) -> Result<(), BlobError> {
        if self.state == State::Offering {
            self.state = State::Going;
            self.next = next;
            return Ok(());
        }
        if next < expected {
            self.back = Some(next);
        } else {
            // Somebody else gives it the same blob.
            self.next = self.next.max(next);
        }
        if self.asked.is_empty()
            && let Some(back) = self.back.take()
        {
            self.rewinds += 1;
            self.next = back;
        }
        if self.rewinds > MAX_REWINDS {
            return Err(BlobError::Protocol("no progress"));
        }
        Ok(())
    }
}
