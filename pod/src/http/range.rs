//! `Range` of RFC 9110, for one range: what players and resumed downloads send.

use std::ops::RangeInclusive;

/// What to answer to a `Range` header.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The whole file: no range, one that is not understood, or several.
    All,
    /// These bytes, both ends included.
    Part(RangeInclusive<u64>),
    /// Nothing of the file lies in the range: status 416.
    Nothing,
}

/// Reads the header for a file of `len` bytes.
pub fn parse(header: Option<&str>, len: u64) -> Wanted {
    let Some((first, last)) = header
        .and_then(|h| h.strip_prefix("bytes="))
        .and_then(|h| h.split_once('-'))
    else {
        return Wanted::All;
    };
    let number = |text: &str| {
        if text.is_empty() {
            Some(None)
        } else {
            text.trim().parse::<u64>().ok().map(Some)
        }
    };
    let end = len.saturating_sub(1);
    match (number(first), number(last)) {
        (Some(Some(from)), Some(to)) => {
            if to.is_some_and(|to| to < from) {
                Wanted::All
            } else if from >= len {
                Wanted::Nothing
            } else {
                Wanted::Part(from..=to.unwrap_or(end).min(end))
            }
        }
        (Some(None), Some(Some(0))) => Wanted::Nothing,
        (Some(None), Some(Some(_))) if len == 0 => Wanted::Nothing,
        (Some(None), Some(Some(suffix))) => Wanted::Part(len.saturating_sub(suffix)..=end),
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rfc() {
        let cases = [
            (None, Wanted::All),
            (Some("bytes=0-"), Wanted::Part(0..=99)),
            (Some("bytes=10-19"), Wanted::Part(10..=19)),
            (Some("bytes=10-1000"), Wanted::Part(10..=99)),
            (Some("bytes=-5"), Wanted::Part(95..=99)),
            (Some("bytes=-500"), Wanted::Part(0..=99)),
            (Some("bytes=100-"), Wanted::Nothing),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=5-4"), Wanted::All),
            (Some("bytes=0-1,5-6"), Wanted::All),
            (Some("bytes=a-b"), Wanted::All),
            (Some("lines=1-2"), Wanted::All),
            (Some("bytes=99999999999999999999-"), Wanted::All),
        ];
        for (header, wanted) in cases {
            assert_eq!(parse(header, 100), wanted, "{header:?}");
        }
        assert_eq!(parse(Some("bytes=0-"), 0), Wanted::Nothing);
        assert_eq!(parse(Some("bytes=-1"), 0), Wanted::Nothing);
    }
}
