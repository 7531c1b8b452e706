//! Commands about what is shared.

use std::{fmt::Write, net::SocketAddr, path::Path, sync::Arc};

use rhizome_pod::{
    ANYONE, Accepted, Given, GrantTerms, Power, Proposal, ShareInvite, Stop, Whose, network,
};
use serde_json::{Value as Json, json};

use crate::{
    commands::read_text,
    network::lines,
    open::{Home, Opened},
    output::{Failure, Output, invitation, not_sent, plain, text, wrong},
};

/// What is to be given.
pub struct Wanted<'a> {
    pub predicate: &'a str,
    pub can: &'a str,
    pub to: &'a str,
    pub days: Option<u32>,
}

pub fn grant(
    home: &Home,
    wanted: &Wanted<'_>,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let power: Power = wanted.can.parse().map_err(wrong)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_err(wrong)?.as_secs();
    let until = wanted.days.map(|days| now + u64::from(days) * 24 * 3600);
    if wanted.to.trim() == ANYONE {
        return publish(home, wanted, power, until, listen, output);
    }
    let answer = match home.open("grant")? {
        Opened::Here(pod) => {
            let predicate = wanted.predicate.parse();
            let terms = GrantTerms {
                predicate: predicate.map_err(|e| wrong(format!("--where, {e}")))?,
                power,
                to: wanted.to.parse().map_err(|e| wrong(format!("--to: {e}")))?,
                until,
            };
            let pod = Arc::from(pod);
            let (given, invite, sent) = network::grant(&pod, vec![listen], &terms)?;
            let mut answer = given.to_json();
            answer["invite"] = invite.to_string().into();
            answer["sent"] = sent.into();
            answer
        }
        Opened::There(client) => client.grant(&json!({
            "where": wanted.predicate,
            "can": power.to_string(),
            "to": wanted.to,
            "until_ms": until.map(|s| s * 1000),
        }))?,
    };
    output.answer(&answer, |a| {
        let (to, can, what) = (text(a, "to"), text(a, "can"), text(a, "where"));
        invitation(a, &format!("{to} may {can} what matches {what}"))
    })
}

/// Makes something public.
fn publish(
    home: &Home,
    wanted: &Wanted<'_>,
    power: Power,
    until: Option<u64>,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let (answer, own) = match home.open("grant")? {
        Opened::Here(pod) => {
            let predicate = wanted.predicate.parse();
            let predicate = predicate.map_err(|e| wrong(format!("--where, {e}")))?;
            let pod = Arc::from(pod);
            let (given, sent) = network::publish(&pod, vec![listen], &predicate, power, until)?;
            let mut answer = given.to_json();
            answer["sent"] = sent.into();
            (answer, pod.did().to_owned())
        }
        Opened::There(client) => {
            let answer = client.grant(&json!({
                "where": wanted.predicate,
                "can": power.to_string(),
                "to": ANYONE,
                "until_ms": until.map(|s| s * 1000),
            }))?;
            (answer, text(&client.status()?, "did").to_owned())
        }
    };
    output.answer(&answer, |a| {
        let late = not_sent(a);
        format!(
            "Anyone may read what matches {}, now and later. What they have got they keep, also when you take it back.\nThey need an address of a peer of yours, or one of their own:\n\n  rhizome follow {own} --at ADDRESS\n{late}",
            text(a, "where"),
        )
    })
}

pub fn grants(home: &Home, output: &Output) -> Result<(), Failure> {
    let (answer, at) = match home.open("grants")? {
        Opened::Here(pod) => {
            let all: Vec<Json> = pod.grants()?.iter().map(Given::to_json).collect();
            (json!({ "grants": all }), None)
        }
        Opened::There(client) => (client.grants()?, Some(client.running().url.clone())),
    };
    output.answer(&answer, |a| {
        if a["grants"].as_array().is_some_and(Vec::is_empty) {
            return "You have given nothing to anybody: `rhizome grant --help`.".into();
        }
        let all = a["grants"].as_array().into_iter().flatten();
        let public = all.filter(|g| g["public"] == true && g["revoked_ms"].is_null());
        let files = match (public.count(), at) {
            (0, _) | (_, None) => String::new(),
            (_, Some(at)) => {
                format!("\n\nFiles that are public: {at}/ipfs/CID, for readers of IPFS")
            }
        };
        let all = lines(&a["grants"], |g| {
            let state = match (g["revoked_ms"].is_null(), g["accepted"] == true) {
                (false, _) if !g["moved"].is_null() => "moved: a device was taken out",
                (false, _) => "taken back",
                _ if !g["moved"].is_null() => "moving: a device was taken out",
                (true, false) if !g["instead"].is_null() => "moved here, not seen there yet",
                _ if g["public"] == true => "public",
                (true, true) => "accepted",
                (true, false) => "not accepted yet",
            };
            format!(
                "{}\n  {} may {}: {}  ({state})",
                text(g, "grant"),
                text(g, "to"),
                text(g, "can"),
                text(g, "where")
            )
        });
        all + &files
    })
}

