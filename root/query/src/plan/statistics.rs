//! What the planner knows of the data.

use rhizome_replica::{Snapshot, key};
use rhizome_tuple::Value;

use crate::ir::Query;

/// Sizes of the attributes and constants of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// By attribute index.
    pub attributes: Vec<AttributeSize>,
    /// Tuples in the pod.
    pub tuples: f64,
    /// Rows of each input; negative for rules, which are not passed as rows.
    pub inputs: Vec<f64>,
}

/// Size of one attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttributeSize {
    /// Tuples.
    pub tuples: f64,
    /// Different entities.
    pub entities: f64,
    /// Different values.
    pub values: f64,
}

impl AttributeSize {
    /// Values that an entity has on average.
    pub fn per_entity(&self) -> f64 {
        self.tuples / self.entities.max(1.0)
    }

    /// Entities that a value has on average.
    pub fn per_value(&self) -> f64 {
        self.tuples / self.values.max(1.0)
    }
}

impl Statistics {
    /// Reads the statistics that matter for a query.
    pub fn new(query: &Query, snapshot: &Snapshot, inputs: Vec<f64>) -> Self {
        let size = |name: &String| match snapshot.aid(name) {
            None => AttributeSize::default(),
            Some(a) => {
                let s = snapshot.attribute_stats(a);
                AttributeSize {
                    tuples: s.tuples as f64,
                    entities: s.entities as f64,
                    values: s.values as f64,
                }
            }
        };
        Self {
            attributes: query.attributes.iter().map(size).collect(),
            tuples: snapshot.eav().len() as f64,
            inputs,
        }
    }

    /// A quick look whether a plan made for `self` can be used without another thought: the pod has about as many tuples and the
    /// inputs about as many rows.
    pub fn same_size(&self, tuples: f64, inputs: impl Iterator<Item = usize>) -> bool {
        (tuples - self.tuples).abs() <= self.tuples * 0.1 + 16.0
            && self
                .inputs
                .iter()
                .filter(|n| **n >= 0.0)
                .zip(inputs)
                .all(|(a, b)| (*a - b as f64).abs() <= *a * 0.5 + 2.0)
    }

    /// Whether a plan made for `self` is still a reasonable one: nothing grew or shrank more than twofold.
    pub fn near(&self, other: &Self) -> bool {
        fn near(a: f64, b: f64) -> bool {
            let (a, b) = (a + 16.0, b + 16.0);
            a < 2.0 * b && b < 2.0 * a
        }
        self.inputs.len() == other.inputs.len()
            && self
                .attributes
                .iter()
                .zip(&other.attributes)
                .all(|(a, b)| near(a.tuples, b.tuples))
            && self
                .inputs
                .iter()
                .zip(&other.inputs)
                .all(|(a, b)| near(*a, *b))
            && near(self.tuples, other.tuples)
    }
}

/// Exactly how many entities have one of these values of an attribute.
pub fn exact(snapshot: &Snapshot, attribute: &str, values: &[Value]) -> Option<f64> {
    let a = snapshot.aid(attribute)?;
    let count = |v: &Value| {
        snapshot.word(v).map_or(0, |w| {
            let (lo, hi) = key::ave_av(a, w);
            snapshot.ave().count(lo, hi)
        })
    };
    Some(values.iter().map(count).sum::<u64>() as f64)
}
