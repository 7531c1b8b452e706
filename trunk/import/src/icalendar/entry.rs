//! One entry of a calendar: an event, a task or a journal entry.

use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType as Type, ICalendarEntry,
    ICalendarParameterName as Parameter, ICalendarProperty as P, ICalendarStatus,
    ICalendarTransparency, ICalendarValue as V, Uri,
};
use rhizome_tuple::{Attribute, Value};

use super::names::Names;
use super::zones::Moment;
use super::{Calendar, Reading};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::problem::{Problem, ProblemCode, shorten};

/// The text of the first property of one of these names.
pub fn text_of<'a>(component: &'a ICalendarComponent, names: &[&str]) -> Option<&'a str> {
    let named = |entry: &&ICalendarEntry| {
        names
            .iter()
            .any(|name| entry.name.as_str().eq_ignore_ascii_case(name))
    };
    component
        .entries
        .iter()
        .filter(named)
        .find_map(|entry| entry.values.first()?.as_text())
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// What an exception says it replaces, as it is written.
pub fn recurrence_id(component: &ICalendarComponent) -> Option<&ICalendarEntry> {
    component.property(&P::RecurrenceId)
}

/// An entry while it is read.
struct Entry<'a> {
    component: &'a ICalendarComponent,
    calendar: &'a Calendar,
    wrong: Vec<String>,
}

impl<'a> Entry<'a> {
    fn first(&self, name: &P) -> Option<&'a ICalendarEntry> {
        self.component.property(name)
    }

    fn all(&self, name: &'static P) -> impl Iterator<Item = &'a ICalendarEntry> + use<'a> {
        self.component.properties(name)
    }

    fn text(&self, name: &P) -> Option<&'a str> {
        let text = self.first(name)?.values.first()?.as_text()?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn integer(&mut self, name: &P) -> Option<i64> {
        let entry = self.first(name)?;
        let number = entry.values.first().and_then(V::as_integer);
        if number.is_none() {
            self.wrong
                .push(format!("{} is not a number", name.as_str()));
        }
        number
    }

    /// Every time of a property, with what is not one reported.
    fn moments_of(&mut self, entry: &ICalendarEntry) -> Vec<Moment> {
        let mut moments = Vec::new();
        for value in &entry.values {
            let found = match value {
                V::PartialDateTime(date) => self.calendar.zones.moment(date, entry.tz_id()),
                _ => None,
            };
            match found {
                Some((moment, unknown)) => {
                    if unknown {
                        let zone = shorten(entry.tz_id().unwrap_or_default());
                        let message = format!(
                            "nobody knows the time zone {zone}; {} was read as UTC",
                            entry.name.as_str()
                        );
                        if !self.wrong.contains(&message) {
                            self.wrong.push(message);
                        }
                    }
                    moments.push(moment);
                }
                None => self.wrong.push(format!(
                    "{} is not a time; it was left out",
                    entry.name.as_str()
                )),
            }
        }
        moments
    }

    fn moment(&mut self, name: &P) -> Option<Moment> {
        let entry = self.first(name)?;
        self.moments_of(entry).into_iter().next()
    }

    fn moments(&mut self, name: &'static P) -> Vec<Value> {
        let entries: Vec<_> = self.all(name).collect();
        let moments = entries.into_iter().flat_map(|entry| self.moments_of(entry));
        moments.map(|moment| Value::Time(moment.ms)).collect()
    }

    /// Where it ends: as it says, or after its duration.
    fn end(&mut self, start: Option<Moment>) -> Option<Moment> {
        if let Some(end) = self.moment(&P::Dtend) {
            return Some(end);
        }
        let Some(V::Duration(duration)) = self.first(&P::Duration)?.values.first() else {
            self.wrong
                .push("DURATION is not a duration; it was left out".to_owned());
            return None;
        };
        let start = start?;
        let ms = start
            .ms
            .checked_add(duration.as_seconds().checked_mul(1_000)?)?;
        Some(Moment { ms, ..start })
    }

    /// A hash of what does not change, for entries without a name.
    fn key(&self) -> String {
        if let Some(uid) = self.text(&P::Uid) {
            return uid.to_owned();
        }
        let mut hash = blake3::Hasher::new();
        for name in [P::Dtstart, P::Due, P::Created, P::Summary] {
            let text = self.first(&name).and_then(|entry| {
                let value = entry.values.first()?.clone();
                Some(value.into_text()?.into_owned())
            });
            let text = text.unwrap_or_default();
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        format!("#{}", hash.finalize().to_hex())
    }
}

/// The words of enumerations that the reader knows, in lower case.
fn word(entry: Option<&ICalendarEntry>) -> Option<String> {
    let text = entry?.values.first()?.as_text()?;
    (!text.is_empty()).then(|| text.to_lowercase())
}

/// An address without `mailto:`.
fn address(entry: &ICalendarEntry) -> Option<String> {
    let text = entry.values.first()?.as_text()?.trim();
    let bare = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => text.get(7..)?,
        _ => text,
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}