pub fn revoke(home: &Home, id: &str, listen: SocketAddr, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("revoke")? {
        Opened::Here(pod) => {
            let (given, sent) = network::revoke(&Arc::from(pod), vec![listen], id)?;
            let mut answer = given.to_json();
            answer["sent"] = sent.into();
            answer
        }
        Opened::There(client) => client.revoke(id)?,
    };
    output.answer(&answer, |a| {
        if a["public"] == true {
            return "Taken back. What you say from now on is not public; what was public stays with those who have it.".into();
        }
        format!(
            "Taken back from {}. What they say from now on does not count, and what you say from now on they cannot read; what they have read they have.",
            text(a, "to")
        )
    })
}

fn accepted(a: &Json) -> String {
    if let Some(name) = a["group"].as_str() {
        return format!(
            "You are invited to the group {name} ({}). You can read it; what you are to be there you become when a device of who invited you has seen that you came: `rhizome groups`.",
            text(a, "of")
        );
    }
    let can = a["can"].as_str().unwrap_or("no longer do anything with");
    let mut out = format!(
        "{} lets you {can} what matches {}: {} entities",
        text(a, "of"),
        text(a, "where"),
        a["entities"]
    );
    if a["pending"].as_u64().is_some_and(|n| n > 0) {
        let _ = write!(out, "; {} commits of yours wait for them", a["pending"]);
    }
    if a["missing"].as_u64().is_some_and(|n| n > 0) {
        let _ = write!(
            out,
            "; {} commits are missing: on their way, or withheld by who keeps it",
            a["missing"]
        );
    }
    for refused in a["refused"].as_array().into_iter().flatten() {
        let (commit, why) = (text(refused, "commit"), text(refused, "why"));
        let _ = write!(out, "\n  {commit} does not count: {why}");
        out.push_str(&thread(refused));
    }
    for asked in a["proposals"].as_array().into_iter().flatten() {
        let words = match text(asked, "comment") {
            "" => String::new(),
            words => format!(": \"{}\"", plain(words)),
        };
        let _ = write!(out, "\n  you propose {}{words}", text(asked, "id"));
        out.push_str(&thread(asked));
    }
    out
}

/// What was said about a proposal.
fn thread(of: &Json) -> String {
    let mut out = String::new();
    if let Some(older @ 1..) = of["comments_left_out"].as_u64() {
        let _ = write!(out, "\n    ({older} older ones are not listed)");
    }
    for comment in of["comments"].as_array().into_iter().flatten() {
        let words = plain(text(comment, "text")).replace('\n', "\n      ");
        let _ = write!(out, "\n    {}: {words}", text(comment, "from"));
    }
    out
}

pub fn comment(home: &Home, id: &str, words: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("proposals")? {
        Opened::Here(pod) => pod.comment(id, words)?,
        Opened::There(client) => client.comment(id, words)?,
    };
    output.answer(&answer, |a| {
        format!("Said. It goes with the next exchange.{}", thread(a))
    })
}

pub fn accept(
    home: &Home,
    invite: &str,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let parsed: ShareInvite = invite.parse()?;
    let answer = match home.open("accept")? {
        Opened::Here(pod) => network::accept(&Arc::from(pod), vec![listen], &parsed)?.to_json(),
        Opened::There(client) => client.accept(invite)?,
    };
    output.answer(&answer, |a| {
        format!(
            "{}\nAsk it with: rhizome query --pod {} QUERY",
            accepted(a),
            text(a, "of")
        )
    })
}

pub fn shared(home: &Home, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("shared")? {
        Opened::Here(pod) => {
            let all: Vec<Json> = pod.accepted()?.iter().map(Accepted::to_json).collect();
            json!({ "shared": all })
        }
        Opened::There(client) => client.shared()?,
    };
    output.answer(&answer, |a| lines(&a["shared"], accepted))
}

