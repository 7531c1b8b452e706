//! Selectors: which part of the arguments a statement speaks of.

use std::str::FromStr;

use ipld_core::ipld::Ipld;

use super::PolicyError;
use super::statement::{Steps, TooMany};

/// Most segments in one selector.
const MAX_SEGMENTS: usize = 32;

static NULL: Ipld = Ipld::Null;

/// A path into the arguments, such as `.entity["is-photo"]` or `.to[-1]?`.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    text: String,
    segments: Vec<(Segment, bool)>,
}

/// One step of a path; beside it stands whether it is optional.
#[derive(Debug, Clone, PartialEq)]
enum Segment {
    /// `.name` and `["name"]`.
    Field(String),
    /// `[]`.
    Values,
    /// `[7]`, `[-1]`.
    Index(i64),
    /// `[7:11]`, either end may be absent.
    Slice(Option<i64>, Option<i64>),
}

/// What a selector finds. Nothing of it is copied.
#[derive(Debug, Clone)]
pub(crate) enum Found<'a> {
    One(&'a Ipld),
    /// A list that is not in the data as such.
    Items(Vec<&'a Ipld>),
    Bytes(&'a [u8]),
    Byte(u8),
}

impl Selector {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing but field names, at least one.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = |(segment, optional): &_| matches!(segment, Segment::Field(_)) && !optional;
        !self.segments.is_empty() && self.segments.iter().all(plain)
    }

    /// `Ok(None)` if there is no value at that path.
    pub(crate) fn find<'a>(
        &self,
        data: &'a Ipld,
        steps: &mut Steps,
    ) -> Result<Option<Found<'a>>, TooMany> {
        let mut found = Found::One(data);
        for (segment, optional) in &self.segments {
            steps.take(1)?;
            found = match segment.step(found, steps)? {
                Some(found) => found,
                None if *optional => Found::One(&NULL),
                None => return Ok(None),
            };
        }
        Ok(Some(found))
    }
}

impl Segment {
    fn step<'a>(&self, from: Found<'a>, steps: &mut Steps) -> Result<Option<Found<'a>>, TooMany> {
        Ok(match (self, from) {
            // A missing key is null; the path may end there but not go on.
            (Self::Field(name), Found::One(Ipld::Map(map))) => {
                Some(Found::One(map.get(name).unwrap_or(&NULL)))
            }
            (Self::Values, Found::One(Ipld::Map(map))) => {
                steps.take(map.len())?;
                Some(Found::Items(map.values().collect()))
            }
            (Self::Values, list @ (Found::One(Ipld::List(_)) | Found::Items(_))) => Some(list),
            (Self::Index(i), Found::One(Ipld::List(list))) => place(*i, list.len())
                .and_then(|i| list.get(i))
                .map(Found::One),
            (Self::Index(i), Found::Items(list)) => place(*i, list.len())
                .and_then(|i| list.get(i).copied())
                .map(Found::One),
            (Self::Index(i), Found::One(Ipld::Bytes(bytes))) => byte(*i, bytes),
            (Self::Index(i), Found::Bytes(bytes)) => byte(*i, bytes),
            (Self::Slice(from, to), Found::One(Ipld::List(list))) => {
                let part = slice(list, *from, *to);
                steps.take(part.len())?;
                Some(Found::Items(part.iter().collect()))
            }
            (Self::Slice(from, to), Found::Items(list)) => {
                let part = slice(&list, *from, *to);
                steps.take(part.len())?;
                Some(Found::Items(part.to_vec()))
            }
            (Self::Slice(from, to), Found::One(Ipld::Bytes(bytes))) => {
                Some(Found::Bytes(slice(bytes, *from, *to)))
            }
            (Self::Slice(from, to), Found::Bytes(bytes)) => {
                Some(Found::Bytes(slice(bytes, *from, *to)))
            }
            _ => None,
        })
    }
}

/// The place that an index names, counted from the end if it is negative.
fn place(index: i64, len: usize) -> Option<usize> {
    let from_end = |back: u64| len.checked_sub(usize::try_from(back).ok()?);
    if index < 0 {
        from_end(index.unsigned_abs())
    } else {
        usize::try_from(index).ok()
    }
}

fn byte<'a>(index: i64, bytes: &[u8]) -> Option<Found<'a>> {
    place(index, bytes.len())
        .and_then(|i| bytes.get(i))
        .map(|byte| Found::Byte(*byte))
}

/// The part between two places; beyond the ends there is nothing.
fn slice<T>(list: &[T], from: Option<i64>, to: Option<i64>) -> &[T] {
    let end = |index: Option<i64>, absent: usize| match index {
        None => absent,
        Some(index) if index < 0 => place(index, list.len()).unwrap_or(0),
        Some(index) => usize::try_from(index).unwrap_or(usize::MAX).min(list.len()),
    };
    let (from, to) = (end(from, 0), end(to, list.len()));
    list.get(from..to).unwrap_or_default()
}

impl FromStr for Selector {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match parse(text) {
            Some(segments) => Ok(Self {
                text: text.to_owned(),
                segments,
            }),
            None => Err(PolicyError::Selector(text.to_owned())),
        }
    }
}

fn parse(text: &str) -> Option<Vec<(Segment, bool)>> {
    let mut segments = Vec::new();
    let after_dot = text.strip_prefix('.')?;
    // The whole, or the whole by way of brackets: the dot belongs to no name.
    let mut rest = match after_dot.chars().next() {
        None | Some('[' | '?') => after_dot,
        Some(_) => text,
    };
    // `.?` is the whole too, which always exists.
    if rest.starts_with('?') {
        return rest.bytes().all(|c| c == b'?').then_some(segments);
    }
    while !rest.is_empty() {
        let (segment, after) = match rest.strip_prefix('.') {
            Some(name) => field(name)?,
            None => bracket(rest.strip_prefix('[')?)?,
        };
        rest = after.trim_start_matches('?');
        segments.push((segment, rest.len() < after.len()));
        if segments.len() > MAX_SEGMENTS {
            return None;
        }
    }
    Some(segments)
}

/// An identifier: letters, digits and underscores of ASCII, not beginning with a digit.
fn field(text: &str) -> Option<(Segment, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.starts_with(|c: char| !c.is_ascii_digit()) {
        Some((Segment::Field(name.to_owned()), rest))
    } else {
        None
    }
}

/// What follows an opening bracket.
fn bracket(text: &str) -> Option<(Segment, &str)> {
    if text.starts_with('"') {
        let end = string_end(text)?;
        let (name, rest) = text.split_at(end);
        let name = serde_json::from_str(name).ok()?;
        return Some((Segment::Field(name), rest.strip_prefix(']')?));
    }
    let (inside, rest) = text.split_once(']')?;
    let segment = match inside.split_once(':') {
        None if inside.is_empty() => Segment::Values,
        None => Segment::Index(integer(inside)?),
        Some(("", "")) => return None,
        Some((from, "")) => Segment::Slice(Some(integer(from)?), None),
        Some(("", to)) => Segment::Slice(None, Some(integer(to)?)),
        Some((from, to)) => Segment::Slice(Some(integer(from)?), Some(integer(to)?)),
    };
    Some((segment, rest))
}

/// Where the JSON string ends that `text` begins with.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn integer(text: &str) -> Option<i64> {
    if text.starts_with('+') {
        return None;
    }
    text.parse().ok()
}
