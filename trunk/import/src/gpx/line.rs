//! A line of points while it is read.

use rhizome_blob::Cid;
use serde_json::{Value, json};

use crate::error::ImportError;
use crate::importer::Sink;

/// Points of one blob.
const PART: usize = 50_000;

/// One point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub lat: f64,
    pub lon: f64,
    pub elevation: Option<f64>,
    /// Milliseconds since 1970.
    pub time: Option<i64>,
    pub heart: Option<f64>,
}

/// A track or route: what is known of it, and its points since the last blob.
#[derive(Debug, Default)]
pub struct Line {
    pub name: Option<String>,
    pub description: Option<String>,
    pub activity: Option<String>,
    pub url: Option<String>,
    pub first: Option<Point>,
    last: Option<Point>,
    pub end: Option<i64>,
    pub points: i64,
    /// Metres.
    pub distance: f64,
    /// South, west, north, east.
    pub bounds: [f64; 4],
    pub blobs: Vec<Cid>,
    segments: Vec<Vec<Point>>,
    waiting: usize,
}

/// Metres between two points over the ground.
fn metres(a: &Point, b: &Point) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let (dlat, dlon) = (lat_b - lat_a, (b.lon - a.lon).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * 6_371_008.8 * h.sqrt().min(1.0).asin()
}

impl Line {
    /// A gap: the next point does not follow on the last.
    pub fn gap(&mut self) {
        self.last = None;
        self.segments.push(Vec::new());
    }

    pub fn add(
        &mut self,
        point: Point,
        what: &str,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        if let Some(last) = &self.last {
            self.distance += metres(last, &point);
        }
        self.last = Some(point);
        if self.first.is_none() {
            self.first = Some(point);
            self.bounds = [point.lat, point.lon, point.lat, point.lon];
        }
        let [south, west, north, east] = &mut self.bounds;
        *south = south.min(point.lat);
        *west = west.min(point.lon);
        *north = north.max(point.lat);
        *east = east.max(point.lon);
        self.end = point.time.or(self.end);
        self.points += 1;
        match self.segments.last_mut() {
            Some(segment) => segment.push(point),
            None => self.segments.push(vec![point]),
        }
        self.waiting += 1;
        if self.waiting >= PART {
            self.flush(what, sink)?;
            // The next blob goes on where this one ends.
            self.segments.push(vec![point]);
        }
        Ok(())
    }

    /// Keeps the points so far.
    pub fn flush(&mut self, what: &str, sink: &mut dyn Sink) -> Result<(), ImportError> {
        let mut segments = std::mem::take(&mut self.segments);
        segments.retain(|segment| !segment.is_empty());
        if self.waiting == 0 || segments.is_empty() {
            return Ok(());
        }
        self.waiting = 0;
        let each = |of: &dyn Fn(&Point) -> Value| -> Vec<Vec<Value>> {
            segments
                .iter()
                .map(|segment| segment.iter().map(of).collect())
                .collect()
        };
        let coordinates = each(&|point| match point.elevation {
            Some(elevation) => json!([point.lon, point.lat, elevation]),
            None => json!([point.lon, point.lat]),
        });
        let mut more = serde_json::Map::new();
        let all = || segments.iter().flatten();
        if all().any(|point| point.time.is_some()) {
            let times = each(&|point| {
                let time = point
                    .time
                    .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
                time.map_or(Value::Null, |time| Value::from(time.to_string()))
            });
            more.insert("times".to_owned(), json!(times));
        }
        if all().any(|point| point.heart.is_some()) {
            more.insert("heart".to_owned(), json!(each(&|point| json!(point.heart))));
        }
        let feature = json!({
            "type": "Feature",
            "geometry": { "type": "MultiLineString", "coordinates": coordinates },
            "properties": { "coordinateProperties": more },
        });
        let stored = sink.bytes(what, feature.to_string().as_bytes())?;
        self.blobs.extend(stored.map(|stored| stored.cid));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_about_111_kilometres() {
        let at = |lat, lon| Point {
            lat,
            lon,
            elevation: None,
            time: None,
            heart: None,
        };
        assert!((metres(&at(0.0, 0.0), &at(1.0, 0.0)) - 111_195.0).abs() < 10.0);
        assert!((metres(&at(60.0, 0.0), &at(60.0, 1.0)) - 55_597.0).abs() < 20.0);
        assert!(metres(&at(5.0, 5.0), &at(5.0, 5.0)) < 1e-6);
    }
}
