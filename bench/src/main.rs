//! Rhizome beside its peers: the same tuples, the same fourteen queries, one run.
//!
//! `scripts/bench` builds and runs this; `docs/benchmarks.md` says what is measured and how.

// Without the peers, the tools that only they use stand idle.
#![cfg_attr(not(feature = "peers"), allow(dead_code))]

mod answers;
mod clock;
mod commits;
mod device;
mod digest;
mod engines;
mod error;
mod generate;
mod grants;
mod live;
mod load;
mod machine;
mod measure;
#[cfg(feature = "peers")]
mod oxigraph;
mod params;
mod process;
mod protocol;
mod queries;
mod readers;
mod report;
mod rhizome;
mod rhizome_live;
mod run;
mod search;
mod sets;
mod shares;
mod sheet;
#[cfg(feature = "peers")]
mod sqlite;
mod sync;
mod timeline;
mod tuples;
mod worker;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engines::Engine;
use crate::error::{Error, Result};
use crate::process::Setting;
use crate::queries::Query;
use crate::run::Effort;
use crate::tuples::Tuples;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 1;

#[derive(Parser)]
#[command(
    name = "rhizome-bench",
    about = "Rhizome beside its peers on the same data and the same queries"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure and compare.
    Run(Options),
    /// Two devices of one pod: what a first sync costs, and what it costs that both have the same, or nearly.
    Sync(sync::Options),
    /// What a change of one entity costs a pod with many open grants.
    Grants(grants::Options),
    /// What a commit costs a running pod with many open grants.
    Commits(commits::Options),
    /// How many bytes somebody gets with whom one percent of a pod is shared.
    Shares(shares::Options),
    /// The newest posts of all who are followed, and how long a new one is on its way.
    Timeline(timeline::Options),
    /// Words in a million posts: how long it takes, how much the index weighs, and how soon a new post is found.
    Search(search::Options),
    /// Write the synthetic tuples to standard output.
    Generate {
        #[arg(long, default_value_t = 1_000_000)]
        tuples: u64,
        #[arg(long, default_value_t = SEED)]
        seed: u64,
    },
    /// One device's process, started by `sync` and by the comparison of replication: a JSON array a line, what to do and with what.
    #[command(hide = true)]
    Device {
        #[arg(long)]
        home: PathBuf,
    },
    /// One engine's process, started by `run`.
    #[command(hide = true)]
    Worker {
        engine: String,
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        params: PathBuf,
        #[arg(long)]
        directory: PathBuf,
    },
}

#[derive(clap::Args)]
struct Options {
    /// How many tuples every engine loads.
    #[arg(long, default_value_t = 1_000_000)]
    tuples: u64,
    /// Engines, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "rhizome,sqlite,oxigraph,datascript"
    )]
    engines: Vec<String>,
    /// Queries, separated by commas; all fourteen if absent.
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Turns of each engine at each query.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// CPU milliseconds of a turn.
    #[arg(long, default_value_t = 150.0)]
    turn_ms: f64,
    /// Open live queries.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Commits that a subscriber waits for.
    #[arg(long, default_value_t = 2_000)]
    commits: usize,
    /// Where generated data is kept between runs.
    #[arg(long, default_value = "bench/data")]
    data: PathBuf,
    /// Where the JavaScript engine is.
    #[arg(long, default_value = "bench/js")]
    js: PathBuf,
    /// Where the figures go.
    #[arg(long, default_value = "bench/latest.json")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(options) => compare(&options),
        Command::Sync(options) => sync::run(&options),
        Command::Grants(options) => grants::run(&options),
        Command::Commits(options) => commits::run(&options),
        Command::Shares(options) => shares::run(&options),
        Command::Timeline(options) => timeline::run(&options),
        Command::Search(options) => search::run(&options),
        Command::Device { home } => device::serve(&home),
        Command::Generate { tuples, seed } => generate_to_stdout(tuples, seed),
        Command::Worker {
            engine,
            data,
            params,
            directory,
        } => Engine::named(&engine)
            .and_then(|engine| worker::serve(engine, &data, &params, &directory)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rhizome-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate_to_stdout(tuples: u64, seed: u64) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    generate::write(tuples, seed, &mut out)?;
    Ok(out.flush()?)
}

fn compare(options: &Options) -> Result<()> {
    let engines = options
        .engines
        .iter()
        .map(|name| Engine::named(name))
        .collect::<Result<Vec<_>>>()?;
    let queries = chosen_queries(&options.queries)?;
    let effort = Effort {
        rounds: options.rounds,
        turn_ms: options.turn_ms,
        subscribers: options.subscribers,
        commits: options.commits,
    };
    let scratch = tempfile::tempdir()?;
    let (data, params) = prepare(&options.data, options.tuples)?;
    let setting = Setting {
        data: &data,
        params: &params,
        js: &options.js,
    };
    let figures = run::run(&engines, &queries, &setting, scratch.path(), effort)?;

    let small = if engines.contains(&Engine::Rhizome) && options.subscribers > 0 {
        let (data, params) = prepare(&options.data, options.tuples / 10)?;
        let setting = Setting {
            data: &data,
            params: &params,
            js: &options.js,
        };
        let scratch = tempfile::tempdir()?;
        Some(run::live(&setting, scratch.path(), effort)?)
    } else {
        None
    };

    let command: Vec<String> = std::env::args().skip(1).collect();
    let report = report::json(
        &figures,
        small.as_ref(),
        &format!("rhizome-bench {}", command.join(" ")),
    );
    write_file(&options.out, &serde_json::to_vec_pretty(&report)?)?;
    println!("{}", report::table(&figures, small.as_ref()));
    println!("figures: {}", options.out.display());
    Ok(())
}

fn chosen_queries(names: &[String]) -> Result<Vec<Query>> {
    if names.is_empty() {
        return Ok(Query::ALL.to_vec());
    }
    let known = || Query::ALL.map(Query::name).join(", ");
    names
        .iter()
        .map(|name| {
            Query::named(name).ok_or_else(|| Error::Unknown {
                what: "query",
                name: name.clone(),
                known: known(),
            })
        })
        .collect()
}

/// The data file and the parameters drawn from it; made unless an earlier run left them.
pub(crate) fn prepare(directory: &Path, tuples: u64) -> Result<(PathBuf, PathBuf)> {
    std::fs::create_dir_all(directory).map_err(|source| Error::File {
        path: directory.into(),
        source,
    })?;
    let data = directory.join(format!("tuples-{tuples}.tsv"));
    let params = directory.join(format!("params-{tuples}.json"));
    let mut bytes = Vec::new();
    generate::write(tuples, SEED, &mut bytes)?;
    let found = digest::sha256(&bytes);
    if tuples == 1_000_000 && found != generate::MILLION_SHA256 {
        return Err(Error::Data {
            found,
            expected: generate::MILLION_SHA256,
        });
    }
    write_file(&data, &bytes)?;
    write_file(
        &params,
        &serde_json::to_vec(&params::draw(&Tuples::read(&data)?))?,
    )?;
    Ok((data, params))
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}
