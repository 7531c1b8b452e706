//! The sealed form of a blob: segments of 64 KiB, each sealed for its place (the STREAM
//! construction of Hoang, Reyhanitabar, Rogaway and Vizár).
//!
//! The nonce is the index of the segment and whether it is the last. A key belongs to one plaintext,
//! so no nonce ever meets two of them, and sealing needs no randomness.

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};

use crate::BlobKey;

/// Bytes of plaintext in a segment; in the last one fewer, or none if the blob is empty.
pub const SEGMENT: u64 = 64 << 10;
/// Bytes that a segment grows by.
pub const TAG: u64 = 16;
/// Bytes of a sealed segment.
pub(crate) const SEALED: u64 = SEGMENT + TAG;

const FORMAT: &[u8] = b"rhizome sealed blob v1";

/// The length of a blob of `len` bytes when it is sealed.
pub fn sealed_len(len: u64) -> u64 {
    len.saturating_add(TAG.saturating_mul(segments(len)))
}

/// The length of the blob in a sealed one of `len` bytes; `None` if no sealed blob has this length.
pub fn plain_len(len: u64) -> Option<u64> {
    let plain = len.checked_sub(TAG.checked_mul(len.div_ceil(SEALED))?)?;
    (sealed_len(plain) == len).then_some(plain)
}

fn segments(len: u64) -> u64 {
    len.div_ceil(SEGMENT).max(1)
}

/// The segment is not the one that was sealed here under this key.
#[derive(Debug)]
pub(crate) struct Foreign;

pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(crate) fn new(key: &BlobKey) -> Self {
        Self(XChaCha20Poly1305::new(&key.0.into()))
    }

    /// Seals `segment`, of at most [`SEGMENT`] bytes, where it lies, and appends the tag.
    pub(crate) fn seal(&self, index: u64, last: bool, segment: &mut Vec<u8>) {
        let sealed = self.0.encrypt_inout_detached(
            &nonce(index, last),
            FORMAT,
            segment.as_mut_slice().into(),
        );
        // The cipher refuses only what is longer than 256 GiB.
        if let Ok(tag) = sealed {
            segment.extend_from_slice(&tag);
        } else {
            segment.clear();
        }
    }

    /// Opens a segment where it lies and cuts the tag off.
    pub(crate) fn open(
        &self,
        index: u64,
        last: bool,
        segment: &mut Vec<u8>,
    ) -> Result<(), Foreign> {
        let text = segment.len().checked_sub(TAG as usize).ok_or(Foreign)?;
        let (text, tag) = segment.split_at_mut(text);
        let tag = Tag::try_from(&*tag).map_err(|_| Foreign)?;
        self.0
            .decrypt_inout_detached(&nonce(index, last), FORMAT, (&mut *text).into(), &tag)
            .map_err(|_| Foreign)?;
        let len = text.len();
        segment.truncate(len);
        Ok(())
    }
}

/// 15 zeros, the index in 8 bytes (big-endian), 1 for the last segment.
fn nonce(index: u64, last: bool) -> XNonce {
    let mut nonce = [0; 24];
    nonce[15..23].copy_from_slice(&index.to_be_bytes());
    nonce[23] = last.into();
    nonce.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_go_both_ways() {
        for len in (0..300_000).chain([u64::from(u32::MAX), 1 << 40]) {
            assert_eq!(plain_len(sealed_len(len)), Some(len));
        }
        for (sealed, plain) in [
            (15, None),
            (16, Some(0)),
            (17, Some(1)),
            (65552, Some(65536)),
        ] {
            assert_eq!(plain_len(sealed), plain);
        }
        // A second segment is never empty.
        for len in SEALED + 1..=SEALED + TAG {
            assert_eq!(plain_len(len), None);
        }
        assert_eq!(plain_len(SEALED + 17), Some(SEGMENT + 1));
        for len in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let _ = plain_len(len); // no overflow
        }
    }
}
