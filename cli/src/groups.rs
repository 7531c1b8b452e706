//! Commands about groups.

use std::{net::SocketAddr, sync::Arc};

use rhizome_pod::{GroupRole, network};
use serde_json::{Value as Json, json};

use crate::{
    network::lines,
    open::{Home, Opened},
    output::{Failure, Output, invitation, text, wrong},
};

fn did(text: &str) -> Result<rhizome_pod::Did, Failure> {
    text.parse().map_err(|e| wrong(format!("{text}: {e}")))
}

fn shown(g: &Json) -> String {
    let role = g["role"].as_str().unwrap_or("no longer in it");
    let count = g["members"].as_array().map_or(0, Vec::len);
    format!(
        "{}  {}\n  you are: {role}; {count} people",
        text(g, "name"),
        text(g, "group")
    )
}

pub fn create(home: &Home, name: &str, listen: SocketAddr, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("group create")? {
        Opened::Here(pod) => {
            let (group, sent) = network::create_group(&Arc::from(pod), vec![listen], name)?;
            let mut answer = group.to_json();
            answer["sent"] = sent.into();
            answer
        }
        Opened::There(client) => client.create_group(name)?,
    };
    output.answer(&answer, |a| {
        format!(
            "{}\nInvite others: rhizome group invite {} --to DID --as member",
            text(a, "group"),
            text(a, "group")
        )
    })
}

pub fn list(home: &Home, output: &Output) -> Result<(), Failure> {
    let answer = all(home)?;
    output.answer(&answer, |a| match a["groups"].as_array() {
        Some(all) if !all.is_empty() => lines(&a["groups"], shown),
        _ => "You are in no group: `rhizome group create NAME`.".into(),
    })
}

fn all(home: &Home) -> Result<Json, Failure> {
    Ok(match home.open("groups")? {
        Opened::Here(pod) => {
            let all = pod.groups()?;
            let all = all.iter().map(|group| pod.group_shown(group));
            json!({ "groups": all.collect::<Result<Vec<Json>, _>>()? })
        }
        Opened::There(client) => client.groups()?,
    })
}

pub fn members(home: &Home, group: &str, output: &Output) -> Result<(), Failure> {
    did(group)?;
    let all = all(home)?;
    let mut found = all["groups"].as_array().into_iter().flatten();
    let found = found.find(|g| text(g, "group") == group).cloned();
    let answer = found.ok_or_else(|| {
        wrong(format!(
            "there is no group {group} here: see `rhizome groups`"
        ))
    })?;
    output.answer(&answer, |a| {
        lines(&a["members"], |m| {
            let state = if m["invited"] == true {
                "  (invited)"
            } else {
                ""
            };
            format!("{}  {}{state}", text(m, "did"), text(m, "role"))
        })
    })
}

pub fn invite(
    home: &Home,
    (group, to, role): (&str, &str, &str),
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let parsed: GroupRole = role.parse()?;
    let answer = match home.open("group invite")? {
        Opened::Here(pod) => {
            let terms = (&did(group)?, &did(to)?, parsed);
            let (invite, sent) = network::invite_to_group(&Arc::from(pod), vec![listen], terms)?;
            json!({ "group": group, "to": to, "as": role, "invite": invite.to_string(), "sent": sent })
        }
        Opened::There(client) => client.invite_to_group(group, to, role)?,
    };
    output.answer(&answer, |a| {
        let said = format!("{} is invited as {}", text(a, "to"), text(a, "as"));
        invitation(a, &said)
    })
}

pub fn remove(
    home: &Home,
    (group, member): (&str, &str),
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let answer = match home.open("group remove")? {
        Opened::Here(pod) => {
            let pod = Arc::from(pod);
            let (now, sent) = network::remove_from_group(&pod, vec![listen], &did(group)?, member)?;
            let mut answer = now.to_json();
            answer["sent"] = sent.into();
            answer
        }
        Opened::There(client) => client.remove_from_group(group, member)?,
    };
    output.answer(&answer, |_| {
        "Removed. What they wrote stays; what they write from now on counts nowhere, and what is written from now on they cannot read.".into()
    })
}

pub fn leave(home: &Home, group: &str, listen: SocketAddr, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("group leave")? {
        Opened::Here(pod) => {
            network::leave_group(&Arc::from(pod), vec![listen], &did(group)?)?;
            json!({ "left": group })
        }
        Opened::There(client) => client.leave_group(group)?,
    };
    output.answer(&answer, |_| {
        "You have left. What you wrote stays there.".into()
    })
}
