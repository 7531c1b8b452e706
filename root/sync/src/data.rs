//! Commits as a stream of bytes that is cut into messages. Form: `docs/spec/sync.md`, "Commits".

use crate::{
    SyncError,
    limits::{MAX_ENVELOPE, MAX_LEAF, MAX_LEAVES, MAX_MESSAGE},
    set::Id,
    store::{Commit, Leaf},
    wire::{Reader, put_bytes, put_key, put_number},
};
use rhizome_ipld::PublicKey;

const COMMIT: u8 = 0;
const FILL: u8 = 1;
const LIKE: u8 = 2;
/// At least one byte of an envelope in so many must be said, or a short message could fill the memory. Signatures alone are more.
const SAID: usize = 8;
/// Bytes that two envelopes must have in common, in the same places, to be worth saying so.
const WORTH: usize = 4;
/// The header of an erased leaf: a part of no bytes that goes on, which no part is.
const ERASED: u64 = 1;
/// What a leaf costs in memory besides its bytes, and the least that is kept free in a message for the header of a part.
const PER_LEAF: usize = 64;

/// Begins a commit. `last` is the envelope of the one before it in the stream, and becomes this one: commits of one author have more than
/// half of it in common.
pub(crate) fn put_commit(out: &mut Vec<u8>, envelope: &[u8], leaves: u32, last: &mut Vec<u8>) {
    let (like, said) = difference(last, envelope);
    if like.len() < envelope.len() && said * SAID >= envelope.len() {
        out.push(LIKE);
        put_number(out, envelope.len() as u64);
        out.extend_from_slice(&like);
    } else {
        out.push(COMMIT);
        put_bytes(out, envelope);
    }
    put_number(out, u64::from(leaves));
    envelope.clone_into(last);
}

/// How an envelope differs from the last: how many bytes are those of the last in the same places, then bytes that are other ones, and so
/// on in turn to its end. Returns it and how many are other ones.
fn difference(last: &[u8], envelope: &[u8]) -> (Vec<u8>, usize) {
    let (mut out, mut said) = (Vec::new(), 0);
    let same = |at: usize| {
        let pairs = envelope.iter().zip(last).skip(at);
        pairs.take_while(|(a, b)| a == b).count()
    };
    let mut at = 0;
    while at < envelope.len() {
        let kept = same(at);
        let from = at + kept;
        let mut to = from;
        while to < envelope.len() {
            let here = same(to);
            if here >= WORTH {
                break;
            }
            to += here.max(1);
        }
        put_number(&mut out, kept as u64);
        said += to - from;
        if from < envelope.len() {
            put_bytes(&mut out, envelope.get(from..to).unwrap_or_default());
        }
        at = to;
    }
    (out, said)
}

/// The envelope of so many bytes that differs from the last so.
fn patched(from: &mut Reader<'_>, last: &[u8]) -> Result<Vec<u8>, SyncError> {
    const ENVELOPE: &str = "bytes of an envelope";
    let len = from.size(MAX_ENVELOPE, ENVELOPE)?;
    let (mut out, mut said) = (Vec::new(), 0);
    while out.len() < len {
        let at = out.len();
        let kept = from.size(len - at, ENVELOPE)?;
        let same = last.get(at..at + kept);
        let other = SyncError::Malformed("an envelope is like one that is shorter");
        out.extend_from_slice(same.ok_or(other)?);
        if out.len() < len {
            let new = from.sized(len - out.len(), ENVELOPE)?;
            out.extend_from_slice(new);
            said += new.len();
        }
        if out.len() == at {
            return Err(SyncError::Malformed("an envelope that does not go on"));
        }
    }
    if said * SAID < len {
        return Err(SyncError::Malformed("an envelope that is too much alike"));
    }
    Ok(out)
}

/// Begins leaves that were lacking.
pub(crate) fn put_fill(out: &mut Vec<u8>, key: &PublicKey, id: &Id, leaves: usize) {
    out.push(FILL);
    put_key(out, key);
    out.extend_from_slice(id);
    put_number(out, leaves as u64);
}

/// Whether a message has room for an envelope.
pub(crate) fn has_room(out: &[u8], envelope: &[u8]) -> bool {
    out.len() + envelope.len() + PER_LEAF <= MAX_MESSAGE
}

/// Puts a leaf, or as much of it from `at` on as there is room for. Returns where to go on; `None` when all of it is there.
pub(crate) fn put_leaf(out: &mut Vec<u8>, leaf: &Leaf, at: usize) -> Option<usize> {
    let room = MAX_MESSAGE.saturating_sub(out.len() + PER_LEAF);
    match leaf {
        Leaf::Erased(_) if room < 32 => Some(0),
        Leaf::Erased(hash) => {
            put_number(out, ERASED);
            out.extend_from_slice(hash);
            None
        }
        Leaf::Sealed(bytes) => {
            let rest = bytes.get(at..).unwrap_or_default();
            let now = rest.len().min(room);
            if now == 0 && !rest.is_empty() {
                return Some(at);
            }
            let more = now < rest.len();
            put_number(out, (now as u64) << 1 | u64::from(more));
            out.extend_from_slice(rest.get(..now).unwrap_or_default());
            more.then_some(at + now)
        }
    }
}

