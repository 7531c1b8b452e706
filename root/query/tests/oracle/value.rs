//! Values with a total order.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use rhizome_query::datalog::ast::{OrderBy, Query};
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

    /// The order of results: by kind, numbers of all types by what they are worth, 1 before 1.0. Lists have none.
    fn order(&self, other: &Self) -> Ordering {
        let kind = |v: &Self| match v {
            Self::Boolean(_) => 0,
            Self::Integer(_) | Self::Float(_) | Self::Time(_) => 1,
            Self::Text(_) => 2,
            Self::Entity(_) => 3,
            Self::List(_) => 4,
        };
        let worth = match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => Ordering::Equal,
        };
        let kinds = kind(self).cmp(&kind(other));
        if let (Self::List(_), Self::List(_)) = (self, other) {
            return Ordering::Equal;
        }
        kinds.then(worth).then_with(|| self.cmp(other))
    }
}

/// What `:order`, `:offset` and `:limit` of a query leave of its rows.
pub fn select(rows: BTreeSet<Vec<V>>, query: &Query) -> Vec<Vec<V>> {
    let mut rows = Vec::from_iter(rows);
    rows.sort_by(|a, b| {
        let keys = query.order.iter().map(|k| {
            let OrderBy::Column(column) = k.by else {
                panic!("the generator orders by columns")
            };
            let order = a[column].order(&b[column]);
            if k.descending { order.reverse() } else { order }
        });
        let rest = a.iter().zip(b).map(|(x, y)| x.order(y));
        keys.chain(rest)
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    let rows = rows.into_iter().skip(query.offset as usize);
    rows.take(query.limit.map_or(usize::MAX, |l| l as usize))
        .collect()
}
