//! Values as fixed-size words: what indexes store and queries compare.

/// The dense number of an entity in one replica. Not stable across replicas.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Eid(pub u32);

/// The dense number of an attribute in one replica, below 2²⁴. Not stable across replicas.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Aid(pub u32);

/// A value of 72 bits. Ordered by (tag, bits); inside a tag the order is that of the values, except that text, byte strings and blobs
/// are ordered by their first four bytes only (the dictionary number below them is arbitrary).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Word {
    /// The type, see [`tag`].
    pub tag: u8,
    /// The value, or a prefix and its number in the dictionary.
    pub bits: u64,
}

/// Tags of [`Word`], in the order in which types sort.
pub mod tag {
    /// Bits 0 or 1.
    pub const BOOLEAN: u8 = 1;
    /// Two's complement with the sign bit flipped.
    pub const INTEGER: u8 = 2;
    /// IEEE 754 bits: negative ones inverted, others with the sign bit set.
    pub const FLOAT: u8 = 3;
    /// Milliseconds as [`INTEGER`].
    pub const TIME: u8 = 4;
    /// First four bytes, then the dictionary number.
    pub const TEXT: u8 = 5;
    /// As [`TEXT`].
    pub const BYTES: u8 = 6;
    /// The entity's number.
    pub const REF: u8 = 7;
    /// As [`TEXT`], over the bytes of the CID.
    pub const BLOB: u8 = 8;
}

const SIGN: u64 = 1 << 63;

impl Word {
    /// A boolean.
    pub fn boolean(b: bool) -> Self {
        Self {
            tag: tag::BOOLEAN,
            bits: u64::from(b),
        }
    }
    /// An integer.
    pub fn integer(i: i64) -> Self {
        Self {
            tag: tag::INTEGER,
            bits: i as u64 ^ SIGN,
        }
    }
    /// A time in milliseconds since 1970.
    pub fn time(ms: i64) -> Self {
        Self {
            tag: tag::TIME,
            bits: ms as u64 ^ SIGN,
        }
    }
    /// A float; any zero becomes positive zero.
    pub fn float(x: f64) -> Self {
        let b = (x + 0.0).to_bits();
        Self {
            tag: tag::FLOAT,
            bits: if b & SIGN == 0 { b | SIGN } else { !b },
        }
    }
    /// A reference.
    pub fn reference(e: Eid) -> Self {
        Self {
            tag: tag::REF,
            bits: u64::from(e.0),
        }
    }
    /// A dictionary value by its bytes and number.
    pub(crate) fn interned(tag: u8, bytes: &[u8], number: u32) -> Self {
        let mut head = [0; 4];
        let n = bytes.len().min(4);
        head[..n].copy_from_slice(&bytes[..n]);
        Self {
            tag,
            bits: u64::from(u32::from_be_bytes(head)) << 32 | u64::from(number),
        }
    }
    /// The integer or the milliseconds of a word tagged so.
    pub fn as_i64(self) -> i64 {
        (self.bits ^ SIGN) as i64
    }
    /// The float of a word tagged so.
    pub fn as_f64(self) -> f64 {
        f64::from_bits(if self.bits & SIGN == 0 {
            !self.bits
        } else {
            self.bits ^ SIGN
        })
    }
    /// The entity of a reference; `None` for other tags.
    pub fn as_eid(self) -> Option<Eid> {
        (self.tag == tag::REF).then_some(Eid(self.bits as u32))
    }
    /// The dictionary number of text, bytes and blobs; `None` for other tags.
    pub fn number(self) -> Option<u32> {
        matches!(self.tag, tag::TEXT | tag::BYTES | tag::BLOB).then_some(self.bits as u32)
    }
}

/// One current tuple.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fact {
    /// The entity.
    pub e: Eid,
    /// The attribute.
    pub a: Aid,
    /// The value.
    pub v: Word,
}
