//! My Activity as a page: cells of one shape, read one by one, because such a page can have hundreds of megabytes.

use std::io::{self, Read};

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use memchr::memmem;

use super::activity::Told;
use crate::error::ImportError;
use crate::outcome::{End, Outcome};
use crate::text::{Lossy, plain_text};

/// With what every activity begins.
const MARK: &[u8] = b"class=\"outer-cell";
/// Bytes read at once.
const PIECE: usize = 1 << 16;

/// What stopped the reading.
pub enum Stop {
    /// The import.
    Import(ImportError),
    /// The system.
    Read(io::Error),
}

/// Hands the text of each cell over, with the bytes read so far. One longer than `limit` ends the document.
pub fn each_cell(
    reader: impl Read,
    limit: usize,
    take: &mut dyn FnMut(&str, u64) -> Result<(), ImportError>,
) -> Result<Outcome, Stop> {
    let (mut reader, replaced) = Lossy::new(reader);
    let find = memmem::Finder::new(MARK);
    let mut buffer: Vec<u8> = Vec::with_capacity(2 * PIECE);
    let mut piece = vec![0; PIECE];
    // Where the search goes on, and whether a cell begins at the start of the buffer.
    let (mut from, mut within, mut done) = (0, false, 0_u64);
    let mut end = End::Whole;
    loop {
        let n = match reader.read(&mut piece) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Read(error)),
        };
        done += n as u64;
        buffer.extend_from_slice(piece.get(..n).unwrap_or_default());
        let mut start = 0;
        while let Some(at) = find.find(buffer.get(from..).unwrap_or_default()) {
            let at = from + at;
            if within {
                give(buffer.get(start..at), done, take)?;
            }
            (within, start, from) = (true, at, at + MARK.len());
        }
        if n == 0 {
            if within {
                give(buffer.get(start..), done, take)?;
            }
            break;
        }
        // Of what is no cell only as much is kept as may be the beginning of a mark.
        let keep = buffer.len().saturating_sub(MARK.len() - 1);
        buffer.drain(..if within { start } else { keep });
        from = buffer.len().saturating_sub(MARK.len() - 1);
        if within {
            from = from.max(MARK.len());
        }
        if buffer.len() > limit {
            end = End::Broken(format!("an activity is longer than {limit} bytes"));
            break;
        }
    }
    Ok(Outcome {
        end,
        mismatches: 0,
        replaced: replaced.count(),
    })
}

fn give(
    cell: Option<&[u8]>,
    done: u64,
    take: &mut dyn FnMut(&str, u64) -> Result<(), ImportError>,
) -> Result<(), Stop> {
    let text = String::from_utf8_lossy(cell.unwrap_or_default());
    take(&text, done).map_err(Stop::Import)
}

/// What a cell tells, and whether its time names a zone that is known; `None` where it has no line and no time.
pub fn told(cell: &str) -> Option<(Told, bool)> {
    let product = between(cell, "mdl-typography--title\">", "</p>").map(bare);
    let content = between(cell, "mdl-typography--body-1\">", "</div>")?;
    let mut lines: Vec<&str> = content.split("<br>").collect();
    let (time, zoned) = loop {
        let line = lines.pop()?;
        if let Some(time) = time(&bare(line)) {
            break time;
        }
    };
    let mut lines = lines.into_iter();
    let first = lines.next()?;
    let mut told = Told {
        product: product.filter(|product| !product.is_empty()),
        title: bare(first),
        url: link(first),
        time: Some(time),
        ..Told::default()
    };
    for line in lines {
        let text = bare(line);
        match link(line) {
            Some(url) if told.by.is_none() => told.by = Some((text, Some(url))),
            _ if !text.is_empty() => told.details.push(text),
            _ => {}
        }
    }
    (!told.title.is_empty()).then_some((told, zoned))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = text.get(text.find(start)? + start.len()..)?;
    rest.get(..rest.find(end)?)
}

