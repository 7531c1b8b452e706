//! Finding words in a million posts: how long it takes, how much the index weighs, and how soon a new post is found; beside SQLite's FTS5, with the same posts and
//! the same questions.

#[cfg(feature = "peers")]
mod fts5;
mod text;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rhizome_pod::json::parse_changes;
use rhizome_pod::{App, Client, Opening, Pod, PodHome, Search, Serving, Stop};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::load::{directory_bytes, resident_bytes};
use crate::measure::{Quantiles, rounded};
use crate::{clock, machine};
use text::{Posts, Question};

/// Posts of one transaction.
const AT_ONCE: u64 = 5_000;
/// Hits that are asked for.
const HITS: usize = 20;

#[derive(clap::Args)]
pub struct Options {
    /// How many posts there are.
    #[arg(long, default_value_t = 1_000_000)]
    posts: u64,
    /// Questions of each kind.
    #[arg(long, default_value_t = 300)]
    questions: usize,
    /// New posts that are waited for.
    #[arg(long, default_value_t = 50)]
    new: u64,
    /// Where the figures go.
    #[arg(long, default_value = "bench/search.json")]
    out: PathBuf,
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::Sync(format!("search: {what}"))
}

fn set(entity: &str, attribute: &str, value: impl Into<Json>) -> Json {
    let value: Json = value.into();
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value } })
}

fn post(name: &str, text: &str, at_ms: u64) -> [Json; 4] {
    [
        set(name, "social/type", "post"),
        set(name, "social/audience", "public"),
        set(name, "social/text", text),
        set(name, "social/created", json!({ "time": at_ms })),
    ]
}

