//! Positions in lists: fractions between 0 and 1 as base-256 digits without trailing zeros, so that there is always one in between.

const STEP: u64 = 1 << 16;
const LIMIT: u64 = 1 << 48;

fn head(digits: &[u8]) -> u64 {
    let mut six = [0; 8];
    let n = digits.len().min(6);
    six[2..2 + n].copy_from_slice(&digits[..n]);
    u64::from_be_bytes(six)
}

fn short(x: u64) -> Vec<u8> {
    let mut digits = x.to_be_bytes()[2..].to_vec();
    trim(&mut digits);
    digits
}

fn trim(digits: &mut Vec<u8>) {
    while digits.last() == Some(&0) {
        digits.pop();
    }
}

/// A position after `low` and before `high`; `None` stands for the ends. Appending and prepending stay short for 2³¹ elements.
pub(crate) fn between(low: Option<&[u8]>, high: Option<&[u8]>) -> Vec<u8> {
    match (low, high) {
        (None, None) => short(LIMIT / 2),
        (Some(l), None) if head(l) + STEP < LIMIT => short(head(l) + STEP),
        (None, Some(h)) if head(h) > STEP => short(head(h) - STEP),
        (l, h) => middle(l.unwrap_or(&[]), h),
    }
}

fn middle(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut high = high;
    for i in 0.. {
        let l = low.get(i).copied().unwrap_or(0) as u16;
        let h = high.map_or(256, |h| h.get(i).copied().unwrap_or(0) as u16);
        if h > l + 1 {
            out.push(u16::midpoint(l, h) as u8);
            break;
        }
        out.push(l as u8);
        if h > l {
            // below this digit everything above `low` is before `high`
            high = None;
        }
        // equal fractions have nothing in between; the order of operation ids decides then
        if i > low.len() && high.is_some_and(|h| i > h.len()) {
            out.push(128);
            break;
        }
    }
    trim(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn there_is_always_one_in_between() {
        let mut list: Vec<Vec<u8>> = Vec::new();
        let mut x = 7u64;
        for _ in 0..3000 {
            x = x
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let i = match x >> 62 {
                0 => 0,
                1 => list.len(),
                _ => (x >> 20) as usize % (list.len() + 1),
            };
            let p = between(
                i.checked_sub(1).map(|j| &*list[j]),
                list.get(i).map(|h| &**h),
            );
            assert!(i == 0 || list[i - 1] < p, "{:?} {p:?}", list.get(i - 1));
            assert!(i == list.len() || p < list[i], "{p:?} {:?}", list[i]);
            list.insert(i, p);
        }
        assert!(list.iter().all(|p| p.len() < 64));
    }

    #[test]
    fn appending_stays_short() {
        let mut last = between(None, None);
        for _ in 0..100_000 {
            let next = between(Some(&last), None);
            assert!(next > last && next.len() <= 6);
            last = next;
        }
    }
}
