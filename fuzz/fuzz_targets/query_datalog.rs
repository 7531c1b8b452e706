//! Datalog text: an error with a place inside the text, or a query that runs to an answer within its limits.
#![no_main]

use std::{cell::Cell, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use rhizome_query::{Input, Limits, Prepared, QueryError};
use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};

static POD: LazyLock<Snapshot> = LazyLock::new(|| {
    let id = |n: u8| EntityId::derive("did:key:fuzz", &[n]);
    let facts = (0..20u8).flat_map(|n| {
        [
            (id(n), "a", Value::Ref(id(n * 7 % 20))),
            (id(n), "b", Value::Ref(id(n / 2))),
            (id(n), "n", Value::Integer(i64::from(n % 5))),
            (id(n), "f", Value::Float(f64::from(n) / 4.0)),
            (id(n), "t", Value::Time(i64::from(n))),
            (id(n), "s", Value::from(format!("text {}", n % 7))),
        ]
    });
    Snapshot::from_facts(facts).expect("a snapshot")
});

const LIMITS: Limits = Limits {
    text_bytes: 4096,
    nesting: 16,
    clauses: 48,
    rules: 24,
    variables: 32,
    intermediate_rows: 2000,
    result_rows: 500,
    pull_depth: 6,
    pull_entities: 500,
};

fn placed(text: &str, error: &QueryError) {
    if let Some(at) = error.position() {
        let line = text.split('\n').nth(at.line as usize - 1).expect("the line is one of the text");
        assert!(at.column as usize <= line.chars().count() + 1, "{error}");
    }
    assert!(!error.code().is_empty() && !error.to_string().is_empty());
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let prepared = match Prepared::with(text, None, &LIMITS) {
        Ok(prepared) => prepared,
        Err(error) => return placed(text, &error),
    };
    let inputs: Vec<Input> = vec![Input::from(3i64); usize::from(text.contains(":in"))];
    let steps = Cell::new(0);
    let bounded = || {
        steps.set(steps.get() + 1);
        steps.get() < 200
    };
    match prepared.run_while(&POD, &inputs, &bounded) {
        Ok(rows) => {
            assert!(rows.len() <= LIMITS.result_rows);
            for row in 0..rows.len() {
                assert_eq!(rows.words(row).len(), rows.width());
            }
            if let Ok(json) = rows.to_json() {
                assert_eq!(json["rows"].as_array().map(Vec::len), Some(rows.len()));
                assert_eq!(json["columns"].as_array().map(Vec::len), Some(rows.width()));
            }
        }
        Err(error) => placed(text, &error),
    }
});
