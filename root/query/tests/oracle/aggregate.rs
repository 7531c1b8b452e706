//! Aggregates of the values of one group.

use super::V;

pub fn aggregate(name: &str, n: Option<u64>, mut values: Vec<V>) -> V {
    values.sort();
    let number = |v: &V| v.number().unwrap_or(0.0);
    match (name, n) {
        ("count", _) => V::Integer(values.len() as i64),
        ("count-distinct", _) => {
            values.dedup();
            V::Integer(values.len() as i64)
        }
        ("sum", _) => V::Integer(values.iter().map(|v| number(v) as i64).sum()),
        ("avg", _) => {
            V::Float((values.iter().map(number).sum::<f64>() / values.len() as f64).to_bits())
        }
        ("min", None) => values[0].clone(),
        ("max", None) => values[values.len() - 1].clone(),
        ("min", Some(n)) => V::List(values.into_iter().take(n as usize).collect()),
        ("max", Some(n)) => V::List(values.into_iter().rev().take(n as usize).collect()),
        ("median", _) => {
            let m = values.len() / 2;
            if values.len() % 2 == 1 {
                values[m].clone()
            } else {
                V::Float(f64::midpoint(number(&values[m - 1]), number(&values[m])).to_bits())
            }
        }
        (other, _) => panic!("aggregate {other}"),
    }
}
