//! Commands of those who keep other people's pods.

use rhizome_pod::{CloudDesk, CloudOptions, Invite, network};
use serde_json::{Value as Json, json};

use crate::{
    arguments::CloudPeerCommand,
    network::lines,
    open::Home,
    output::{Failure, Output},
};

const HOUR: i64 = 3_600_000;

pub fn run(home: &Home, options: CloudOptions, output: &Output) -> Result<(), Failure> {
    let opening = home.opening("cloud-peer");
    let directory = home.pod.directory();
    network::cloud_peer(directory, &opening, options, |address| {
        // nobody reads this any more if standard output is closed, and the peer is up all the same
        let _ = output.answer(&json!({ "address": address }), |_| {
            format!(
                "This peer keeps pods for whoever has its address:\n\n  rhizome peers add {address}\n\n\
                 `rhizome cloud-peer invite` makes addresses that are good once. Stop it with Ctrl-C."
            )
        });
    })?;
    Ok(())
}

pub fn manage(home: &Home, command: &CloudPeerCommand, output: &Output) -> Result<(), Failure> {
    let desk = CloudDesk::open(&home.pod, &home.opening("cloud-peer"))?;
    match command {
        CloudPeerCommand::Invite {
            pods,
            hours,
            quota,
            to,
            note,
        } => {
            let made = desk.invite(&Invite {
                to: to.clone(),
                note: note.clone(),
                lasts_ms: (*hours > 0).then(|| i64::from(*hours) * HOUR),
                pods: (*pods > 0).then_some(*pods),
                quota: quota.map(|mib| mib << 20),
            })?;
            output.answer(&made, |made| {
                format!(
                    "Invitation {}:\n\n  rhizome peers add {}\n\nIt is shown this once. Who has it can pass on a part: `rhizome peers pass-on`.",
                    text(&made["id"]),
                    text(&made["address"])
                )
            })
        }
        CloudPeerCommand::Invitations => output.answer(&desk.invitations()?, |all| {
            lines(&all["invitations"], |i| {
                let left = match i["left"].as_u64() {
                    Some(left) => format!("for {left} more"),
                    None => "for any number".into(),
                };
                let over = if i["good"] == true { "" } else { ", over" };
                let note = i["note"].as_str().unwrap_or_default();
                format!("{}  {left}{over}  {note}", text(&i["id"]))
            })
        }),
        CloudPeerCommand::Revoke { id } => output.answer(&desk.revoke(id)?, |_| {
            "Taken back. Pods that are kept by it stay.".into()
        }),
        CloudPeerCommand::Pods => output.answer(&desk.pods()?, |all| {
            lines(&all["pods"], |pod| {
                let views = pod["views"].as_array().map_or(0, Vec::len);
                let views = match views {
                    0 => String::new(),
                    1 => ", 1 view".to_owned(),
                    n => format!(", {n} views"),
                };
                format!(
                    "{}\n  {} of {}, {} commits, {} files{views}, {} connected",
                    text(&pod["did"]),
                    bytes(&pod["all_bytes"]),
                    bytes(&pod["quota"]),
                    pod["commits"],
                    pod["blobs"],
                    pod["connections"]
                )
            })
        }),
        CloudPeerCommand::Quota { did, bytes } => {
            output.answer(&desk.set_quota(did, *bytes)?, |_| "Changed.".into())
        }
        CloudPeerCommand::Forget { did } => output.answer(&desk.forget(did)?, |_| {
            "Forgotten: nothing of it is here any more.".into()
        }),
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn bytes(json: &Json) -> String {
    let n = json.as_u64().unwrap_or_default();
    match n {
        0..=9_999 => format!("{n} bytes"),
        10_000..=9_999_999 => format!("{} kB", n / 1000),
        _ => format!("{} MB", n / 1_000_000),
    }
}
