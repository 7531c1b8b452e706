//! A leaf of a [`crate::Tree`] in memory and as packed bytes.
//!
//! Packed: `count: u16, flags: u8` (1 = has payloads), then an entry a key: one control byte that says which fields differ from the
//! entry before (bits 0 to 3) and whether the payload is the next operation (16) or the first of the next leaf (32), then those fields as LEB128. The first field that differs is written as a difference (keys ascend), later ones whole.
//! A sorted run of keys takes 3 to 9 bytes a key instead of 16.

use crate::{
    ReplicaError,
    leb128::{get, put},
    tag,
};

/// How the 128 bits of a key are divided into fields, from the top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// e 32, a 24, value 72
    Eav,
    /// a 24, e 32, value 72
    Aev,
    /// a 24, value 72, e 32
    Ave,
    /// 64 | 64, for references (value, attribute | entity), hashes with a number, and lists of places
    Halves,
}

/// Sorted keys, and a payload for each where the tree has payloads.
#[derive(Clone, Default, Debug)]
pub(crate) struct Block {
    pub keys: Vec<u128>,
    pub payloads: Vec<u64>,
}

/// What the encoder keeps of the key before: four fields.
type Fields = [u64; 4];

const SIGN: u64 = 1 << 63;

impl Layout {
    fn split(self, k: u128) -> Fields {
        match self {
            Self::Eav => [
                (k >> 96) as u64,
                (k >> 72) as u64 & 0xFF_FFFF,
                (k >> 64) as u64 & 0xFF,
                k as u64,
            ],
            Self::Aev => [
                (k >> 104) as u64,
                (k >> 72) as u64 & 0xFFFF_FFFF,
                (k >> 64) as u64 & 0xFF,
                k as u64,
            ],
            Self::Ave => [
                (k >> 104) as u64,
                (k >> 96) as u64 & 0xFF,
                (k >> 32) as u64,
                k as u64 & 0xFFFF_FFFF,
            ],
            Self::Halves => [(k >> 64) as u64, 0, 0, k as u64],
        }
    }
    fn join(self, f: Fields) -> u128 {
        let [a, b, c, d] = f.map(u128::from);
        match self {
            Self::Eav => a << 96 | b << 72 | c << 64 | d,
            Self::Aev => a << 104 | b << 72 | c << 64 | d,
            Self::Ave => a << 104 | b << 96 | c << 32 | d,
            Self::Halves => a << 64 | d,
        }
    }
    /// Which field holds the value's tag and which its bits.
    fn value(self) -> Option<(usize, usize)> {
        match self {
            Self::Eav | Self::Aev => Some((2, 3)),
            Self::Ave => Some((1, 2)),
            Self::Halves => None,
        }
    }
    /// Value bits in a form with small numbers for small values, and back (its own inverse apart from the direction).
    fn shrink(tag: u64, bits: u64) -> u64 {
        match tag as u8 {
            tag::INTEGER | tag::TIME => {
                let i = (bits ^ SIGN) as i64;
                ((i << 1) ^ (i >> 63)) as u64
            }
            _ => bits,
        }
    }
    fn grow(tag: u64, x: u64) -> u64 {
        match tag as u8 {
            tag::INTEGER | tag::TIME => (((x >> 1) as i64) ^ -((x & 1) as i64)) as u64 ^ SIGN,
            _ => x,
        }
    }
}

/// The payload of the first operation of the leaf after the one this payload is of (see `Place`).
fn next_leaf(payload: u64) -> u64 {
    (payload & !0xFFFF).wrapping_add(0x1_0000)
}

/// Packs entries one by one, so that a builder can stop at a size.
pub(crate) struct Packer {
    layout: Layout,
    out: Vec<u8>,
    count: u16,
    before: Fields,
    payload: u64,
    with_payloads: bool,
}

