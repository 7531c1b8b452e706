//! Times as exports write them.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// Milliseconds since 1970 of an RFC 3339 time, such as `2022-07-12T16:15:56Z`.
pub fn parse_time(text: &str) -> Option<i64> {
    text.trim()
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

/// Milliseconds since 1970 of a time written as a `strptime` pattern says; without a zone it is of UTC, without a time of
/// day of midnight.
pub fn by_pattern(text: &str, pattern: &str) -> Option<i64> {
    let parsed = BrokenDownTime::parse(pattern, text).ok()?;
    if let Ok(timestamp) = parsed.to_timestamp() {
        return Some(timestamp.as_millisecond());
    }
    let date = parsed.to_date().ok()?;
    let time = parsed.to_time().unwrap_or(Time::midnight());
    let zoned = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
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