pub fn forget(home: &Home, view: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("shared forget")? {
        Opened::Here(pod) => {
            pod.forget_shared(view)?;
            json!({ "forgotten": view })
        }
        Opened::There(client) => client.forget_shared(view)?,
    };
    output.answer(&answer, |_| "Forgotten here.".into())
}

/// Runs a query on what somebody shares.
pub fn ask(opened: &Opened, pod: &str, query: &str, inputs: &[Json]) -> Result<Json, Failure> {
    let q = Json::String(query.to_owned());
    let whose: Whose = pod.parse()?;
    let answer = match opened {
        Opened::Here(pod) => pod.query_shared(whose, &q, inputs, &Stop::new(false)),
        Opened::There(client) => client.query_shared(pod, &q, inputs),
    };
    answer.map_err(|e| Failure::from(e).in_query(query))
}

/// Runs a transaction on what somebody shares.
pub fn change(opened: &Opened, pod: &str, changes: &Json) -> Result<Json, Failure> {
    let did = pod.parse().map_err(|e| wrong(format!("--pod: {e}")))?;
    Ok(match opened {
        Opened::Here(here) if here.did() == pod => crate::commands::change(opened, changes)?,
        Opened::Here(here) => {
            let changes =
                rhizome_pod::json::parse_changes(changes).map_err(rhizome_pod::PodError::from)?;
            here.transact_shared(&did, &changes)?.to_json()
        }
        Opened::There(client) => client.transact_shared(pod, changes)?,
    })
}

pub fn propose(
    home: &Home,
    to: &str,
    file: &Path,
    comment: &str,
    output: &Output,
) -> Result<(), Failure> {
    let changes: Json = serde_json::from_str(&read_text(file)?).map_err(|e| {
        Failure::new(
            1,
            "transaction",
            format!("{} is not JSON: {e}", file.display()),
        )
    })?;
    let did = to.parse().map_err(|e| wrong(format!("--to: {e}")))?;
    let answer = match home.open("propose")? {
        Opened::Here(pod) => {
            let listen = vec![([127, 0, 0, 1], 0).into()];
            network::propose(&Arc::from(pod), listen, &did, &changes, comment)?;
            json!({ "proposed": to })
        }
        Opened::There(client) => client.propose(to, &changes, comment)?,
    };
    output.answer(&answer, |_| {
        "Proposed. It goes with the next exchange; nothing happens until it is adopted.".into()
    })
}

fn proposal(p: &Json) -> String {
    let state = p["decided"].as_str().unwrap_or("open");
    let why = match p["why"].as_str() {
        Some(why) => format!("\n  it did not count: {why}"),
        None => String::new(),
    };
    let comment = match text(p, "comment") {
        "" => String::new(),
        words => format!("\n  \"{}\"", plain(words)),
    };
    let changes = lines(&p["changes"], |c| format!("  {c}"));
    format!(
        "{}  from {}  ({state}){why}{comment}\n{changes}{}",
        text(p, "id"),
        text(p, "from"),
        thread(p)
    )
}

pub fn proposals(home: &Home, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("proposals")? {
        Opened::Here(pod) => {
            let all: Vec<Json> = pod.proposals()?.iter().map(Proposal::to_json).collect();
            json!({ "proposals": all })
        }
        Opened::There(client) => client.proposals()?,
    };
    output.answer(&answer, |a| match a["proposals"].as_array() {
        Some(all) if !all.is_empty() => lines(&a["proposals"], proposal),
        _ => "Nobody proposes anything.".into(),
    })
}

pub fn decide(
    home: &Home,
    id: &str,
    adopt: bool,
    entity: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let only = entity.map(|e| e.parse().map_err(|_| wrong(format!("{e} is no entity"))));
    let only = only.transpose()?;
    let answer = match home.open("proposals")? {
        Opened::Here(pod) if adopt => pod.adopt(id, only.as_ref())?.to_json(),
        Opened::Here(pod) => pod.decline(id)?.to_json(),
        Opened::There(client) => client.decide(id, adopt, entity)?,
    };
    output.answer(&answer, proposal)
}

pub fn undo(home: &Home, id: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("proposals")? {
        Opened::Here(pod) => pod.undo_adoption(id)?.to_json(),
        Opened::There(client) => client.undo_adoption(id)?,
    };
    output.answer(&answer, |a| {
        let mut out = "It is as it was before, and the proposal is open again.".to_owned();
        for kept in a["kept"].as_array().into_iter().flatten() {
            let _ = write!(
                out,
                "\n{} of {} was changed since, and stays",
                text(kept, "attribute"),
                text(kept, "entity")
            );
        }
        out
    })
}
