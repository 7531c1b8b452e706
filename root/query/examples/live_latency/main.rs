//! How long a live query waits for a commit that concerns it, and whether that grows with the pod.
//!
//!     cargo run --release -p rhizome-query --example live_latency -- [tuples] [subscribers] [commits]
//!     cargo run --release -p rhizome-query --example live_latency -- tuples.tsv
//!
//! Fills a pod in memory with people who follow each other and their posts (or with a file of `gen_tuples.py`), opens a feed for
//! each subscriber, and writes commits one after the other: posts that exactly one feed shows, posts that none shows, people who
//! follow and stop following, posts that change, posts that go. Time runs from the start of `Replica::write` (not made durable: no
//! fsync) until the difference is in the subscriber's hands, and includes building, signing and sealing the commit and all indexes.

mod commits;
mod pod;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use commits::{Commit, Plan};
use pod::{Data, entity};
use rhizome_query::live::Row;
use rhizome_query::{LiveLimits, LiveSet, Prepared, Update};
use rhizome_storage::Durability;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread in microseconds.
fn cpu() -> f64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
}

/// The live queries, and when the last difference arrived.
struct Desk {
    live: LiveSet,
    updates: usize,
    /// CPU time of this thread when the change was told.
    told: f64,
    arrived: Option<(Instant, f64)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, otherwise: usize| -> usize {
        let given = arguments.get(i).and_then(|a| a.parse().ok());
        given.unwrap_or(otherwise)
    };
    let data = match arguments.first().filter(|a| {
        std::path::Path::new(a)
            .extension()
            .is_some_and(|e| e == "tsv")
    }) {
        Some(path) => Data::read(path)?,
        None => Data::made(number(0, 1_000_000)),
    };
    let (subscribers, count) = (number(1, 1000), number(2, 4000));
    let start = Instant::now();
    let (replica, author) = pod::load(&data)?;
    let now = replica.snapshot();
    println!(
        "{} tuples loaded in {:.1} s",
        now.len(),
        start.elapsed().as_secs_f64()
    );

    let desk = Arc::new(Mutex::new(Desk {
        live: LiveSet::new(&now, LiveLimits::default()),
        updates: 0,
        told: 0.0,
        arrived: None,
    }));
    let listener = desk.clone();
    replica.listen(move |change| {
        let Ok(mut desk) = listener.lock() else {
            return;
        };
        desk.told = cpu();
        for (_, update) in desk.live.apply(change) {
            // a subscriber looks at what it gets
            if let Update::Rows(diff) = &update {
                std::hint::black_box(diff.added.first().map(Row::words));
            }
            desk.updates += 1;
        }
        desk.arrived = Some((Instant::now(), cpu()));
    });

    let me = data.subscribers(subscribers);
    let start = cpu();
    {
        let mut desk = desk.lock().map_err(|_| "the desk is closed")?;
        for me in &me {
            // each feed is a query of its own, with its own constant
            let feed = Prepared::new(&format!(
                "[:find ?post ?time :where [\"{}\" :follows ?who] [?post :author ?who] [?post :created ?time]]",
                entity(*me)
            ))?;
            desk.live.subscribe(&feed, &[])?;
        }
        println!(
            "{} feeds opened ({} form of query), {:.1} us of CPU each",
            desk.live.len(),
            desk.live.forms(),
            (cpu() - start) / subscribers as f64
        );
    }

    let plan = Plan::new(&data, &me);
    let mut times: Vec<Time> = Vec::with_capacity(count);
    for (i, (kind, edits)) in plan.take(count + count / 10).enumerate() {
        let before = desk.lock().map_err(|_| "the desk is closed")?.updates;
        let nonce = (i as u128).to_be_bytes();
        let (start, busy) = (Instant::now(), cpu());
        replica.write(
            &author,
            edits,
            1_700_000_000_000 + i as i64,
            nonce,
            Durability::Relaxed,
        )?;
        let desk = desk.lock().map_err(|_| "the desk is closed")?;
        let (at, spent) = desk.arrived.ok_or("a commit that changed nothing")?;
        // the first ones warm up
        if i >= count / 10 {
            times.push(Time {
                kind,
                wall: (at - start).as_nanos() as f64 / 1e3,
                cpu: spent - busy,
                live: spent - desk.told,
                updates: desk.updates - before,
            });
        }
    }
    report(&mut times);
    Ok(())
}

/// Of one commit; microseconds until the difference arrived.
struct Time {
    kind: Commit,
    wall: f64,
    cpu: f64,
    /// The part of `cpu` that live queries took.
    live: f64,
    updates: usize,
}

fn report(times: &mut [Time]) {
    println!(
        "{:34} {:>6} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "commit",
        "number",
        "diffs",
        "p50 us",
        "p99 us",
        "CPU p50",
        "CPU p99",
        "live p50",
        "live p99"
    );
    let mut kinds: Vec<Commit> = times.iter().map(|t| t.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds.into_iter().map(Some).chain([None]) {
        let of: Vec<&Time> = times
            .iter()
            .filter(|t| kind.is_none_or(|k| t.kind == k))
            .collect();
        let at = |share: f64, which: fn(&Time) -> f64| {
            let mut all: Vec<f64> = of.iter().map(|t| which(t)).collect();
            all.sort_by(f64::total_cmp);
            all[((all.len() - 1) as f64 * share) as usize]
        };
        println!(
            "{:34} {:6} {:6} {:9.1} {:9.1} {:9.1} {:9.1} {:9.1} {:9.1}",
            kind.map_or("all", Commit::name),
            of.len(),
            of.iter().map(|t| t.updates).sum::<usize>(),
            at(0.5, |t| t.wall),
            at(0.99, |t| t.wall),
            at(0.5, |t| t.cpu),
            at(0.99, |t| t.cpu),
            at(0.5, |t| t.live),
            at(0.99, |t| t.live),
        );
    }
}
