//! The side that asks for a part of a blob, to be read at once and not kept.

use std::collections::VecDeque;

use blake3::Hash;
use rhizome_ipld::Cid;

use crate::{
    Answer, BlobError, MAX_BLOB, MAX_SLICE, Request,
    fetch::{Sealed, WINDOW},
    location::hash_of,
    segment::{Cipher, SEALED, SEGMENT, plain_len},
    slice::Verified,
};

/// Segments asked for at a time: as many as surely lie within one slice.
const SEGMENTS: u64 = 14;

/// Reads a range of a blob from a peer. Used as [`Fetch`](crate::Fetch) is.
///
/// Every byte is verified: against the hash of the plaintext, or, from a sealed peer, by the seal of
/// its segment, which says whose it is and where it belongs. That a range ends because the blob ends
/// is verified too.
pub struct RangeRead {
    cid: Cid,
    root: Hash,
    cipher: Option<Cipher>,
    /// Of the plaintext.
    end: u64,
    next: u64,
    asked: VecDeque<Ask>,
    /// Of what the peer holds, once it has said so.
    len: Option<u64>,
    /// Where a sealed blob ends is for its last segment to say.
    end_of_seal: EndOfSeal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EndOfSeal {
    /// Nothing was asked for that lies beyond.
    Unknown,
    /// The last segment is to be asked for.
    Wanted,
    Asked,
    /// The last segment has said that it is the last.
    Proven,
}

struct Ask {
    /// What the caller gets of it.
    from: u64,
    to: u64,
    /// What the peer is asked for.
    offset: u64,
    len: u64,
}

impl RangeRead {
    /// `len` bytes from `offset` on, from a device that holds plaintext.
    pub fn plain(cid: &Cid, offset: u64, len: u64) -> Result<Self, BlobError> {
        Ok(Self::new(*cid, hash_of(cid)?, None, offset, len))
    }

    /// The same from a sealed peer.
    pub fn sealed(cid: &Cid, sealed: &Sealed, offset: u64, len: u64) -> Result<Self, BlobError> {
        hash_of(cid)?;
        let cipher = Cipher::new(&sealed.key);
        let root = sealed.held.root.into();
        Ok(Self::new(*cid, root, Some(cipher), offset, len))
    }

    fn new(cid: Cid, root: Hash, cipher: Option<Cipher>, offset: u64, len: u64) -> Self {
        // What lies beyond every blob is beyond the end of this one.
        let offset = offset.min(MAX_BLOB);
        Self {
            cid,
            root,
            cipher,
            end: offset.saturating_add(len).min(MAX_BLOB),
            next: offset,
            asked: VecDeque::new(),
            len: None,
            end_of_seal: EndOfSeal::Unknown,
        }
    }

    /// Whether all has been returned.
    pub fn is_done(&self) -> bool {
        self.asked.is_empty() && self.next >= self.end && self.end_of_seal != EndOfSeal::Wanted
    }

    /// The next question, or `None` until an answer has come.
    pub fn request(&mut self) -> Option<Request> {
        if self.asked.len() >= WINDOW {
            return None;
        }
        if let (EndOfSeal::Wanted, Some(len)) = (self.end_of_seal, self.len) {
            self.end_of_seal = EndOfSeal::Asked;
            let offset = len.saturating_sub(1) / SEALED * SEALED;
            return Some(self.ask(Ask {
                from: self.end,
                to: self.end,
                offset,
                len: SEALED,
            }));
        }
        if self.next >= self.end {
            return None;
        }
        let from = self.next;
        let ask = if self.cipher.is_some() {
            let first = from / SEGMENT;
            let to = self.end.min((first + SEGMENTS) * SEGMENT);
            let count = to.div_ceil(SEGMENT) - first;
            Ask {
                from,
                to,
                offset: first * SEALED,
                len: count * SEALED,
            }
        } else {
            // Whole groups, the first of which begins before `from`.
            let to = self.end.min((from / MAX_SLICE + 1) * MAX_SLICE);
            Ask {
                from,
                to,
                offset: from,
                len: to - from,
            }
        };
        self.next = ask.to;
        Some(self.ask(ask))
    }

    fn ask(&mut self, ask: Ask) -> Request {
        let request = Request::Get {
            root: *self.root.as_bytes(),
            offset: ask.offset,
            len: ask.len,
        };
        self.asked.push_back(ask);
        request
    }

    /// Takes the answer to the oldest question, and returns the bytes that follow those returned
    /// before. At the end of the blob they are fewer, or none.
    ///
    /// # Errors
    /// As for [`Fetch::handle`](crate::Fetch::handle).
    pub fn handle(&mut self, answer: Answer) -> Result<Vec<u8>, BlobError> {
        let ask = self
            .asked
            .pop_front()
            .ok_or(BlobError::Protocol("an answer without a question"))?;
        let (len, slice) = match answer {
            Answer::Slice { len, slice } => (len, slice.0),
            Answer::Missing => return Err(BlobError::NotHeld(self.cid)),
            Answer::Refused(refusal) => return Err(BlobError::Refused(refusal)),
            _ => return Err(BlobError::Protocol("not the answer to a Get")),
        };
        let foreign = BlobError::Unverified { cid: self.cid };
        if *self.len.get_or_insert(len) != len {
            return Err(foreign);
        }
        let Ok(verified) = Verified::new(slice, self.root, len, ask.offset, ask.len) else {
            return Err(foreign);
        };
        let (at, bytes) = (verified.range.start, verified.contiguous());
        let Some(cipher) = &self.cipher else {
            if len <= ask.to {
                self.next = self.end;
            }
            return Ok(cut(bytes, at, ask.from, ask.to));
        };
        if len <= ask.offset {
            self.next = self.end;
            if self.end_of_seal == EndOfSeal::Unknown {
                self.end_of_seal = EndOfSeal::Wanted;
            }
            return Ok(Vec::new());
        }
        let opened = open(cipher, &ask, len, at, &bytes);
        let plain = opened.ok_or(BlobError::Seal { cid: self.cid })?;
        if len <= ask.offset + ask.len {
            self.next = self.end;
            self.end_of_seal = EndOfSeal::Proven;
        }
        Ok(plain)
    }
}

/// What of `bytes`, which lie at `at`, lies between `from` and `to`.
fn cut(mut bytes: Vec<u8>, at: u64, from: u64, to: u64) -> Vec<u8> {
    bytes.truncate(to.saturating_sub(at).min(bytes.len() as u64) as usize);
    bytes.drain(..from.saturating_sub(at).min(bytes.len() as u64) as usize);
    bytes
}

/// Opens the segments asked for, of a ciphertext of `len` bytes of which `bytes` lie at `at`.
fn open(cipher: &Cipher, ask: &Ask, len: u64, at: u64, bytes: &[u8]) -> Option<Vec<u8>> {
    plain_len(len)?;
    let mut plain = Vec::with_capacity((ask.to - ask.from) as usize);
    let last = (len - 1) / SEALED;
    let (first, after) = (ask.offset / SEALED, (ask.offset + ask.len) / SEALED);
    for index in first..after.min(last + 1) {
        let start = (index * SEALED).checked_sub(at)?;
        let end = ((index + 1) * SEALED).min(len).checked_sub(at)?;
        let mut segment = bytes.get(start as usize..end as usize)?.to_vec();
        cipher.open(index, index == last, &mut segment).ok()?;
        plain.extend(cut(segment, index * SEGMENT, ask.from, ask.to));
    }
    Some(plain)
}
