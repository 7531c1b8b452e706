//! Bytes of a base segment. The format is drawn in `docs/import.md`; segments lie in the blob store, so they are checked
//! like anything from outside.

use std::collections::{BTreeSet, HashMap};

use rhizome_tuple::{Attribute, EntityId};

use super::{Said, SaidOf};

const MAGIC: &[u8; 4] = b"RZIB";
const VERSION: u8 = 1;
/// Attribute names of one segment.
const MOST_ATTRIBUTES: u64 = 1 << 16;

const NOTHING: u8 = 0;
const ONE: u8 = 1;
const MEMBERS: u8 = 2;
const ELEMENTS: u8 = 3;
const TOTAL: u8 = 4;

/// Why bytes are not a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// Another kind of file or a later version.
    #[error("it is not a base segment of version {VERSION}")]
    Version,
    /// Damaged.
    #[error("it is damaged")]
    Damaged,
}

/// Writes one segment.
pub struct SegmentWriter {
    generation: u64,
    numbers: HashMap<Attribute, u64>,
    names: Vec<Attribute>,
    records: Vec<(EntityId, std::ops::Range<usize>)>,
    facts: Vec<u8>,
}

impl SegmentWriter {
    pub fn new(generation: u64) -> Self {
        Self {
            generation,
            numbers: HashMap::default(),
            names: Vec::new(),
            records: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Whether nothing was put.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn number(&mut self, attribute: &Attribute) -> u64 {
        if let Some(number) = self.numbers.get(attribute) {
            return *number;
        }
        let number = self.names.len() as u64;
        self.names.push(attribute.clone());
        self.numbers.insert(attribute.clone(), number);
        number
    }

    /// Adds a record.
    pub fn put(&mut self, entity: EntityId, said: &[(Attribute, Said)]) {
        let numbers: Vec<u64> = said.iter().map(|(name, _)| self.number(name)).collect();
        let start = self.facts.len();
        put_facts(
            &mut self.facts,
            numbers.iter().zip(said.iter().map(|(_, said)| said)),
        );
        self.records.push((entity, start..self.facts.len()));
    }

    /// The segment: the same bytes for the same records, up to the order in which attributes were first met.
    pub fn finish(mut self) -> Vec<u8> {
        self.records.sort_unstable_by_key(|(entity, _)| *entity);
        let mut out =
            Vec::with_capacity(self.facts.len() + self.records.len() * EntityId::LEN + 1024);
        put_head(&mut out, self.generation, &self.names, self.records.len());
        for (entity, range) in self.records {
            out.extend_from_slice(entity.as_bytes());
            out.extend_from_slice(self.facts.get(range).unwrap_or_default());
        }
        out
    }
}

/// The records at these places, in ascending order of their entities, as one segment. It is written in one go: it may be large.
pub fn merge<'a>(
    generation: u64,
    segments: &[Segment],
    records: impl ExactSizeIterator<Item = (EntityId, &'a Segment, u32)>,
) -> Vec<u8> {
    let names: BTreeSet<&Attribute> = segments.iter().flat_map(|segment| &segment.names).collect();
    let names: Vec<Attribute> = names.into_iter().cloned().collect();
    let numbers: HashMap<&Attribute, u64> = names.iter().zip(0..).collect();
    let mut out = Vec::with_capacity(segments.iter().map(|segment| segment.bytes.len()).sum());
    put_head(&mut out, generation, &names, records.len());
    for (entity, segment, at) in records {
        out.extend_from_slice(entity.as_bytes());
        let said = segment.record(at).unwrap_or_default();
        let facts = said
            .iter()
            .filter_map(|(name, said)| Some((numbers.get(name)?, said)));
        let facts: Vec<_> = facts.collect();
        put_facts(&mut out, facts.into_iter());
    }
    out
}

fn put_head(out: &mut Vec<u8>, generation: u64, names: &[Attribute], records: usize) {
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&generation.to_le_bytes());
    put_number(out, names.len() as u64);
    for name in names {
        put_number(out, name.as_str().len() as u64);
        out.extend_from_slice(name.as_str().as_bytes());
    }
    put_number(out, records as u64);
}

fn put_facts<'a>(out: &mut Vec<u8>, facts: impl ExactSizeIterator<Item = (&'a u64, &'a Said)>) {
    put_number(out, facts.len() as u64);
    for (number, said) in facts {
        put_number(out, *number);
        match said {
            Said::Nothing => out.push(NOTHING),
            Said::One(print) => {
                out.push(ONE);
                out.extend_from_slice(&print.to_le_bytes());
            }
            Said::Members(prints) => {
                out.push(MEMBERS);
                put_number(out, prints.len() as u64);
                for print in prints {
                    out.extend_from_slice(&print.to_le_bytes());
                }
            }
            Said::Elements(print) => {
                out.push(ELEMENTS);
                out.extend_from_slice(&print.to_le_bytes());
            }
            Said::Total(total) => {
                out.push(TOTAL);
                out.extend_from_slice(&total.to_le_bytes());
            }
        }
    }
}

