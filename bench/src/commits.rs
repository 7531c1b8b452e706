//! What a commit costs a running pod that has many grants open: until it is on stable storage, and with all that follows in the background.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhizome_ipld::SigningKey;
use rhizome_pod::json::parse_changes;
use rhizome_pod::{App, GrantTerms, Mode, Opening, Pod, PodHome, PodNode, Power};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::measure::Quantiles;
use crate::{clock, machine};

/// Between two commits, so that each is looked at by itself.
const PAUSE: Duration = Duration::from_millis(100);
/// It is quiet when this much time of the processor goes by in [`LOOK`].
const QUIET_US: f64 = 3_000.0;
const LOOK: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub struct Options {
    /// How many grants are open, separated by commas; all are compared with the first.
    #[arg(long, value_delimiter = ',', default_value = "10,10000")]
    grants: Vec<u64>,
    /// How many commits are measured.
    #[arg(long, default_value_t = 200)]
    commits: u64,
    /// Where the figures go.
    #[arg(long, default_value = "bench/commits.json")]
    out: PathBuf,
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::Grants(what.to_string())
}

/// What one kind of commit took.
struct Took {
    /// Until it was on stable storage, in microseconds.
    wall: Quantiles,
    /// Of the processor, all that followed included, in microseconds a commit.
    cpu: f64,
}

fn open(home: &Path, grants: u64) -> Result<Arc<Pod>> {
    let pod = PodHome::at(home)
        .init(&Opening::by("bench"))
        .map_err(failed)?;
    let to = SigningKey::from_seed([5; 32]).public().to_did_key();
    for n in 0..grants {
        let terms = GrantTerms {
            predicate: format!("topic-{n}: true").parse().map_err(failed)?,
            power: Power::Read,
            to: to.parse().map_err(failed)?,
            until: None,
        };
        pod.grant(&terms).map_err(failed)?;
    }
    Ok(Arc::new(pod))
}

async fn quiet() {
    loop {
        let before = clock::process();
        tokio::time::sleep(LOOK).await;
        if clock::process() - before < QUIET_US {
            return;
        }
    }
}

/// A note of eight values; about a topic that somebody is given, or about none.
fn note(n: u64, topic: Option<u64>) -> Result<Vec<rhizome_pod::json::Change>> {
    let set = |name: String, value: Json| json!({ "assert": { "entity": "_:note", "attribute": name, "value": value } });
    let mut all: Vec<Json> = (0..7)
        .map(|i| set(format!("note/{i}"), format!("value {n} {i}").into()))
        .collect();
    let last = topic.map_or("note/7".to_owned(), |topic| format!("topic-{topic}"));
    all.push(set(last, true.into()));
    parse_changes(&Json::Array(all)).map_err(failed)
}

async fn measure(pod: &Arc<Pod>, commits: u64, topic: impl Fn(u64) -> Option<u64>) -> Result<Took> {
    quiet().await;
    let mut wall = Vec::new();
    let before = clock::process();
    for n in 0..commits {
        let changes = note(n, topic(n))?;
        let started = Instant::now();
        let done = tokio::task::block_in_place(|| pod.transact(App::CommandLine, &changes));
        done.map_err(failed)?;
        wall.push(started.elapsed().as_secs_f64() * 1e6);
        tokio::time::sleep(PAUSE).await;
    }
    quiet().await;
    Ok(Took {
        wall: Quantiles::of(wall).ok_or_else(|| failed("no commit was measured"))?,
        cpu: (clock::process() - before) / commits as f64,
    })
}

pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let mut rows: Vec<Json> = Vec::new();
    let mut first: Option<[f64; 4]> = None;
    println!(
        "grants   a commit, us (x the first): to nobody   to one of them   and all that follows, us of CPU: to nobody   to one of them   ms a grant"
    );
    for grants in &options.grants {
        let directory = tempfile::tempdir()?;
        let started = Instant::now();
        let pod = open(&directory.path().join("pod"), *grants)?;
        let granting = started.elapsed().as_secs_f64() * 1e3 / *grants as f64;
        let (nobody, one) = runtime.block_on(async {
            let anywhere: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, 0).into()];
            let node = Arc::new(
                PodNode::start(Arc::clone(&pod), anywhere)
                    .await
                    .map_err(failed)?,
            );
            let keeper = tokio::spawn({
                let node = Arc::clone(&node);
                async move { node.keep_in_touch(Mode::default()).await }
            });
            let nobody = measure(&pod, options.commits, |_| None).await?;
            // spread, so that no view is open by chance
            let one = measure(&pod, options.commits, |n| Some(n * 7919 % grants)).await?;
            keeper.abort();
            let _ = keeper.await;
            if let Some(node) = Arc::into_inner(node) {
                node.shutdown().await.map_err(failed)?;
            }
            Ok::<_, Error>((nobody, one))
        })?;
        let figures = [nobody.wall.p50_us, one.wall.p50_us, nobody.cpu, one.cpu];
        let times = first
            .get_or_insert(figures)
            .iter()
            .zip(figures)
            .map(|(f, n)| n / f);
        let times: Vec<f64> = times.collect();
        println!(
            "{grants:>6}   {:>8.0} ({:.2}x) {:>8.0} ({:.2}x)   {:>8.0} ({:.2}x) {:>8.0} ({:.2}x)   {granting:.1}",
            figures[0], times[0], figures[1], times[1], figures[2], times[2], figures[3], times[3]
        );
        rows.push(json!({
            "grants": grants,
            "commit_us": { "to_nobody": figures[0], "to_one": figures[1] },
            "cpu_us": { "to_nobody": figures[2], "to_one": figures[3] },
            "times_the_first": times,
            "ms_a_grant": granting,
        }));
    }
    let figures =
        json!({ "machine": machine::describe(), "commits": options.commits, "rows": rows });
    crate::write_file(&options.out, &serde_json::to_vec_pretty(&figures)?)
}