/// What came out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Commit(Commit),
    /// A commit larger than is taken; its envelope.
    TooLarge(Vec<u8>),
    Fill(PublicKey, Id, Vec<(u32, Vec<u8>)>),
}

/// Puts a stream together again. Holds the bytes of one commit at most, and never more than `max` and a message.
#[derive(Default)]
pub(crate) struct Assembly {
    part: Option<Part>,
    /// The envelope of the last commit.
    last: Vec<u8>,
}

struct Part {
    what: What,
    /// Leaves still to come.
    left: u32,
    leaves: Vec<Leaf>,
    /// The beginning of a leaf.
    begun: Option<Vec<u8>>,
    size: usize,
}

enum What {
    Commit(Vec<u8>),
    Fill(PublicKey, Id, Vec<u32>),
}

impl Assembly {
    /// Whether nothing is half there.
    pub(crate) fn is_empty(&self) -> bool {
        self.part.is_none()
    }

    /// Takes the body of a message and gives what it completes.
    pub(crate) fn feed(&mut self, body: &[u8], max: usize) -> Result<Vec<Item>, SyncError> {
        let mut from = Reader::new(body);
        let mut items = Vec::new();
        while !from.is_empty() {
            let mut part = match self.part.take() {
                Some(part) => part,
                None => Part::begin(&mut from, &mut self.last)?,
            };
            while part.left > 0 && !from.is_empty() {
                part.leaf(&mut from, max)?;
            }
            if part.left == 0 {
                items.push(part.end(max)?);
            } else {
                self.part = Some(part);
            }
        }
        Ok(items)
    }
}

impl Part {
    fn begin(from: &mut Reader<'_>, last: &mut Vec<u8>) -> Result<Self, SyncError> {
        let (what, left, size) = match from.byte()? {
            kind @ (COMMIT | LIKE) => {
                let envelope = if kind == LIKE {
                    patched(from, last)?
                } else {
                    from.sized(MAX_ENVELOPE, "bytes of an envelope")?.to_vec()
                };
                envelope.clone_into(last);
                let size = envelope.len();
                let left = from.size(MAX_LEAVES, "leaves of a commit")? as u32;
                (What::Commit(envelope), left, size)
            }
            FILL => {
                let key = from.key()?;
                let id = from.array()?;
                let left = from.size(MAX_LEAVES, "leaves of a commit")? as u32;
                (What::Fill(key, id, Vec::new()), left, 0)
            }
            _ => return Err(SyncError::Malformed("neither a commit nor leaves")),
        };
        Ok(Self {
            what,
            left,
            leaves: Vec::new(),
            begun: None,
            size,
        })
    }

    fn leaf(&mut self, from: &mut Reader<'_>, max: usize) -> Result<(), SyncError> {
        if let (What::Fill(_, _, places), None) = (&mut self.what, &self.begun) {
            places.push(from.size(MAX_LEAVES - 1, "leaves of a commit")? as u32);
        }
        let header = from.number()?;
        if header == ERASED {
            if self.begun.is_some() {
                return Err(SyncError::Malformed("a leaf is both bytes and a hash"));
            }
            let hash = from.array()?;
            self.push(Leaf::Erased(hash), max);
            return Ok(());
        }
        let len = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        let before = self.begun.as_ref().map_or(0, Vec::len);
        if len.saturating_add(before) > MAX_LEAF {
            return Err(SyncError::Limit("bytes of a leaf"));
        }
        let bytes = from.bytes(len)?;
        let mut whole = self.begun.take().unwrap_or_default();
        whole.extend_from_slice(bytes);
        if header & 1 == 1 {
            self.begun = Some(whole);
        } else {
            self.push(Leaf::Sealed(whole), max);
        }
        Ok(())
    }

    fn push(&mut self, leaf: Leaf, max: usize) {
        self.left -= 1;
        self.size += leaf.size() + PER_LEAF;
        if self.size > max {
            self.leaves = Vec::new();
        } else {
            self.leaves.push(leaf);
        }
    }

