//! What a change of one entity costs a pod that has many grants open: finding those whose entities it adds to, changes or takes from.

use std::path::PathBuf;

use rhizome_share::{Classifier, Predicate, Values};
use rhizome_tuple::{Attribute, Value};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::generate::Random;
use crate::measure::Quantiles;
use crate::{clock, machine};

/// Different changes that take turns.
const CHANGES: u64 = 3_000;
/// How often each kind and size is measured, one after the other; the middle is shown.
const ROUNDS: usize = 9;
/// Changes for which all grants are asked one by one.
const ASKED: usize = 30;

#[derive(clap::Args)]
pub struct Options {
    /// How many grants are open, separated by commas; all are compared with the first.
    #[arg(long, value_delimiter = ',', default_value = "10,1000,10000,100000")]
    grants: Vec<u64>,
    /// Where the figures go.
    #[arg(long, default_value = "bench/grants.json")]
    out: PathBuf,
}

type Entity = Vec<(Attribute, Value)>;

/// What a grant is about, as text, by its number.
type Text = fn(u64) -> String;

const KINDS: [(&str, Text); 3] = [
    ("albums", |n| {
        format!("is-photo: true && photo-album: \"album {n}\"")
    }),
    ("ranges", |n| {
        format!(
            "is-photo: true && taken >= {} && taken < {}",
            n * 100,
            n * 100 + 100
        )
    }),
    ("unrelated", |n| format!("topic-{n}: true")),
];

struct Case {
    kind: &'static str,
    grants: u64,
    predicates: Vec<Predicate>,
    classifier: Classifier<u64>,
    changes: Vec<(Entity, Entity)>,
    insert_ns: f64,
    touched: usize,
    /// One for each round.
    ns: Vec<f64>,
}

pub fn run(options: &Options) -> Result<()> {
    let mut cases = Vec::new();
    for (kind, text) in KINDS {
        for grants in &options.grants {
            cases.push(Case::new(kind, text, *grants)?);
        }
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            case.turn();
        }
    }
    let mut rows: Vec<Json> = Vec::new();
    let mut first = f64::NAN;
    println!(
        "kind       grants   ns a change   times the first   ns, one by one   touched a change   ns a grant taken in"
    );
    for (at, case) in cases.iter().enumerate() {
        let ns = Quantiles::of(case.ns.clone()).map_or(f64::NAN, |q| q.p50_us);
        if at % options.grants.len() == 0 {
            first = ns;
        }
        let touched = case.touched as f64 / case.changes.len() as f64;
        let one_by_one = case.one_by_one()?;
        let (kind, grants, insert) = (case.kind, case.grants, case.insert_ns);
        let times = ns / first;
        println!(
            "{kind:9} {grants:7} {ns:13.0} {times:17.2} {one_by_one:16.0} {touched:18.2} {insert:21.0}"
        );
        rows.push(json!({
            "kind": kind,
            "grants": grants,
            "ns_per_change": ns.round(),
            "times_the_first": (times * 100.0).round() / 100.0,
            "ns_one_by_one": one_by_one.round(),
            "touched_per_change": (touched * 100.0).round() / 100.0,
            "ns_per_grant_taken_in": insert.round(),
        }));
    }
    let command: Vec<String> = std::env::args().skip(1).collect();
    let report = json!({
        "machine": machine::describe(),
        "command": format!("rhizome-bench {}", command.join(" ")),
        "changes": rows,
    });
    crate::write_file(&options.out, &serde_json::to_vec_pretty(&report)?)
}

impl Case {
    fn new(kind: &'static str, text: Text, grants: u64) -> Result<Self> {
        let wrong = |e: &dyn std::fmt::Display| Error::Grants(e.to_string());
        let mut predicates = Vec::new();
        for n in 0..grants {
            predicates.push(text(n).parse().map_err(|e| wrong(&e))?);
        }
        let names = ["is-photo", "photo-album", "taken", "title", "width"];
        let mut attributes = Vec::new();
        for name in names {
            attributes.push(Attribute::new(name).map_err(|e| wrong(&e))?);
        }
        let photo = |at: u64, title: u64| -> Entity {
            let values = [
                Value::from(true),
                Value::from(format!("album {at}")),
                Value::from((at * 100 + 50) as i64),
                Value::from(format!("photo {title}")),
                Value::from(4_032),
            ];
            attributes.iter().cloned().zip(values).collect()
        };
        let mut random = Random::new(grants);
        let changes = (0..CHANGES).map(|n| match n % 3 {
            // a title of a photo that somebody sees
            0 => {
                let at = random.below(grants);
                (photo(at, n), photo(at, n + 1))
            }
            // from one album and time to another
            1 => {
                let (from, to) = (random.below(grants), random.below(grants));
                (photo(from, n), photo(to, n))
            }
            // a title of one that nobody sees
            _ => (photo(grants + n, n), photo(grants + n, n + 1)),
        });
        let changes = changes.collect();
        let taken = predicates.clone();
        let mut classifier = Classifier::default();
        let start = clock::thread();
        for (n, predicate) in (0..).zip(taken) {
            classifier.insert(n, predicate);
        }
        let insert_ns = (clock::thread() - start) * 1e3 / grants.max(1) as f64;
        Ok(Self {
            kind,
            grants,
            predicates,
            classifier,
            changes,
            insert_ns,
            touched: 0,
            ns: Vec::new(),
        })
    }

    fn turn(&mut self) {
        let start = clock::thread();
        let mut touched = 0;
        for (before, after) in &self.changes {
            let affected = self.classifier.affected(&values(before), &values(after));
            touched += affected.len();
        }
        let us = clock::thread() - start;
        self.ns.push(us * 1e3 / self.changes.len() as f64);
        self.touched = touched;
    }

    /// The same without an index, and whether it comes to the same.
    fn one_by_one(&self) -> Result<f64> {
        let changes = self.changes.get(..ASKED).unwrap_or(&self.changes);
        let start = clock::thread();
        let mut found = Vec::new();
        for (before, after) in changes {
            let (before, after) = (values(before), values(after));
            let holds = |p: &Predicate, of: &Values| p.holds(&|a: &Attribute| of.of(a));
            let these = self.predicates.iter();
            let these = these.filter(|p| holds(p, &before) | holds(p, &after));
            found.push(these.count());
        }
        let ns = (clock::thread() - start) * 1e3 / changes.len().max(1) as f64;
        for ((before, after), found) in changes.iter().zip(found) {
            let affected = self.classifier.affected(&values(before), &values(after));
            if affected.len() != found {
                let what = format!("{} grants were found, {found} there are", affected.len());
                return Err(Error::Grants(what));
            }
        }
        Ok(ns)
    }
}

fn values(entity: &Entity) -> Values<'_> {
    entity.iter().map(|(a, v)| (a, v)).collect()
}
