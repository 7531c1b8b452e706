//! Location History: where devices were, point by point, and the visits and ways Google made of it.

use std::borrow::Cow;

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::activity::ActivityNames;
use super::report;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::Sink;
use crate::json::{each_item, parse_path};
use crate::part::kind_of;
use crate::problem::{Problem, ProblemCode};
use crate::record::{Identity, Record};
use crate::source::{Entry, Source};
use crate::time::parse_time;

type Take<'a> = &'a mut dyn FnMut(
    &Map<String, Value>,
    &mut dyn Sink,
) -> Result<Option<&'static str>, ImportError>;

/// Hands each object of a list to `take`, which gives back why it left one out.
fn each(
    source: &Source,
    entry: &Entry,
    list: &str,
    sink: &mut dyn Sink,
    take: Take<'_>,
) -> Result<(), ImportError> {
    let file = &entry.path;
    let path = parse_path(list).unwrap_or_default();
    let limit = source.limits().record_bytes;
    let outcome = each_item(source.read(file)?, &path, limit, &mut |n, item, done| {
        if n % 1_024 == 0 {
            sink.progress(file, done, entry.size)?;
        }
        let why: Cow<'_, str> = match serde_json::from_str::<Value>(item) {
            Ok(Value::Object(fields)) => match take(&fields, sink)? {
                None => return Ok(()),
                Some(why) => why.into(),
            },
            Ok(other) => format!("it is a {} and no object", kind_of(&other)).into(),
            Err(error) => error.to_string().into(),
        };
        let item = format!("place {}", n + 1);
        let message = format!("{why}; it was left out");
        sink.skip(
            "place",
            Problem::of_item(ProblemCode::Malformed, file, item, message),
        );
        Ok(())
    })?;
    report(file, &outcome, sink);
    Ok(())
}

/// Degrees of an angle in units of 10⁻⁷. Some exports let longitudes run over 32 bits.
fn degrees(fields: &Map<String, Value>, name: &str, most: f64) -> Option<f64> {
    let mut units = fields.get(name)?.as_i64()?;
    if units > 1_800_000_000 {
        units = units.checked_sub(1 << 32)?;
    }
    let degrees = units as f64 / 1e7;
    (degrees.abs() <= most).then_some(degrees)
}

/// RFC 3339 under one name, or milliseconds since 1970 under the other, as a text or a number.
fn time(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    if let Some(text) = fields.get(name).and_then(Value::as_str) {
        return parse_time(text);
    }
    match fields.get(&format!("{name}Ms"))? {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = fields.get(name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

/// `Records.json`, formerly `Location History.json`: millions of points, so they do not say each where they came from.
pub fn records(source: &Source, entry: &Entry, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let names = ActivityNames::new();
    each(source, entry, "/locations/*", sink, &mut |fields, sink| {
        let place = degrees(fields, "latitudeE7", 90.0).zip(degrees(fields, "longitudeE7", 180.0));
        let (Some((latitude, longitude)), Some(ms)) = (place, time(fields, "timestamp")) else {
            return Ok(Some("it lacks a place on earth or a time"));
        };
        let device = match fields.get("deviceTag") {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(tag)) => Some(tag.clone()),
            _ => None,
        };
        let mut facts = Facts::default();
        facts.one(&names.r#type, "located");
        facts.one(&names.created, Tuple::Time(ms));
        facts.one(&names.latitude, Tuple::Float(latitude));
        facts.one(&names.longitude, Tuple::Float(longitude));
        let accuracy = fields.get("accuracy").and_then(Value::as_i64);
        facts.maybe(&names.accuracy, accuracy);
        let altitude = fields.get("altitude").and_then(Value::as_f64);
        facts.maybe(&names.altitude, altitude.map(Tuple::Float));
        facts.maybe(&names.device, device.as_deref());
        let key = format!("located/{ms}/{}", device.unwrap_or_default());
        sink.record(Record {
            kind: "located".into(),
            identity: Identity::Key(key),
            facts: facts.0,
            created: Some(ms),
            audience: Some(Audience::Direct),
            provenance: false,
        })?;
        Ok(None)
    })
}

/// Semantic Location History: a file for each month, of visits and of ways between them.
pub fn semantic(source: &Source, entry: &Entry, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let names = ActivityNames::new();
    each(
        source,
        entry,
        "/timelineObjects/*",
        sink,
        &mut |fields, sink| {
            let object = |fields: &Map<String, Value>, name: &str| {
                fields.get(name).and_then(Value::as_object).cloned()
            };
            let visit = object(fields, "placeVisit");
            let Some(inner) = visit.clone().or_else(|| object(fields, "activitySegment")) else {
                return Ok(Some("it is neither a visit nor a way"));
            };
            let span = object(&inner, "duration").unwrap_or_default();
            let Some(start) = time(&span, "startTimestamp") else {
                return Ok(Some("it does not say when it began"));
            };
            let place = object(
                &inner,
                if visit.is_some() {
                    "location"
                } else {
                    "startLocation"
                },
            );
            let place = place.unwrap_or_default();
            let (kind, title) = match visit {
                Some(_) => (
                    "visited",
                    text(&place, "name").or_else(|| text(&place, "address")),
                ),
                None => ("moved", text(&inner, "activityType")),
            };
            let mut facts = Facts::default();
            facts.one(&names.r#type, kind);
            facts.one(&names.product, "Location History");
            facts.maybe(&names.title, title);
            facts.one(&names.created, Tuple::Time(start));
            facts.maybe(&names.end, time(&span, "endTimestamp").map(Tuple::Time));
            facts.maybe(&names.place, text(&place, "name"));
            facts.maybe(&names.address, text(&place, "address"));
            let latitude = degrees(&place, "latitudeE7", 90.0);
            facts.maybe(&names.latitude, latitude.map(Tuple::Float));
            let longitude = degrees(&place, "longitudeE7", 180.0);
            facts.maybe(&names.longitude, longitude.map(Tuple::Float));
            let key = format!("{kind}/{start}");
            sink.record(facts.record(kind, key, Some(start), Some(Audience::Direct)))?;
            Ok(None)
        },
    )
}
