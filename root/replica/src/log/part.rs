//! A part of a commit in the store, which fills a page: `count: u16`, the epoch of its leaves (8 bytes), the length of each item as
//! LEB128, then the items.
//!
//! The first item of part 0 is the signed envelope. Every other item is a leaf, one byte and what it says:
//! `0` sealed bytes as they travel, `1` the hash of bytes that were erased, `2` locator, nonce and ciphertext of a leaf under the
//! part's epoch, whose other bytes follow from these.

use super::LeafBytes;
use crate::leb128;
use rhizome_tuple::{EntityId, EpochId, SealedLeaf};

const SEALED: u8 = 0;
const ERASED: u8 = 1;
const SHORT: u8 = 2;

/// A part while it is filled.
pub(super) struct Part {
    count: u16,
    epoch: Option<EpochId>,
    lengths: Vec<u8>,
    items: Vec<u8>,
}

impl Part {
    pub fn new() -> Self {
        Self {
            count: 0,
            epoch: None,
            lengths: Vec::new(),
            items: Vec::with_capacity(4096),
        }
    }

    /// The item of a leaf in this part. The first sealed leaf says which epoch the part has.
    pub fn item(&mut self, leaf: &LeafBytes) -> Vec<u8> {
        let (kind, bytes): (u8, &[u8]) = match leaf {
            LeafBytes::Erased(hash) => (ERASED, hash),
            LeafBytes::Sealed(bytes) => {
                if let Ok(sealed) = SealedLeaf::from_bytes(bytes)
                    && *self.epoch.get_or_insert(sealed.epoch) == sealed.epoch
                {
                    let mut item = Vec::with_capacity(bytes.len());
                    item.push(SHORT);
                    item.extend_from_slice(&sealed.locator);
                    item.extend_from_slice(&sealed.nonce);
                    item.extend_from_slice(&sealed.ciphertext);
                    return item;
                }
                (SEALED, bytes)
            }
        };
        let mut item = Vec::with_capacity(1 + bytes.len());
        item.push(kind);
        item.extend_from_slice(bytes);
        item
    }

    /// Bytes of the part with one more item of this length.
    pub fn len_with(&self, item: usize) -> usize {
        10 + self.lengths.len() + leb128::len(item as u64) + self.items.len() + item
    }

    pub fn push(&mut self, item: &[u8]) {
        leb128::put(&mut self.lengths, item.len() as u64);
        self.items.extend_from_slice(item);
        self.count += 1;
    }

    pub fn finish(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len_with(0));
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.epoch.map_or([0; 8], |e| e.0));
        out.extend_from_slice(&self.lengths);
        out.extend_from_slice(&self.items);
        out
    }
}

/// The epoch of a part and its items; `None` if it is damaged.
pub(super) fn items(part: &[u8]) -> Option<(EpochId, Vec<&[u8]>)> {
    let (count, rest) = part.split_first_chunk::<2>()?;
    let (epoch, mut rest) = rest.split_first_chunk::<8>()?;
    let count = u16::from_be_bytes(*count) as usize;
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        lengths.push(leb128::get_len(&mut rest)?);
    }
    let mut out = Vec::with_capacity(count);
    for n in lengths {
        let (item, r) = rest.split_at_checked(n)?;
        rest = r;
        out.push(item);
    }
    rest.is_empty().then_some((EpochId(*epoch), out))
}

/// The leaf of an item.
pub(super) fn leaf(epoch: EpochId, item: &[u8]) -> Option<LeafBytes> {
    match item.split_first()? {
        (&SEALED, bytes) => Some(LeafBytes::Sealed(bytes.to_vec())),
        (&ERASED, hash) => Some(LeafBytes::Erased(hash.try_into().ok()?)),
        (&SHORT, rest) => {
            let (locator, rest) = rest.split_first_chunk::<{ EntityId::LEN }>()?;
            let (nonce, ciphertext) = rest.split_first_chunk::<24>()?;
            let sealed = SealedLeaf {
                epoch,
                locator: *locator,
                nonce: *nonce,
                ciphertext: ciphertext.to_vec(),
            };
            Some(LeafBytes::Sealed(sealed.to_bytes().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(epoch: u8, n: usize) -> LeafBytes {
        let leaf = SealedLeaf {
            epoch: EpochId([epoch; 8]),
            locator: [1; 24],
            nonce: [2; 24],
            ciphertext: vec![3; n],
        };
        LeafBytes::Sealed(leaf.to_bytes().unwrap())
    }

    #[test]
    fn leaves_of_any_kind_come_back_as_the_same_bytes() {
        let leaves = [
            LeafBytes::Erased([9; 32]),
            sealed(1, 0),
            sealed(2, 40),
            LeafBytes::Sealed(Vec::new()),
            LeafBytes::Sealed(b"not a leaf".to_vec()),
            sealed(1, 300),
            sealed(1, 70_000),
        ];
        let mut part = Part::new();
        part.push(b"envelope");
        for leaf in &leaves {
            let item = part.item(leaf);
            let most = part.len_with(item.len());
            part.push(&item);
            assert!(part.finish().len() <= most);
        }
        let bytes = part.finish();
        let (epoch, found) = items(&bytes).unwrap();
        assert_eq!((epoch, found[0]), (EpochId([1; 8]), &b"envelope"[..]));
        let read: Vec<_> = found[1..].iter().map(|i| leaf(epoch, i).unwrap()).collect();
        assert_eq!(read, leaves);
        for n in 0..bytes.len().min(200) {
            assert!(items(&bytes[..n]).is_none());
        }
    }
}
