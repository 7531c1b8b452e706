//! Reading and writing the parts of messages. Numbers are LEB128 in their shortest form.

use crate::SyncError;
use rhizome_ipld::PublicKey;

pub(crate) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_key(out: &mut Vec<u8>, key: &PublicKey) {
    let bytes = key.to_bytes();
    out.push(bytes.len() as u8);
    out.extend_from_slice(&bytes);
}

/// What is left of a message.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rest, taken.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], SyncError> {
        let (head, rest) = self
            .0
            .split_at_checked(n)
            .ok_or(SyncError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SyncError> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(SyncError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, SyncError> {
        self.array::<1>().map(|[b]| b)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, SyncError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SyncError::Malformed("a flag is neither 0 nor 1")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, SyncError> {
        const WRONG: SyncError = SyncError::Malformed("a number is not in its shortest form");
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            let part = u64::from(b & 0x7f);
            if shift == 63 && part > 1 {
                return Err(WRONG);
            }
            n |= part << shift;
            if b & 0x80 == 0 {
                return if b == 0 && shift > 0 {
                    Err(WRONG)
                } else {
                    Ok(n)
                };
            }
        }
        Err(WRONG)
    }

    /// A number that counts or measures something here.
    pub(crate) fn size(&mut self, max: usize, what: &'static str) -> Result<usize, SyncError> {
        usize::try_from(self.number()?)
            .ok()
            .filter(|n| *n <= max)
            .ok_or(SyncError::Limit(what))
    }

    pub(crate) fn sized(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], SyncError> {
        let n = self.size(max, what)?;
        self.bytes(n)
    }

    /// A key, or none where its length is 0.
    pub(crate) fn optional_key(&mut self) -> Result<Option<PublicKey>, SyncError> {
        if self.0.first() == Some(&0) {
            self.byte()?;
            return Ok(None);
        }
        self.key().map(Some)
    }

    pub(crate) fn key(&mut self) -> Result<PublicKey, SyncError> {
        let n = self.byte()?;
        PublicKey::from_bytes(self.bytes(usize::from(n))?)
            .map_err(|_| SyncError::Malformed("a key is not a Multikey"))
    }

    pub(crate) fn end(&self) -> Result<(), SyncError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(SyncError::Malformed("something follows it"))
        }
    }
}
