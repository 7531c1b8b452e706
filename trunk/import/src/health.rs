//! Apple Health: `export.xml`, streamed, because it has gigabytes.

use std::collections::HashMap;
use std::io::BufReader;

use jiff::fmt::strtime::BrokenDownTime;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use rhizome_tuple::{Attribute, Value as Tuple};

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::outcome;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::record::{Identity, Record};
use crate::source::{Entry, Metered, Source};
use crate::text::Lossy;

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.health/1`, made once.
    struct Names {
        blood_type: "health/blood-type",
        born: "health/born",
        created: "health/created",
        date: "health/date",
        device: "health/device",
        distance: "health/distance",
        distance_unit: "health/distance-unit",
        duration: "health/duration",
        duration_unit: "health/duration-unit",
        end: "health/end",
        energy: "health/energy",
        energy_goal: "health/energy-goal",
        energy_unit: "health/energy-unit",
        exercise: "health/exercise",
        exercise_goal: "health/exercise-goal",
        kind: "health/kind",
        meta: "health/meta",
        route: "health/route",
        sex: "health/sex",
        skin_type: "health/skin-type",
        source: "health/source",
        source_version: "health/source-version",
        stand: "health/stand",
        stand_goal: "health/stand-goal",
        start: "health/start",
        text: "health/text",
        r#type: "health/type",
        unit: "health/unit",
        value: "health/value",
    }
}

/// Reads the export of Apple Health.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health;

/// Bytes that are looked at: in front of the first element lies a long description of all of them.
const HEAD: usize = 64 << 10;
/// Statements of an app about one record.
const MOST_META: usize = 200;

fn exports(source: &Source) -> impl Iterator<Item = &Entry> {
    source.entries().iter().filter(|entry| {
        entry.ends("xml")
            && source
                .head(&entry.path, HEAD)
                .is_ok_and(|head| memchr::memmem::find(&head, b"<HealthData").is_some())
    })
}

impl Importer for Health {
    fn name(&self) -> &'static str {
        "apple-health"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let first = exports(source).next();
        Ok(first.map(|entry| {
            Recognition::of(
                self.name(),
                0.97,
                format!("{} holds HealthData", entry.path),
            )
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        for entry in exports(source) {
            sink.used(&entry.path);
            Reading {
                source,
                entry,
                names: Names::new(),
                open: None,
                inside: 0,
            }
            .whole(sink)?;
        }
        Ok(())
    }
}

/// An element with what stands in it.
struct Open {
    name: String,
    fields: HashMap<String, String>,
    meta: Vec<String>,
    routes: Vec<String>,
}

struct Reading<'a> {
    source: &'a Source,
    entry: &'a Entry,
    names: Names,
    open: Option<Open>,
    /// How many correlations are open: they repeat records that also stand by themselves.
    inside: u32,
}

impl Reading<'_> {
    fn whole(mut self, sink: &mut dyn Sink) -> Result<(), ImportError> {
        let file = &self.entry.path;
        let (lossy, replaced) = Lossy::new(self.source.read(file)?);
        let (metered, allowance) = Metered::new(lossy, self.source.limits().record_bytes as u64);
        let mut reader = Reader::from_reader(BufReader::with_capacity(1 << 16, metered));
        let (mut buffer, mut n) = (Vec::new(), 0_u64);
        loop {
            buffer.clear();
            allowance.renew();
            let event = match reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(error) => {
                    let why = if allowance.spent() {
                        "an element is longer than a record may be".to_owned()
                    } else {
                        error.to_string()
                    };
                    outcome::broken_off(file, "document", &why, sink);
                    break;
                }
            };
            n += 1;
            if n % 4_096 == 0 {
                sink.progress(file, allowance.read().min(self.entry.size), self.entry.size)?;
            }
            match event {
                Event::Eof => {
                    if self.open.is_some() {
                        let message = "the document breaks off within a record";
                        sink.incomplete(Problem::of_file(ProblemCode::Malformed, file, message));
                    }
                    break;
                }
                Event::Start(start) => self.start(&start, sink),
                Event::Empty(start) => {
                    self.start(&start, sink);
                    self.end(start.name().0, sink)?;
                }
                Event::End(end) => self.end(end.name().0, sink)?,
                _ => {}
            }
        }
        outcome::replaced(file, replaced.count(), sink);
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>, sink: &mut dyn Sink) {
        let mut fields = HashMap::new();
        for attribute in start.attributes() {
            let value = attribute
                .map_err(|error| error.to_string())
                .and_then(|attribute| {
                    let value = attribute
                        .normalized_value(XmlVersion::Implicit1_0)
                        .map_err(|error| error.to_string())?;
                    Ok((attribute.key.0.to_owned(), value.into_owned()))
                });
            match value {
                Ok((name, value)) => {
                    fields.insert(name, value);
                }
                Err(why) => sink.problem(Problem::of_file(
                    ProblemCode::PartIgnored,
                    &self.entry.path,
                    format!("an attribute cannot be read: {why}; it was left out"),
                )),
            }
        }
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        match (start.name().0, &mut self.open) {
            ("Correlation", _) => self.inside += 1,
            ("MetadataEntry", Some(open)) if open.meta.len() < MOST_META => {
                open.meta
                    .push(format!("{}: {}", field("key"), field("value")));
            }
            ("FileReference", Some(open)) => open.routes.push(field("path")),
            (name @ ("Record" | "Workout" | "ActivitySummary" | "Me"), None)
                if self.inside == 0 =>
            {
                self.open = Some(Open {
                    name: name.to_owned(),
                    fields,
                    meta: Vec::new(),
                    routes: Vec::new(),
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str, sink: &mut dyn Sink) -> Result<(), ImportError> {
        if name == "Correlation" {
            self.inside = self.inside.saturating_sub(1);
        }
        match self.open.take() {
            Some(open) if open.name == name => self.record(&open, sink),
            other => {
                self.open = other;
                Ok(())
            }
        }
    }

    fn record(&self, open: &Open, sink: &mut dyn Sink) -> Result<(), ImportError> {
        let file = &self.entry.path;
        let names = &self.names;
        let mut said = Said {
            open,
            facts: Facts::default(),
            wrong: Vec::new(),
        };
        let (kind, required) = match open.name.as_str() {
            "Me" => ("person", None),
            "ActivitySummary" => ("day", Some("dateComponents")),
            "Workout" => ("workout", Some("startDate")),
            _ => ("record", Some("startDate")),
        };
        if let Some(field) = required.filter(|name| said.text(name).is_none()) {
            let message = format!("a {} lacks {field}; it was left out", open.name);
            sink.skip(
                kind,
                Problem::of_file(ProblemCode::Malformed, file, message),
            );
            return Ok(());
        }
        said.facts.one(&names.r#type, kind);
        let start = said.time(&names.start, "startDate");
        said.time(&names.end, "endDate");
        said.time(&names.created, "creationDate");
        for (attribute, name) in [
            (&names.source, "sourceName"),
            (&names.source_version, "sourceVersion"),
            (&names.device, "device"),
            (
                &names.kind,
                if kind == "workout" {
                    "workoutActivityType"
                } else {
                    "type"
                },
            ),
            (&names.unit, "unit"),
            (&names.duration_unit, "durationUnit"),
            (&names.distance_unit, "totalDistanceUnit"),
            (
                &names.energy_unit,
                if kind == "day" {
                    "activeEnergyBurnedUnit"
                } else {
                    "totalEnergyBurnedUnit"
                },
            ),
            (&names.date, "dateComponents"),
            (&names.born, "HKCharacteristicTypeIdentifierDateOfBirth"),
            (&names.sex, "HKCharacteristicTypeIdentifierBiologicalSex"),
            (&names.blood_type, "HKCharacteristicTypeIdentifierBloodType"),
            (
                &names.skin_type,
                "HKCharacteristicTypeIdentifierFitzpatrickSkinType",
            ),
        ] {
            let value = said.text(name).map(str::to_owned);
            said.facts.maybe(attribute, value.as_deref());
        }
        for (attribute, name) in [
            (&names.duration, "duration"),
            (&names.distance, "totalDistance"),
            (
                &names.energy,
                if kind == "day" {
                    "activeEnergyBurned"
                } else {
                    "totalEnergyBurned"
                },
            ),
            (&names.energy_goal, "activeEnergyBurnedGoal"),
            (&names.exercise, "appleExerciseTime"),
            (&names.exercise_goal, "appleExerciseTimeGoal"),
            (&names.stand, "appleStandHours"),
            (&names.stand_goal, "appleStandHoursGoal"),
        ] {
            said.number(attribute, name);
        }
        // A quantity is a number, a category a word.
        if let Some(value) = said.text("value").map(str::to_owned) {
            match value.parse::<f64>().ok().and_then(|x| Tuple::float(x).ok()) {
                Some(number) => said.facts.one(&names.value, number),
                None => said.facts.one(&names.text, value.as_str()),
            }
        }
        if !open.meta.is_empty() {
            let meta = open.meta.iter().map(|line| Tuple::from(line.as_str()));
            said.facts.set(&names.meta, meta.collect());
        }
        let key = key(kind, open);
        let Said {
            mut facts, wrong, ..
        } = said;
        for why in wrong {
            sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                file,
                shorten(&key),
                why,
            ));
        }
        if let Some(route) = open.routes.first() {
            let folder = file
                .rfind('/')
                .and_then(|at| file.get(..=at))
                .unwrap_or_default();
            let path = format!("{folder}{}", route.trim_start_matches('/'));
            if self.source.find(&path).is_some() {
                let stored = sink.file(&path)?;
                facts.maybe(&names.route, stored.map(|stored| Tuple::Blob(stored.cid)));
            } else {
                let message = "the export names this way of a workout but does not hold it";
                sink.problem(Problem::of_file(
                    ProblemCode::MissingFile,
                    shorten(&path),
                    message,
                ));
            }
        }
        sink.record(Record {
            kind: kind.into(),
            identity: Identity::Key(key),
            facts: facts.0,
            created: start,
            audience: Some(Audience::Direct),
            provenance: false,
        })
    }
}

/// Nothing in an export has an id: what was measured, by what and when names it.
fn key(kind: &str, open: &Open) -> String {
    let field = |name: &str| open.fields.get(name).map_or("", String::as_str);
    match kind {
        "person" => "person".to_owned(),
        "day" => format!("day/{}", shorten(field("dateComponents"))),
        _ => {
            let mut hasher = blake3::Hasher::new_derive_key("rhizome import apple health v1");
            for name in [
                "type",
                "workoutActivityType",
                "sourceName",
                "startDate",
                "endDate",
                "creationDate",
                "value",
                "unit",
            ] {
                let field = field(name);
                hasher
                    .update(&(field.len() as u64).to_le_bytes())
                    .update(field.as_bytes());
            }
            let hash = hasher.finalize().to_hex();
            format!("{kind}/{}", hash.as_str().get(..32).unwrap_or_default())
        }
    }
}

/// The facts of an element while they are put together.
struct Said<'a> {
    open: &'a Open,
    facts: Facts,
    wrong: Vec<String>,
}

impl<'a> Said<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let text = self.open.fields.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// A time such as `2016-04-18 08:25:32 -0700`.
    fn time(&mut self, attribute: &Attribute, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let time = BrokenDownTime::parse("%Y-%m-%d %H:%M:%S %z", text)
            .and_then(|parsed| parsed.to_timestamp());
        if let Ok(time) = time {
            let ms = time.as_millisecond();
            self.facts.one(attribute, Tuple::Time(ms));
            Some(ms)
        } else {
            let why = format!("{name} is not a time; it was left out");
            self.wrong.push(why);
            None
        }
    }

    fn number(&mut self, attribute: &Attribute, name: &str) {
        let Some(text) = self.text(name) else { return };
        match text.parse::<f64>().ok().and_then(|x| Tuple::float(x).ok()) {
            Some(number) => self.facts.one(attribute, number),
            None => self
                .wrong
                .push(format!("{name} is not a number; it was left out")),
        }
    }
}
