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

/// Milliseconds since 1970 of a time as people and programs write it: RFC 3339, the same with a space, without seconds or
/// without a time, `20240102T030405Z`, RFC 2822. What has no zone is read as UTC.
pub fn parse_any_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(time) = parse_time(text) {
        return Some(time);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp().as_millisecond());
    }
    for form in [
        "%Y-%m-%d %H:%M:%S %z",
        "%Y-%m-%d %H:%M %z",
        "%Y%m%dT%H%M%SZ",
    ] {
        if let Ok(time) = jiff::fmt::strtime::parse(form, text) {
            let offset = time.offset().unwrap_or(jiff::tz::Offset::UTC);
            let time = time.to_datetime().ok()?;
            return Some(offset.to_timestamp(time).ok()?.as_millisecond());
        }
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let time = jiff::tz::Offset::UTC.to_timestamp(local).ok()?;
    Some(time.as_millisecond())
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

    #[test]
    fn times_as_people_write_them() {
        for (text, seconds) in [
            ("2024-01-02T03:04:05Z", 1_704_164_645),
            ("2024-01-02 03:04:05 +0100", 1_704_161_045),
            ("2024-01-02 03:04:05", 1_704_164_645),
            ("2024-01-02T03:04", 1_704_164_640),
            ("2024-01-02", 1_704_153_600),
            ("20240102T030405Z", 1_704_164_645),
            ("Tue, 02 Jan 2024 03:04:05 +0000", 1_704_164_645),
        ] {
            assert_eq!(parse_any_time(text), Some(seconds * 1_000), "{text}");
        }
        for wrong in ["", "soon", "2024-13-01", "2024", "10:00", "a title"] {
            assert_eq!(parse_any_time(wrong), None, "{wrong}");
        }
    }
}
