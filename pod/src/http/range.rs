//! `Range` of RFC 9110, for one range: what players and resumed downloads send.

use std::ops::RangeInclusive;

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode, header},
    response::IntoResponse,
};

use super::reply::{Refusal, insert};

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

/// Answers with what is asked of `len` bytes, which `body` gives from one place to another; with status 416 if nothing of them is.
pub fn answer(
    headers: &HeaderMap,
    etag: &str,
    len: u64,
    body: impl FnOnce(u64, u64) -> Body,
) -> Response<Body> {
    // a validator of another file means: the whole file
    let unchanged = headers
        .get(header::IF_RANGE)
        .is_none_or(|h| h.as_bytes() == etag.as_bytes());
    let asked = headers
        .get(header::RANGE)
        .and_then(|h| h.to_str().ok())
        .filter(|_| unchanged);
    let (status, from, to, said) = match parse(asked, len) {
        Wanted::All => (StatusCode::OK, 0, len, None),
        Wanted::Part(part) => {
            let (first, last) = part.into_inner();
            let said = format!("bytes {first}-{last}/{len}");
            (StatusCode::PARTIAL_CONTENT, first, last + 1, Some(said))
        }
        Wanted::Nothing => {
            let why = "the range is beyond the end";
            let refused = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", why);
            let mut response = refused.into_response();
            let said = format!("bytes */{len}");
            insert(response.headers_mut(), header::CONTENT_RANGE, &said);
            return response;
        }
    };
    let mut response = Response::new(body(from, to));
    *response.status_mut() = status;
    let out = response.headers_mut();
    insert(out, header::CONTENT_LENGTH, &(to - from).to_string());
    insert(out, header::ACCEPT_RANGES, "bytes");
    if let Some(said) = said {
        insert(out, header::CONTENT_RANGE, &said);
    }
    response
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