    fn end(self, max: usize) -> Result<Item, SyncError> {
        Ok(match self.what {
            What::Commit(envelope) if self.size > max => Item::TooLarge(envelope),
            What::Commit(envelope) => Item::Commit(Commit {
                envelope,
                leaves: self.leaves,
            }),
            What::Fill(..) if self.size > max => {
                return Err(SyncError::Limit("bytes of the leaves that were asked for"));
            }
            What::Fill(key, id, places) => {
                let bytes = self.leaves.into_iter().map(|l| match l {
                    Leaf::Sealed(bytes) => Ok(bytes),
                    Leaf::Erased(_) => Err(SyncError::Malformed("a leaf without its bytes")),
                });
                let bytes: Vec<_> = bytes.collect::<Result<_, _>>()?;
                Item::Fill(key, id, places.into_iter().zip(bytes).collect())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a commit into messages the way a session does.
    fn cut(commit: &Commit) -> Vec<Vec<u8>> {
        let mut messages = vec![];
        let mut out = vec![];
        let (envelope, leaves) = (&commit.envelope, commit.leaves.len() as u32);
        put_commit(&mut out, envelope, leaves, &mut Vec::new());
        for leaf in &commit.leaves {
            let mut at = 0;
            while let Some(next) = put_leaf(&mut out, leaf, at) {
                assert!(out.len() <= MAX_MESSAGE);
                messages.push(std::mem::take(&mut out));
                at = next;
            }
        }
        messages.push(out);
        messages
    }

    #[test]
    fn leaves_of_every_size_come_together_again() {
        let sizes = [
            0,
            1,
            31,
            32,
            63,
            64,
            1000,
            MAX_MESSAGE - 70,
            MAX_MESSAGE,
            MAX_LEAF,
            5,
            MAX_LEAF,
        ];
        let mut leaves: Vec<Leaf> = sizes.iter().map(|n| Leaf::Sealed(vec![7; *n])).collect();
        leaves.insert(3, Leaf::Erased([9; 32]));
        leaves.push(Leaf::Erased([1; 32]));
        let commit = Commit {
            envelope: vec![5; 300],
            leaves,
        };
        let messages = cut(&commit);
        assert!(messages.len() > 8 && messages.iter().all(|m| m.len() <= MAX_MESSAGE));
        let mut assembly = Assembly::default();
        let mut got = vec![];
        for m in &messages {
            assert!(got.is_empty());
            got.extend(assembly.feed(m, 1 << 30).expect("well-formed"));
        }
        assert!(assembly.is_empty());
        assert_eq!(got, [Item::Commit(commit.clone())]);
        let mut small = Assembly::default();
        let refused = messages
            .iter()
            .flat_map(|m| small.feed(m, 1 << 20).expect("well-formed"));
        assert_eq!(
            refused.collect::<Vec<_>>(),
            [Item::TooLarge(commit.envelope)]
        );
    }

    #[test]
    fn envelopes_that_are_alike_come_out_as_they_went_in() {
        let envelopes: Vec<Vec<u8>> = vec![
            vec![],
            vec![7],
            b"an envelope of somebody, number 0001, signed 23456789".to_vec(),
            b"an envelope of somebody, number 0002, signed 98765432".to_vec(),
            b"an envelope of somebody, number 0003, signed 98765432".to_vec(),
            b"an envelope of somebody, number 0003".to_vec(),
            b"an envelope of somebody, number 0003".to_vec(),
            b"another envelope of somebody else, number 4".to_vec(),
            vec![0; 300],
            [
                vec![0; 100],
                vec![1; 3],
                vec![0; 5],
                vec![2; 200],
                vec![0; 4],
            ]
            .concat(),
            vec![],
            vec![9; 12],
        ];
        let (mut assembly, mut last) = (Assembly::default(), Vec::new());
        let mut total = 0;
        for envelope in &envelopes {
            let mut out = Vec::new();
            put_commit(&mut out, envelope, 0, &mut last);
            assert!(out.len() <= envelope.len() + 4, "never much longer");
            total += out.len();
            let whole = Commit {
                envelope: envelope.clone(),
                leaves: vec![],
            };
            assert_eq!(
                assembly.feed(&out, 1 << 20).expect("well-formed"),
                [Item::Commit(whole)]
            );
        }
        assert!(total < envelopes.iter().map(Vec::len).sum());
    }

    #[test]
    fn envelopes_like_nothing_are_refused() {
        let last = b"0123456789";
        for body in [
            // more of the last than there is; more than announced; nothing, without end; too long; too much alike
            &[LIKE, 12, 11, 1, b'x', 0][..],
            &[LIKE, 5, 6, 0],
            &[LIKE, 5, 3, 3, b'x', b'x', b'x', 0],
            &[LIKE, 5, 0, 0, 0, 0, 0, 0],
            &[LIKE, 0xff, 0xff, 0xff, 0x7f, 0, 0],
            &[LIKE, 9, 8, 1, b'x', 0],
        ] {
            let (mut assembly, mut out) = (Assembly::default(), Vec::new());
            put_commit(&mut out, last, 0, &mut Vec::new());
            assembly.feed(&out, 1 << 20).expect("well-formed");
            assert!(assembly.feed(body, 1 << 20).is_err(), "{body:?}");
        }
    }
}
