//! Calendars: iCalendar files with events, tasks and journal entries.

mod entry;
mod names;
mod zones;

use calcard::icalendar::{ICalendar, ICalendarComponentType as Type};
use calcard::{Entry, Parser};
use rustc_hash::FxHashSet;

use crate::audience::Audience;
use crate::chunks::{Chunk, Cut, each_chunk};
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::problem::{Problem, ProblemCode};
use crate::source::Source;
use crate::text::{decode, unmarked};
use entry::{recurrence_id, text_of};
use names::Names;
use zones::Zones;

/// Reads iCalendar files (`.ics`), as calendar programs export them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ICalendars;

const NAME: &str = "icalendar";

const KIND: Kind = Kind {
    ends: &[".ics", ".ical", ".ifb", ".icalendar"],
    looks: |head| {
        let text = decode(head).0;
        text.trim_start()
            .get(..15)
            .is_some_and(|start| start.eq_ignore_ascii_case("BEGIN:VCALENDAR"))
    },
    alone: true,
    beside: &[],
};

impl Importer for ICalendars {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        KIND.recognise(NAME, "iCalendar entries", source)
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut reading = Reading {
            source,
            sink,
            names: Names::new(),
            calendars: FxHashSet::default(),
        };
        for file in KIND.files(source)? {
            reading.file(&file)?;
        }
        Ok(())
    }
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// Keys of calendars that are records already.
    calendars: FxHashSet<String>,
}

/// What a first reading finds in a file.
#[derive(Default)]
struct Calendar {
    key: Option<String>,
    zones: Zones,
    /// Uids of entries that are no exceptions.
    uids: FxHashSet<String>,
}

/// Where an entry of a calendar begins and ends; what lies around the entries is a chunk as well.
fn entry_cut(depth: &mut usize, line: &[u8]) -> Cut {
    let line = line
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(line)
        .trim_ascii_end();
    let after = |mark: &[u8]| {
        let (start, rest) = line.split_at_checked(mark.len())?;
        start.eq_ignore_ascii_case(mark).then_some(rest)
    };
    if let Some(name) = after(b"BEGIN:") {
        if name.eq_ignore_ascii_case(b"VCALENDAR") {
            *depth = 0;
            return Cut::Before;
        }
        *depth += 1;
        return if *depth == 1 {
            Cut::Before
        } else {
            Cut::Within
        };
    }
    if let Some(name) = after(b"END:") {
        if name.eq_ignore_ascii_case(b"VCALENDAR") {
            *depth = 0;
            return Cut::Before;
        }
        *depth = depth.saturating_sub(1);
        return if *depth == 0 { Cut::After } else { Cut::Within };
    }
    Cut::Within
}

fn parse(text: &str) -> Option<ICalendar> {
    let mut parser = Parser::new(text);
    loop {
        match parser.entry() {
            Entry::ICalendar(calendar) => return Some(calendar),
            Entry::Eof | Entry::UnterminatedComponent(_) | Entry::TooManyComponents => return None,
            _ => {}
        }
    }
}

fn begins(text: &str, component: &str) -> bool {
    let line = text.trim_start_matches('\u{feff}').lines().next();
    line.is_some_and(|line| line.trim_end().eq_ignore_ascii_case(component))
}

