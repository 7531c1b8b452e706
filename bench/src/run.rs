//! A whole run: load every engine, check that they agree, time them in turns.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::answers::Answer;
use crate::engines::Engine;
use crate::error::{Error, Result};
use crate::live::Latency;
use crate::load::Load;
use crate::measure::Quantiles;
use crate::process::{Process, Setting};
use crate::protocol::{Reply, Request};
use crate::queries::Query;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each engine has its turn at each query.
    pub rounds: usize,
    /// CPU milliseconds of a turn.
    pub turn_ms: f64,
    pub subscribers: usize,
    pub commits: usize,
}

/// Everything that was measured.
pub struct Figures {
    pub engines: Vec<Engine>,
    pub loads: FxHashMap<Engine, Load>,
    pub queries: FxHashMap<(Engine, Query), Quantiles>,
    /// Mean rows of an answer.
    pub rows: FxHashMap<Query, f64>,
    pub live: Option<Latency>,
}

/// Each engine gets a directory of its own under `scratch`.
pub fn run(
    engines: &[Engine],
    queries: &[Query],
    setting: &Setting<'_>,
    scratch: &Path,
    effort: Effort,
) -> Result<Figures> {
    let mut processes = Vec::new();
    let mut loads = FxHashMap::default();
    for &engine in engines {
        let directory = scratch.join(engine.name());
        std::fs::create_dir_all(&directory).map_err(|source| Error::File {
            path: directory.clone(),
            source,
        })?;
        let mut process = Process::start(engine, setting, &directory)?;
        let Reply::Loaded(load) = process.ask(&Request::Load)? else {
            return Err(process.confused());
        };
        eprintln!(
            "{:10} loaded {} tuples in {:.1} s of CPU",
            engine.name(),
            load.tuples,
            load.cpu_s
        );
        loads.insert(engine, load);
        processes.push(process);
    }

    let mut rows = FxHashMap::default();
    for &query in queries {
        let started = std::time::Instant::now();
        let answers = agree(query, &mut processes)?;
        let total: usize = answers.iter().map(|answer| answer.rows).sum();
        rows.insert(query, total as f64 / answers.len().max(1) as f64);
        eprintln!(
            "{:14} {} answers agree ({:.1} s)",
            query.name(),
            answers.len(),
            started.elapsed().as_secs_f64()
        );
    }

    let mut times: FxHashMap<(Engine, Query), Vec<f64>> = FxHashMap::default();
    for round in 0..effort.rounds {
        for &query in queries {
            // The first turn goes round, so that none always follows the same neighbour.
            for turn in 0..processes.len() {
                let which = (turn + round) % processes.len();
                let process = &mut processes[which];
                let request = Request::Time {
                    query: query.name().to_owned(),
                    budget_ms: effort.turn_ms,
                };
                let Reply::Times(more) = process.ask(&request)? else {
                    return Err(process.confused());
                };
                times
                    .entry((process.engine, query))
                    .or_default()
                    .extend(more);
            }
        }
        eprintln!("round {} of {} done", round + 1, effort.rounds);
    }
    let queries = times
        .into_iter()
        .filter_map(|(key, times)| Some((key, Quantiles::of(times)?)))
        .collect();

    let mut live = None;
    for process in processes
        .iter_mut()
        .filter(|process| process.engine == Engine::Rhizome && effort.subscribers > 0)
    {
        live = Some(ask_live(process, effort)?);
    }
    Ok(Figures {
        engines: engines.to_vec(),
        loads,
        queries,
        rows,
        live,
    })
}

/// Live queries over a store of another size, in a process of its own.
pub fn live(setting: &Setting<'_>, scratch: &Path, effort: Effort) -> Result<Latency> {
    let mut process = Process::start(Engine::Rhizome, setting, scratch)?;
    process.ask(&Request::Load)?;
    ask_live(&mut process, effort)
}

fn ask_live(process: &mut Process, effort: Effort) -> Result<Latency> {
    let request = Request::Live {
        subscribers: effort.subscribers,
        commits: effort.commits,
    };
    match process.ask(&request)? {
        Reply::Live(latency) => Ok(latency),
        _ => Err(process.confused()),
    }
}

/// Asks every engine for every answer and compares them with the first engine's.
fn agree(query: Query, processes: &mut [Process]) -> Result<Vec<Answer>> {
    let mut expected: Option<Vec<Answer>> = None;
    for i in 0..processes.len() {
        let request = Request::Answers {
            query: query.name().to_owned(),
        };
        let Reply::Answers(answers) = processes[i].ask(&request)? else {
            return Err(processes[i].confused());
        };
        let Some(expected) = &expected else {
            expected = Some(answers);
            continue;
        };
        let differing = expected.iter().zip(&answers).position(|(a, b)| a != b);
        let index = differing
            .or((expected.len() != answers.len()).then_some(expected.len().min(answers.len())));
        if let Some(index) = index {
            return Err(Error::Disagreement {
                query: query.name(),
                index,
                engine: processes[i].engine.name(),
                other: processes[0].engine.name(),
                difference: difference(query, index, i, processes)?,
            });
        }
    }
    Ok(expected.unwrap_or_default())
}

/// The first rows in which an engine and the first engine differ.
fn difference(
    query: Query,
    index: usize,
    which: usize,
    processes: &mut [Process],
) -> Result<String> {
    let request = Request::Rows {
        query: query.name().to_owned(),
        index,
    };
    let mut rows = |which: usize| match processes[which].ask(&request)? {
        Reply::Rows(rows) => Ok(rows),
        _ => Err(processes[which].confused()),
    };
    let (other, one) = (rows(0)?, rows(which)?);
    let at = one
        .iter()
        .zip(&other)
        .position(|(a, b)| a != b)
        .unwrap_or(one.len().min(other.len()));
    let around = |rows: &[String]| {
        format!(
            "{} rows, from row {at}: {:?}",
            rows.len(),
            rows.iter().skip(at).take(3).collect::<Vec<_>>()
        )
    };
    Ok(format!("  {}\n  {}", around(&one), around(&other)))
}
