//! Commits cut into parts, for this log and for others that keep sealed commits.

use super::{
    LeafBytes,
    part::{self, Part},
};
use rhizome_storage::fitting_value_len;
use rhizome_tuple::EpochId;

/// A part of a commit as it is stored, under the place of its first leaf. Parts fill the pages of a store; `docs/spec/store.md`,
/// "Log".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogPart {
    /// The place of its first leaf.
    pub first: u32,
    /// What is stored.
    pub bytes: Vec<u8>,
}

impl LogPart {
    /// Cuts leaves of a commit, of which the first has the place `first`. With place 0 the envelope comes first. `key_len` is the
    /// length of the key under which a part is stored.
    pub fn cut(envelope: &[u8], first: u32, leaves: &[LeafBytes], key_len: usize) -> Vec<Self> {
        let room = fitting_value_len(key_len, 4);
        let mut out = Vec::new();
        let mut part = Part::new();
        let mut begin = first;
        let mut empty = true;
        if first == 0 {
            part.push(envelope);
        }
        for (place, leaf) in (first..).zip(leaves) {
            let mut item = part.item(leaf);
            if !empty && part.len_with(item.len()) > room {
                let bytes = part.finish();
                out.push(Self {
                    first: begin,
                    bytes,
                });
                (part, begin) = (Part::new(), place);
                // the part before may have held leaves of another epoch
                item = part.item(leaf);
            }
            part.push(&item);
            empty = false;
        }
        out.push(Self {
            first: begin,
            bytes: part.finish(),
        });
        out
    }
}

/// A stored part, read.
#[derive(Debug)]
pub struct PartView<'a> {
    epoch: EpochId,
    first: u32,
    envelope: Option<&'a [u8]>,
    leaves: Vec<&'a [u8]>,
}

impl<'a> PartView<'a> {
    /// Reads the part whose first leaf has the place `first`. `None` if it is damaged.
    pub fn read(first: u32, bytes: &'a [u8]) -> Option<Self> {
        let (epoch, mut leaves) = part::items(bytes)?;
        if first == 0 && leaves.is_empty() {
            return None;
        }
        let envelope = (first == 0).then(|| leaves.remove(0));
        Some(Self {
            epoch,
            first,
            envelope,
            leaves,
        })
    }

    /// The envelope of the commit, in its first part.
    pub fn envelope(&self) -> Option<&'a [u8]> {
        self.envelope
    }

    /// The places of its leaves.
    pub fn places(&self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.leaves.len() as u32)
    }

    /// The leaf at this place of the commit. `None` if it is not in this part, or is damaged.
    pub fn leaf(&self, place: u32) -> Option<LeafBytes> {
        let at = place.checked_sub(self.first)?;
        part::leaf(self.epoch, self.leaves.get(at as usize)?)
    }
}
