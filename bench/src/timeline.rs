//! What it takes to read many pods as one: the newest posts of all who are followed, and how long a new one is on its way.
//!
//! Real pods on disk, a real peer that keeps them without keys, real links over loopback, all in one process.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhizome_pod::json::parse_changes;
use rhizome_pod::{
    App, CloudOptions, CloudPeer, Did, Mode, Opening, Pod, PodHome, PodNode, Power, parse_peer,
};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::generate::Random;
use crate::load::resident_bytes;
use crate::measure::Quantiles;
use crate::{clock, machine};

/// Posts of one transaction.
const AT_ONCE: u64 = 250;
/// Posts that answer another one: one in so many.
const REPLIES: u64 = 10;
/// How many posts are asked for.
const NEWEST: usize = 50;
/// How often it is looked whether something has come.
const LOOK: Duration = Duration::from_millis(1);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(clap::Args)]
pub struct Options {
    /// How many pods are followed.
    #[arg(long, default_value_t = 200)]
    pods: u64,
    /// How many posts they have together.
    #[arg(long, default_value_t = 100_000)]
    posts: u64,
    /// How often the newest are asked for.
    #[arg(long, default_value_t = 500)]
    runs: usize,
    /// How many new posts are waited for.
    #[arg(long, default_value_t = 20)]
    new: u64,
    /// Where the figures go.
    #[arg(long, default_value = "bench/timeline.json")]
    out: PathBuf,
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::Sync(what.to_string())
}

fn loopback() -> Vec<SocketAddr> {
    vec![(Ipv4Addr::LOCALHOST, 0).into()]
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn set(entity: &str, attribute: &str, value: impl Into<Json>) -> Json {
    let value: Json = value.into();
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value } })
}

fn change(pod: &Pod, changes: Vec<Json>) -> Result<Vec<String>> {
    let changes = parse_changes(&Json::Array(changes)).map_err(failed)?;
    let receipt = pod.transact(App::CommandLine, &changes)?;
    let made = receipt.entities.iter();
    Ok(made.map(|(_, entity)| entity.to_string()).collect())
}

/// A post, as an importer writes one, with a word that says that it is public.
fn post(name: &str, text: &str, at_ms: u64, answers: Option<&str>) -> Vec<Json> {
    let kind = if answers.is_some() { "reply" } else { "post" };
    let mut out = vec![
        set(name, "social/audience", "public"),
        set(name, "social/type", kind),
        set(name, "social/text", text),
        set(name, "social/created", json!({ "time": at_ms })),
    ];
    out.extend(answers.map(|to| set(name, "social/reply-to", json!({ "ref": to }))));
    out
}

/// Fills one pod, and makes its posts public.
fn fill(pod: &Pod, count: u64, random: &mut Random, known: &mut Vec<String>) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let part = left.min(AT_ONCE);
        left -= part;
        let mut changes = Vec::new();
        for n in 0..part {
            let words = (0..12).map(|_| format!("{:x}", random.below(0xFF_FFFF)));
            let text = words.collect::<Vec<_>>().join(" ");
            let at = 1_700_000_000_000 + random.below(60_000_000_000);
            let answers = if random.below(REPLIES) == 0 && !known.is_empty() {
                known.get(random.below(known.len() as u64) as usize)
            } else {
                None
            };
            changes.extend(post(
                &format!("_:{n}"),
                &text,
                at,
                answers.map(String::as_str),
            ));
        }
        known.extend(change(pod, changes)?);
    }
    let predicate = "social/audience: public".parse().map_err(failed)?;
    pod.publish(&predicate, Power::Read, None)?;
    Ok(())
}

struct World {
    peer: CloudPeer,
    /// The pod that says something new.
    owner: Arc<Pod>,
    owners: PodNode,
    reader: Arc<Pod>,
    node: PodNode,
}

