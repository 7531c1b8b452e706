//! Times the fourteen queries of the tuple benchmark on data in memory.
//!
//!     cargo run --release -p rhizome-query --example fourteen -- tuples.tsv params.json
//!
//! The tuples come from `gen_tuples.py`, the parameters from `gen_params.py`. Prints for each query the median and the 99th percentile
//! of process CPU time in microseconds, mean rows, and rows in all.

use std::collections::HashMap;
use std::time::Instant;

use rhizome_query::{Input, Prepared};
use rhizome_replica::{Snapshot, key};
use rhizome_tuple::{EntityId, Value};
use serde_json::Value as Json;

const RULES: &str = ":rules [[(under ?x ?f) [?x :parent ?f]] [(under ?x ?f) [?t :parent ?f] (under ?x ?t)]
                             [(reach ?a ?b) [?a :follows ?b]] [(reach ?a ?b) [?a :follows ?c] (reach ?c ?b)]]";

fn queries() -> Vec<(&'static str, String)> {
    vec![
        ("entity_query", "[:find ?a ?v :in ?e :where [?e ?a ?v]]".into()),
        ("value", "[:find ?e :in ?n :where [?e :name ?n]]".into()),
        ("album", "[:find ?e :in ?n :where [?e :photo-album ?n] [?e :is-photo true]]".into()),
        ("posts_by_name", "[:find ?p :in ?n :where [?a :name ?n] [?p :author ?a]]".into()),
        ("foaf_posts", "[:find ?a ?b ?p :in ?n :where [?a :name ?n] [?a :follows ?b] [?p :author ?b]]".into()),
        ("feed", "[:find ?p ?t :in ?me :where [?me :follows ?b] [?p :author ?b] [?p :created ?t]]".into()),
        ("reply_chain", "[:find ?c :in ?me :where [?p :author ?me] [?p :type \"post\"] [?c :on ?p] [?c :author ?x] [?x :name ?n]]".into()),
        ("triangle", "[:find ?b ?c :in ?me :where [?me :follows ?b] [?b :follows ?c] [?c :follows ?me]]".into()),
        ("feed_top20", "[:find ?p ?t :in ?me :where [?me :follows ?b] [?p :author ?b] [?p :type \"post\"] [?p :created ?t] :order [[?t :desc] [?p :desc]] :limit 20]".into()),
        ("tag_city", "[:find ?p :in ?t ?c :where [?p :tag ?t] [?p :author ?a] [?a :city ?c] [?a :name ?n]]".into()),
        ("descendants", format!("[:find ?x :in ?f :where (under ?x ?f) {RULES}]")),
        ("reach", format!("[:find ?x :in ?f :where (reach ?f ?x) {RULES}]")),
        ("tag_counts", "[:find ?t (count ?e) :where [?e :tag ?t]]".into()),
        ("latest20", "[:find ?e ?t :where [?e :created ?t] [?e :type \"post\"] :order [[?t :desc]] :limit 20]".into()),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, tuples, params, rest @ ..] = arguments.as_slice() else {
        return Err("usage: fourteen tuples.tsv params.json [query]".into());
    };
    let text = std::fs::read_to_string(tuples)?;
    let id = |e: &str| EntityId::derive("did:key:bench", e.as_bytes());
    let facts = text.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let (e, a, kind, v) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let value = match kind {
            "s" => Value::from(v),
            "i" => Value::Integer(v.parse().ok()?),
            "t" => Value::Time(v.parse().ok()?),
            "b" => Value::Boolean(v == "true"),
            _ => Value::Ref(id(v)),
        };
        Some((id(e), a, value))
    });
    let start = Instant::now();
    let snapshot = Snapshot::from_facts(facts)?;
    println!("loaded in {:?}", start.elapsed());
    let params: HashMap<String, Vec<Json>> =
        serde_json::from_str(&std::fs::read_to_string(params)?)?;
    let input = |j: &Json| match j {
        Json::String(s) => Input::from(s.as_str()),
        other => Input::from(id(&other.to_string())),
    };
    entity(
        &snapshot,
        &params["entity"]
            .iter()
            .filter_map(|j| Some(id(&j.as_u64()?.to_string())))
            .collect::<Vec<_>>(),
    );
    for (name, text) in queries() {
        if !rest.is_empty() && !rest.iter().any(|r| r == name) {
            continue;
        }
        let prepared = Prepared::new(&text)?;
        let parameters = match name {
            "entity_query" => &params["entity"],
            "tag_counts" | "latest20" => &vec![Json::Null; 20],
            other => &params[other],
        };
        let inputs: Vec<Vec<Input>> = parameters
            .iter()
            .map(|p| match p {
                Json::Null => vec![],
                Json::Array(all) => all.iter().map(input).collect(),
                one => vec![input(one)],
            })
            .collect();
        let (mut times, mut rows, mut used) = (Vec::new(), 0, 0.0);
        for round in 0..4 {
            let before = cpu();
            for i in &inputs {
                let start = Instant::now();
                let result = prepared.run(&snapshot, i)?;
                let n = result.len();
                std::hint::black_box(&result);
                let time = start.elapsed().as_nanos() as f64 / 1e3;
                if round == 0 {
                    rows += n;
                } else {
                    times.push(time);
                }
            }
            if round > 0 {
                used += cpu() - before;
            }
        }
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!(
            "{name:14} p50 {p50:10.2} us  p99 {p99:10.2} us  mean CPU {:10.2} us  rows {:10.2}  in all {rows}",
            used / 1e3 / times.len() as f64,
            rows as f64 / inputs.len() as f64
        );
    }
    Ok(())
}

/// Nanoseconds of CPU that this thread has used, where the system says so: stays put when other work shares the cores.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0)
}

/// All attributes and values of an entity through the index, with the texts behind them.
fn entity(snapshot: &Snapshot, ids: &[EntityId]) {
    let mut times = Vec::new();
    let mut rows = 0;
    for id in ids {
        let start = Instant::now();
        let mut touched = 0;
        if let Some(e) = snapshot.eid(id) {
            let (lo, hi) = key::eav_e(e);
            for k in snapshot.eav().range(lo, hi) {
                let f = key::un_eav(k);
                touched += snapshot.text_with(f.v, str::len).unwrap_or(1);
                rows += 1;
            }
        }
        std::hint::black_box(touched);
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{:14} p50 {:10.2} us  p99 {:10.2} us  in all {rows}",
        "entity",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}