impl Packer {
    pub fn new(layout: Layout, with_payloads: bool) -> Self {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(&[0, 0, u8::from(with_payloads)]);
        Self {
            layout,
            out,
            count: 0,
            before: [0; 4],
            payload: 0,
            with_payloads,
        }
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn push(&mut self, key: u128, payload: u64) {
        let now = self.layout.split(key);
        let before = self.before;
        let mut control = 0u8;
        for i in 0..4 {
            control |= u8::from(now[i] != before[i]) << i;
        }
        let next = self.payload.wrapping_add(1);
        if self.with_payloads && payload == next {
            control |= 16;
        } else if self.with_payloads && payload == next_leaf(self.payload) {
            control |= 32;
        }
        self.out.push(control);
        let value = self.layout.value();
        let mut first = true;
        for i in 0..4 {
            if control & 1 << i == 0 {
                continue;
            }
            match value {
                Some((t, b)) if b == i => {
                    let dictionary = matches!(now[t] as u8, tag::TEXT | tag::BYTES | tag::BLOB);
                    if first {
                        put(&mut self.out, now[i].wrapping_sub(before[i]));
                    } else if dictionary {
                        self.out
                            .extend_from_slice(&((now[i] >> 32) as u32).to_be_bytes());
                        put(&mut self.out, now[i] & 0xFFFF_FFFF);
                    } else {
                        put(&mut self.out, Layout::shrink(now[t], now[i]));
                    }
                }
                _ if first => put(&mut self.out, now[i].wrapping_sub(before[i])),
                _ => put(&mut self.out, now[i]),
            }
            first = false;
        }
        if self.with_payloads {
            if control & (16 | 32) == 0 {
                let d = payload.wrapping_sub(self.payload) as i64;
                put(&mut self.out, ((d << 1) ^ (d >> 63)) as u64);
            }
            self.payload = payload;
        }
        self.before = now;
        self.count += 1;
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.out[..2].copy_from_slice(&self.count.to_be_bytes());
        self.out
    }
}

impl Block {
    pub fn pack(&self, layout: Layout) -> Vec<u8> {
        let mut p = Packer::new(layout, !self.payloads.is_empty());
        for (i, k) in self.keys.iter().enumerate() {
            p.push(*k, self.payloads.get(i).copied().unwrap_or(0));
        }
        p.finish()
    }

    pub fn unpack(bytes: &[u8], layout: Layout) -> Result<Self, ReplicaError> {
        Self::read(bytes, layout).ok_or(ReplicaError::Corrupt("an index block does not unpack"))
    }

    fn read(bytes: &[u8], layout: Layout) -> Option<Self> {
        let ([n0, n1, flags], mut rest) = bytes.split_first_chunk::<3>()?;
        let count = u16::from_be_bytes([*n0, *n1]) as usize;
        let with_payloads = *flags == 1;
        let mut block = Self {
            keys: Vec::with_capacity(count),
            payloads: Vec::with_capacity(if with_payloads { count } else { 0 }),
        };
        let (mut f, mut payload): (Fields, u64) = ([0; 4], 0);
        let value = layout.value();
        for _ in 0..count {
            let (&control, r) = rest.split_first()?;
            rest = r;
            let mut first = true;
            for i in 0..4 {
                if control & 1 << i == 0 {
                    continue;
                }
                f[i] = match value {
                    _ if first => f[i].wrapping_add(get(&mut rest)?),
                    Some((t, b)) if b == i => {
                        if matches!(f[t] as u8, tag::TEXT | tag::BYTES | tag::BLOB) {
                            let (head, r) = rest.split_first_chunk::<4>()?;
                            rest = r;
                            u64::from(u32::from_be_bytes(*head)) << 32
                                | get(&mut rest)? & 0xFFFF_FFFF
                        } else {
                            Layout::grow(f[t], get(&mut rest)?)
                        }
                    }
                    _ => get(&mut rest)?,
                };
                first = false;
            }
            let key = layout.join(f);
            if block.keys.last().is_some_and(|last| *last >= key) {
                return None;
            }
            block.keys.push(key);
            if with_payloads {
                if control & 16 != 0 {
                    payload = payload.wrapping_add(1);
                } else if control & 32 != 0 {
                    payload = next_leaf(payload);
                } else {
                    let x = get(&mut rest)?;
                    payload = payload.wrapping_add((((x >> 1) as i64) ^ -((x & 1) as i64)) as u64);
                }
                block.payloads.push(payload);
            }
        }
        rest.is_empty().then_some(block)
    }
}

#[cfg(test)]
mod tests;