/// A segment that was read: its bytes, and the attribute names found at their start.
pub struct Segment {
    bytes: Vec<u8>,
    generation: u64,
    names: Vec<Attribute>,
}

impl Segment {
    /// Checks all of it and tells where the facts of each record start.
    pub fn read(bytes: Vec<u8>) -> Result<(Self, Vec<(EntityId, u32)>), BaseError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(BaseError::Damaged);
        }
        let mut cursor = Cursor {
            bytes: &bytes,
            at: 0,
        };
        if cursor.take(4) != Some(MAGIC) || cursor.byte() != Some(VERSION) {
            return Err(BaseError::Version);
        }
        let generation = cursor
            .eight()
            .map(u64::from_le_bytes)
            .ok_or(BaseError::Damaged)?;
        let names = cursor.names().ok_or(BaseError::Damaged)?;
        let count = cursor.number().ok_or(BaseError::Damaged)?;
        let mut records =
            Vec::with_capacity(count.min(bytes.len() as u64 / (EntityId::LEN as u64 + 1)) as usize);
        for _ in 0..count {
            let entity = cursor.entity().ok_or(BaseError::Damaged)?;
            records.push((entity, cursor.at as u32));
            cursor
                .skip_facts(names.len() as u64)
                .ok_or(BaseError::Damaged)?;
        }
        if cursor.at != bytes.len() {
            return Err(BaseError::Damaged);
        }
        Ok((
            Self {
                bytes,
                generation,
                names,
            },
            records,
        ))
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The facts of the record that starts there.
    pub fn record(&self, at: u32) -> Option<SaidOf> {
        let mut cursor = Cursor {
            bytes: &self.bytes,
            at: at as usize,
        };
        let count = cursor.number()?;
        let mut said = Vec::with_capacity(count.min(256) as usize);
        for _ in 0..count {
            let name = self
                .names
                .get(usize::try_from(cursor.number()?).ok()?)?
                .clone();
            said.push((name, cursor.said()?));
        }
        Some(said)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        self.take(8)?.try_into().ok()
    }

    fn entity(&mut self) -> Option<EntityId> {
        Some(EntityId::from_bytes(
            self.take(EntityId::LEN)?.try_into().ok()?,
        ))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn names(&mut self) -> Option<Vec<Attribute>> {
        let count = self.number().filter(|count| *count <= MOST_ATTRIBUTES)?;
        let mut names = Vec::new();
        for _ in 0..count {
            let len = usize::try_from(self.number()?).ok()?;
            let name = std::str::from_utf8(self.take(len)?).ok()?;
            names.push(Attribute::new(name).ok()?);
        }
        Some(names)
    }

    fn said(&mut self) -> Option<Said> {
        Some(match self.byte()? {
            NOTHING => Said::Nothing,
            ONE => Said::One(u64::from_le_bytes(self.eight()?)),
            MEMBERS => {
                let count = self.number()?;
                let prints = self.take(usize::try_from(count.checked_mul(8)?).ok()?)?;
                Said::Members(
                    prints
                        .as_chunks()
                        .0
                        .iter()
                        .map(|print| u64::from_le_bytes(*print))
                        .collect(),
                )
            }
            ELEMENTS => Said::Elements(u64::from_le_bytes(self.eight()?)),
            TOTAL => Said::Total(i64::from_le_bytes(self.eight()?)),
            _ => return None,
        })
    }

    fn skip_facts(&mut self, names: u64) -> Option<()> {
        for _ in 0..self.number()? {
            self.number().filter(|name| *name < names)?;
            match self.byte()? {
                NOTHING => {}
                ONE | ELEMENTS | TOTAL => {
                    self.take(8)?;
                }
                MEMBERS => {
                    let count = self.number()?;
                    self.take(usize::try_from(count.checked_mul(8)?).ok()?)?;
                }
                _ => return None,
            }
        }
        Some(())
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
