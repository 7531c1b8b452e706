//! Lines grouped by entity.

use std::collections::HashMap;

use rhizome_tuple::{Attribute, EntityId, Value};

use super::line::{Line, Scalar};
use crate::error::ImportError;
use crate::importer::Sink;
use crate::record::{Fact, Identity, Record};

/// The attributes of a file, and which of them are sets.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<String, u16>,
    attributes: Vec<Attribute>,
    sets: Vec<bool>,
    /// The attribute that says what an entity is, if there is one.
    kind: Option<u16>,
}

/// Different attributes that one file may use.
const MOST_ATTRIBUTES: usize = 1 << 15;

impl Names {
    fn number(&mut self, name: &str) -> Result<u16, ImportError> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let wrong = |why: String| ImportError::Document {
            file: "attributes".to_owned(),
            why,
        };
        if self.attributes.len() >= MOST_ATTRIBUTES {
            return Err(wrong(format!(
                "more than {MOST_ATTRIBUTES} different attributes: is this a file of tuples?"
            )));
        }
        let attribute = Attribute::new(name).map_err(|error| wrong(error.to_string()))?;
        let number = self.attributes.len() as u16;
        if matches!(name, "type" | "social/type") && self.kind.is_none() {
            self.kind = Some(number);
        }
        self.numbers.insert(name.to_owned(), number);
        self.attributes.push(attribute);
        self.sets.push(false);
        Ok(number)
    }

    /// Notes the attributes under which an entity has several values.
    pub fn find_sets(&mut self, group: &Group<'_>) {
        for attribute in &group.several {
            if let Some(set) = self.sets.get_mut(usize::from(*attribute)) {
                *set = true;
            }
        }
    }
}

/// The lines of one part, grouped by entity.
pub struct Group<'a> {
    names: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
    rows: Vec<Row<'a>>,
    /// Numbers of rows, those of an entity together and in the order of the file.
    order: Vec<u32>,
    /// Where the rows of each entity start in `order`; one more than there are entities.
    starts: Vec<u32>,
    /// Attributes under which some entity has several values.
    several: Vec<u16>,
}

#[derive(Clone, Copy)]
struct Row<'a> {
    entity: u32,
    attribute: u16,
    value: Scalar<'a>,
}

