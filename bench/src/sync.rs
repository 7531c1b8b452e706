//! Two devices of one pod, a process each, over QUIC on loopback: the first sync, equal pods, a device that is a few commits behind.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::{machine, sets};

/// Commits that the second device is behind, after the first sync.
const BEHIND: u64 = 10;
/// Ids of the sets that are compared.
const IDS: usize = 1_000_000;
/// Notes that are written after the tuples.
const NOTES: u64 = 20;

#[derive(clap::Args)]
pub struct Options {
    /// How many tuples the pod holds.
    #[arg(long, default_value_t = 1_000_000)]
    tuples: u64,
    /// Where generated data is kept between runs.
    #[arg(long, default_value = "bench/data")]
    data: PathBuf,
    /// Where the figures go.
    #[arg(long, default_value = "bench/sync.json")]
    out: PathBuf,
}

/// A device's process.
struct Device {
    child: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Device {
    fn start(home: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("device")
            .arg("--home")
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || Error::Sync("a device's process has no pipes".into());
        Ok(Self {
            asks: Some(child.stdin.take().ok_or_else(gone)?),
            says: BufReader::new(child.stdout.take().ok_or_else(gone)?),
            child,
        })
    }

    fn does(&mut self, what: &Json) -> Result<Json> {
        let gone = || Error::Sync("a device's process has gone; what it said is above".into());
        writeln!(self.asks.as_mut().ok_or_else(gone)?, "{what}")?;
        let mut line = String::new();
        if self.says.read_line(&mut line)? == 0 {
            return Err(gone());
        }
        let mut said: Json = serde_json::from_str(&line)?;
        match said["error"].take() {
            Json::Null => Ok(said["value"].take()),
            error => Err(Error::Sync(format!("{what}: {error}"))),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.asks.take());
        let _ = self.child.wait();
    }
}

fn ms(of: &Json) -> f64 {
    of.as_f64().unwrap_or(f64::NAN)
}

/// Bytes of a report, of the link and of the datagrams below.
fn bytes(report: &Json) -> Json {
    let sum = |one: &str, other: &str| {
        let n = |name: &str| report[name].as_u64();
        n(one).zip(n(other)).map(|(a, b)| a + b)
    };
    json!({
        "link": sum("bytes_sent", "bytes_received"),
        "datagrams": sum("datagram_bytes_sent", "datagram_bytes_received"),
        "wall_ms": report["wall_ms"],
    })
}

pub fn run(options: &Options) -> Result<()> {
    let (data, _) = crate::prepare(&options.data, options.tuples)?;
    let scratch = tempfile::tempdir()?;
    let mut a = Device::start(&scratch.path().join("a"))?;
    let mut b = Device::start(&scratch.path().join("b"))?;
    a.does(&json!(["init"]))?;
    let code = a.does(&json!(["invite"]))?;
    b.does(&json!(["join", code]))?;
    let address = a.does(&json!(["serve"]))?;

    let load = a.does(&json!(["load", data]))?;
    let mut last = String::new();
    for n in 0..NOTES {
        last = format!("note {n}");
        a.does(&json!(["note", last]))?;
    }
    let cpu = ms(&a.does(&json!(["cpu"]))?);
    b.does(&json!(["look", last]))?;
    let first = b.does(&json!(["sync", address]))?;
    let looked = b.does(&json!(["looked"]))?;
    let served = ms(&a.does(&json!(["cpu"]))?) - cpu;
    same(&mut a, &mut b, &first)?;

    let equal = b.does(&json!(["sync", address]))?;
    let mut behind = 0;
    for n in 0..BEHIND {
        let note = a.does(&json!(["note", format!("later {n}")]))?;
        behind += note["bytes"].as_u64().unwrap_or(0);
    }
    let late = b.does(&json!(["sync", address]))?;
    same(&mut a, &mut b, &late)?;

    // and with processes that have just opened their pods
    let mut opened = Vec::new();
    for device in [&mut a, &mut b] {
        device.does(&json!(["checkpoint"]))?;
        device.does(&json!(["close"]))?;
        opened.push(device.does(&json!(["open"]))?["wall_ms"].clone());
    }
    let address = a.does(&json!(["serve"]))?;
    let again = b.does(&json!(["sync", address]))?;
    let sets = json!([sets::cost(IDS, 10)?, sets::cost(IDS, 1_000)?,]);
    let command: Vec<String> = std::env::args().skip(1).collect();
    let report = json!({
        "machine": machine::describe(),
        "command": format!("rhizome-bench {}", command.join(" ")),
        "tuples": options.tuples,
        "commits": load["commits"],
        "import": { "wall_ms": load["wall_ms"], "cpu_ms": load["cpu_ms"] },
        "first_sync": {
            "wall_ms": first["wall_ms"],
            "cpu_ms": first["cpu_ms"],
            "cpu_other_ms": served,
            "times_import_wall": ms(&first["wall_ms"]) / ms(&load["wall_ms"]),
            "times_import_cpu": ms(&first["cpu_ms"]) / ms(&load["cpu_ms"]),
            "newest_note_found_ms": looked,
            "bytes": bytes(&first),
        },
        "equal": bytes(&equal),
        "behind": { "commits": BEHIND, "bytes_of_commits": behind, "bytes": bytes(&late) },
        "equal_after_opening": bytes(&again),
        "open_ms": opened,
        "sets": sets,
    });
    crate::write_file(&options.out, &serde_json::to_vec_pretty(&report)?)?;
    println!("{report:#}");
    verdict(&report)
}

/// Both must have the same now.
fn same(a: &mut Device, b: &mut Device, report: &Json) -> Result<()> {
    let (one, other) = (a.does(&json!(["digest"]))?, b.does(&json!(["digest"]))?);
    if report["error"].is_null() && one == other {
        return Ok(());
    }
    Err(Error::Sync(format!("they are not equal: {report}")))
}

/// The promises of `docs/benchmarks.md` about bytes, which no noise can break.
fn verdict(report: &Json) -> Result<()> {
    let link = |of: &Json| of["link"].as_u64().unwrap_or(u64::MAX);
    let most = |of: &Json| of["bytes_of_commits"].as_u64().unwrap_or(0) * 13 / 10 + 500;
    let behind = &report["behind"];
    let set = |at: usize| report["sets"][at]["bytes"].as_u64().unwrap_or(u64::MAX);
    for (what, bytes, most) in [
        ("equal pods", link(&report["equal"]), 300),
        (
            "equal pods, just opened",
            link(&report["equal_after_opening"]),
            300,
        ),
        ("a device behind", link(&behind["bytes"]), most(behind)),
        ("10 differences", set(0), 1_000),
        ("1,000 differences", set(1), 30_000),
    ] {
        if bytes > most {
            return Err(Error::Sync(format!(
                "{what}: {bytes} bytes, at most {most} are promised"
            )));
        }
    }
    Ok(())
}