impl Reading<'_> {
    fn each(
        &mut self,
        file: &str,
        take: &mut dyn FnMut(&mut Self, Chunk<'_>) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let source = self.source;
        let reader = unmarked(source.read(file)?, &source.head(file, 4)?);
        let mut depth = 0;
        each_chunk(
            file,
            reader,
            source.limits().record_bytes,
            &mut |line| entry_cut(&mut depth, line),
            &mut |chunk| take(self, chunk),
        )
    }

    fn file(&mut self, file: &str) -> Result<(), ImportError> {
        self.sink.used(file);
        let total = self.source.find(file).map_or(0, |entry| entry.size);
        let mut calendar = Calendar::default();
        self.each(file, &mut |reading, chunk| {
            reading.sink.progress(file, chunk.done / 2, total)?;
            reading.look(&decode(chunk.bytes).0, &mut calendar)
        })?;
        self.each(file, &mut |reading, chunk| {
            if chunk.number % 64 == 0 {
                reading
                    .sink
                    .progress(file, total / 2 + chunk.done / 2, total)?;
            }
            reading.chunk(file, &chunk, &calendar)
        })?;
        self.sink.progress(file, total, total)
    }

    /// The first reading: an entry may come before its time zone, and an exception before its rule.
    fn look(&mut self, text: &str, calendar: &mut Calendar) -> Result<(), ImportError> {
        if begins(text, "BEGIN:VCALENDAR") {
            if calendar.key.is_none() {
                calendar.key = self.calendar(&format!("{text}\nEND:VCALENDAR\n"))?;
            }
            return Ok(());
        }
        let Some(parsed) = parse(text) else {
            return Ok(());
        };
        let Some(first) = parsed.components.first() else {
            return Ok(());
        };
        if first.component_type == Type::VTimezone {
            calendar.zones.add(first);
        } else if let Some(uid) = first.uid()
            && recurrence_id(first).is_none()
        {
            calendar.uids.insert(uid.trim().to_owned());
        }
        Ok(())
    }

    /// The calendar itself, where it has a name.
    fn calendar(&mut self, header: &str) -> Result<Option<String>, ImportError> {
        let Some(parsed) = parse(header) else {
            return Ok(None);
        };
        let Some(component) = parsed.components.first() else {
            return Ok(None);
        };
        let Some(title) = text_of(component, &["X-WR-CALNAME", "NAME"]) else {
            return Ok(None);
        };
        let key = format!("calendar/{title}");
        if self.calendars.insert(key.clone()) {
            let names = &self.names;
            let mut facts = Facts::default();
            facts.one(&names.r#type, "calendar");
            facts.one(&names.title, title);
            facts.or_empty(
                &names.description,
                text_of(component, &["X-WR-CALDESC", "DESCRIPTION"]),
            );
            facts.or_empty(&names.time_zone, text_of(component, &["X-WR-TIMEZONE"]));
            let colour = text_of(component, &["X-APPLE-CALENDAR-COLOR", "COLOR"]);
            facts.or_empty(&names.colour, colour);
            let record = facts.record("calendar", key.clone(), None, Some(Audience::Direct));
            self.sink.record(record)?;
        }
        Ok(Some(key))
    }

    fn chunk(
        &mut self,
        file: &str,
        chunk: &Chunk<'_>,
        calendar: &Calendar,
    ) -> Result<(), ImportError> {
        let item = format!("part {}", chunk.number);
        if chunk.over {
            let limit = self.source.limits().record_bytes;
            let message = format!("it has more than {limit} bytes; it was left out");
            let problem = Problem::of_item(ProblemCode::TooLong, file, item, message);
            self.sink.skip("event", problem);
            return Ok(());
        }
        let (text, guessed) = decode(chunk.bytes);
        if let Some(message) = guessed {
            let problem = Problem::of_item(ProblemCode::Encoding, file, item.as_str(), message);
            self.sink.problem(problem);
        }
        let around = text.trim().is_empty()
            || begins(&text, "BEGIN:VCALENDAR")
            || begins(&text, "END:VCALENDAR");
        if around {
            return Ok(());
        }
        // The reader takes an entry without its end for one: what the rest would have said would seem emptied.
        let name = text.trim_start_matches('\u{feff}').lines().next();
        let name = name
            .and_then(|line| line.trim().get(6..))
            .unwrap_or_default();
        let end = text.trim_end().lines().next_back().unwrap_or_default();
        let ended = end.trim().eq_ignore_ascii_case(&format!("END:{name}"));
        let Some(parsed) = parse(&text).filter(|_| ended) else {
            let message = "it has no end; it was left out";
            self.sink.incomplete(Problem::of_item(
                ProblemCode::Malformed,
                file,
                item,
                message,
            ));
            return Ok(());
        };
        let kind = match parsed.components.first().map(|first| &first.component_type) {
            Some(Type::VEvent) => "event",
            Some(Type::VTodo) => "task",
            Some(Type::VJournal) => "journal",
            Some(Type::VTimezone) | None => return Ok(()),
            Some(other) => {
                let message = format!("{} is not imported", other.as_str());
                self.sink.skip(
                    "event",
                    Problem::of_item(ProblemCode::PartIgnored, file, item, message),
                );
                return Ok(());
            }
        };
        self.entry(file, kind, &parsed, calendar)
    }
}
