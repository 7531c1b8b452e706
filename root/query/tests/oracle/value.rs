//! Values with a total order.

use rhizome_tuple::{EntityId, Value};

/// A value; floats by their bits, lists for aggregates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum V {
    Boolean(bool),
    Integer(i64),
    Float(u64),
    Time(i64),
    Text(String),
    Entity(EntityId),
    List(Vec<V>),
}

impl V {
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Boolean(b) => Self::Boolean(*b),
            Value::Integer(i) => Self::Integer(*i),
            Value::Float(x) => Self::Float(x.to_bits()),
            Value::Time(t) => Self::Time(*t),
            Value::Text(s) => Self::Text(s.clone()),
            Value::Ref(e) => Self::Entity(*e),
            other => panic!("{other:?} is not used in tests of the oracle"),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(i) | Self::Time(i) => Some(*i as f64),
            Self::Float(x) => Some(f64::from_bits(*x)),
            _ => None,
        }
    }

    /// As in the engine's JSON, entities by id.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Boolean(b) => (*b).into(),
            Self::Integer(i) | Self::Time(i) => (*i).into(),
            Self::Float(x) => f64::from_bits(*x).into(),
            Self::Text(s) => s.as_str().into(),
            Self::Entity(e) => e.to_string().into(),
            Self::List(all) => all.iter().map(V::json).collect(),
        }
    }
}
