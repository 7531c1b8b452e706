//! The engine against the oracle on random queries over random data.

use std::collections::HashSet;

use rhizome_query::{Input, Limits, Prepared, datalog};
use rhizome_replica::{Edit, Snapshot};
use rhizome_tuple::{Attribute, Value};
use serde_json::Value as Json;

use crate::generate::Random;
use crate::generate::data::{ATTRIBUTES, Data, cell, entity};
use crate::generate::query::{Case, Given};
use crate::live::world::Pod;
use crate::oracle::{self, V};

/// Puts this engine's entity ids into a text.
pub fn named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        out.push_str(&rest[..at]);
        let digits = rest[at + 1..]
            .chars()
            .take_while(char::is_ascii_digit)
            .count();
        let number: usize = rest[at + 1..at + 1 + digits]
            .parse()
            .expect("an entity number");
        out.push_str(&format!("\"{}\"", entity(number)));
        rest = &rest[at + 1 + digits..];
    }
    out.push_str(rest);
    out
}

pub fn inputs(case: &Case) -> Vec<Input> {
    let all = |cells: &[crate::generate::data::Cell]| {
        cells
            .iter()
            .map(super::generate::data::Cell::value)
            .collect::<Vec<_>>()
    };
    case.inputs
        .iter()
        .map(|given| match given {
            Given::Value(c) => Input::Value(c.value()),
            Given::Tuple(cells) => Input::Tuple(all(cells)),
            Given::Collection(cells) => Input::Collection(all(cells)),
            Given::Relation(rows) => Input::Relation(rows.iter().map(|r| all(r)).collect()),
        })
        .collect()
}

pub fn snapshot(data: &Data) -> Snapshot {
    Snapshot::from_facts(
        data.facts
            .iter()
            .map(|(e, a, v)| (entity(*e), *a, v.value())),
    )
    .expect("facts make a snapshot")
}

/// Rows as sorted JSON; numbers as floats, so that 2 and 2.0 are one.
pub fn normal(rows: Vec<Json>) -> Vec<String> {
    let mut out = numbers(rows);
    out.sort();
    out
}

/// Rows as JSON; numbers as floats.
fn numbers(mut rows: Vec<Json>) -> Vec<String> {
    fn number(j: &mut Json) {
        match j {
            Json::Number(n) => *j = Json::from(n.as_f64().unwrap_or(f64::NAN)),
            Json::Array(all) => all.iter_mut().for_each(number),
            _ => {}
        }
    }
    rows.iter_mut().for_each(number);
    rows.iter().map(Json::to_string).collect()
}

#[test]
fn random_queries_agree_with_nested_loops() {
    agree(2000, |data, _| snapshot(data));
}

/// The same data, part of it said in a moment of something else with edits in thought.
#[test]
fn so_they_do_with_edits_in_thought() {
    agree(1500, |data, random| {
        let facts = data.facts.iter();
        let (mut base, mut edits, mut once) = (Vec::new(), Vec::new(), HashSet::new());
        for (e, a, v) in facts {
            let (id, attribute, value) = (entity(*e), Attribute::new(a).unwrap(), v.value());
            let one = ATTRIBUTES.iter().any(|(name, _, one)| name == a && *one);
            match random.below(3) {
                0 if one => {
                    let of = ATTRIBUTES.iter().find(|x| x.0 == *a).unwrap().1;
                    let other = cell(random, of, data.entities).value();
                    base.push((id, *a, other));
                    edits.push(Edit::Assert(id, attribute, value));
                }
                0 => edits.push(Edit::Insert(id, attribute, value)),
                1 if !one && once.insert((id, *a)) => {
                    // something that is taken back
                    let gone = Value::Text(format!("gone {}", random.below(3)));
                    base.push((id, *a, gone.clone()));
                    base.push((id, *a, value));
                    edits.push(Edit::Retract(id, attribute, Some(gone)));
                }
                _ => base.push((id, *a, value)),
            }
        }
        let mut pod = Pod::new(7);
        let base = base.into_iter();
        let said = |(e, a, v): (_, &str, _)| Edit::Insert(e, Attribute::new(a).unwrap(), v);
        pod.write(1, base.map(said).collect());
        let base = pod.replica.snapshot();
        base.with_edits(edits).expect("edits in thought")
    });
}

fn agree(cases: u64, make: impl Fn(&Data, &mut Random) -> Snapshot) {
    let count: u64 = std::env::var("RHIZOME_QUERY_CASES")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(cases);
    let (mut checked, mut answers, mut skipped) = (0, 0, 0);
    for seed in 0..count.div_ceil(10) {
        let mut random = Random::new(seed);
        let data = Data::random(&mut random);
        let facts: Vec<oracle::Fact> = data
            .facts
            .iter()
            .map(|(e, a, v)| (V::Entity(entity(*e)), (*a).to_owned(), V::of(&v.value())))
            .collect();
        let snapshot = make(&data, &mut random);
        for _ in 0..10 {
            let case = Case::random(&mut random, data.entities, false);
            let (text, rules) = (named(&case.text), case.rules.as_deref().map(named));
            let mut parsed =
                datalog::parse(&text, &Limits::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
            if let Some(rules) = &rules {
                parsed.rules = datalog::parse_rules(rules, &Limits::default())
                    .unwrap_or_else(|e| panic!("{e}\n{rules}"));
            }
            let inputs = inputs(&case);
            let Ok(expected) = oracle::evaluate(&parsed, &facts, &inputs) else {
                skipped += 1;
                continue;
            };
            let explain = || {
                format!(
                    "seed {seed}\n{text}\nrules {rules:?}\ninputs {inputs:?}\nas written {}",
                    case.text
                )
            };
            let prepared = Prepared::with(&text, rules.as_deref(), &Limits::default())
                .unwrap_or_else(|e| panic!("{e}\n{}", explain()));
            let rows = prepared
                .run(&snapshot, &inputs)
                .unwrap_or_else(|e| panic!("{e}\n{}", explain()));
            let Json::Array(found) = rows.to_json().expect("rows decode")["rows"].take() else {
                panic!("rows are an array")
            };
            let ordered = !parsed.order.is_empty();
            let expected = if ordered {
                oracle::select(expected, &parsed)
            } else {
                Vec::from_iter(expected)
            };
            let expected: Vec<Json> = expected
                .iter()
                .map(|r| r.iter().map(V::json).collect())
                .collect();
            let normal = if ordered { numbers } else { normal };
            let expected = normal(expected);
            assert_eq!(normal(found), expected, "{}", explain());
            checked += 1;
            answers += usize::from(!expected.is_empty());
        }
    }
    assert!(
        skipped * 5 < checked,
        "{skipped} of {checked} cases were too large to check"
    );
    assert!(
        answers * 3 > checked,
        "only {answers} of {checked} cases have answers"
    );
}
