//! The engine against DataScript, an independent implementation of the language, on random queries over random data.
//!
//! Needs node and npm; without them the test says so and passes. `RHIZOME_DATASCRIPT_CASES=20000` runs the
//! full comparison, `RHIZOME_DATASCRIPT_FIRST=2000` starts later in the sequence of cases.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rhizome_query::{Limits, Prepared};
use serde_json::{Value as Json, json};

use crate::agree::{inputs, named, snapshot};
use crate::generate::Random;
use crate::generate::data::{Cell, Data, entity};
use crate::generate::query::{Case, Given};

fn ready(folder: &Path) -> bool {
    let quiet = |c: &mut Command| {
        c.stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !quiet(Command::new("node").arg("--version")) {
        eprintln!("skipped: node is not installed");
        return false;
    }
    let installed = folder.join("node_modules/datascript").is_dir()
        || quiet(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(folder),
        );
    if !installed {
        eprintln!("skipped: npm could not install DataScript");
    }
    installed
}

fn number(cell: &Cell) -> Json {
    match cell {
        Cell::Entity(e) => json!(e),
        Cell::Integer(i) => json!(i),
        Cell::Text(s) => json!(s),
    }
}

fn given(case: &Case) -> Vec<Json> {
    let all = |cells: &[Cell]| cells.iter().map(number).collect::<Json>();
    case.inputs
        .iter()
        .map(|g| match g {
            Given::Value(c) => number(c),
            Given::Tuple(cells) | Given::Collection(cells) => all(cells),
            Given::Relation(rows) => rows.iter().map(|r| all(r)).collect(),
        })
        .collect()
}

/// Rows of JSON with entities as numbers.
fn numbered(rows: Json, numbers: &HashMap<String, usize>) -> Json {
    match rows {
        Json::String(s) => numbers.get(&s).map_or(Json::String(s), |n| json!(n)),
        Json::Array(all) => all.into_iter().map(|j| numbered(j, numbers)).collect(),
        // one number type on the other side
        Json::Number(n) => match n.as_f64() {
            Some(x) if x.fract() == 0.0 && x.abs() < 9e15 => json!(x as i64),
            _ => Json::Number(n),
        },
        other => other,
    }
}

#[test]
fn random_queries_agree_with_datascript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/datascript");
    if !ready(&folder) {
        return;
    }
    let number_in = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let count = number_in("RHIZOME_DATASCRIPT_CASES").unwrap_or(200);
    let first = number_in("RHIZOME_DATASCRIPT_FIRST").unwrap_or(0) / 10;
    let mut child = Command::new("node")
        .arg("run.mjs")
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut pipe = child.stdin.take().expect("a pipe to node");
    let writer = std::thread::spawn(move || {
        for seed in 0..count.div_ceil(10) {
            // other cases than those of the oracle
            let mut random = Random::new(1_000_000 + first + seed);
            let data = Data::tame(&mut random);
            let snapshot = snapshot(&data);
            let numbers: HashMap<String, usize> = (1..=data.entities)
                .map(|e| (entity(e).to_string(), e))
                .collect();
            let facts: Vec<Json> = data
                .facts
                .iter()
                .map(|(e, a, v)| json!([e, a, number(v)]))
                .collect();
            writeln!(pipe, "{}", json!({ "facts": facts })).expect("node reads");
            for _ in 0..10 {
                let case = Case::random(&mut random, data.entities, true);
                let rules = case.rules.as_deref().map(named);
                let prepared =
                    Prepared::with(&named(&case.text), rules.as_deref(), &Limits::default())
                        .expect("the query compiles");
                let rows = prepared
                    .run(&snapshot, &inputs(&case))
                    .expect("the query runs");
                if rows.len() > 20_000 {
                    continue;
                }
                let rows = numbered(
                    rows.to_json().expect("rows decode")["rows"].take(),
                    &numbers,
                );
                let case = json!({ "query": case.text, "rules": case.rules, "inputs": given(&case), "rows": rows });
                writeln!(pipe, "{case}").expect("node reads");
            }
        }
    });
    let output = child.wait_with_output().expect("node ends");
    writer.join().expect("all cases were written");
    let text = String::from_utf8_lossy(&output.stdout);
    let counts: Json = text
        .lines()
        .last()
        .and_then(|l| serde_json::from_str(l).ok())
        .expect("counts");
    eprintln!("{counts}");
    let shown: Vec<&str> = text.lines().take(5).collect();
    assert!(
        output.status.success(),
        "DataScript disagrees, first:\n{}",
        shown.join("\n")
    );
    let n = |key: &str| counts[key].as_u64().unwrap_or(0);
    assert!(
        n("agree") * 10 > count * 8,
        "too many cases were not compared: {counts}"
    );
    assert!(
        n("answers") * 4 > n("agree"),
        "too few cases have answers: {counts}"
    );
    assert!(
        n("recursive") * 5 > n("agree"),
        "too few cases have rules: {counts}"
    );
}