/// Questions by their kind.
type Questions = [(&'static str, Vec<Question>)];
/// Times by kind of question, in microseconds.
type Times = Vec<(&'static str, Vec<f64>)>;

/// What one side was measured to do.
struct Side {
    built_s: f64,
    index_bytes: u64,
    times: Times,
    /// From the beginning of the write to the end of the search that finds it, in microseconds.
    new: Vec<f64>,
}

impl Side {
    fn json(&self, text_bytes: u64) -> Json {
        let figures = |times: &[f64]| {
            let q = Quantiles::of(times.to_vec());
            q.map(|q| json!({ "p50_us": q.p50_us, "p99_us": q.p99_us, "calls": q.calls }))
        };
        let all: Vec<f64> = self.times.iter().flat_map(|t| t.1.clone()).collect();
        let kinds: serde_json::Map<String, Json> = self
            .times
            .iter()
            .map(|(name, times)| ((*name).to_owned(), json!(figures(times))))
            .collect();
        json!({
            "built_cpu_s": rounded(self.built_s),
            "index_bytes": self.index_bytes,
            "index_of_text": rounded(self.index_bytes as f64 / text_bytes as f64),
            "all": figures(&all),
            "kinds": kinds,
            "new": figures(&self.new),
        })
    }
}

fn fill(pod: &Pod, posts: &Posts) -> Result<()> {
    let mut next = 0;
    while next < posts.len() {
        let end = (next + AT_ONCE).min(posts.len());
        let changes =
            (next..end).flat_map(|n| post(&format!("_:{n}"), &posts.text(n), Posts::at(n)));
        let changes = parse_changes(&changes.collect()).map_err(failed)?;
        pod.transact(App::CommandLine, &changes)?;
        next = end;
    }
    Ok(pod.checkpoint()?)
}

fn ask(pod: &Pod, q: &str) -> Result<Json> {
    let search = Search {
        q: q.to_owned(),
        limit: Some(HITS),
        ..Search::default()
    };
    Ok(pod.search(&search, &Stop::new(false))?)
}

fn hits(answer: &Json) -> usize {
    answer["hits"].as_array().map_or(0, Vec::len)
}

/// Asks each question once, after a first round that warms up. Says also how many hits each had.
fn times(
    questions: &Questions,
    mut ask: impl FnMut(&Question) -> Result<usize>,
) -> Result<(Times, Vec<usize>)> {
    let mut out = Vec::new();
    let mut found = Vec::new();
    for (name, all) in questions {
        for question in all {
            ask(question)?;
        }
        let mut walls = Vec::with_capacity(all.len());
        for question in all {
            let began = Instant::now();
            found.push(ask(question)?);
            walls.push(began.elapsed().as_secs_f64() * 1e6);
        }
        out.push((*name, walls));
    }
    Ok((out, found))
}

/// A served pod, asked over HTTP as other programs do.
fn new_posts(pod: &Arc<Pod>, count: u64) -> Result<Vec<f64>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let serving = Serving::bind(Arc::clone(pod), address)?;
    let client = Client::new(serving.running().clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let node = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime
            .block_on(serving.run(async {
                // the end of the sender is the end as well
                let _ = stopped.await;
            }))
            .map_err(Error::from)
    });
    let measured = || {
        let mut out = Vec::new();
        for n in 0..count {
            let word = format!("quitenew{n}");
            let text = format!("a post with a word that no other one has: {word}");
            let changes = post("_:new", &text, 1_800_000_000_000 + n);
            let search = Search {
                q: word,
                ..Search::default()
            };
            let began = Instant::now();
            client.transact(&changes.into_iter().collect())?;
            while hits(&client.search(&search)?) == 0 {
                if began.elapsed().as_secs() > 60 {
                    return Err(failed("a new post was not found"));
                }
            }
            out.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(out)
    };
    let out = measured();
    drop(stop);
    node.join().map_err(|_| failed("the node panicked"))??;
    out
}

fn rhizome(
    scratch: &Path,
    posts: &Posts,
    questions: &Questions,
    new: u64,
) -> Result<(Side, Vec<usize>)> {
    let home = PodHome::at(scratch.join("pod"));
    let pod = Arc::new(home.init(&Opening::by("rhizome-bench"))?);
    fill(&pod, posts)?;
    eprintln!("{} posts are written", posts.len());
    let cpu = clock::process();
    ask(&pod, "warm")?;
    let built_s = (clock::process() - cpu) / 1e6;
    eprintln!("indexed after {built_s:.1} s of CPU");
    let (times, found) = times(questions, |q| Ok(hits(&ask(&pod, &q.ours)?)))?;
    let new = new_posts(&pod, new)?;
    let index_bytes = directory_bytes(&home.directory().join("search"))?;
    let side = Side {
        built_s,
        index_bytes,
        times,
        new,
    };
    Ok((side, found))
}

pub fn run(options: &Options) -> Result<()> {
    let posts = Posts::new(options.posts);
    let questions = posts.questions(options.questions);
    let text_bytes: u64 = (0..posts.len()).map(|n| posts.text(n).len() as u64).sum();
    let scratch = tempfile::tempdir()?;
    let (ours, found) = rhizome(scratch.path(), &posts, &questions, options.new)?;
    let resident = resident_bytes();
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut report = json!({
        "machine": machine::describe(),
        "command": format!("rhizome-bench {}", command.join(" ")),
        "posts": options.posts,
        "text_bytes": text_bytes,
        "questions": found.len(),
        "with_hits": found.iter().filter(|n| **n > 0).count(),
        "resident_bytes": resident,
        "rhizome": ours.json(text_bytes),
    });
    beside(
        &mut report,
        scratch.path(),
        &posts,
        &questions,
        options,
        text_bytes,
        &found,
    )?;
    println!("{report:#}");
    crate::write_file(&options.out, &serde_json::to_vec_pretty(&report)?)
}

#[cfg(feature = "peers")]
fn beside(
    report: &mut Json,
    scratch: &Path,
    posts: &Posts,
    questions: &Questions,
    options: &Options,
    text_bytes: u64,
    ours: &[usize],
) -> Result<()> {
    let (theirs, found) = fts5::measure(scratch, posts, questions, options.new)?;
    let differ = found.iter().zip(ours).filter(|(a, b)| a != b).count();
    if differ > 0 {
        return Err(failed(format!(
            "{differ} questions have another number of hits in FTS5"
        )));
    }
    let theirs = theirs.json(text_bytes);
    let ratio = |path: &str| {
        let (a, b) = (
            theirs.pointer(path)?.as_f64()?,
            report["rhizome"].pointer(path)?.as_f64()?,
        );
        Some(rounded(a / b))
    };
    let ratios = json!({
        "p50": ratio("/all/p50_us"),
        "p99": ratio("/all/p99_us"),
        "index": ratio("/index_bytes"),
        "new_p50": ratio("/new/p50_us"),
    });
    report["fts5"] = theirs;
    report["fts5_over_rhizome"] = ratios;
    Ok(())
}

#[cfg(not(feature = "peers"))]
#[allow(clippy::unnecessary_wraps)] // as the one with peers
fn beside(
    _: &mut Json,
    _: &Path,
    _: &Posts,
    _: &Questions,
    _: &Options,
    _: u64,
    _: &[usize],
) -> Result<()> {
    Ok(())
}
