//! Numbers as LEB128: seven bits a byte, lowest first, the high bit set on all bytes but the last.

pub(crate) fn put(out: &mut Vec<u8>, mut x: u64) {
    while x >= 0x80 {
        out.push(x as u8 | 0x80);
        x >>= 7;
    }
    out.push(x as u8);
}

/// Takes a number off the front; `None` if the bytes end or it has more than 64 bits' worth of bytes.
pub(crate) fn get(bytes: &mut &[u8]) -> Option<u64> {
    let (mut x, mut shift) = (0u64, 0);
    loop {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        x |= u64::from(b & 0x7F).checked_shl(shift)?;
        if b < 0x80 {
            return Some(x);
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

/// As [`get`], for the length of something: at most 32 bits.
pub(crate) fn get_len(bytes: &mut &[u8]) -> Option<usize> {
    u32::try_from(get(bytes)?).ok().map(|n| n as usize)
}

/// How many bytes [`put`] takes.
pub(crate) fn len(x: u64) -> usize {
    (u64::BITS - x.leading_zeros()).div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_take_what_is_said() {
        for shift in 0..64 {
            for x in [1u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = Vec::new();
                put(&mut bytes, x);
                assert_eq!(bytes.len(), len(x));
                let mut rest = &bytes[..];
                assert_eq!(get(&mut rest), Some(x));
                assert!(rest.is_empty());
                assert_eq!(get(&mut &bytes[..bytes.len() - 1]), None);
                let length = u32::try_from(x).ok().map(|n| n as usize);
                assert_eq!(get_len(&mut &bytes[..]), length);
            }
        }
        assert_eq!(get(&mut &[0x80; 20][..]), None);
    }
}
