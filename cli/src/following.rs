//! Commands about what others make public.

use std::{fmt::Write, net::SocketAddr, sync::Arc, time::SystemTime};

use rhizome_pod::{Did, Followed, network, parse_peer};
use serde_json::{Value as Json, json};

use crate::{
    network::lines,
    open::{Home, Opened},
    output::{Failure, Output, text},
};

fn did(text: &str) -> Result<Did, Failure> {
    let did = text.trim().parse();
    did.map_err(|_| {
        let why = format!("`{text}` is no DID: it is what `rhizome digest` prints there");
        Failure::new(1, "request", why)
    })
}

fn answer(all: &[Followed]) -> Json {
    let all: Vec<Json> = all.iter().map(Followed::to_json).collect();
    json!({ "following": all })
}

/// How long ago a moment is.
pub fn ago(ms: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    let seconds = now.saturating_sub(u64::try_from(ms / 1000).unwrap_or_default());
    match seconds {
        0..60 => "just now".into(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn shown(one: &Json) -> String {
    let missing = match one["missing"].as_u64() {
        Some(n) if n > 0 => {
            format!("; {n} commits are missing: on their way, or withheld by who keeps it")
        }
        _ => String::new(),
    };
    let newest = one["newest_ms"]
        .as_i64()
        .map_or(String::new(), |ms| format!(", the newest {}", ago(ms)));
    let ended = if one["ended"] == true {
        "; they have taken it back"
    } else {
        ""
    };
    format!(
        "{}\n  {}: {} entities{newest}{missing}{ended}",
        text(one, "of"),
        text(one, "where"),
        one["entities"],
    )
}

pub fn follow(
    home: &Home,
    of: &str,
    at: Option<&str>,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let whom = did(of)?;
    let answer = match home.open("follow")? {
        Opened::Here(pod) => {
            let place = at.map(parse_peer).transpose()?.map(|(address, _)| address);
            let all = network::follow(&Arc::from(pod), vec![listen], &whom, place.as_ref())?;
            answer(&all)
        }
        Opened::There(client) => client.follow(of.trim(), at)?,
    };
    output.answer(&answer, |a| {
        let all = lines(&a["following"], shown);
        format!("You follow\n{all}\nAsk it with: rhizome query --pod {whom} QUERY")
    })
}

pub fn unfollow(home: &Home, of: &str, output: &Output) -> Result<(), Failure> {
    let whom = did(of)?;
    let answer = match home.open("unfollow")? {
        Opened::Here(pod) => json!({ "unfollowed": of.trim(), "views": pod.unfollow(&whom)? }),
        Opened::There(client) => client.unfollow(of.trim())?,
    };
    output.answer(&answer, |_| {
        "You do not follow them any more; what was here of it is forgotten.".into()
    })
}

pub fn following(home: &Home, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("following")? {
        Opened::Here(pod) => answer(&pod.following()?),
        Opened::There(client) => client.following()?,
    };
    output.answer(&answer, |a| match a["following"].as_array() {
        Some(all) if !all.is_empty() => lines(&a["following"], shown),
        _ => "You follow nobody: `rhizome follow DID`.".into(),
    })
}

/// A post, and what was answered to it.
fn post(p: &Json, indent: &str) -> String {
    let by = p["name"].as_str().unwrap_or_else(|| text(p, "of"));
    let when = ago(p["at_ms"].as_i64().unwrap_or_default());
    let comments = match p["replies"].as_u64() {
        Some(1) => "  1 comment".into(),
        Some(n) if n > 1 => format!("  {n} comments"),
        _ => String::new(),
    };
    let shown = p["summary"].as_str().unwrap_or_else(|| text(p, "text"));
    let mut out = format!("{indent}{by}, {when}{comments}\n");
    for line in shown.lines() {
        let plain: String = line.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(out, "{indent}  {plain}");
    }
    for comment in p["comments"].as_array().into_iter().flatten() {
        out.push_str(&post(comment, &format!("{indent}    ")));
    }
    out
}

pub fn timeline(home: &Home, limit: usize, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("timeline")? {
        Opened::Here(pod) => pod.timeline(limit)?.to_json(),
        Opened::There(client) => client.timeline(limit)?,
    };
    output.answer(&answer, |a| match a["posts"].as_array() {
        Some(all) if !all.is_empty() => lines(&a["posts"], |p| post(p, "")),
        _ => "Nobody whom you follow has posted anything: `rhizome follow DID`.".into(),
    })
}
