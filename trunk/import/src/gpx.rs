//! GPX: tracks, routes and waypoints of satellite receivers, watches and map programs.

mod line;
mod names;

use rhizome_tuple::Value;

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::outcome::End;
use crate::problem::{Problem, ProblemCode};
use crate::source::Source;
use crate::text::decode;
use crate::time::parse_any_time;
use crate::xml::{Element, Met, each_element};
use line::{Line, Point};
pub(crate) use names::Names;

/// Reads GPX 1.0 and 1.1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gpx;

const NAME: &str = "gpx";

const KIND: Kind = Kind {
    ends: &[".gpx"],
    looks: |head| decode(head).0.contains("<gpx"),
    alone: true,
    beside: &[],
};

impl Importer for Gpx {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        KIND.recognise(NAME, "GPX", source)
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let names = Names::new();
        for file in KIND.files(source)? {
            read_gpx(source, &file, &names, sink)?;
        }
        Ok(())
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Whether an element is read whole: points, and what is said of a line.
fn whole(path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(|name| local(name)).collect();
    match names.as_slice() {
        ["gpx", "wpt"] | ["gpx", "trk", "trkseg", "trkpt"] | ["gpx", "rte", "rtept"] => true,
        ["gpx", "trk" | "rte", inside] => *inside != "trkseg",
        _ => false,
    }
}

/// Reads one GPX file.
pub(crate) fn read_gpx(
    source: &Source,
    file: &str,
    names: &Names,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    sink.used(file);
    let total = source.find(file).map_or(0, |entry| entry.size);
    let mut reading = Reading {
        file,
        names,
        sink,
        line: None,
        bad: 0,
        met: 0,
    };
    let limit = source.limits().record_bytes;
    let outcome = each_element(source, file, limit, &whole, &mut |path, met, done| {
        reading.met += 1;
        if reading.met.is_multiple_of(4_096) {
            reading.sink.progress(file, done, total)?;
        }
        reading.met(path, met)
    })?;
    let broken = matches!(outcome.end, End::Broken(_));
    if broken && let Some(line) = reading.line.take() {
        reading.line(line, "track")?;
    }
    if reading.bad > 0 {
        let message = format!(
            "{} points are at no place on earth; they were left out",
            reading.bad
        );
        sink.problem(Problem::of_file(ProblemCode::PartIgnored, file, message));
    }
    outcome.report(file, "file", "", sink);
    sink.progress(file, total, total)
}

struct Reading<'a> {
    file: &'a str,
    names: &'a Names,
    sink: &'a mut dyn Sink,
    line: Option<Line>,
    bad: u64,
    met: u64,
}

fn number(text: Option<&str>) -> Option<f64> {
    text?.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

/// A point by its attributes; `None` where it is nowhere on earth.
fn point(element: &Element) -> Option<Point> {
    let lat = number(element.attribute("lat"))?;
    let lon = number(element.attribute("lon"))?;
    if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon) {
        return None;
    }
    Some(Point {
        lat,
        lon,
        elevation: number(text(element, "ele")),
        time: text(element, "time").and_then(parse_any_time),
        heart: number(deep(element, "hr", 4)),
    })
}

fn text<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    let found = element
        .children
        .iter()
        .find(|child| local(&child.name) == name)?;
    let text = found.text.trim();
    (!text.is_empty()).then_some(text)
}

/// A value that extensions hold somewhere.
fn deep<'a>(element: &'a Element, name: &str, depth: usize) -> Option<&'a str> {
    text(element, name).or_else(|| {
        let depth = depth.checked_sub(1)?;
        element
            .children
            .iter()
            .find_map(|child| deep(child, name, depth))
    })
}

fn link(element: &Element) -> Option<&str> {
    let link = element
        .children
        .iter()
        .find(|child| local(&child.name) == "link");
    link.and_then(|link| link.attribute("href"))
        .or_else(|| text(element, "url"))
}

fn hash(kind: &str, parts: &[&str], point: &Point) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(kind.as_bytes());
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes())
            .update(part.as_bytes());
    }
    let time = point.time.unwrap_or_default();
    hash.update(&point.lat.to_le_bytes())
        .update(&point.lon.to_le_bytes())
        .update(&time.to_le_bytes());
    format!("#{}", hash.finalize().to_hex())
}

