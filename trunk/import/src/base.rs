//! What the last import said, record by record: the base of the three-way comparison.

mod segment;

use std::collections::HashMap;

use rhizome_tuple::{Attribute, EntityId};

use crate::fingerprint::Fingerprint;
pub use segment::BaseError;
use segment::Segment;
pub(crate) use segment::SegmentWriter;

/// What the last import said about one attribute of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A register had no value.
    Nothing,
    /// A register had a value of this fingerprint.
    One(Fingerprint),
    /// A set had members of these fingerprints.
    Members(Vec<Fingerprint>),
    /// A list had elements of this common fingerprint.
    Elements(Fingerprint),
    /// A counter had this total.
    Total(i64),
}

/// What the last import said about one record, in the order of its facts.
pub type SaidOf = Vec<(Attribute, Said)>;

/// Reads a base segment, the blobs under `import/base`, and tells how many records it speaks of: for checking a pod.
///
/// # Errors
/// Where the bytes are not a segment.
pub fn check_base(bytes: &[u8]) -> Result<usize, BaseError> {
    let (segment, records) = Segment::read(bytes.to_vec())?;
    let readable = records.iter().all(|(_, at)| segment.record(*at).is_some());
    if readable {
        Ok(records.len())
    } else {
        Err(BaseError::Damaged)
    }
}

/// What earlier imports of one origin said. It lies in segments: one for each commit that brought news, merged when an
/// import ends; where two speak of a record the later generation counts.
#[derive(Default)]
pub struct Base {
    segments: Vec<Segment>,
    /// What is known of each record. A pod may have millions: what is kept of each is small.
    index: HashMap<EntityId, Known>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    /// Number of the segment that speaks of it, from 1; 0 for none.
    segment: u32,
    at: u32,
    /// Whether this run met it.
    met: bool,
}

impl Base {
    /// Takes a segment as it was written. Order does not matter.
    ///
    /// # Errors
    /// Where the bytes are not a segment; nothing of it is taken then.
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<(), BaseError> {
        let (segment, records) = Segment::read(bytes)?;
        let generation = segment.generation();
        self.segments.push(segment);
        let number = self.segments.len() as u32;
        for (entity, at) in records {
            let known = self.index.entry(entity).or_default();
            if spoken(&self.segments, known).is_none_or(|other| other.generation() <= generation) {
                (known.segment, known.at) = (number, at);
            }
        }
        Ok(())
    }

    /// The generation of the next segment.
    pub fn next_generation(&self) -> u64 {
        self.segments
            .iter()
            .map(Segment::generation)
            .max()
            .map_or(0, |generation| generation.saturating_add(1))
    }

    /// What the last import said about a record; `None` where none mentioned it.
    pub fn said(&self, entity: &EntityId) -> Option<SaidOf> {
        let known = self.index.get(entity)?;
        spoken(&self.segments, known)?.record(known.at)
    }

    /// Notes that this run meets a record; false where it met it before.
    pub fn meet(&mut self, entity: EntityId) -> bool {
        !std::mem::replace(&mut self.index.entry(entity).or_default().met, true)
    }

    /// Records of earlier imports that this run did not meet, in order of their ids.
    pub fn unmet(&self) -> Vec<EntityId> {
        let mut unmet: Vec<_> = self
            .index
            .iter()
            .filter(|(_, known)| !known.met)
            .map(|(entity, _)| *entity)
            .collect();
        unmet.sort_unstable();
        unmet
    }

    /// Everything known, as one segment of the next generation.
    pub fn merged(&self) -> Vec<u8> {
        let spoken = |known| spoken(&self.segments, known);
        let mut entities: Vec<EntityId> = self
            .index
            .iter()
            .filter(|(_, known)| spoken(known).is_some())
            .map(|(entity, _)| *entity)
            .collect();
        entities.sort_unstable();
        let records = entities.iter().map(|entity| {
            let known = &self.index[entity];
            (
                *entity,
                &self.segments[known.segment as usize - 1],
                known.at,
            )
        });
        segment::merge(self.next_generation(), &self.segments, records)
    }
}

/// The segment that speaks of a record.
fn spoken<'a>(segments: &'a [Segment], known: &Known) -> Option<&'a Segment> {
    segments.get((known.segment as usize).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(n: u8) -> EntityId {
        EntityId::from_bytes([n; 24])
    }

    fn said(n: u64) -> SaidOf {
        vec![
            (Attribute::new("a/one").unwrap(), Said::One(n)),
            (Attribute::new("a/none").unwrap(), Said::Nothing),
            (
                Attribute::new("a/set").unwrap(),
                Said::Members(vec![n, n + 1, u64::MAX]),
            ),
            (Attribute::new("a/list").unwrap(), Said::Elements(n)),
            (Attribute::new("a/sum").unwrap(), Said::Total(-(n as i64))),
        ]
    }

    fn segment(generation: u64, records: &[(u8, u64)]) -> Vec<u8> {
        let mut writer = SegmentWriter::new(generation);
        for (n, value) in records {
            writer.put(entity(*n), &said(*value));
        }
        writer.finish()
    }

    #[test]
    fn the_later_generation_counts_whatever_the_order() {
        let segments = [
            segment(0, &[(1, 10), (2, 20)]),
            segment(1, &[(2, 21), (3, 30)]),
            segment(2, &[(3, 31)]),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut base = Base::default();
            for n in order {
                base.take(segments[n].clone()).unwrap();
            }
            for (n, value) in [(1, 10), (2, 21), (3, 31)] {
                assert_eq!(base.said(&entity(n)), Some(said(value)));
            }
            assert_eq!(
                (
                    base.said(&entity(4)),
                    base.index.len(),
                    base.next_generation()
                ),
                (None, 3, 3)
            );
            let mut merged = Base::default();
            merged.take(base.merged()).unwrap();
            assert_eq!(
                (
                    merged.said(&entity(2)),
                    merged.index.len(),
                    merged.next_generation()
                ),
                (Some(said(21)), 3, 4)
            );
        }
    }

    #[test]
    fn what_a_run_did_not_meet_is_told() {
        let mut base = Base::default();
        base.take(segment(0, &[(3, 1), (1, 1), (2, 1)])).unwrap();
        assert!(base.meet(entity(2)) && !base.meet(entity(2)) && base.meet(entity(9)));
        assert_eq!(base.unmet(), [entity(1), entity(3)]);
    }

    #[test]
    fn the_same_records_give_the_same_bytes() {
        assert_eq!(segment(5, &[(1, 1), (2, 2)]), segment(5, &[(2, 2), (1, 1)]));
    }

    #[test]
    fn every_cut_or_changed_segment_is_refused_or_read_without_harm() {
        let good = segment(1, &[(1, 1), (2, 2)]);
        for n in 0..good.len() {
            assert!(
                Base::default().take(good[..n].to_vec()).is_err(),
                "cut at {n}"
            );
        }
        for n in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[n] ^= 1 << bit;
                let mut base = Base::default();
                if base.take(bad).is_ok() {
                    for key in base.index.keys() {
                        let _ = base.said(key);
                    }
                }
            }
        }
    }
}