fn is_binary(entry: &ICalendarEntry) -> bool {
    let value = entry.parameter(&Parameter::Value);
    value.is_some_and(|value| {
        value
            .as_text()
            .is_some_and(|text| text.eq_ignore_ascii_case("BINARY"))
    })
}

/// Somebody invited, as a line.
fn participant(entry: &ICalendarEntry, address: &str) -> String {
    let said = |name: &Parameter| {
        let text = entry.parameter(name)?.as_text()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let who = match said(&Parameter::Cn) {
        Some(name) if name != address => format!("{name} <{address}>"),
        _ => address.to_owned(),
    };
    let more = [Parameter::Partstat, Parameter::Role, Parameter::Cutype];
    let more = more.iter().filter_map(said).map(|text| text.to_lowercase());
    std::iter::once(who)
        .chain(more)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Reading<'_> {
    pub(super) fn entry(
        &mut self,
        file: &str,
        kind: &'static str,
        parsed: &ICalendar,
        calendar: &Calendar,
    ) -> Result<(), ImportError> {
        let Some(component) = parsed.components.first() else {
            return Ok(());
        };
        let mut entry = Entry {
            component,
            calendar,
            wrong: Vec::new(),
        };
        let uid = entry.key();
        let replaces = entry.moment(&P::RecurrenceId);
        let key = match (recurrence_id(component), replaces) {
            (Some(_), Some(moment)) => format!("{uid}#{}", moment.ms),
            (Some(_), None) => format!("{uid}#"),
            _ => uid.clone(),
        };
        let names = self.names.clone();
        let mut facts = Facts::default();
        facts.one(&names.r#type, kind);
        let start = entry.moment(&P::Dtstart);
        if start.is_none() && kind == "event" {
            let message = "it has no start; it was left out";
            self.sink.skip(
                kind,
                Problem::of_item(ProblemCode::Malformed, file, shorten(&key), message),
            );
            return Ok(());
        }
        let end = entry.end(start);
        let due = entry.moment(&P::Due);
        let time = |moment: Option<Moment>| moment.map(|moment| Value::Time(moment.ms));
        let first = start.or(due);
        facts.or_empty(&names.start, time(start));
        facts.or_empty(&names.end, time(end));
        facts.or_empty(&names.all_day, first.filter(|m| m.day).map(|_| true));
        facts.or_empty(&names.floating, first.filter(|m| m.floating).map(|_| true));
        let zone = [P::Dtstart, P::Due]
            .iter()
            .find_map(|name| entry.first(name)?.tz_id());
        facts.or_empty(&names.time_zone, zone);
        if kind == "task" {
            facts.or_empty(&names.due, time(due));
            facts.or_empty(&names.completed, time(entry.moment(&P::Completed)));
            facts.or_empty(
                &names.percent,
                entry.integer(&P::PercentComplete).map(Value::Integer),
            );
        }
        recurrence(&mut entry, &names, &mut facts);
        if let Some(moment) = replaces {
            facts.one(&names.recurrence_id, Value::Time(moment.ms));
            if calendar.uids.contains(&uid) {
                facts.one(&names.recurrence_of, self.sink.entity(&uid));
            }
        }
        words(&mut entry, &names, &mut facts);
        self.attachments(file, &mut entry, &mut facts)?;
        alarms(parsed, &mut entry, &names, &mut facts);
        if let Some(key) = &calendar.key {
            facts.one(&names.calendar, self.sink.entity(key));
        }
        facts.maybe(&names.uid, entry.text(&P::Uid));
        for message in entry.wrong {
            let problem = Problem::of_item(ProblemCode::PartIgnored, file, shorten(&key), message);
            self.sink.problem(problem);
        }
        let created = first.map(|moment| moment.ms);
        self.sink
            .record(facts.record(kind, key, created, Some(Audience::Direct)))
    }

    /// Files in it go to the blobs, addresses of files stay addresses.
    fn attachments(
        &mut self,
        file: &str,
        entry: &mut Entry<'_>,
        facts: &mut Facts,
    ) -> Result<(), ImportError> {
        let (mut blobs, mut urls) = (Vec::new(), Vec::new());
        for attached in entry.all(&P::Attach) {
            for value in &attached.values {
                let bytes = match value {
                    V::Binary(bytes) => bytes.as_slice(),
                    V::Uri(Uri::Data(data)) => data.data.as_slice(),
                    // The reader gives bytes that are text as text.
                    V::Text(text) if !text.contains(':') || is_binary(attached) => text.as_bytes(),
                    V::Uri(Uri::Location(url)) | V::Text(url) => {
                        urls.push(url.trim().into());
                        continue;
                    }
                    _ => continue,
                };
                let stored = self.sink.bytes(&format!("{file} ATTACH"), bytes)?;
                blobs.extend(stored.map(|stored| Value::Blob(stored.cid)));
            }
        }
        facts.set(&self.names.attachment, blobs);
        facts.set(&self.names.attachment_url, urls);
        Ok(())
    }
}

fn recurrence(entry: &mut Entry<'_>, names: &Names, facts: &mut Facts) {
    let mut rules = Vec::new();
    for rule in entry.all(&P::Rrule).flat_map(|rule| &rule.values) {
        match rule {
            V::RecurrenceRule(rule) => rules.push(rule.to_string()),
            _ => entry
                .wrong
                .push("RRULE is not a rule; it was left out".to_owned()),
        }
    }
    let rules = (!rules.is_empty()).then(|| rules.join("\n"));
    facts.or_empty(&names.rrule, rules);
    let further = entry.moments(&P::Rdate);
    facts.set(&names.rdate, further);
    let without = entry.moments(&P::Exdate);
    facts.set(&names.exdate, without);
}

fn words(entry: &mut Entry<'_>, names: &Names, facts: &mut Facts) {
    for (attribute, property) in [
        (&names.title, &P::Summary),
        (&names.description, &P::Description),
        (&names.location, &P::Location),
        (&names.url, &P::Url),
    ] {
        facts.or_empty(attribute, entry.text(property));
    }
    let status = entry.component.status().map(status_word);
    facts.or_empty(&names.status, status);
    facts.or_empty(&names.class, word(entry.first(&P::Class)));
    let free = matches!(
        entry.component.transparency(),
        Some(ICalendarTransparency::Transparent)
    );
    facts.or_empty(&names.transparent, free.then_some(true));
    facts.or_empty(
        &names.organizer,
        entry.first(&P::Organizer).and_then(address),
    );
    let (mut who, mut lines) = (Vec::new(), Vec::new());
    for attendee in entry.all(&P::Attendee) {
        if let Some(address) = address(attendee) {
            lines.push(participant(attendee, &address).into());
            who.push(address.into());
        }
    }
    facts.set(&names.attendee, who);
    facts.list(&names.participant, lines);
    texts(entry, &P::Categories, &names.category, facts);
    texts(entry, &P::RelatedTo, &names.related_to, facts);
    let priority = entry
        .integer(&P::Priority)
        .filter(|priority| *priority != 0);
    facts.or_empty(&names.priority, priority.map(Value::Integer));
    facts.or_empty(
        &names.sequence,
        entry.integer(&P::Sequence).map(Value::Integer),
    );
    let place = place(entry);
    facts.or_empty(&names.latitude, place.map(|(lat, _)| Value::Float(lat)));
    facts.or_empty(&names.longitude, place.map(|(_, lon)| Value::Float(lon)));
    for (attribute, property) in [
        (&names.created, &P::Created),
        (&names.updated, &P::LastModified),
    ] {
        let moment = entry.moment(property);
        facts.maybe(attribute, moment.map(|moment| Value::Time(moment.ms)));
    }
}

fn texts(entry: &Entry<'_>, property: &'static P, attribute: &Attribute, facts: &mut Facts) {
    let values = entry.all(property).flat_map(|line| &line.values);
    let texts = values.filter_map(V::as_text).map(str::trim);
    let texts = texts.filter(|text| !text.is_empty()).map(Value::from);
    facts.set(attribute, texts.collect());
}

fn status_word(status: &ICalendarStatus) -> String {
    use calcard::common::IanaString;
    status.as_str().to_lowercase()
}

/// Degrees north and east.
fn place(entry: &mut Entry<'_>) -> Option<(f64, f64)> {
    let values = &entry.first(&P::Geo)?.values;
    let numbers: Vec<f64> = match values.as_slice() {
        [V::Text(text)] => text
            .split(';')
            .filter_map(|n| n.trim().parse().ok())
            .collect(),
        values => values.iter().filter_map(V::as_float).collect(),
    };
    match numbers.as_slice() {
        [lat, lon] if (-90.0..=90.0).contains(lat) && (-180.0..=180.0).contains(lon) => {
            Some((*lat, *lon))
        }
        _ => {
            entry
                .wrong
                .push("GEO is no place; it was left out".to_owned());
            None
        }
    }
}

/// When it reminds.
fn alarms(parsed: &ICalendar, entry: &mut Entry<'_>, names: &Names, facts: &mut Facts) {
    let mut alarms = Vec::new();
    for id in &entry.component.component_ids {
        let Some(alarm) = parsed.component_by_id(*id) else {
            continue;
        };
        if alarm.component_type != Type::VAlarm {
            continue;
        }
        let trigger = alarm.property(&P::Trigger).and_then(|t| t.values.first());
        match trigger {
            Some(V::Duration(duration)) => alarms.push(duration.to_string().into()),
            Some(V::PartialDateTime(date)) => {
                alarms.extend(date.to_rfc3339().map(Value::from));
            }
            _ => entry
                .wrong
                .push("an alarm without a time was left out".to_owned()),
        }
    }
    facts.set(&names.alarm, alarms);
}