impl Reading<'_> {
    fn met(&mut self, path: &[String], met: Met) -> Result<(), ImportError> {
        let last = path.last().map_or("", |name| local(name));
        match met {
            Met::Open(_) => {
                match last {
                    "trk" | "rte" if path.len() == 2 => self.line = Some(Line::default()),
                    "trkseg" => {
                        if let Some(line) = &mut self.line {
                            line.gap();
                        }
                    }
                    _ => {}
                }
                Ok(())
            }
            Met::Close if path.len() == 2 && matches!(last, "trk" | "rte") => {
                let kind = if last == "trk" { "track" } else { "route" };
                match self.line.take() {
                    Some(line) => self.line(line, kind),
                    None => Ok(()),
                }
            }
            Met::Close => Ok(()),
            Met::Item(element) => match last {
                "wpt" => self.waypoint(&element),
                "trkpt" | "rtept" => match (point(&element), &mut self.line) {
                    (Some(point), Some(line)) => line.add(point, self.file, &mut *self.sink),
                    (None, _) => {
                        self.bad += 1;
                        Ok(())
                    }
                    _ => Ok(()),
                },
                _ => {
                    self.about(last, &element);
                    Ok(())
                }
            },
        }
    }

    fn about(&mut self, name: &str, element: &Element) {
        let Some(line) = &mut self.line else { return };
        let text = element.text.trim();
        let text = (!text.is_empty()).then(|| text.to_owned());
        match name {
            "name" => line.name = text,
            "desc" => line.description = text,
            "cmt" => line.description = line.description.take().or(text),
            "type" => line.activity = text,
            "link" => line.url = element.attribute("href").map(str::to_owned),
            "url" => line.url = text,
            _ => {}
        }
    }

    fn waypoint(&mut self, element: &Element) -> Result<(), ImportError> {
        let Some(point) = point(element) else {
            self.bad += 1;
            return Ok(());
        };
        let names = self.names;
        let name = text(element, "name");
        let mut facts = Facts::default();
        facts.one(&names.r#type, "waypoint");
        facts.one(&names.latitude, Value::Float(point.lat));
        facts.one(&names.longitude, Value::Float(point.lon));
        facts.or_empty(&names.elevation, point.elevation.map(Value::Float));
        facts.or_empty(&names.time, point.time.map(Value::Time));
        facts.or_empty(&names.name, name);
        facts.or_empty(
            &names.description,
            text(element, "desc").or_else(|| text(element, "cmt")),
        );
        facts.or_empty(&names.symbol, text(element, "sym"));
        facts.or_empty(&names.activity, text(element, "type"));
        facts.or_empty(&names.url, link(element));
        let key = hash("waypoint", &[name.unwrap_or_default()], &point);
        self.sink
            .record(facts.record("waypoint", key, point.time, Some(Audience::Direct)))
    }

    fn line(&mut self, mut line: Line, kind: &'static str) -> Result<(), ImportError> {
        line.flush(self.file, &mut *self.sink)?;
        let Some(first) = line.first else {
            let message = format!("a {kind} without points was left out");
            self.sink.skip(
                kind,
                Problem::of_file(ProblemCode::Malformed, self.file, message),
            );
            return Ok(());
        };
        let names = self.names;
        // A recorded line is known by when and where it began, whatever it is called later.
        let called = match first.time {
            Some(_) => "",
            None => line.name.as_deref().unwrap_or_default(),
        };
        let key = hash(kind, &[called], &first);
        let [south, west, north, east] = line.bounds;
        let mut facts = Facts::default();
        facts.one(&names.r#type, kind);
        facts.or_empty(&names.name, line.name);
        facts.or_empty(&names.description, line.description);
        facts.or_empty(&names.activity, line.activity);
        facts.or_empty(&names.url, line.url);
        facts.one(&names.points, Value::Integer(line.points));
        facts.one(
            &names.distance,
            Value::Float((line.distance * 10.0).round() / 10.0),
        );
        for (attribute, value) in [
            (&names.latitude, first.lat),
            (&names.longitude, first.lon),
            (&names.south, south),
            (&names.west, west),
            (&names.north, north),
            (&names.east, east),
        ] {
            facts.one(attribute, Value::Float(value));
        }
        facts.or_empty(&names.time, first.time.map(Value::Time));
        facts.or_empty(&names.end, line.end.map(Value::Time));
        facts.list(
            &names.path,
            line.blobs.into_iter().map(Value::Blob).collect(),
        );
        self.sink
            .record(facts.record(kind, key, first.time, Some(Audience::Direct)))
    }
}