impl<'a> Group<'a> {
    /// Reads lines that were checked before.
    pub fn read(text: &'a str, names: &mut Names) -> Result<Self, ImportError> {
        let mut group = Self {
            names: Vec::new(),
            numbers: HashMap::new(),
            rows: Vec::with_capacity(text.len() / 48),
            order: Vec::new(),
            starts: Vec::new(),
            several: Vec::new(),
        };
        let (mut last, mut last_number) = ("", 0);
        // Files repeat few attributes in turn: the one that followed this one last time is tried first.
        let mut recent: [(&str, u16); 8] = [("", 0); 8];
        let mut turn = 0;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let end = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default())
                .map_or(bytes.len(), |n| at + n);
            let line = Line::parse_text(text.get(at..end).unwrap_or_default());
            at = end + 1;
            let Ok(line) = line else { continue };
            if line.entity != last {
                let next = group.names.len() as u32;
                last_number = *group.numbers.entry(line.entity).or_insert(next);
                if last_number == next {
                    group.names.push(line.entity);
                }
                last = line.entity;
            }
            let known = recent.iter().find(|(name, _)| *name == line.attribute);
            let attribute = if let Some((_, number)) = known {
                *number
            } else {
                let number = names.number(line.attribute)?;
                if let Some(place) = recent.get_mut(turn % 8) {
                    *place = (line.attribute, number);
                }
                turn += 1;
                number
            };
            group.rows.push(Row {
                entity: last_number,
                attribute,
                value: line.value,
            });
        }
        group.sort();
        group.look_for_sets(names.attributes.len());
        Ok(group)
    }

    /// Brings the rows of each entity together: a counting sort.
    fn sort(&mut self) {
        let mut starts = vec![0_u32; self.names.len() + 1];
        for row in &self.rows {
            if let Some(count) = starts.get_mut(row.entity as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; self.rows.len()];
        for (n, row) in self.rows.iter().enumerate() {
            if let Some(next) = next.get_mut(row.entity as usize)
                && let Some(place) = order.get_mut(*next as usize)
            {
                *place = n as u32;
                *next += 1;
            }
        }
        self.starts = starts;
        self.order = order;
    }

    fn look_for_sets(&mut self, attributes: usize) {
        // For each attribute: the entity that had it last, and its first row there.
        let mut met: Vec<(u32, u32)> = vec![(u32::MAX, 0); attributes];
        let mut several = vec![false; attributes];
        for n in &self.order {
            let Some(row) = self.rows.get(*n as usize) else {
                continue;
            };
            let number = usize::from(row.attribute);
            let Some(before) = met.get_mut(number) else {
                continue;
            };
            if before.0 != row.entity {
                *before = (row.entity, *n);
            } else if self
                .rows
                .get(before.1 as usize)
                .is_some_and(|first| first.value != row.value)
                && let Some(several) = several.get_mut(number)
            {
                *several = true;
            }
        }
        let several = several.iter().enumerate().filter(|(_, several)| **several);
        self.several = several.map(|(n, _)| n as u16).collect();
    }

    /// How many entities.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The entity columns, each once, in the order of the file.
    pub fn entities(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }

    /// Everything the lines say of the `n`th entity. `ids` are those of [`Self::entities`].
    pub fn record(&self, n: usize, ids: &[EntityId], names: &Names, sink: &dyn Sink) -> Record {
        let bounds = self.starts.get(n).zip(self.starts.get(n + 1));
        let rows = bounds
            .and_then(|(start, end)| self.order.get(*start as usize..*end as usize))
            .unwrap_or_default();
        let mut facts: Vec<(u16, Fact)> = Vec::with_capacity(rows.len());
        let mut kind = "entity".to_owned();
        for row in rows.iter().filter_map(|n| self.rows.get(*n as usize)) {
            let Some(attribute) = names.attributes.get(usize::from(row.attribute)) else {
                continue;
            };
            if names.kind == Some(row.attribute)
                && let Scalar::Text(text) = row.value
                && !text.is_empty()
                && text.len() <= 40
            {
                text.clone_into(&mut kind);
            }
            let set = names
                .sets
                .get(usize::from(row.attribute))
                .copied()
                .unwrap_or(false);
            let known = facts
                .iter_mut()
                .rev()
                .find(|(number, _)| *number == row.attribute);
            match known {
                Some((_, Fact::Members { values, .. })) => {
                    values.push(self.value(row.value, ids, sink));
                }
                // A register has one value in the whole file, so this line repeats it.
                Some(_) => {}
                None => {
                    let (attribute, value) = (attribute.clone(), self.value(row.value, ids, sink));
                    let fact = if set {
                        Fact::Members {
                            attribute,
                            values: vec![value],
                            whole: false,
                        }
                    } else {
                        Fact::One { attribute, value }
                    };
                    facts.push((row.attribute, fact));
                }
            }
        }
        Record {
            kind: kind.into(),
            identity: ids
                .get(n)
                .map_or_else(|| Identity::Key(String::new()), |id| Identity::Derived(*id)),
            facts: facts.into_iter().map(|(_, fact)| fact).collect(),
            created: None,
            audience: None,
            provenance: false,
        }
    }

    fn value(&self, value: Scalar<'_>, ids: &[EntityId], sink: &dyn Sink) -> Value {
        match value {
            Scalar::Text(text) => Value::from(text),
            Scalar::Integer(n) => Value::Integer(n),
            Scalar::Time(ms) => Value::Time(ms),
            Scalar::Boolean(b) => Value::Boolean(b),
            Scalar::Ref(name) => {
                let known = self
                    .numbers
                    .get(name)
                    .and_then(|number| ids.get(*number as usize));
                Value::Ref(known.copied().unwrap_or_else(|| super::entity(name, sink)))
            }
        }
    }
}
