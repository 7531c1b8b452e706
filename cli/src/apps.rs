//! Commands about apps.

use std::fmt::Write;

use rhizome_pod::{Client, Power};
use serde_json::{Value as Json, json};

use crate::{
    network::lines,
    open::{Home, Opened},
    output::{Failure, Output, text, wrong},
};

/// What is given of what a program asks for.
pub struct Less<'a> {
    pub predicate: Option<&'a str>,
    pub can: Option<&'a str>,
    pub days: Option<u32>,
}

/// Who waits, waits at a pod that runs.
fn running(home: &Home) -> Result<Client, Failure> {
    match home.open("apps")? {
        Opened::There(client) => Ok(client),
        Opened::Here(_) => Err(wrong(
            "programs wait at a pod that runs: `rhizome up` first",
        )),
    }
}

fn asked(client: &Client, code: &str) -> Result<Json, Failure> {
    Ok(client.ask_app(&format!("user_code={code}"))?)
}

fn scopes(all: &Json) -> String {
    let mut out = String::new();
    for scope in all.as_array().into_iter().flatten() {
        let _ = write!(out, "\n  {}: {}", text(scope, "can"), text(scope, "where"));
        if let Some(n) = scope["matches"].as_u64() {
            let _ = write!(out, "  ({n} now)");
        }
        if !text(scope, "why").is_empty() {
            let _ = write!(out, "\n    it says: \"{}\"", text(scope, "why"));
        }
    }
    out
}

pub fn list(home: &Home, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("apps")? {
        Opened::Here(pod) => pod.apps_json()?,
        Opened::There(client) => client.apps()?,
    };
    output.answer(&answer, |a| {
        let mut out = String::new();
        if a["apps"].as_array().is_some_and(Vec::is_empty) {
            out.push_str("You have let in no app.\n");
        }
        out.push_str(&lines(&a["apps"], |app| {
            let state = match (app["revoked_ms"].is_null(), app["online"] == true) {
                (false, _) => "sent away",
                (true, true) => "here now",
                (true, false) => "let in",
            };
            let from = app["origin"].as_str().unwrap_or("a program");
            format!(
                "{}\n  {} of {from}  ({state}){}",
                text(app, "id"),
                text(app, "name"),
                scopes(&app["scopes"])
            )
        }));
        for one in a["waiting"].as_array().into_iter().flatten() {
            let _ = write!(
                out,
                "\n{} waits: `rhizome apps show {}`",
                text(one, "name"),
                text(one, "user_code")
            );
        }
        out
    })
}

pub fn show(home: &Home, code: &str, output: &Output) -> Result<(), Failure> {
    let answer = asked(&running(home)?, code)?;
    output.answer(&answer, |a| {
        format!(
            "{} asks for{}\n\n`rhizome apps allow {code}` with --where, --can, --days to give it less, or `rhizome apps deny {code}`",
            text(a, "name"),
            scopes(&a["scopes"])
        )
    })
}

pub fn allow(home: &Home, code: &str, less: &Less<'_>, output: &Output) -> Result<(), Failure> {
    let client = running(home)?;
    let asked = asked(&client, code)?;
    let most: Option<Power> = less.can.map(str::parse).transpose().map_err(wrong)?;
    let mut given = Vec::new();
    for scope in asked["scopes"].as_array().into_iter().flatten() {
        let wanted: Power = text(scope, "can").parse().map_err(wrong)?;
        let can = most.map_or(wanted, |most| most.min(wanted));
        let predicate = less.predicate.unwrap_or_else(|| text(scope, "where"));
        given.push(json!({ "where": predicate, "can": can.to_string() }));
    }
    let days = less.days.map(Json::from).unwrap_or(asked["days"].clone());
    let body = json!({ "request": asked["request"], "scopes": given, "days": days });
    client.allow_app(&body)?;
    let answer = json!({ "allowed": asked["name"], "client_id": asked["client_id"] });
    output.answer(&answer, |a| format!("{} is let in.", text(a, "allowed")))
}

pub fn deny(home: &Home, code: &str, output: &Output) -> Result<(), Failure> {
    let client = running(home)?;
    let asked = asked(&client, code)?;
    client.deny_app(text(&asked, "request"))?;
    let answer = json!({ "denied": asked["name"] });
    output.answer(&answer, |a| format!("{} is refused.", text(a, "denied")))
}

pub fn revoke(home: &Home, id: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("apps")? {
        Opened::Here(pod) => pod.revoke_app(id)?.to_json(),
        Opened::There(client) => client.revoke_app(id)?,
    };
    output.answer(&answer, |a| {
        format!(
            "{} is sent away. What it has read it has; what it wrote is yours.",
            text(a, "name")
        )
    })
}

pub fn activity(home: &Home, id: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("apps")? {
        Opened::Here(pod) => pod.app_activity(id)?,
        Opened::There(client) => client.app_activity(id)?,
    };
    output.answer(&answer, |a| {
        lines(&a["activity"], |one| {
            let note = one["note"].as_str().map(|note| format!("  {note}"));
            format!(
                "{}  {} x{}{}",
                one["at_ms"],
                text(one, "kind"),
                one["count"],
                note.unwrap_or_default()
            )
        })
    })
}
