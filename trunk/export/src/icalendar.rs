//! Events, tasks and journals as one calendar.

use std::io::Write;

use rhizome_tuple::EntityId;
use rustc_hash::FxHashMap;

use crate::content_line::{escaped, line};
use crate::entities::{Entities, Entity, utc};
use crate::{Export, ExportError, Exported, Watch};

const DAY_MS: i64 = 86_400_000;

pub(crate) fn write(
    _: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    // exceptions are called like what they are exceptions of
    let mut names: FxHashMap<EntityId, String> = FxHashMap::default();
    entities.each(|_, entity| {
        if let Some(uid) = entity.text("calendar/uid") {
            names.insert(entity.id, uid.to_owned());
        }
        Ok(())
    })?;
    line(out, "BEGIN", "VCALENDAR")?;
    line(out, "VERSION", "2.0")?;
    line(out, "PRODID", "-//Rhizome//export 1//EN")?;
    entities.each_told(entities.len() as u64, watch, |entity| {
        let component = match entity.text("calendar/type") {
            Some("event") => "VEVENT",
            Some("task") => "VTODO",
            Some("journal") => "VJOURNAL",
            _ => return Ok(()),
        };
        entry(&entity, component, &names, out)?;
        exported.take(&entity);
        Ok(())
    })?;
    line(out, "END", "VCALENDAR")?;
    out.flush()?;
    Ok(exported)
}

fn entry(
    entity: &Entity,
    component: &str,
    names: &FxHashMap<EntityId, String>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    line(out, "BEGIN", component)?;
    let of = entity.refs("calendar/recurrence-of").next();
    let uid = names.get(&of.unwrap_or(entity.id)).cloned();
    let uid = uid.unwrap_or_else(|| of.unwrap_or(entity.id).to_string());
    line(out, "UID", &escaped(&uid))?;
    let updated = entity.time("calendar/updated");
    let stamp = updated.or_else(|| entity.time("calendar/created"));
    line(
        out,
        "DTSTAMP",
        &utc(stamp.unwrap_or(0)).unwrap_or_else(|| "19700101T000000Z".to_owned()),
    )?;
    let all_day = entity.boolean("calendar/all-day").unwrap_or(false);
    let floating = entity.boolean("calendar/floating").unwrap_or(false);
    let how = Clock {
        all_day,
        floating,
        zone: entity.text("calendar/time-zone"),
    };
    for (attribute, property) in [
        ("calendar/start", "DTSTART"),
        ("calendar/end", "DTEND"),
        ("calendar/due", "DUE"),
        ("calendar/recurrence-id", "RECURRENCE-ID"),
    ] {
        if let Some(ms) = entity.time(attribute) {
            how.line(out, property, ms)?;
        }
    }
    for (attribute, property) in [("calendar/exdate", "EXDATE"), ("calendar/rdate", "RDATE")] {
        for ms in entity.times(attribute) {
            how.line(out, property, ms)?;
        }
    }
    for (attribute, property) in [
        ("calendar/created", "CREATED"),
        ("calendar/updated", "LAST-MODIFIED"),
        ("calendar/completed", "COMPLETED"),
    ] {
        if let Some(at) = entity.time(attribute).and_then(utc) {
            line(out, property, &at)?;
        }
    }
    for (attribute, property) in [
        ("calendar/title", "SUMMARY"),
        ("calendar/description", "DESCRIPTION"),
        ("calendar/location", "LOCATION"),
    ] {
        if let Some(text) = entity.text(attribute) {
            line(out, property, &escaped(text))?;
        }
    }
    // these have a grammar of their own, and come in no line break
    for (attribute, property) in [
        ("calendar/rrule", "RRULE"),
        ("calendar/url", "URL"),
        ("calendar/status", "STATUS"),
        ("calendar/class", "CLASS"),
        ("calendar/organizer", "ORGANIZER"),
        ("calendar/attendee", "ATTENDEE"),
        ("calendar/attachment-url", "ATTACH"),
        ("calendar/related-to", "RELATED-TO"),
    ] {
        for text in entity.texts(attribute) {
            let plain: String = text.chars().filter(|c| !c.is_control()).collect();
            let upper = matches!(property, "STATUS" | "CLASS");
            let address = matches!(property, "ORGANIZER" | "ATTENDEE") && !plain.contains(':');
            let value = match (upper, address) {
                (true, _) => plain.to_uppercase(),
                (_, true) => format!("mailto:{plain}"),
                _ => plain,
            };
            line(out, property, &value)?;
        }
    }
    let categories: Vec<String> = entity.texts("calendar/category").map(escaped).collect();
    if !categories.is_empty() {
        line(out, "CATEGORIES", &categories.join(","))?;
    }
    for (attribute, property) in [
        ("calendar/priority", "PRIORITY"),
        ("calendar/percent", "PERCENT-COMPLETE"),
        ("calendar/sequence", "SEQUENCE"),
    ] {
        if let Some(n) = entity.integer(attribute) {
            line(out, property, &n.to_string())?;
        }
    }
    if let (Some(lat), Some(lon)) = (
        entity.number("calendar/latitude"),
        entity.number("calendar/longitude"),
    ) {
        line(out, "GEO", &format!("{lat};{lon}"))?;
    }
    if let Some(free) = entity.boolean("calendar/transparent") {
        line(out, "TRANSP", if free { "TRANSPARENT" } else { "OPAQUE" })?;
    }
    Ok(line(out, "END", component)?)
}

/// How an entry's times are meant.
struct Clock<'e> {
    all_day: bool,
    floating: bool,
    zone: Option<&'e str>,
}

impl Clock<'_> {
    /// By the time zone that the entry recurs by, if it is one that is known by its name; otherwise in UTC.
    fn line(&self, out: &mut dyn Write, property: &str, ms: i64) -> Result<(), ExportError> {
        let Some(at) = utc(ms) else {
            return Ok(());
        };
        if self.all_day && ms.rem_euclid(DAY_MS) == 0 {
            let day = at.get(..8).unwrap_or(&at);
            return Ok(line(out, &format!("{property};VALUE=DATE"), day)?);
        }
        if self.floating {
            return Ok(line(out, property, at.trim_end_matches('Z'))?);
        }
        let zone = self
            .zone
            .and_then(|name| jiff::tz::TimeZone::get(name).ok());
        let local = zone.zip(self.zone).and_then(|(zone, name)| {
            let at = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(zone);
            Some((name, at.strftime("%Y%m%dT%H%M%S").to_string()))
        });
        match local {
            Some((name, at)) => Ok(line(out, &format!("{property};TZID={name}"), &at)?),
            None => Ok(line(out, property, &at)?),
        }
    }
}
