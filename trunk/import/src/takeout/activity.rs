//! My Activity and the histories of `YouTube`, as JSON or as pages. Their words are in the account's language, so what was
//! done is read from addresses where these tell it.

use rhizome_tuple::{EntityId, Value as Tuple};
use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use super::{html, report};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::Sink;
use crate::json::{each_item, parse_path};
use crate::part::{Part, kind_of};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::{Entry, Source};
use crate::time::parse_time;

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.activity/1`, made once.
    pub struct ActivityNames {
        accuracy: "activity/accuracy",
        address: "activity/address",
        altitude: "activity/altitude",
        by: "activity/by",
        by_url: "activity/by-url",
        created: "activity/created",
        detail: "activity/detail",
        device: "activity/device",
        end: "activity/end",
        r#in: "activity/in",
        latitude: "activity/latitude",
        longitude: "activity/longitude",
        place: "activity/place",
        product: "activity/product",
        query: "activity/query",
        title: "activity/title",
        r#type: "activity/type",
        url: "activity/url",
    }
}

/// What is told of one activity, however it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The product, as the export calls it.
    pub product: Option<String>,
    /// One line: `Watched A film`.
    pub title: String,
    /// Address of what it is about.
    pub url: Option<String>,
    /// Whose it is, and their address.
    pub by: Option<(String, Option<String>)>,
    /// When, milliseconds since 1970.
    pub time: Option<i64>,
    /// Further lines.
    pub details: Vec<String>,
}

/// Reads histories. One activity that stands in several of them is taken once.
pub struct Activities {
    names: ActivityNames,
    met: FxHashSet<EntityId>,
}

impl Activities {
    pub fn new() -> Self {
        Self {
            names: ActivityNames::new(),
            met: FxHashSet::default(),
        }
    }

    /// A history as JSON.
    pub fn json(
        &mut self,
        source: &Source,
        entry: &Entry,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let file = &entry.path;
        let path = parse_path("/*").unwrap_or_default();
        let limit = source.limits().record_bytes;
        let outcome = each_item(source.read(file)?, &path, limit, &mut |n, item, done| {
            if n % 256 == 0 {
                sink.progress(file, done, entry.size)?;
            }
            let why = match serde_json::from_str::<Value>(item) {
                Ok(Value::Object(fields)) => {
                    let item = format!("activity {}", n + 1);
                    let mut part = Part::new(&fields);
                    let told = told(&mut part);
                    part.problems(file, &item)
                        .for_each(|problem| sink.problem(problem));
                    return self.record(file, &item, &told, sink);
                }
                Ok(other) => format!("an activity is an object, not a {}", kind_of(&other)),
                Err(error) => error.to_string(),
            };
            leave_out(file, &format!("activity {}", n + 1), &why, sink);
            Ok(())
        })?;
        report(file, &outcome, sink);
        Ok(())
    }

    /// A history as a page.
    pub fn html(
        &mut self,
        source: &Source,
        entry: &Entry,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let file = &entry.path;
        let limit = source.limits().record_bytes;
        let (mut n, mut unzoned) = (0_u64, 0_u64);
        let outcome = html::each_cell(source.read(file)?, limit, &mut |cell, done| {
            n += 1;
            if n % 256 == 0 {
                sink.progress(file, done.min(entry.size), entry.size)?;
            }
            let item = format!("activity {n}");
            if let Some((told, zoned)) = html::told(cell) {
                unzoned += u64::from(!zoned);
                self.record(file, &item, &told, sink)
            } else {
                leave_out(file, &item, "it has no line and no time", sink);
                Ok(())
            }
        })
        .map_err(|error| match error {
            html::Stop::Import(error) => error,
            html::Stop::Read(error) => ImportError::read(file, error),
        })?;
        if unzoned > 0 {
            let message =
                format!("{unzoned} times name no zone that is known; they were taken for UTC");
            sink.problem(Problem::of_file(ProblemCode::PartIgnored, file, message));
        }
        report(file, &outcome, sink);
        Ok(())
    }

    /// Hands an activity over. It has no id at its source: its second and what it is about name it.
    fn record(
        &mut self,
        file: &str,
        item: &str,
        told: &Told,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let Some(time) = told.time else {
            leave_out(file, item, "it has no time", sink);
            return Ok(());
        };
        let about = told.url.as_deref().unwrap_or(&told.title);
        let mut hasher = blake3::Hasher::new_derive_key("rhizome import google activity v1");
        hasher.update(about.as_bytes());
        let hash = hasher.finalize().to_hex();
        let key = format!(
            "activity/{}/{}",
            time.div_euclid(1_000),
            hash.as_str().get(..32).unwrap_or_default()
        );
        if !self.met.insert(sink.entity(&key)) {
            return Ok(());
        }
        let (kind, query, url) = what(told);
        let names = &self.names;
        let mut facts = Facts::default();
        facts.one(&names.r#type, kind);
        facts.one(&names.title, told.title.as_str());
        facts.one(&names.created, Tuple::Time(time));
        facts.maybe(&names.product, told.product.as_deref());
        facts.maybe(&names.url, url);
        facts.maybe(&names.query, query);
        if let Some((by, url)) = &told.by {
            facts.one(&names.by, by.as_str());
            facts.maybe(&names.by_url, url.as_deref());
        }
        if !told.details.is_empty() {
            let details = told.details.iter().map(|line| Tuple::from(line.as_str()));
            facts.list(&names.detail, details.collect());
        }
        sink.record(facts.record(kind, key, Some(time), Some(Audience::Direct)))
    }
}

fn leave_out(file: &str, item: &str, why: &str, sink: &mut dyn Sink) {
    let message = format!("{why}; it was left out");
    sink.skip(
        "activity",
        Problem::of_item(ProblemCode::Malformed, file, shorten(item), message),
    );
}

fn told(part: &mut Part<'_>) -> Told {
    let text = |fields: &Map<String, Value>, name: &str| {
        let text = fields.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let by = part.objects("subtitles").into_iter().find_map(|subtitle| {
        let url = text(subtitle, "url")?;
        Some((text(subtitle, "name")?, Some(url)))
    });
    let mut details: Vec<String> = part
        .text("description")
        .map(str::to_owned)
        .into_iter()
        .collect();
    for name in ["subtitles", "details"] {
        let lines = part.objects(name).into_iter();
        details.extend(
            lines
                .filter(|line| line.get("url").is_none())
                .filter_map(|line| text(line, "name")),
        );
    }
    let time = part.text("time").map(parse_time);
    if time == Some(None) {
        part.complain("its time is not one");
    }
    Told {
        product: part.text("header").map(str::to_owned),
        title: part.text("title").unwrap_or_default().to_owned(),
        url: part.text("titleUrl").map(str::to_owned),
        by,
        time: time.flatten(),
        details,
    }
}

/// What was done, what was searched for, and the address without Google's own in front of it.
fn what(told: &Told) -> (&'static str, Option<String>, Option<String>) {
    let Some(url) = told.url.as_deref() else {
        return ("used", None, None);
    };
    let plain = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .unwrap_or(url);
    let (host, rest) = plain.split_once('/').unwrap_or((plain, ""));
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let google = host.split('.').any(|part| part == "google");
    let tube = host.ends_with("youtube.com");
    let own = || Some(url.to_owned());
    let film = path == "watch" || path.starts_with("shorts/");
    let place = path.starts_with("maps/search/") || path.starts_with("maps/place/");
    if tube && film {
        ("watched", None, own())
    } else if tube && path == "results" {
        ("searched", parameter(url, "search_query"), own())
    } else if google && path == "search" {
        ("searched", parameter(url, "q"), own())
    } else if google && path == "url" {
        ("visited", None, parameter(url, "q").or_else(own))
    } else if google && place {
        let name = path.split('/').nth(2).map(decode);
        (
            "searched",
            name.filter(|name| !name.starts_with('@')),
            own(),
        )
    } else if (google || tube) && !says_visited(&told.title) {
        ("used", None, own())
    } else {
        ("visited", None, own())
    }
}

/// Whether a line says so of an address of Google's own, in English or German.
fn says_visited(title: &str) -> bool {
    let end = title.trim_end_matches('.').ends_with(" besucht");
    end || title.starts_with("Visited ") || title.starts_with("Besucht: ")
}

/// A parameter of an address.
fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').find_map(|pair| {
        let (known, value) = pair.split_once('=')?;
        (known == name).then(|| decode(value))
    })
}

/// Percent-encoding and plus signs undone; what is not UTF-8 then becomes U+FFFD.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = ahead;
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_google_can_be_visited() {
        let visited = |title: &str| {
            let url = Some("https://productforums.google.com/forum/".to_owned());
            let title = title.to_owned();
            what(&Told {
                title,
                url,
                ..Told::default()
            })
            .0
        };
        assert_eq!(visited("Visited a forum"), "visited");
        assert_eq!(visited("Ein Forum besucht"), "visited");
        assert_eq!(visited("Opened a forum"), "used");
    }

    #[test]
    fn addresses_tell_what_was_done() {
        for (url, kind, query, kept) in [
            (
                "https://www.youtube.com/watch?v=abc",
                "watched",
                None,
                "https://www.youtube.com/watch?v=abc",
            ),
            (
                "https://www.youtube.com/results?search_query=a+b%26c",
                "searched",
                Some("a b&c"),
                "",
            ),
            (
                "https://www.google.de/search?hl=de&q=caf%C3%A9",
                "searched",
                Some("café"),
                "",
            ),
            (
                "https://www.google.com/url?q=https://example.org/x&usg=1",
                "visited",
                None,
                "https://example.org/x",
            ),
            (
                "https://www.google.co.uk/maps/place/A+Lake/@33.5,-88.9",
                "searched",
                Some("A Lake"),
                "",
            ),
            (
                "https://example.org/search?q=x",
                "visited",
                None,
                "https://example.org/search?q=x",
            ),
            ("https://play.google.com/store/books/", "used", None, ""),
            (
                "https://www.google.com/search?q=%F",
                "searched",
                Some("%F"),
                "",
            ),
            (
                "https://www.google.com/search?q=%FF%é",
                "searched",
                Some("\u{fffd}%é"),
                "",
            ),
        ] {
            let told = Told {
                url: Some(url.to_owned()),
                ..Told::default()
            };
            let (found, asked, address) = what(&told);
            assert_eq!((found, asked.as_deref()), (kind, query), "{url}");
            if !kept.is_empty() {
                assert_eq!(address.as_deref(), Some(kept));
            }
        }
    }
}
