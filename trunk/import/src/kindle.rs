//! `My Clippings.txt` of a Kindle: highlights, notes and bookmarks, in the language of the device.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use rhizome_tuple::Value as Tuple;
use rustc_hash::FxHashSet;

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::{Entry, Source};
use crate::text::decode;

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.book/1` that a Kindle knows, made once.
    struct Names {
        author: "book/author",
        created: "book/created",
        location: "book/location",
        of: "book/of",
        page: "book/page",
        text: "book/text",
        title: "book/title",
        r#type: "book/type",
    }
}

/// Reads the clippings of a Kindle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kindle;

/// The line between clippings, or as much of it as a file that breaks off has.
const RULE: &str = "=======";
/// Files of a source that are looked into.
const LOOKED_AT: usize = 200;

/// Words of the line below the title, lower case: English, German, French, Spanish, Italian, Portuguese.
const HIGHLIGHT: [&str; 8] = [
    "highlight",
    "markierung",
    "surlignement",
    "subrayado",
    "evidenziazione",
    "destaque",
    "clip",
    "ausschnitt",
];
const NOTE: [&str; 4] = ["note", "notiz", "nota", "notas"];
const BOOKMARK: [&str; 6] = [
    "bookmark",
    "lesezeichen",
    "signet",
    "marcador",
    "segnalibro",
    "marcadores",
];
const PAGE: [&str; 5] = ["page", "seite", "página", "pagina", "pg"];
const LOCATION: [&str; 8] = [
    "location",
    "loc",
    "position",
    "emplacement",
    "posición",
    "posizione",
    "posição",
    "ubicación",
];
const MONTHS: [[&str; 12]; 3] = [
    [
        "januar",
        "februar",
        "märz",
        "april",
        "mai",
        "juni",
        "juli",
        "august",
        "september",
        "oktober",
        "november",
        "dezember",
    ],
    [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
];
const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const FORMS: [&str; 5] = [
    "%d %B %Y %H:%M:%S",
    "%d %B %y %H:%M:%S",
    "%B %d %Y %I:%M:%S %p",
    "%B %d %Y %H:%M:%S",
    "%d %B %Y %I:%M:%S %p",
];

fn clippings(source: &Source) -> impl Iterator<Item = &Entry> {
    source.entries().iter().filter(|entry| entry.ends("txt"))
}

fn is_clippings(source: &Source, entry: &Entry) -> bool {
    let Ok(head) = source.head(&entry.path, 4_096) else {
        return false;
    };
    let (text, _) = decode(&head);
    let below = text
        .lines()
        .any(|line| line.starts_with("- ") && line.contains(" | ") && kind(line) != "clipping");
    below && text.lines().any(|line| line.starts_with(RULE))
}

impl Importer for Kindle {
    fn name(&self) -> &'static str {
        "kindle"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let found = clippings(source)
            .take(LOOKED_AT)
            .find(|entry| is_clippings(source, entry));
        Ok(found.map(|entry| {
            Recognition::of(self.name(), 0.95, format!("{} holds clippings", entry.path))
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let names = Names::new();
        let mut books = FxHashSet::default();
        for entry in clippings(source) {
            if !is_clippings(source, entry) {
                continue;
            }
            let file = &entry.path;
            sink.used(file);
            let (text, said) = decode(&source.read_document(file)?);
            if let Some(said) = said {
                sink.problem(Problem::of_file(ProblemCode::Encoding, file, said));
            }
            let mut block: Vec<&str> = Vec::new();
            for line in text.lines().chain([RULE]) {
                if line.starts_with(RULE) {
                    clipping(file, &block, &names, &mut books, sink)?;
                    block.clear();
                } else {
                    block.push(line.trim_start_matches('\u{feff}'));
                }
            }
            sink.progress(file, entry.size, entry.size)?;
        }
        Ok(())
    }
}

/// Hands one clipping over: a line with title and author, a line with what and where, an empty one, the text.
fn clipping(
    file: &str,
    block: &[&str],
    names: &Names,
    books: &mut FxHashSet<String>,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    let mut lines = block
        .iter()
        .copied()
        .skip_while(|line| line.trim().is_empty());
    let Some(title) = lines.next().map(str::trim) else {
        return Ok(());
    };
    let Some(below) = lines
        .next()
        .map(str::trim)
        .filter(|line| line.starts_with('-'))
    else {
        let message = "below its title there is no line that says what it is; it was left out";
        sink.skip(
            "clipping",
            Problem::of_item(ProblemCode::Malformed, file, shorten(title), message),
        );
        return Ok(());
    };
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.trim();
    let (name, author) = title
        .strip_suffix(')')
        .and_then(|title| title.rsplit_once(" ("))
        .map_or((title, None), |(name, author)| (name, Some(author)));
    let of = format!("book/{}", shorten(title));
    let book = sink.entity(&of);
    if books.insert(of.clone()) {
        let mut facts = Facts::default();
        facts.one(&names.r#type, "book");
        facts.one(&names.title, name);
        facts.maybe(&names.author, author);
        sink.record(facts.record("book", of, None, Some(Audience::Direct)))?;
    }
    let created = time(below);
    if created.is_none() {
        let message = "its time is in words that are not known; it was imported without";
        sink.problem(Problem::of_item(
            ProblemCode::PartIgnored,
            file,
            shorten(title),
            message,
        ));
    }
    let kind = kind(below);
    let mut facts = Facts::default();
    facts.one(&names.r#type, kind);
    facts.one(&names.of, book);
    facts.maybe(&names.text, Some(text).filter(|text| !text.is_empty()));
    facts.maybe(&names.page, after(below, &PAGE));
    facts.maybe(&names.location, after(below, &LOCATION));
    facts.maybe(&names.created, created.map(Tuple::Time));
    // The file is only ever added to: an edited note is a further clipping.
    let mut hasher = blake3::Hasher::new_derive_key("rhizome import kindle clipping v1");
    for part in [title, below, text] {
        hasher
            .update(&(part.len() as u64).to_le_bytes())
            .update(part.as_bytes());
    }
    let hash = hasher.finalize().to_hex();
    let key = format!("clipping/{}", hash.as_str().get(..32).unwrap_or_default());
    sink.record(facts.record(kind, key, created, Some(Audience::Direct)))
}

fn words(line: &str) -> impl Iterator<Item = String> {
    line.split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// What the line below the title calls it.
fn kind(line: &str) -> &'static str {
    let first = line.split('|').next().unwrap_or_default();
    for word in words(first) {
        for (known, kind) in [
            (&HIGHLIGHT[..], "highlight"),
            (&BOOKMARK[..], "bookmark"),
            (&NOTE[..], "note"),
        ] {
            if known.contains(&word.as_str()) {
                return kind;
            }
        }
    }
    "clipping"
}

/// The number, range or Roman numeral after one of the words.
fn after(line: &str, known: &[&str]) -> Option<String> {
    let mut words = words(line);
    words.find(|word| known.contains(&word.as_str()))?;
    let place = words.next()?;
    let roman = |c: char| "ivxlcdm".contains(c);
    let fits = place.chars().all(|c| c.is_ascii_digit() || c == '-') || place.chars().all(roman);
    (fits && place.len() <= 32).then_some(place)
}

/// Milliseconds since 1970 of the last part of the line, without a zone and so taken for UTC.
fn time(line: &str) -> Option<i64> {
    let last = line.rsplit('|').next()?;
    if last.len() > 200 {
        return None;
    }
    let mut parts: Vec<String> = last
        .split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| word.trim_end_matches('.').to_owned())
        .filter(|word| !word.is_empty() && word != "de" && word != "um" && word != "à")
        .collect();
    for part in &mut parts {
        let lower = part.to_lowercase();
        let month = MONTHS
            .iter()
            .find_map(|names| names.iter().position(|name| *name == lower));
        if let Some(name) = month.and_then(|n| ENGLISH.get(n)) {
            (*name).clone_into(part);
        }
    }
    // Weekdays, and what stands before them, are not looked at: devices get them wrong.
    let month = parts
        .iter()
        .position(|part| ENGLISH.iter().any(|name| name.eq_ignore_ascii_case(part)))?;
    let first = parts
        .get(month.checked_sub(1)?)
        .is_some_and(|day| day.bytes().all(|b| b.is_ascii_digit()));
    let text = parts.get(month - usize::from(first)..)?.join(" ");
    FORMS.iter().find_map(|form| {
        let civil = BrokenDownTime::parse(form, &text)
            .ok()?
            .to_datetime()
            .ok()?;
        let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp().as_millisecond())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_in_several_languages() {
        for (line, what, page, location, ms) in [
            (
                "- Your Highlight on page 12 | location 123-124 | Added on Monday, 1 January 2020 12:00:00",
                "highlight",
                Some("12"),
                Some("123-124"),
                Some(1_577_880_000_000),
            ),
            (
                "- Your Note at location 200 | Added on Tuesday, February 2, 2021 1:00:00 PM",
                "note",
                None,
                Some("200"),
                Some(1_612_270_800_000),
            ),
            (
                "- Your Bookmark on page xii | Added on whenever",
                "bookmark",
                Some("xii"),
                None,
                None,
            ),
            (
                "- Ihre Markierung auf Seite 7 | bei Position 8-9 | Hinzugefügt am Mittwoch, 1. Januar 2020 12:00:00",
                "highlight",
                Some("7"),
                Some("8-9"),
                Some(1_577_880_000_000),
            ),
            (
                "- La nota en la página 7 | posición 8 | Añadido el miércoles, 1 de enero de 2020 12:00:00",
                "note",
                Some("7"),
                Some("8"),
                Some(1_577_880_000_000),
            ),
            ("- 書籤 | 12", "clipping", None, None, None),
        ] {
            assert_eq!(
                (
                    kind(line),
                    after(line, &PAGE).as_deref(),
                    after(line, &LOCATION).as_deref(),
                    time(line)
                ),
                (what, page, location, ms),
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "\\PC{0,120}") {
            let _ = (kind(&line), after(&line, &PAGE), time(&line));
        }
    }
}
