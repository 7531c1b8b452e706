//! Times of a calendar as moments.

use std::collections::HashMap;
use std::str::FromStr;

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::ICalendarComponent;

/// The time zones that a file describes, by the names it gives them.
#[derive(Default)]
pub struct Zones(HashMap<String, Tz>);

/// A time of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub ms: i64,
    /// Whether it is a day.
    pub day: bool,
    /// Whether it is said without a zone.
    pub floating: bool,
}

impl Zones {
    /// Takes a `VTIMEZONE` that is one of the world's, whatever it is called here.
    pub fn add(&mut self, component: &ICalendarComponent) {
        if let Some((name, zone)) = component.timezone() {
            self.0.insert(name.to_owned(), zone);
        }
    }

    /// The zone of that name: as the file describes it, or one of the world's.
    pub fn find(&self, name: &str) -> Option<Tz> {
        self.0
            .get(name)
            .copied()
            .or_else(|| Tz::from_str(name).ok())
    }

    /// A time in the zone `tzid`. One without zone, or in one that nobody knows, is read as UTC; the second is `true` for a
    /// zone that nobody knows.
    pub fn moment(&self, date: &PartialDateTime, tzid: Option<&str>) -> Option<(Moment, bool)> {
        let mut date = date.clone();
        let day = !date.has_time();
        if day {
            (date.hour, date.minute, date.second) = (Some(0), Some(0), Some(0));
        }
        let named = tzid.filter(|_| !day && !date.has_zone());
        let zone = named.and_then(|name| self.find(name));
        let ms = match zone {
            Some(zone) => in_zone(&date, zone)?,
            None => date.to_timestamp()?.checked_mul(1_000)?,
        };
        let floating = !day && !date.has_zone() && named.is_none();
        let moment = Moment { ms, day, floating };
        Some((moment, named.is_some() && zone.is_none()))
    }
}

/// An hour that a clock shows twice is the first of the two; one that it leaves out is counted on from the hour before.
fn in_zone(date: &PartialDateTime, zone: Tz) -> Option<i64> {
    if let Some(found) = date.to_date_time_with_tz(zone) {
        return Some(found.timestamp_millis());
    }
    let mut before = date.clone();
    before.hour = Some(date.hour?.checked_sub(1)?);
    let found = before.to_date_time_with_tz(zone)?;
    found.timestamp_millis().checked_add(3_600_000)
}
