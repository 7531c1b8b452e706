//! Times as exports write them.

use jiff::Timestamp;

/// Milliseconds since 1970 of an RFC 3339 time, such as `2022-07-12T16:15:56Z`.
pub fn parse_time(text: &str) -> Option<i64> {
    text.trim()
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_any_offset_and_fraction() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!(
            parse_time("2022-07-12T18:15:56.5+02:00"),
            Some(1_657_642_556_500)
        );
        for wrong in [
            "",
            "yesterday",
            "2022-13-01T00:00:00Z",
            "2022-07-12",
            "+99999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }
}
