//! A measurement of this machine that anybody can run: a throw-away pod with made-up people, posts and follows.

use crate::output::{Failure, Output};
use rhizome_pod::{App, Opening, PodHome, Stop, json::parse_changes};
use serde_json::{Value as Json, json};
use std::{fmt::Write, time::Instant};

/// Entities a transaction may change.
const BATCH: usize = 4000;

fn changes(from: usize, to: usize) -> Json {
    let mut list = Vec::new();
    for i in from..to {
        let entity = format!("_:p{i}");
        let mut put = |attribute: &str, value: Json| {
            list.push(
                json!({ "assert": { "entity": entity, "attribute": attribute, "value": value } }),
            );
        };
        put("bench/name", json!(format!("person {}", i % 5000)));
        put("bench/age", json!(14 + i % 80));
        put("bench/city", json!(format!("city-{}", i * i % 200)));
        if i > from {
            put(
                "bench/knows",
                json!({ "ref": format!("_:p{}", from + i * 7919 % (i - from)) }),
            );
        }
    }
    Json::Array(list)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Measures writes and queries and prints them.
pub fn run(tuples: u32, output: &Output) -> Result<(), Failure> {
    let directory = std::env::temp_dir().join(format!("rhizome-bench-{}", std::process::id()));
    let result = measure(tuples, &directory);
    // a leftover directory among the temporary files is no reason to fail
    let _ = std::fs::remove_dir_all(&directory);
    output.answer(&result?, |r| {
        let mut out = String::new();
        for (name, value) in r.as_object().into_iter().flatten() {
            // writing to a string does not fail
            let _ = writeln!(out, "{name:<32} {value}");
        }
        out.trim_end().to_owned()
    })
}

fn measure(tuples: u32, directory: &std::path::Path) -> Result<Json, Failure> {
    let pod = PodHome::at(directory).init(&Opening::by("rhizome bench"))?;
    let entities = tuples as usize / 4;
    let start = Instant::now();
    let mut from = 0;
    while from < entities {
        let to = (from + BATCH).min(entities);
        let parsed = parse_changes(&changes(from, to)).map_err(rhizome_pod::PodError::from)?;
        pod.transact(App::CommandLine, &parsed)?;
        from = to;
    }
    let load = start.elapsed().as_secs_f64();
    let written = pod.figures().tuples;
    let mut singles = Vec::new();
    for i in 0..200 {
        let one = json!([{ "assert": { "entity": "_:one", "attribute": "bench/name", "value": format!("one {i}") } }]);
        let parsed = parse_changes(&one).map_err(rhizome_pod::PodError::from)?;
        let t = Instant::now();
        pod.transact(App::CommandLine, &parsed)?;
        singles.push(t.elapsed().as_secs_f64() * 1e6);
    }
    let mut answer = json!({
        "tuples": written,
        "tuples_per_second_durable": (f64::from(tuples) / load).round(),
        "one_durable_transaction_us": median(singles).round(),
    });
    for (name, query) in [
        (
            "by_value_us",
            r#"[:find ?e :where [?e "bench/name" "person 17"]]"#,
        ),
        (
            "two_hops_us",
            r#"[:find ?b :where [?a "bench/name" "person 17"] [?a "bench/knows" ?b] [?b "bench/city" ?c]]"#,
        ),
        (
            "count_by_city_us",
            r#"[:find ?c (count ?e) :where [?e "bench/city" ?c]]"#,
        ),
    ] {
        let mut times = Vec::new();
        for _ in 0..50 {
            let t = Instant::now();
            pod.query(&Json::String(query.into()), &[], &Stop::new(false))?;
            times.push(t.elapsed().as_secs_f64() * 1e6);
        }
        answer[name] = json!(median(times).round());
    }
    Ok(answer)
}
