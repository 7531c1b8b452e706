//! Tests of tuples that differ only in the entity, answered from a set once there have been many.
//!
//! `[?c :follows ?me]` with a fixed `?me` is asked for every `?c`. Each time is a search in a large index; after a few of them it is
//! cheaper to read the entities that have the value, if those are not many more than the tests so far.

use rhizome_replica::{Aid, Eid, Word, key};
use rustc_hash::FxHashSet;

use super::machine::Machine;

/// What one step has been asked.
#[derive(Default)]
pub struct Filter {
    /// The attribute and value of the last tests.
    of: Option<(Aid, Word)>,
    /// How many of them there were.
    tests: u32,
    /// All entities that have the value.
    entities: Option<FxHashSet<u32>>,
}

/// Tests before the size of the set is looked at, for the first time; then each time there are four times as many.
const FIRST: u32 = 8;
/// Reading an entity in order costs about this part of a search.
const CHEAPER: u64 = 16;

impl Machine<'_> {
    /// Whether there is this tuple.
    #[inline]
    pub fn tuple(&mut self, e: Eid, a: Aid, v: Word, step: u16) -> bool {
        let Some(filter) = self.filters.get_mut(usize::from(step)) else {
            return self.snapshot.eav().contains(key::eav(e, a, v));
        };
        if filter.of != Some((a, v)) {
            *filter = Filter {
                of: Some((a, v)),
                tests: 1,
                entities: None,
            };
            return self.snapshot.eav().contains(key::eav(e, a, v));
        }
        if let Some(entities) = &filter.entities {
            return entities.contains(&e.0);
        }
        filter.tests += 1;
        // 8, 32, 128, …: powers of two with an odd exponent
        if filter.tests >= FIRST
            && filter.tests.is_power_of_two()
            && filter.tests.trailing_zeros() % 2 == 1
        {
            let (lo, hi) = key::ave_av(a, v);
            if self.snapshot.ave().count(lo, hi) <= u64::from(filter.tests) * CHEAPER {
                filter.entities = Some(
                    self.snapshot
                        .ave()
                        .range(lo, hi)
                        .map(|k| key::un_ave(k).e.0)
                        .collect(),
                );
            }
        }
        // again and again in the range of this one value, which is smaller than that of all entities
        self.snapshot.ave().contains(key::ave(a, v, e))
    }
}
