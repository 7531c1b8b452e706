//! The table people read and the file programs read.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::engines::Engine;
use crate::live::Latency;
use crate::machine;
use crate::measure::{geometric_mean, rounded};
use crate::queries::Query;
use crate::run::Figures;

/// Microseconds and ratios of every query, then loading, bytes and live queries.
pub fn table(figures: &Figures, small: Option<&Latency>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_table(&mut text, figures, small);
    text
}

fn write_table(out: &mut String, figures: &Figures, small: Option<&Latency>) -> std::fmt::Result {
    let peers: Vec<Engine> = figures
        .engines
        .iter()
        .copied()
        .filter(|e| *e != Engine::Rhizome)
        .collect();
    let ours = figures.engines.contains(&Engine::Rhizome);
    write!(out, "{:14} {:>8}", "p50, us of CPU", "rows")?;
    for engine in &figures.engines {
        write!(out, " {:>11}", engine.name())?;
    }
    for peer in peers.iter().filter(|_| ours) {
        write!(out, " {:>13}", format!("x {}", peer.name()))?;
    }
    writeln!(out)?;
    for query in Query::ALL
        .into_iter()
        .filter(|query| figures.rows.contains_key(query))
    {
        write!(out, "{:14} {:>8.1}", query.name(), figures.rows[&query])?;
        for engine in &figures.engines {
            let p50 = figures.queries.get(&(*engine, query)).map(|q| q.p50_us);
            write!(
                out,
                " {:>11}",
                p50.map_or("-".to_owned(), |us| format!("{us:.2}"))
            )?;
        }
        for peer in peers.iter().filter(|_| ours) {
            write!(
                out,
                " {:>13}",
                ratio(figures, *peer, query).map_or("-".to_owned(), |r| format!("{r:.2}"))
            )?;
        }
        writeln!(out)?;
    }
    if ours {
        write!(out, "{:14} {:>8}", "geometric mean", "")?;
        write!(out, "{}", " ".repeat(12 * figures.engines.len()))?;
        for peer in &peers {
            write!(
                out,
                " {:>13}",
                mean_ratio(figures, *peer).map_or("-".to_owned(), |r| format!("{r:.2}"))
            )?;
        }
        writeln!(out, "\n(x: how many times faster rhizome is)")?;
    }
    writeln!(out)?;
    for engine in &figures.engines {
        let Some(load) = figures.loads.get(engine) else {
            continue;
        };
        let per_tuple = |bytes: u64| bytes as f64 / load.tuples as f64;
        write!(
            out,
            "{:11} load {:>9.0} tuples per CPU second",
            engine.name(),
            load.tuples as f64 / load.cpu_s
        )?;
        if let Some(bytes) = load.disk_bytes {
            write!(out, ", {:.1} bytes a tuple on disk", per_tuple(bytes))?;
        }
        if let Some(bytes) = load.memory_bytes {
            write!(out, ", {:.1} bytes a tuple in memory", per_tuple(bytes))?;
        }
        writeln!(out, ", version {}", load.version)?;
    }
    for live in figures.live.iter().chain(small) {
        write_live(out, live)?;
    }
    Ok(())
}

fn write_live(out: &mut String, live: &Latency) -> std::fmt::Result {
    writeln!(
        out,
        "live        {} queries open over {} tuples: from the start of a commit to its subscriber p50 {:.1} us, p99 {:.1} us \
         (CPU {:.1} and {:.1})",
        live.subscribers, live.tuples, live.p50_us, live.p99_us, live.cpu_p50_us, live.cpu_p99_us
    )?;
    for kind in &live.kinds {
        writeln!(
            out,
            "              {:10} p50 {:>7.1} us, p99 {:>7.1} us (CPU p50 {:.1})",
            kind.name, kind.p50_us, kind.p99_us, kind.cpu_p50_us
        )?;
    }
    Ok(())
}

fn ratio(figures: &Figures, peer: Engine, query: Query) -> Option<f64> {
    let p50 = |engine| figures.queries.get(&(engine, query)).map(|q| q.p50_us);
    Some(p50(peer)? / p50(Engine::Rhizome)?)
}

fn mean_ratio(figures: &Figures, peer: Engine) -> Option<f64> {
    let ratios: Vec<f64> = Query::ALL
        .into_iter()
        .filter_map(|query| ratio(figures, peer, query))
        .collect();
    geometric_mean(&ratios)
}

/// `bench/latest.json`.
pub fn json(figures: &Figures, small: Option<&Latency>, command: &str) -> Value {
    let mut queries = Map::new();
    let mut details = Map::new();
    for query in Query::ALL
        .into_iter()
        .filter(|query| figures.rows.contains_key(query))
    {
        let mut p50 = Map::new();
        let mut detail = Map::new();
        detail.insert("rows".to_owned(), json!(rounded(figures.rows[&query])));
        for engine in &figures.engines {
            let Some(quantiles) = figures.queries.get(&(*engine, query)) else {
                continue;
            };
            p50.insert(format!("{}_us", engine.name()), json!(quantiles.p50_us));
            detail.insert(
                engine.name().to_owned(),
                json!({"p99_us": quantiles.p99_us, "calls": quantiles.calls}),
            );
        }
        queries.insert(query.name().to_owned(), Value::Object(p50));
        details.insert(query.name().to_owned(), Value::Object(detail));
    }
    let (mut load, mut disk, mut memory, mut versions, mut ratios) =
        (Map::new(), Map::new(), Map::new(), Map::new(), Map::new());
    for engine in &figures.engines {
        let name = engine.name().to_owned();
        let Some(loaded) = figures.loads.get(engine) else {
            continue;
        };
        let per_tuple = |bytes: u64| json!(rounded(bytes as f64 / loaded.tuples as f64));
        load.insert(
            format!("{name}_tuples_per_cpu_s"),
            json!((loaded.tuples as f64 / loaded.cpu_s).round()),
        );
        if let Some(bytes) = loaded.disk_bytes {
            disk.insert(name.clone(), per_tuple(bytes));
        }
        if let Some(bytes) = loaded.memory_bytes {
            memory.insert(name.clone(), per_tuple(bytes));
        }
        if *engine != Engine::Rhizome {
            ratios.insert(
                name.clone(),
                json!(mean_ratio(figures, *engine).map(rounded)),
            );
        }
        versions.insert(name, json!(loaded.version));
    }
    let mut report = json!({
        "queries": queries,
        "load": load,
        "live": figures.live,
        "bytes_per_tuple": disk,
        "live_at_a_tenth": small,
        "memory_bytes_per_tuple": memory,
        "times_faster_geometric_mean": ratios,
        "details": details,
        "tuples": figures.loads.values().next().map(|l| l.tuples),
        "versions": versions,
        "machine": machine::describe(),
        "command": command,
        "unit": "queries: p50 of thread CPU microseconds (DataScript: process CPU); load: tuples per process CPU second; live: wall-clock microseconds",
    });
    if figures.live.is_none() {
        // Absent rather than null: a reader that finds the key finds figures.
        let _ = report.as_object_mut().map(|r| r.shift_remove("live"));
    }
    report
}
