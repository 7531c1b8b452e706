//! Which part of an attribute's values a comparison leaves: inclusive spans of words, in ascending order. They may be too wide,
//! never too narrow; the comparison itself is still made.

use rhizome_replica::{Word, tag};

use super::words::{Kind, Words, kind};
use crate::ir::Compare;
use crate::plan::{Bound, Register};

/// Before every word.
pub const LEAST: Word = Word { tag: 0, bits: 0 };
/// After every word.
pub const GREATEST: Word = Word {
    tag: u8::MAX,
    bits: u64::MAX,
};
const EVERYTHING: (Word, Word) = (LEAST, GREATEST);

/// Whether two words differ where the order of words is the order of values: rows between them cannot tie.
pub fn apart(a: Word, b: Word) -> bool {
    match a.tag {
        tag::TEXT | tag::BYTES | tag::BLOB => a.tag != b.tag || a.bits >> 32 != b.bits >> 32,
        _ => a != b,
    }
}

/// The spans that pass all bounds.
pub fn of_bounds(
    bounds: &[Bound],
    get: &dyn Fn(Register) -> Word,
    words: &Words<'_>,
) -> Vec<(Word, Word)> {
    let Some(first) = bounds.first() else {
        return vec![EVERYTHING];
    };
    let wanted = kind(get(first.with));
    let mut out = Vec::with_capacity(3);
    let tags: &[u8] = match wanted {
        Kind::Number => &[tag::INTEGER, tag::FLOAT, tag::TIME],
        Kind::Text => &[tag::TEXT],
        _ => return vec![EVERYTHING],
    };
    for tag in tags {
        let (mut lo, mut hi) = (0, u64::MAX);
        for bound in bounds {
            let with = get(bound.with);
            if kind(with) != wanted {
                continue;
            }
            let (low, high) = if wanted == Kind::Number {
                number_bits(*tag, with)
            } else {
                text_bits(words, with)
            };
            match bound.compare {
                Compare::Less | Compare::LessOrEqual => hi = hi.min(high),
                Compare::Greater | Compare::GreaterOrEqual => lo = lo.max(low),
                Compare::Equal => (lo, hi) = (lo.max(low), hi.min(high)),
                Compare::StartsWith => {
                    let (low, high) = prefix_bits(words, with);
                    (lo, hi) = (lo.max(low), hi.min(high));
                }
                _ => {}
            }
        }
        if lo <= hi {
            out.push((
                Word {
                    tag: *tag,
                    bits: lo,
                },
                Word {
                    tag: *tag,
                    bits: hi,
                },
            ));
        }
    }
    out
}

/// The bits of numbers of one type around a number of any type: at most and at least it.
fn number_bits(of: u8, w: Word) -> (u64, u64) {
    match (of, w.tag) {
        (tag::FLOAT, tag::FLOAT) => (w.bits, w.bits),
        (tag::FLOAT, _) => {
            // conversion rounds: step outwards
            let x = w.as_i64() as f64;
            (
                Word::float(x.next_down()).bits,
                Word::float(x.next_up()).bits,
            )
        }
        (_, tag::FLOAT) => {
            // saturating conversions are what is wanted here
            let x = w.as_f64();
            (
                Word::integer(x.floor() as i64).bits,
                Word::integer(x.ceil() as i64).bits,
            )
        }
        _ => (w.bits, w.bits),
    }
}

fn head(bytes: &[u8], pad: u8) -> u64 {
    let mut head = [pad; 4];
    let n = bytes.len().min(4);
    head[..n].copy_from_slice(&bytes[..n]);
    u64::from(u32::from_be_bytes(head)) << 32
}

fn text_bits(words: &Words<'_>, w: Word) -> (u64, u64) {
    let head = words.with_text(w, |s| head(s.as_bytes(), 0)).unwrap_or(0);
    (head, head | u64::from(u32::MAX))
}

fn prefix_bits(words: &Words<'_>, w: Word) -> (u64, u64) {
    let heads = words.with_text(w, |s| (head(s.as_bytes(), 0), head(s.as_bytes(), 0xFF)));
    heads.map_or((0, u64::MAX), |(low, high)| {
        (low, high | u64::from(u32::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::number_bits;
    use rhizome_replica::{Word, tag};

    #[test]
    fn spans_are_never_too_narrow() {
        let big = (1i64 << 53) + 1;
        let (low, high) = number_bits(tag::FLOAT, Word::integer(big));
        assert!(
            low < Word::float((1i64 << 53) as f64).bits
                && high > Word::float((1i64 << 53) as f64 + 2.0).bits - 1
        );
        let (low, high) = number_bits(tag::INTEGER, Word::float(2.5));
        assert_eq!((low, high), (Word::integer(2).bits, Word::integer(3).bits));
        let (low, high) = number_bits(tag::TIME, Word::float(1e300));
        assert_eq!(
            (low, high),
            (Word::time(i64::MAX).bits, Word::time(i64::MAX).bits)
        );
    }
}
