//! The checker behind [`crate::codec`]: a cursor over CBOR heads and a walk with an explicit, bounded stack.

use std::cmp::Ordering;

use crate::address::cid_from_bytes;
use crate::codec::CodecError;

/// Deepest nesting of lists and maps that is accepted: below the limit of the serde decoder and far below any thread's stack.
pub const MAX_DEPTH: usize = 64;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const FLOAT64: u8 = 0xfb;

/// One item of the data, or the start of a list or map.
#[derive(Clone, Copy)]
pub(crate) enum Item<'a> {
    /// A number, boolean, null or link: nothing inside that the walk would need.
    Scalar,
    Bytes(&'a [u8]),
    Text(&'a [u8]),
    /// A list of that many items.
    Array(usize),
    /// A map of that many entries.
    Map(usize),
}

/// A cursor that yields items in canonical form only.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(CodecError::Trailing { at: self.at })
        }
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'a [u8], CodecError> {
        let truncated = CodecError::Truncated { at: self.at };
        let Ok(len) = usize::try_from(len) else {
            return Err(truncated);
        };
        let Some(end) = self.at.checked_add(len) else {
            return Err(truncated);
        };
        let Some(taken) = self.bytes.get(self.at..end) else {
            return Err(truncated);
        };
        self.at = end;
        Ok(taken)
    }

    /// The major type and argument of the next head; the argument in its shortest form.
    #[inline]
    fn head(&mut self) -> Result<(u8, u64), CodecError> {
        let at = self.at;
        let Some(&byte) = self.bytes.get(at) else {
            return Err(CodecError::Truncated { at });
        };
        self.at += 1;
        let info = byte & 0x1f;
        let (width, least) = match info {
            0..=23 => return Ok((byte >> 5, u64::from(info))),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(CodecError::Forbidden { at, byte }),
        };
        let argument = self
            .take(width)?
            .iter()
            .fold(0, |n, b| n << 8 | u64::from(*b));
        if argument < least {
            return Err(CodecError::NotMinimal { at });
        }
        Ok((byte >> 5, argument))
    }

    /// A count of items of at least `size` bytes each cannot exceed what is left: refuses absurd counts before anyone allocates.
    fn count(&self, count: u64, size: usize) -> Result<usize, CodecError> {
        match usize::try_from(count) {
            Ok(count) if count <= self.left() / size => Ok(count),
            _ => Err(CodecError::Truncated { at: self.at }),
        }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Item<'a>, CodecError> {
        let at = self.at;
        let Some(&byte) = self.bytes.get(at) else {
            return Err(CodecError::Truncated { at });
        };
        if byte >= 0xe0 {
            return self.simple(at, byte);
        }
        let (major, argument) = self.head()?;
        match major {
            UNSIGNED | NEGATIVE => Ok(Item::Scalar),
            BYTES => Ok(Item::Bytes(self.take(argument)?)),
            TEXT => {
                let text = self.take(argument)?;
                match std::str::from_utf8(text) {
                    Ok(_) => Ok(Item::Text(text)),
                    Err(_) => Err(CodecError::Utf8 { at }),
                }
            }
            ARRAY => Ok(Item::Array(self.count(argument, 1)?)),
            MAP => Ok(Item::Map(self.count(argument, 2)?)),
            TAG if argument == 42 => self.link(),
            _ => Err(CodecError::Tag { at }),
        }
    }

    fn simple(&mut self, at: usize, byte: u8) -> Result<Item<'a>, CodecError> {
        self.at += 1;
        match byte {
            FALSE | TRUE | NULL => Ok(Item::Scalar),
            FLOAT64 => {
                let bits = self.take(8)?.iter().fold(0, |n, b| n << 8 | u64::from(*b));
                let negative_zero = bits == 1 << 63;
                if negative_zero || !f64::from_bits(bits).is_finite() {
                    return Err(CodecError::Float { at });
                }
                Ok(Item::Scalar)
            }
            _ => Err(CodecError::Forbidden { at, byte }),
        }
    }

    /// After tag 42: a byte string of a zero byte and a CID.
    fn link(&mut self) -> Result<Item<'a>, CodecError> {
        let (major, len) = self.head()?;
        if major != BYTES {
            return Err(CodecError::Link);
        }
        match self.take(len)? {
            [0, cid @ ..] => {
                cid_from_bytes(cid)?;
                Ok(Item::Scalar)
            }
            _ => Err(CodecError::Link),
        }
    }
}

/// A list or map that is being walked, with the items or entries still to come.
#[derive(Clone, Copy)]
enum Open<'a> {
    List(usize),
    /// With the key of the entry before, if any.
    Map(usize, Option<&'a [u8]>),
}

pub(crate) fn check(bytes: &[u8]) -> Result<(), CodecError> {
    let mut cursor = Cursor::new(bytes);
    let mut stack = [Open::List(0); MAX_DEPTH];
    let mut depth = 0;
    loop {
        let at = cursor.at;
        let opened = match cursor.next()? {
            Item::Array(left) => Some(Open::List(left)),
            Item::Map(left) => Some(Open::Map(left, None)),
            _ => None,
        };
        if let Some(open) = opened {
            let Some(slot) = stack.get_mut(depth) else {
                return Err(CodecError::TooDeep { at });
            };
            *slot = open;
            depth += 1;
        }
        // Go to the next item to read, leaving what is complete.
        loop {
            match depth.checked_sub(1).and_then(|top| stack.get_mut(top)) {
                None => return cursor.end(),
                Some(Open::List(0) | Open::Map(0, _)) => depth -= 1,
                Some(Open::List(left)) => {
                    *left -= 1;
                    break;
                }
                Some(Open::Map(left, last)) => {
                    *left -= 1;
                    *last = Some(map_key(&mut cursor, *last)?);
                    break;
                }
            }
        }
    }
}

/// The next map key, which must sort after `last`: shorter first, then bytewise.
fn map_key<'a>(cursor: &mut Cursor<'a>, last: Option<&'a [u8]>) -> Result<&'a [u8], CodecError> {
    let at = cursor.at;
    let Item::Text(key) = cursor.next()? else {
        return Err(CodecError::KeyType { at });
    };
    match last {
        Some(last) if last.len().cmp(&key.len()).then_with(|| last.cmp(key)) != Ordering::Less => {
            Err(CodecError::KeyOrder { at })
        }
        _ => Ok(key),
    }
}
