//! The pod as it was, what was written when, and taking it back.

use rhizome_pod::{App, Stop, parse_commit, parse_time};
use serde_json::Value as Json;
use std::fmt::Write;

use crate::{
    open::{Home, Opened},
    output::{Failure, Output},
};

/// Commits among which the newest one of the command line is looked for.
const LOOKED_AT: usize = 500;

/// Runs a query on the pod as it was.
pub fn ask(opened: &Opened, time: &str, text: &str, inputs: &[Json]) -> Result<Json, Failure> {
    let ms = parse_time(time).map_err(|e| Failure::new(2, "as-of", format!("--as-of: {e}")))?;
    let q = Json::String(text.to_owned());
    let answer = match opened {
        Opened::Here(pod) => pod.query_as_of(ms, &q, inputs, &Stop::new(false)),
        Opened::There(client) => client.query_as_of(ms, &q, inputs),
    };
    answer.map_err(|e| Failure::from(e).in_query(text))
}

fn commits(opened: &Opened, limit: usize) -> Result<Json, Failure> {
    Ok(match opened {
        Opened::Here(pod) => pod.commits(None, limit)?,
        Opened::There(client) => client.commits(limit)?,
    })
}

fn moment(at: &Json) -> String {
    let at = at.as_i64().unwrap_or_default();
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |t| format!("{t:.0}"))
}

pub fn log(home: &Home, limit: usize, output: &Output) -> Result<(), Failure> {
    let answer = commits(&home.open("log")?, limit)?;
    output.answer(&answer, |a| {
        let all = a["commits"].as_array().map_or(&[][..], Vec::as_slice);
        let mut out = String::new();
        for commit in all {
            let entities = commit["entities"].as_u64().unwrap_or_default();
            let _ = writeln!(
                out,
                "{}  {}  {}, {entities} {}{}",
                commit["commit"].as_str().unwrap_or_default(),
                moment(&commit["at"]),
                commit["app"].as_str().unwrap_or("another device"),
                if entities == 1 { "entity" } else { "entities" },
                if commit["counts"] == false {
                    "  (does not count)"
                } else {
                    ""
                },
            );
        }
        let total = a["total"].as_u64().unwrap_or_default();
        let _ = write!(out, "{} of {total} commits", all.len());
        out
    })
}

/// The newest commit of the command line.
fn newest(opened: &Opened) -> Result<String, Failure> {
    let listed = commits(opened, LOOKED_AT)?;
    let name = App::CommandLine.name();
    let own = |c: &&Json| c["app"].as_str() == Some(&*name);
    let mut all = listed["commits"].as_array().into_iter().flatten();
    let found = all.find(own).and_then(|c| c["commit"].as_str());
    found.map(str::to_owned).ok_or_else(|| {
        let why = format!("none of the newest {LOOKED_AT} commits is of the command line: name one that `rhizome log` lists");
        Failure::new(1, "request", why)
    })
}

pub fn undo(home: &Home, commit: Option<&str>, output: &Output) -> Result<(), Failure> {
    let opened = home.open("undo")?;
    let commit = match commit {
        Some(commit) => commit.to_owned(),
        None => newest(&opened)?,
    };
    let id = parse_commit(&commit)?;
    let answer = match &opened {
        Opened::Here(pod) => pod.undo_commit(App::CommandLine, &id, None)?.to_json(),
        Opened::There(client) => client.undo(&commit)?,
    };
    output.answer(&answer, |a| {
        let mut out = match a["commit"].as_str() {
            Some(by) => format!(
                "Undone: {} tuples added, {} removed. `rhizome undo {by}` brings it back.",
                a["added"], a["removed"]
            ),
            None => "Nothing of it is left to be undone.".to_owned(),
        };
        for kept in a["kept"].as_array().into_iter().flatten() {
            let text = |name: &str| kept[name].as_str().unwrap_or_default().to_owned();
            let _ = write!(
                out,
                "\n{} of {} was changed since, and stays",
                text("attribute"),
                text("entity")
            );
        }
        out
    })
}