async fn build(directory: &Path, options: &Options) -> Result<World> {
    let opening = Opening::by("bench");
    let cloud = directory.join("cloud");
    let peer = CloudPeer::start(&cloud, &opening, CloudOptions::at(loopback())).await?;
    let (address, token) = parse_peer(&peer.invitation()?)?;
    let reader = Arc::new(PodHome::at(directory.join("reader")).init(&opening)?);
    let node = PodNode::start(Arc::clone(&reader), loopback()).await?;
    node.add_peer(&address, token.as_ref()).await?;
    let mut random = Random::new(1);
    let mut known = Vec::new();
    let mut first = None;
    for n in 0..options.pods {
        let at = PodHome::at(directory.join(format!("pod-{n}")));
        let pod = Arc::new(at.init(&opening)?);
        let share = options.posts / options.pods;
        tokio::task::block_in_place(|| fill(&pod, share, &mut random, &mut known))?;
        let owners = PodNode::start(Arc::clone(&pod), loopback()).await?;
        owners.add_peer(&address, token.as_ref()).await?;
        for report in owners.sync_all().await? {
            if let Some(error) = report.error {
                return Err(failed(error));
            }
        }
        let of: Did = pod.did().parse().map_err(failed)?;
        node.follow(&of, None).await?;
        if first.is_none() {
            first = Some((pod, owners));
        } else {
            owners.shutdown().await?;
        }
    }
    let (owner, owners) = first.ok_or_else(|| failed("there are no pods"))?;
    Ok(World {
        peer,
        owner,
        owners,
        reader,
        node,
    })
}

/// How long new posts are on their way to a program that asks for the newest.
async fn live(world: &World, count: u64) -> Result<Vec<f64>> {
    let start = 1_800_000_000_000;
    let mut out = Vec::new();
    for n in 0..count {
        let text = format!("new post {n}");
        let began = Instant::now();
        let changes = post("_:new", &text, start + n, None);
        tokio::task::block_in_place(|| change(&world.owner, changes))?;
        loop {
            let newest = tokio::task::block_in_place(|| world.reader.timeline(1))?;
            if newest.posts.first().is_some_and(|post| post.text == text) {
                break;
            }
            if began.elapsed() > PATIENCE {
                return Err(failed(format!("{text} did not come")));
            }
            tokio::time::sleep(LOOK).await;
        }
        out.push(ms(began) * 1e3);
    }
    Ok(out)
}

pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()?;
    let scratch = tempfile::tempdir()?;
    let began = Instant::now();
    let world = runtime.block_on(build(scratch.path(), options))?;
    let built = ms(began);
    eprintln!(
        "{} pods with {} posts after {built:.0} ms",
        options.pods, options.posts
    );

    let before = resident_bytes();
    let (began, cpu) = (Instant::now(), clock::process());
    let newest = world.reader.timeline(NEWEST)?;
    let (first, first_cpu) = (ms(began), (clock::process() - cpu) / 1e3);
    let grown = resident_bytes().zip(before);
    let grown = grown.map(|(after, before)| after.saturating_sub(before));
    let authors: BTreeSet<&str> = newest.posts.iter().map(|post| &*post.of).collect();
    if newest.posts.len() != NEWEST.min(options.posts as usize) {
        return Err(failed(format!(
            "only {} posts are there",
            newest.posts.len()
        )));
    }
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let (began, cpu) = (Instant::now(), clock::thread());
        let again = world.reader.timeline(NEWEST)?;
        walls.push(ms(began) * 1e3);
        cpus.push(clock::thread() - cpu);
        if again != newest {
            return Err(failed("the newest are others although nothing happened"));
        }
    }
    let live = runtime.block_on(async {
        tokio::select! {
            done = live(&world, options.new) => done,
            () = world.owners.keep_in_touch(Mode::Normal) => Err(failed("the owner hung up")),
            () = world.node.keep_in_touch(Mode::Normal) => Err(failed("the reader hung up")),
        }
    })?;
    // a node that has just begun goes to all views once
    let (first_live, live) = live.split_at(live.len().min(1));
    let figures = |times: Vec<f64>| {
        let q = Quantiles::of(times);
        q.map(|q| json!({ "p50_us": q.p50_us, "p99_us": q.p99_us, "calls": q.calls }))
    };
    let command: Vec<String> = std::env::args().skip(1).collect();
    let report = json!({
        "machine": machine::describe(),
        "command": format!("rhizome-bench {}", command.join(" ")),
        "pods": options.pods,
        "posts": options.posts,
        "built_ms": built,
        "first": { "wall_ms": first, "cpu_ms": first_cpu, "resident_bytes": grown },
        "newest": NEWEST,
        "authors": authors.len(),
        "runs": options.runs,
        "timeline": { "wall": figures(walls), "cpu": figures(cpus) },
        "first_live_us": first_live.first(),
        "live": figures(live.to_vec()),
    });
    runtime.block_on(async {
        world.owners.shutdown().await?;
        world.node.shutdown().await?;
        world.peer.shutdown().await
    })?;
    println!("{report:#}");
    crate::write_file(&options.out, &serde_json::to_vec_pretty(&report)?)
}
