//! Commands about drafts.

use std::{fmt::Write, path::Path, sync::Arc};

use rhizome_pod::{Did, Draft, Stop, network};
use serde_json::{Value as Json, json};

use crate::{
    arguments::DraftCommand,
    commands::read_text,
    network::lines,
    open::{Home, Opened},
    output::{Failure, Output, plain, text, wrong},
};

fn did(text: &str) -> Result<Did, Failure> {
    text.parse().map_err(|e| wrong(format!("{text}: {e}")))
}

fn shown(d: &Json) -> String {
    let of = match d["of"].as_str() {
        Some(of) => format!("\n  of what {of} shares"),
        None => String::new(),
    };
    let proposed = if d["proposed_ms"].is_null() {
        ""
    } else {
        ", proposed"
    };
    format!(
        "{}  ({}{proposed})  {} changes to {} entities{of}",
        text(d, "name"),
        text(d, "state"),
        d["changes"],
        d["entities"],
    )
}

pub fn list(home: &Home, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("drafts")? {
        Opened::Here(pod) => {
            let all: Vec<Json> = pod.drafts()?.iter().map(Draft::to_json).collect();
            json!({ "drafts": all })
        }
        Opened::There(client) => client.drafts()?,
    };
    output.answer(&answer, |a| match a["drafts"].as_array() {
        Some(all) if !all.is_empty() => lines(&a["drafts"], shown),
        _ => "There are no drafts: `rhizome draft new NAME`.".into(),
    })
}

/// Runs a query on a draft.
pub fn ask(opened: &Opened, name: &str, query: &str, inputs: &[Json]) -> Result<Json, Failure> {
    let q = Json::String(query.to_owned());
    let answer = match opened {
        Opened::Here(pod) => pod.query_draft(name, &q, inputs, &Stop::new(false)),
        Opened::There(client) => client.query_draft(name, &q, inputs),
    };
    answer.map_err(|e| Failure::from(e).in_query(query))
}

pub fn run(home: &Home, command: &DraftCommand, output: &Output) -> Result<(), Failure> {
    match command {
        DraftCommand::New { name, of } => new(home, name, of.as_deref(), output),
        DraftCommand::Tx { name, file } => tx(home, name, file, output),
        DraftCommand::Diff { name } => diff(home, name, output),
        DraftCommand::Adopt { name, entity } => adopt(home, name, entity.as_deref(), output),
        DraftCommand::Undo { name } => undo(home, name, output),
        DraftCommand::Propose { name, to, comment } => propose(home, (name, to), comment, output),
        DraftCommand::Drop { name, for_good } => drop(home, name, *for_good, output),
    }
}

fn new(home: &Home, name: &str, of: Option<&str>, output: &Output) -> Result<(), Failure> {
    let whose = of.map(did).transpose()?;
    let answer = match home.open("draft new")? {
        Opened::Here(pod) => pod.new_draft(name, whose.as_ref())?.to_json(),
        Opened::There(client) => client.new_draft(name, of)?,
    };
    output.answer(&answer, |a| {
        let name = text(a, "name");
        format!(
            "Begun. Say something in it with `rhizome draft tx {name} FILE`, ask it with `rhizome query --draft {name} QUERY`."
        )
    })
}

fn tx(home: &Home, name: &str, file: &Path, output: &Output) -> Result<(), Failure> {
    let changes: Json = serde_json::from_str(&read_text(file)?).map_err(|e| {
        let why = format!("{} is not JSON: {e}", file.display());
        Failure::new(1, "transaction", why)
    })?;
    let answer = match home.open("draft tx")? {
        Opened::Here(pod) => pod.draft_transact(name, &changes)?.to_json(),
        Opened::There(client) => {
            client.on_draft("tx", &json!({ "name": name, "changes": changes }))?
        }
    };
    output.answer(&answer, |a| {
        let mut out = shown(&a["draft"]);
        for (name, id) in a["entities"].as_object().into_iter().flatten() {
            let _ = write!(out, "\n  {name} is {}", id.as_str().unwrap_or_default());
        }
        out
    })
}

