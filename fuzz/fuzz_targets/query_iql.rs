//! Nested JSON queries: an error that names its path, or an object with the keys that were asked for.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rhizome_query::Limits;
use rhizome_query::iql::{Names, Query};
use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};

static POD: LazyLock<Snapshot> = LazyLock::new(|| {
    let id = |n: u8| EntityId::derive("did:key:fuzz", &[n]);
    let facts = (0..20u8).flat_map(|n| {
        [
            (id(n), "x/type", Value::from(if n % 3 == 0 { "post" } else { "person" })),
            (id(n), "x/by", Value::Ref(id(n * 7 % 20))),
            (id(n), "x/n", Value::Integer(i64::from(n % 5))),
            (id(n), "x/at", Value::Time(i64::from(n))),
            (id(n), "y/n", Value::Float(f64::from(n) / 4.0)),
            (id(n), "x/s", Value::from(format!("text {}", n % 7))),
        ]
    });
    Snapshot::from_facts(facts).expect("a snapshot")
});

const LIMITS: Limits = Limits {
    text_bytes: 4096,
    nesting: 8,
    clauses: 32,
    rules: 1,
    variables: 32,
    intermediate_rows: 5000,
    result_rows: 1000,
    pull_depth: 6,
    pull_entities: 2000,
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let query = match Query::parse(text, &LIMITS) {
        Ok(query) => query,
        Err(error) => {
            assert!(matches!(error.code(), "syntax" | "shape" | "limit"), "{error}");
            return;
        }
    };
    match query.run(&POD, &Names::default(), &LIMITS) {
        Ok(result) => {
            for node in &query.nodes {
                assert!(result[&node.key].is_array());
            }
        }
        Err(error) => assert!(matches!(error.code(), "shape" | "limit"), "{error}"),
    }
});
