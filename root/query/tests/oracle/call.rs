//! Predicates and functions.

use std::cmp::Ordering;

use super::V;

fn order(a: &V, b: &V) -> Option<Ordering> {
    match (a, b) {
        (V::Text(a), V::Text(b)) => Some(a.cmp(b)),
        (V::Entity(a), V::Entity(b)) => Some(a.cmp(b)),
        (V::Boolean(a), V::Boolean(b)) => Some(a.cmp(b)),
        _ => a.number()?.partial_cmp(&b.number()?),
    }
}

fn same(a: &V, b: &V) -> bool {
    order(a, b) == Some(Ordering::Equal)
}

fn integer(v: &V) -> Option<i64> {
    match v {
        V::Integer(i) => Some(*i),
        _ => None,
    }
}

fn text(v: &V) -> Option<&str> {
    match v {
        V::Text(s) => Some(s),
        _ => None,
    }
}

pub fn predicate(name: &str, arguments: &[V]) -> bool {
    let chain = |f: fn(Ordering) -> bool| {
        arguments
            .windows(2)
            .all(|w| order(&w[0], &w[1]).is_some_and(f))
    };
    let texts = |f: fn(&str, &str) -> bool| matches!((text(&arguments[0]), text(&arguments[1])), (Some(a), Some(b)) if f(a, b));
    match name {
        "<" => chain(Ordering::is_lt),
        "<=" => chain(Ordering::is_le),
        ">" => chain(Ordering::is_gt),
        ">=" => chain(Ordering::is_ge),
        "=" => arguments.windows(2).all(|w| same(&w[0], &w[1])),
        "!=" => !arguments.windows(2).all(|w| same(&w[0], &w[1])),
        "even?" => integer(&arguments[0]).is_some_and(|i| i.rem_euclid(2) == 0),
        "odd?" => integer(&arguments[0]).is_some_and(|i| i.rem_euclid(2) == 1),
        "starts-with?" => texts(|a, b| a.starts_with(b)),
        "ends-with?" => texts(|a, b| a.ends_with(b)),
        "includes?" => texts(|a, b| a.contains(b)),
        other => panic!("predicate {other}"),
    }
}

pub fn function(name: &str, arguments: &[V]) -> Option<V> {
    let integers: Option<Vec<i64>> = arguments.iter().map(integer).collect();
    match (name, integers.as_deref()) {
        ("identity", _) => Some(arguments[0].clone()),
        ("+", Some(all)) => all
            .iter()
            .try_fold(0i64, |a, b| a.checked_add(*b))
            .map(V::Integer),
        ("*", Some(all)) => all
            .iter()
            .try_fold(1i64, |a, b| a.checked_mul(*b))
            .map(V::Integer),
        ("-", Some([a])) => a.checked_neg().map(V::Integer),
        ("-", Some([a, rest @ ..])) => rest
            .iter()
            .try_fold(*a, |a, b| a.checked_sub(*b))
            .map(V::Integer),
        ("quot", Some([a, b])) => a.checked_div(*b).map(V::Integer),
        ("rem", Some([a, b])) => a.checked_rem(*b).map(V::Integer),
        ("mod", Some([a, b])) if *b > 0 => Some(V::Integer(a.rem_euclid(*b))),
        ("inc", Some([a])) => a.checked_add(1).map(V::Integer),
        ("dec", Some([a])) => a.checked_sub(1).map(V::Integer),
        ("max", Some(all)) => all.iter().max().map(|i| V::Integer(*i)),
        ("min", Some(all)) => all.iter().min().map(|i| V::Integer(*i)),
        (_, None) => None,
        (other, _) => panic!("function {other}"),
    }
}
