//! A new device without a camera: a code that is no secret, and pictures on both screens.

use std::{
    io::{BufRead, Read},
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
};

use rhizome_pod::{PodError, network};
use serde_json::{Value as Json, json};

use crate::{
    network::{LOOK, lines, one_more},
    open::{Home, Opened},
    output::{Failure, Output},
};

/// Longest answer that is read.
const MAX_ANSWER: u64 = 64;

/// Shows the pictures and asks whether the other device shows the same. The end of input is a no.
pub fn ask(json: bool, emoji: &Json, other: &str) -> bool {
    let shown = Output::new(json).answer(&json!({ "emoji": emoji }), |_| {
        let line = |e: &Json| {
            let word = |part: &str| e[part].as_str().unwrap_or_default().to_owned();
            format!("  {}  {}", word("symbol"), word("name"))
        };
        format!(
            "\n{}\n\nAre these the same on the {other} device? [y/N]",
            lines(emoji, line)
        )
    });
    let mut said = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_ANSWER)
        .read_line(&mut said);
    let said = said.trim().to_lowercase();
    let yes = said == "yes" || (!json && said == "y");
    shown.is_ok() && read.is_ok() && yes
}

pub fn pair(home: &Home, listen: SocketAddr, member: bool, output: &Output) -> Result<(), Failure> {
    let show = |code: &str| {
        output.answer(&json!({ "code": code }), |_| {
            format!(
                "On the new device, within two minutes:\n\n  rhizome join {code}\n\nThe code is no secret: both devices will show seven pictures, to be compared."
            )
        })
    };
    let joined = match home.open("pair")? {
        Opened::Here(pod) => {
            network::pair_comparing(&Arc::from(pod), &[listen], member, |node, code| {
                show(&code.to_string())?;
                compare(
                    output,
                    || Ok(node.pairing().to_json()),
                    |id, same| node.confirm(id, same),
                )
            })?
        }
        Opened::There(client) => {
            let code = client.pair(member, true)?;
            show(code["code"].as_str().unwrap_or_default())?;
            let joined = compare(
                output,
                || client.pairing(),
                |id, same| client.confirm(id, same).map(drop),
            );
            if joined.is_err() {
                // it may be gone by itself
                let _ = client.unpair();
            }
            joined?
        }
    };
    one_more(&joined, output)
}

/// Waits for one new device and asks about it; which has joined, or null.
fn compare(
    output: &Output,
    look: impl Fn() -> Result<Json, PodError>,
    confirm: impl Fn(u64, bool) -> Result<(), PodError>,
) -> Result<Json, Failure> {
    let mut asked: Option<(u64, Receiver<bool>)> = None;
    loop {
        let now = look()?;
        let id = now["comparison"]["id"].as_u64();
        match (id, &asked) {
            _ if now["joined"].is_object() => return Ok(now["joined"].clone()),
            _ if now["refused"] == true => return Err(PodError::NotConfirmed.into()),
            _ if now["open"] != true => return Ok(Json::Null),
            (Some(id), None) => {
                let comparison = &now["comparison"];
                let name = comparison["name"].as_str().unwrap_or_default();
                output.remark(&format!("{name} wants to become one of your devices."));
                let (json, emoji) = (output.json, comparison["emoji"].clone());
                let (answer, said) = mpsc::channel();
                // on a thread that nobody waits for: the new device may say no while the person still looks
                std::thread::spawn(move || answer.send(ask(json, &emoji, "new")));
                asked = Some((id, said));
            }
            (Some(now), Some((id, said))) if now == *id => {
                if let Ok(same) = said.try_recv() {
                    // if it is over, the next look says how
                    let _ = confirm(now, same);
                }
            }
            // what is asked about is over, and the next one is not asked about: the answer could be for the first
            (_, Some(_)) => {
                return Err(Failure::new(
                    1,
                    "peer",
                    "the new device hung up before both had said yes: try again with a new code",
                ));
            }
            (None, None) => (),
        }
        std::thread::sleep(LOOK);
    }
}