/// Values, as they are written in a transaction.
fn values(all: &Json) -> String {
    match all.as_array().map(Vec::as_slice) {
        None | Some([]) => "nothing".into(),
        Some(all) => {
            let all: Vec<String> = all.iter().map(|v| plain(&v.to_string())).collect();
            all.join(", ")
        }
    }
}

fn different(e: &Json) -> String {
    let new = if e["new"] == true { "  (new)" } else { "" };
    let mut out = format!("{}{new}", text(e, "entity"));
    for place in e["attributes"].as_array().into_iter().flatten() {
        let (base, draft) = (values(&place["base"]), values(&place["draft"]));
        let _ = write!(out, "\n  {}: {base} → {draft}", text(place, "attribute"));
        if place["changed"] == true {
            let then = values(&place["then"]);
            let _ = write!(out, "\n    changed since: it was {then}");
        }
    }
    out
}

fn diff(home: &Home, name: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("draft diff")? {
        Opened::Here(pod) => pod.draft_diff(name)?.to_json(),
        Opened::There(client) => client.on_draft("diff", &json!({ "name": name }))?,
    };
    output.answer(&answer, |a| match a["entities"].as_array() {
        Some(all) if !all.is_empty() => lines(&a["entities"], different),
        _ => "It says nothing else than what is there.".into(),
    })
}

fn adopt(home: &Home, name: &str, entity: Option<&str>, output: &Output) -> Result<(), Failure> {
    let only = entity.map(|e| e.parse().map_err(|_| wrong(format!("{e} is no entity"))));
    let only = only.transpose()?;
    let answer = match home.open("draft adopt")? {
        Opened::Here(pod) => pod.adopt_draft(name, only.as_ref())?.to_json(),
        Opened::There(client) => {
            client.on_draft("adopt", &json!({ "name": name, "entity": entity }))?
        }
    };
    output.answer(&answer, shown)
}

fn undo(home: &Home, name: &str, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("draft undo")? {
        Opened::Here(pod) => pod.undo_draft(name)?.to_json(),
        Opened::There(client) => client.on_draft("undo", &json!({ "name": name }))?,
    };
    output.answer(&answer, |a| {
        let mut out = "It is as it was before, and the draft is open again.".to_owned();
        for kept in a["kept"].as_array().into_iter().flatten() {
            let (attribute, entity) = (text(kept, "attribute"), text(kept, "entity"));
            let _ = write!(
                out,
                "\n{attribute} of {entity} was changed since, and stays"
            );
        }
        out
    })
}

fn propose(
    home: &Home,
    (name, to): (&str, &str),
    comment: &str,
    output: &Output,
) -> Result<(), Failure> {
    let whom = did(to)?;
    let answer = match home.open("draft propose")? {
        Opened::Here(pod) => {
            let listen = vec![([127, 0, 0, 1], 0).into()];
            let pod = Arc::from(pod);
            let draft = network::propose_draft(&pod, listen, name, &whom, comment)?;
            let mut answer = draft.to_json();
            answer["proposed"] = to.into();
            answer
        }
        Opened::There(client) => client.on_draft(
            "propose",
            &json!({ "name": name, "to": to, "comment": comment }),
        )?,
    };
    output.answer(&answer, |_| {
        "Proposed. It goes with the next exchange; nothing happens until it is adopted. The draft stays as it is.".into()
    })
}

fn drop(home: &Home, name: &str, for_good: bool, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("draft drop")? {
        Opened::Here(pod) => {
            pod.drop_draft(name, for_good)?;
            json!({ "dropped": name, "for_good": for_good })
        }
        Opened::There(client) => {
            client.on_draft("drop", &json!({ "name": name, "for_good": for_good }))?
        }
    };
    output.answer(&answer, |a| {
        let how = if a["for_good"] == true {
            "Erased."
        } else {
            "Dropped. It is kept as such; `--for-good` erases it."
        };
        how.into()
    })
}
