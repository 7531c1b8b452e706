//! Small random pods over a fixed schema.

use rhizome_tuple::{EntityId, Value};

use super::Random;

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Entity,
    Integer,
    Text,
}

/// (name, what it holds, at most one value an entity)
pub const ATTRIBUTES: &[(&str, Type, bool)] = &[
    ("e/link", Type::Entity, false),
    ("e/parent", Type::Entity, true),
    ("e/knows", Type::Entity, false),
    ("n/age", Type::Integer, false),
    ("n/size", Type::Integer, true),
    ("s/name", Type::Text, false),
    ("s/tag", Type::Text, false),
    ("s/kind", Type::Text, true),
];
/// Integers are larger than any entity number, so that engines in which entities are integers cannot mix them up.
pub const INTEGERS: std::ops::Range<i64> = 1000..1005;
pub const TEXTS: &[&str] = &["a", "ab", "abcdé", "abcdef", "b"];

/// A value that names its entity by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Entity(usize),
    Integer(i64),
    Text(String),
}

/// Entities are numbered from 1.
pub struct Data {
    pub entities: usize,
    pub facts: Vec<(usize, &'static str, Cell)>,
}

pub fn entity(number: usize) -> EntityId {
    EntityId::derive("did:key:test", &number.to_be_bytes())
}

impl Cell {
    pub fn value(&self) -> Value {
        match self {
            Self::Entity(e) => Value::Ref(entity(*e)),
            Self::Integer(i) => Value::Integer(*i),
            Self::Text(s) => Value::from(s.as_str()),
        }
    }

    /// As written in a query, entities as `@n`.
    pub fn written(&self) -> String {
        match self {
            Self::Entity(e) => format!("@{e}"),
            Self::Integer(i) => i.to_string(),
            Self::Text(s) => format!("{s:?}"),
        }
    }
}

pub fn cell(random: &mut Random, of: Type, entities: usize) -> Cell {
    match of {
        Type::Entity => Cell::Entity(1 + random.below(entities)),
        Type::Integer => Cell::Integer(INTEGERS.start + random.below(5) as i64),
        Type::Text => Cell::Text((*random.pick(TEXTS)).to_owned()),
    }
}

impl Data {
    pub fn random(random: &mut Random) -> Self {
        let entities = 3 + random.below(8);
        Self::over(random, entities, true)
    }

    /// Data on which engines that follow every path of a cyclic graph come to an end: cycles only among few entities.
    pub fn tame(random: &mut Random) -> Self {
        let cyclic = random.chance(20);
        let entities = if cyclic {
            2 + random.below(2)
        } else {
            3 + random.below(5)
        };
        Self::over(random, entities, cyclic)
    }

    fn over(random: &mut Random, entities: usize, cyclic: bool) -> Self {
        let mut facts = Vec::new();
        for (name, of, one) in ATTRIBUTES {
            // some attributes are dense, some sparse, some absent
            let density = *random.pick(&[0, 40, 70, 80, 90, 100, 100]);
            for e in 1..=entities {
                let n = if *one { 1 } else { 1 + random.below(2) };
                for _ in 0..n {
                    let fact = (e, *name, cell(random, *of, entities));
                    let backwards =
                        cyclic || !matches!(fact.2, Cell::Entity(target) if target >= e);
                    if random.chance(density) && backwards && !facts.contains(&fact) {
                        facts.push(fact);
                    }
                }
            }
        }
        Self { entities, facts }
    }
}
