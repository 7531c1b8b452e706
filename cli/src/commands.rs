use crate::{
    arguments::FileLimit,
    open::{Home, Opened},
    output::{Failure, Output, print, table},
};
use indicatif::{ProgressBar, ProgressStyle};
use rhizome_import::Cancel;
use rhizome_pod::{
    App, DoctorProgress, ImportOptions, Mode, Pod, PodError, Stop, json::parse_changes,
};
use serde_json::{Value as Json, json};
use std::{
    fmt::Write,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Bytes of a transaction or query that are read from a file or standard input.
const MAX_INPUT: u64 = 256 << 20;

fn created(pod: &Pod) -> Json {
    json!({
        "did": pod.did(),
        "device": pod.device(),
        "home": pod.home().directory().display().to_string(),
        "recovery_words": pod.recovery_words(),
    })
}

fn created_text(pod: &Pod) -> String {
    let words = pod.recovery_words().unwrap_or_default();
    let lines: Vec<String> = words
        .chunks(6)
        .enumerate()
        .map(|(i, line)| {
            let numbered = line
                .iter()
                .enumerate()
                .map(|(j, w)| format!("{:>2} {w:<10}", i * 6 + j + 1));
            format!("  {}", numbered.collect::<Vec<_>>().join(" ").trim_end())
        })
        .collect();
    format!(
        "Your pod is ready: {}\n\nWrite these 24 words down, on paper. Whoever has them can take over the pod; without them a lost \
         device is a lost pod.\n\n{}\n\nNext: rhizome import YOUR-EXPORT, then rhizome up",
        pod.did(),
        lines.join("\n")
    )
}

pub fn init(home: &Home, output: &Output) -> Result<(), Failure> {
    let opening = home.opening("init");
    let pod = home.pod.init(&opening)?;
    if opening.passphrase.is_empty() {
        output.remark("Note: the keys are protected by file permissions only; set RHIZOME_PASSPHRASE before `init` to encrypt them.");
    }
    output.answer(&created(&pod), |_| created_text(&pod))
}

/// How a node is to run.
pub struct Running {
    pub listen: SocketAddr,
    pub reach: SocketAddr,
    pub mode: Mode,
    pub no_open: bool,
}

pub fn up(home: &Home, how: &Running, output: &Output) -> Result<(), Failure> {
    let opening = home.opening("up");
    let pod = if home.pod.exists() {
        home.pod.open(&opening)?
    } else {
        let pod = home.pod.init(&opening)?;
        output.remark(&created_text(&pod));
        pod
    };
    let did = pod.did().to_owned();
    rhizome_pod::serve(Arc::new(pod), how.listen, how.reach, how.mode, |running| {
        let ready = json!({ "url": running.url, "token": running.token, "page": running.page(), "did": did });
        // nobody reads this any more if standard output is closed, and the pod is up all the same
        let _ = output.answer(&ready, |_| {
            format!("The pod is at {}\nStop it with Ctrl-C.", running.page())
        });
        if !how.no_open && !output.json {
            browse(&running.page());
        }
    })?;
    Ok(())
}

/// Opens the page in the person's browser, where there is one. The address was printed in any case.
fn browse(page: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let quiet = std::process::Stdio::null;
    let _ = std::process::Command::new(opener)
        .arg(page)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .spawn();
}

pub fn bar(output: &Output, bytes: bool) -> ProgressBar {
    if !output.interactive() {
        return ProgressBar::hidden();
    }
    let template = if bytes {
        "{spinner} {msg:32!} {bar:30} {bytes}/{total_bytes} {eta}"
    } else {
        "{spinner} {msg:32!} {bar:30} {pos}/{len} {eta}"
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

pub fn storage(home: &Home, limit: Option<FileLimit>, output: &Output) -> Result<(), Failure> {
    let opened = home.open("storage")?;
    if let Some(FileLimit(limit)) = limit {
        match &opened {
            Opened::Here(pod) => pod.limit_files(limit)?,
            Opened::There(client) => drop(client.limit_files(limit)?),
        }
    }
    let found = match &opened {
        Opened::Here(pod) => {
            let mut found = (*pod.storage()?).clone();
            found["room"] = pod.room();
            found
        }
        Opened::There(client) => client.storage()?,
    };
    output.answer(&found, |f| {
        let (disk, room) = (&f["disk"], &f["room"]);
        let limit = match room["limit"].as_u64() {
            Some(limit) => format!("they may take {limit}, and take {} of it", room["used"]),
            None => "they may take as much as there is".into(),
        };
        let free = match room["free"].as_u64() {
            Some(free) => format!(
                "\n{free} bytes are free on the disk, of which files leave {} free",
                room["spared"]
            ),
            None => String::new(),
        };
        format!(
            "{} bytes on disk: {} of tuples and their indexes, {} of files\n{} files with {} bytes; {limit}{free}",
            disk["total"], disk["tuples"], disk["files"], f["files"]["count"], f["files"]["bytes"]
        )
    })
}

pub fn collect_garbage(
    home: &Home,
    days: u32,
    dry_run: bool,
    output: &Output,
) -> Result<(), Failure> {
    let collected = match home.open("gc")? {
        Opened::Here(pod) => json!(pod.collect_garbage(days, dry_run)?),
        Opened::There(client) => client.collect_garbage(days, dry_run)?,
    };
    output.answer(&collected, |c| {
        format!(
            "{} files with {} bytes {}; {} with {} bytes wait",
            c["files"],
            c["bytes"],
            if dry_run { "would go" } else { "went" },
            c["waiting"],
            c["waiting_bytes"]
        )
    })
}

pub fn import(
    home: &Home,
    paths: &[PathBuf],
    dry_run: bool,
    mapping: Option<&Path>,
    importer: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let opened = home.open("import")?;
    for path in paths {
        let report = match &opened {
            Opened::Here(pod) => import_here(pod, path, dry_run, mapping, importer, output)?,
            Opened::There(client) => {
                let job = client.import(path, mapping, importer, dry_run)?;
                import_there(client, job, dry_run, output)?
            }
        };
        output.answer(&report, |r| report_text(path, r))?;
    }
    Ok(())
}

fn import_here(
    pod: &Pod,
    path: &Path,
    dry_run: bool,
    mapping: Option<&Path>,
    importer: Option<&str>,
    output: &Output,
) -> Result<Json, Failure> {
    let bar = bar(output, true);
    let options = ImportOptions {
        dry_run,
        mapping: mapping.map(Path::to_owned),
        importer: importer.map(str::to_owned),
    };
    let result = pod.import(
        path,
        &options,
        &mut |p| {
            bar.set_length(p.total);
            bar.set_position(p.done);
            bar.set_message(format!("{} items", p.records));
        },
        &Cancel::new(),
    );
    bar.finish_and_clear();
    match result {
        Ok(report) => {
            serde_json::to_value(&report).map_err(|e| Failure::new(1, "output", e.to_string()))
        }
        Err(failed) => Err(failed.error.into()),
    }
}

fn import_there(
    client: &rhizome_pod::Client,
    mut job: Json,
    dry_run: bool,
    output: &Output,
) -> Result<Json, Failure> {
    let bar = bar(output, true);
    let id = job
        .get("job")
        .and_then(Json::as_str)
        .unwrap_or_default()
        .to_owned();
    let done = if dry_run { "ready" } else { "done" };
    loop {
        let progress = &job["progress"];
        bar.set_length(progress["total"].as_u64().unwrap_or(0));
        bar.set_position(progress["done"].as_u64().unwrap_or(0));
        bar.set_message(format!("{} items", progress["records"]));
        match job["state"].as_str() {
            Some(state) if state == done => break,
            Some("failed" | "cancelled") => {
                bar.finish_and_clear();
                let text = |k: &str| {
                    job["error"][k]
                        .as_str()
                        .unwrap_or("the import was stopped")
                        .to_owned()
                };
                return Err(Failure::new(1, &text("code"), text("message")));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
        job = client.import_job(&id)?;
    }
    bar.finish_and_clear();
    let report = job["report"].clone();
    client.import_remove(&id)?;
    Ok(report)
}

// Writing to a string cannot fail: that is why the results of `write!` are dropped below.
fn report_text(path: &Path, r: &Json) -> String {
    let n = |k: &str| r[k].as_u64().unwrap_or(0);
    let mut out = format!(
        "{}: {} added, {} changed, {} unchanged, {} skipped{}",
        path.display(),
        n("added"),
        n("changed"),
        n("unchanged"),
        n("skipped"),
        if r["dry_run"] == Json::Bool(true) {
            " (dry run: nothing was written)"
        } else {
            ""
        }
    );
    if let Some(kinds) = r["kinds"].as_object() {
        for (kind, c) in kinds {
            let c = |k: &str| c[k].as_u64().unwrap_or(0);
            let _ = write!(
                out,
                "\n  {kind:<14} {:>7} added {:>7} changed {:>7} unchanged {:>7} skipped",
                c("added"),
                c("changed"),
                c("unchanged"),
                c("skipped")
            );
        }
    }
    for (key, words) in [
        ("kept", "kept as you changed them here"),
        ("taken", "taken from the newer export"),
        (
            "conflicts",
            "changed on both sides: yours is shown, the export's is kept beside it",
        ),
        ("vanished", "no longer in this export: kept"),
        ("unknown", "files nobody recognised: kept"),
        ("warnings", "warnings"),
    ] {
        let count = r[key].as_array().map_or(0, Vec::len);
        if count > 0 {
            let _ = write!(out, "\n  {count} {words}");
        }
    }
    out
}

pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let wrong =
        |e: std::io::Error| Failure::new(1, "file", format!("cannot read {}: {e}", path.display()));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_INPUT + 1)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .map_err(wrong)?
            .take(MAX_INPUT + 1)
            .read_to_string(&mut text)
    };
    if read.map_err(wrong)? as u64 > MAX_INPUT {
        return Err(Failure::new(
            1,
            "too-large",
            format!("{} is larger than {MAX_INPUT} bytes", path.display()),
        ));
    }
    Ok(text)
}

/// What is asked.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    Own,
    Pod(&'a str),
    Draft(&'a str),
    AsOf(&'a str),
}

pub fn query(
    home: &Home,
    query: &str,
    inputs: &[String],
    of: Asked<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let text = if query == "-" {
        read_text(Path::new("-"))?
    } else {
        query.to_owned()
    };
    let inputs = self::inputs(inputs)?;
    let opened = home.open("query")?;
    let answer = match of {
        Asked::Pod(pod) => crate::sharing::ask(&opened, pod, &text, &inputs)?,
        Asked::Draft(name) => crate::drafts::ask(&opened, name, &text, &inputs)?,
        Asked::AsOf(time) => crate::past::ask(&opened, time, &text, &inputs)?,
        Asked::Own => ask(&opened, &text, &inputs)?,
    };
    output.answer(&answer, table)
}

/// Values for a query.
pub fn inputs(texts: &[String]) -> Result<Vec<Json>, Failure> {
    let read = texts.iter().map(|i| serde_json::from_str(i));
    read.collect::<Result<_, _>>().map_err(|e| {
        Failure::new(
            2,
            "input",
            format!("an --input is not JSON: {e} (text needs quotes: --input '\"Ada\"')"),
        )
    })
}

/// Runs a query on whatever was opened.
pub fn ask(opened: &Opened, text: &str, inputs: &[Json]) -> Result<Json, Failure> {
    let q = Json::String(text.to_owned());
    let answer = match opened {
        Opened::Here(pod) => pod.query(&q, inputs, &Stop::new(false)),
        Opened::There(client) => client.query(&q, inputs),
    };
    answer.map_err(|e| Failure::from(e).in_query(text))
}

/// Runs a transaction on whatever was opened.
pub fn change(opened: &Opened, changes: &Json) -> Result<Json, Failure> {
    Ok(match opened {
        Opened::Here(pod) => {
            let parsed = parse_changes(changes).map_err(PodError::from)?;
            pod.transact(App::CommandLine, &parsed)?.to_json()
        }
        Opened::There(client) => client.transact(changes)?,
    })
}

pub fn tx(home: &Home, file: &Path, pod: Option<&str>, output: &Output) -> Result<(), Failure> {
    let text = read_text(file)?;
    let changes: Json = serde_json::from_str(&text).map_err(|e| {
        Failure::new(
            1,
            "transaction",
            format!("{} is not JSON: {e}", file.display()),
        )
    })?;
    let opened = home.open("tx")?;
    let receipt = match pod {
        Some(pod) => crate::sharing::change(&opened, pod, &changes)?,
        None => change(&opened, &changes)?,
    };
    output.answer(&receipt, receipt_text)
}

/// A receipt for people.
pub fn receipt_text(r: &Json) -> String {
    let mut out = match r["commit"].as_str() {
        Some(commit) => format!(
            "{} tuples added, {} removed in commit {commit}",
            r["added"], r["removed"]
        ),
        None => "Nothing changed: it is like this already.".to_owned(),
    };
    if let Some(names) = r["entities"].as_object() {
        for (name, id) in names {
            let _ = write!(out, "\n  {name} is {}", id.as_str().unwrap_or_default());
        }
    }
    out
}

pub fn doctor(home: &Home, rebuild: bool, output: &Output) -> Result<(), Failure> {
    let opened = if rebuild {
        home.rebuild()?
    } else {
        home.open("doctor")?
    };
    let diagnosis = match opened {
        Opened::Here(pod) => {
            let bar = bar(output, false);
            let mut progress = |p: DoctorProgress| {
                let (done, total, what) = match p {
                    DoctorProgress::Commits(done, total) => {
                        (u64::from(done), u64::from(total), "commits")
                    }
                    DoctorProgress::Files(done) => (done, 0, "files"),
                };
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(what);
            };
            let diagnosis = pod.doctor(&mut progress, &Stop::new(false))?;
            bar.finish_and_clear();
            diagnosis.to_json()
        }
        Opened::There(client) => client.doctor()?,
    };
    let findings: Vec<String> = diagnosis["findings"]
        .as_array()
        .map(|f| {
            f.iter()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    output.answer(&diagnosis, |d| {
        let mut out = format!(
            "{} commits, {} leaves, {} tuples, {} files examined",
            d["commits"], d["leaves"], d["tuples"], d["files"]
        );
        if d["forks"].as_u64().unwrap_or(0) > 0 {
            let _ = write!(out,
                "\n{} forks: two commits with one place in a chain, as after a restored backup; nothing is lost",
                d["forks"]
            );
        }
        if findings.is_empty() { out + "\nAll is well." } else { out }
    })?;
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(
            5,
            "damaged",
            format!("the pod is damaged:\n  {}", findings.join("\n  ")),
        ))
    }
}

/// Prints an answer as text, whatever it is.
pub fn show(answer: &Json) -> Result<(), Failure> {
    print(&table(answer))
}