/// Text without tags, entities decoded, one space between words.
fn bare(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    for (n, part) in html.split('<').enumerate() {
        text.push_str(if n == 0 {
            part
        } else {
            part.split_once('>').map_or("", |(_, rest)| rest)
        });
    }
    let plain = plain_text(&text);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The address of the first link.
fn link(html: &str) -> Option<String> {
    let href = between(html, "href=\"", "\"")?;
    let url = plain_text(href).trim().to_owned();
    (!url.is_empty()).then_some(url)
}

/// Zones as pages abbreviate them, in minutes east of UTC.
const ZONES: [(&str, i64); 18] = [
    ("UTC", 0),
    ("GMT", 0),
    ("WEZ", 0),
    ("WET", 0),
    ("BST", 60),
    ("CET", 60),
    ("MEZ", 60),
    ("CEST", 120),
    ("MESZ", 120),
    ("EET", 120),
    ("EEST", 180),
    ("IST", 330),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("PST", -480),
    ("PDT", -420),
];
/// Forms of times, in English and German.
const FORMS: [&str; 6] = [
    "%b %d, %Y, %I:%M:%S %p",
    "%d %b %Y, %H:%M:%S",
    "%d.%m.%Y, %H:%M:%S",
    "%d/%m/%Y, %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%b %d, %Y, %H:%M:%S",
];

/// Milliseconds since 1970 of a time such as `Sep 18, 2018, 5:48:23 AM UTC`, and whether its zone is known.
fn time(text: &str) -> Option<(i64, bool)> {
    if text.len() > 64 {
        return None;
    }
    let parse = |text: &str| {
        FORMS.iter().find_map(|form| {
            let parsed = BrokenDownTime::parse(form, text).ok()?;
            parsed.to_datetime().ok()
        })
    };
    let at = |civil: DateTime| {
        let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp().as_millisecond())
    };
    // German pages shorten months with a full stop.
    let text = text.replace(". ", ".").replace(" Uhr", "");
    if let Some(civil) = parse(&text) {
        return Some((at(civil)?, false));
    }
    let (front, zone) = text.rsplit_once(' ')?;
    let ms = at(parse(front)?)?;
    let known = ZONES.iter().find(|(name, _)| *name == zone);
    let offset = known.map(|(_, minutes)| *minutes).or_else(|| {
        let offset = zone
            .strip_prefix("GMT")
            .or_else(|| zone.strip_prefix("UTC"))?;
        let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "0"));
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        let within = hours.abs() <= 14 && (0..60).contains(&minutes);
        within.then(|| hours * 60 + if hours < 0 { -minutes } else { minutes })
    });
    Some((
        ms.checked_sub(offset.unwrap_or_default() * 60_000)?,
        offset.is_some(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CELL: &str = r#"class="outer-cell mdl-cell"><div class="header-cell"><p class="mdl-typography--title">YouTube<br></p></div>
        <div class="content-cell mdl-cell mdl-typography--body-1">Watched&nbsp;<a href="https://www.youtube.com/watch?v=1&amp;t=2">A &amp; B</a><br><a href="https://www.youtube.com/channel/C">Chan</a><br>Jan 31, 2018, 10:54:50 PM CET</div></div>"#;

    #[test]
    fn a_cell() {
        let (told, zoned) = told(CELL).unwrap();
        assert_eq!(told.title, "Watched A & B");
        assert_eq!(
            told.url.as_deref(),
            Some("https://www.youtube.com/watch?v=1&t=2")
        );
        assert_eq!(
            told.by,
            Some((
                "Chan".to_owned(),
                Some("https://www.youtube.com/channel/C".to_owned())
            ))
        );
        assert_eq!((told.time, zoned), (Some(1_517_435_690_000), true));
        assert_eq!(told.product.as_deref(), Some("YouTube"));
    }

    #[test]
    fn times_of_pages() {
        for (text, ms, zoned) in [
            ("Jan 31, 2018, 10:54:50 PM", 1_517_439_290_000, false),
            ("Jan 31, 2018, 10:54:50 PM UTC", 1_517_439_290_000, true),
            ("31.01.2018, 22:54:50 MEZ", 1_517_435_690_000, true),
            ("31.01.2018, 22:54:50 GMT+05:30", 1_517_419_490_000, true),
            ("31 Jan 2018, 22:54:50 XYZ", 1_517_439_290_000, false),
        ] {
            assert_eq!(time(text), Some((ms, zoned)), "{text}");
        }
        for wrong in ["", "yesterday", "31.13.2018, 22:54:50", "UTC"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    fn cells(bytes: &[u8], limit: usize) -> (Vec<String>, Outcome) {
        let mut cells = Vec::new();
        let outcome = each_cell(bytes, limit, &mut |cell, _| {
            cells.push(cell.to_owned());
            Ok(())
        });
        (cells, outcome.unwrap_or_else(|_| panic!("it can be read")))
    }

    #[test]
    fn cells_are_found_wherever_pieces_end() {
        for filler in [0, 10, PIECE - 20, PIECE - 8, PIECE - 1, 3 * PIECE] {
            let page = format!("{}<div {CELL}<div {CELL}</div>", "x".repeat(filler));
            let (found, outcome) = cells(page.as_bytes(), 1 << 20);
            assert_eq!((found.len(), outcome.end), (2, End::Whole), "{filler}");
            assert!(found.iter().all(|cell| told(cell).is_some()), "{filler}");
        }
        let endless = format!("<div {CELL}{}", "x".repeat(1 << 18));
        assert!(matches!(
            cells(endless.as_bytes(), 1 << 17).1.end,
            End::Broken(_)
        ));
        assert_eq!(cells(b"", 1 << 17).0.len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(at in 0..CELL.len(), byte in any::<u8>(), cut in 0..CELL.len()) {
            let mut bytes = CELL.as_bytes().to_vec();
            bytes[at] = byte;
            bytes.truncate(cut.max(1));
            for cell in cells(&bytes, 1 << 17).0 {
                let _ = told(&cell);
            }
        }

        #[test]
        fn any_text_is_no_time_or_one(text in "\\PC{0,40}") {
            let _ = time(&text);
        }
    }
}
