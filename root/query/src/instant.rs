//! RFC 3339 times to milliseconds since 1970, without a time zone database.

/// Reads `2026-11-20`, `2026-11-20T10:00`, `2026-11-20T10:00:00.123Z`, `…+01:00`. Without an offset the time is UTC. Digits after
/// the millisecond are dropped; a leap second counts as the second after it.
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    skip(&mut rest, b"-")?;
    let month = number(&mut rest, 2)?;
    skip(&mut rest, b"-")?;
    let day = number(&mut rest, 2)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if rest.is_empty() {
        return Some(days * 86_400_000);
    }
    skip(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2)?;
    skip(&mut rest, b":")?;
    let minute = number(&mut rest, 2)?;
    let (mut second, mut milli) = (0, 0);
    if skip(&mut rest, b":").is_some() {
        second = number(&mut rest, 2)?;
        if skip(&mut rest, b".").is_some() {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (fraction, after) = rest.split_at(digits);
            milli = fraction
                .iter()
                .chain(b"00")
                .take(3)
                .fold(0, |n, b| n * 10 + i64::from(b - b'0'));
            if digits == 0 {
                return None;
            }
            rest = after;
        }
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match rest.split_first() {
        None | Some((b'Z' | b'z', [])) => 0,
        Some((sign @ (b'+' | b'-'), after)) => {
            rest = after;
            let hours = number(&mut rest, 2)?;
            let _ = skip(&mut rest, b":");
            let minutes = number(&mut rest, 2)?;
            if !rest.is_empty() || hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some(((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + milli)
}

fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    head.iter().try_fold(0, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
    })
}

fn skip(rest: &mut &[u8], any_of: &[u8]) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    any_of.contains(first).then(|| *rest = tail)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times() {
        for (text, ms) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("2026-11-20T10:00:00Z", Some(1_795_168_800_000)),
            ("2026-11-20T11:00:00.5+01:00", Some(1_795_168_800_500)),
            ("2000-02-29T00:00", Some(951_782_400_000)),
            ("0000-01-01", Some(-62_167_219_200_000)),
            ("2026-02-29", None),
            ("2026-11-20T24:00Z", None),
            ("2026-11-20T10:00:00.Z", None),
            ("2026-11-20T10:00:00Zx", None),
            ("noon", None),
        ] {
            assert_eq!(parse(text), ms, "{text}");
        }
    }
}
