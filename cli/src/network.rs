//! Commands about the person's other devices and the peers that keep the pod.

use std::{net::SocketAddr, sync::Arc};

use rhizome_pod::{DeviceDetail, PairingCode, PeerReport, Pod, network};
use serde_json::{Value as Json, json};

use crate::{
    open::{Home, Opened},
    output::{Failure, Output},
};

fn here(home: &Home, what: &str) -> Result<Arc<Pod>, Failure> {
    match home.open(what)? {
        Opened::Here(pod) => Ok(Arc::from(pod)),
        Opened::There(_) => Err(Failure::new(
            4,
            "in-use",
            format!(
                "the pod is running: use its page, or stop `rhizome up` before `rhizome {what}`"
            ),
        )),
    }
}

fn report(r: &PeerReport) -> Json {
    json!({
        "key": r.key.to_did_key(),
        "address": r.address,
        "received": r.received,
        "certificates": r.certificates,
        "equal": r.equal,
        "bytes_sent": r.bytes_sent,
        "bytes_received": r.bytes_received,
        "error": r.error,
    })
}

fn report_text(r: &Json) -> String {
    match r["error"].as_str() {
        Some(error) => format!("{}: {error}", r["key"].as_str().unwrap_or_default()),
        None => format!(
            "{}: {} new commits here, {} bytes out, {} in; {}",
            r["key"].as_str().unwrap_or_default(),
            r["received"],
            r["bytes_sent"],
            r["bytes_received"],
            if r["equal"] == true {
                "both have the same now"
            } else {
                "something still differs"
            }
        ),
    }
}

/// A code as a QR code of half blocks.
fn qr(text: &str) -> Option<String> {
    let code = qrcode::QrCode::new(text.as_bytes()).ok()?;
    let mut image = code.render::<qrcode::render::unicode::Dense1x2>();
    Some(image.quiet_zone(true).build())
}

pub fn pair(home: &Home, listen: SocketAddr, member: bool, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "pair")?;
    let mut shown = Ok(());
    let joined = network::pair(&pod, vec![listen], member, |code| {
        let text = code.to_string();
        shown = output.answer(&json!({ "code": text }), |_| {
            let picture = qr(&text.to_ascii_uppercase()).unwrap_or_default();
            format!("{picture}\nOn the new device, within two minutes:\n\n  rhizome join {text}\n")
        });
    })?;
    shown?;
    let answer = json!({ "joined": { "key": joined.key.to_did_key(), "name": joined.name } });
    output.answer(&answer, |_| {
        format!("{} is one of your devices now.", joined.name)
    })
}

pub fn join(
    home: &Home,
    code: &str,
    name: Option<&str>,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let code: PairingCode = code.parse()?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => host_name(),
    };
    let opening = home.opening("join");
    let (pod, first) = network::join(&home.pod, &opening, &code, &name, &[listen])?;
    let answer =
        json!({ "did": pod.did(), "device": pod.device(), "name": name, "sync": report(&first) });
    output.answer(&answer, |a| {
        format!(
            "This device is `{name}` of {} now.\n{}",
            pod.did(),
            report_text(&a["sync"])
        )
    })
}

/// What the machine calls itself.
fn host_name() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| {
        let text = std::fs::read_to_string("/etc/hostname").ok()?;
        Some(text.trim().to_owned())
    });
    name.filter(|n| !n.is_empty() && n.len() <= rhizome_pod::MAX_DEVICE_NAME)
        .unwrap_or_else(|| "a device".to_owned())
}

pub fn devices(home: &Home, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "devices")?;
    let devices: Vec<Json> = pod.devices()?.iter().map(DeviceDetail::to_json).collect();
    output.answer(&json!({ "devices": devices }), |_| {
        let line = |d: &Json| {
            format!(
                "{}  {}  {}{}",
                d["key"].as_str().unwrap_or_default(),
                d["role"].as_str().unwrap_or_default(),
                d["name"].as_str().unwrap_or("(no name)"),
                if d["this"] == true {
                    "  (this one)"
                } else {
                    ""
                },
            )
        };
        devices.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

pub fn remove_device(home: &Home, key: &str, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "devices remove")?;
    let found = pod.devices()?.into_iter().find(|d| {
        let did = d.key.to_did_key();
        did == key || did.strip_prefix("did:key:") == Some(key)
    });
    let device = found.ok_or_else(|| {
        Failure::new(
            1,
            "no-device",
            format!("{key} is none of the pod's devices: see `rhizome devices`"),
        )
    })?;
    pod.remove_device(&device.key)?;
    let answer = json!({ "removed": device.key.to_did_key() });
    output.answer(&answer, |_| {
        "Removed. What it writes from now on does not count, and what you write from now on it cannot read.".into()
    })
}

pub fn peers(home: &Home, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "peers")?;
    let peers: Vec<Json> = pod
        .peers()?
        .iter()
        .map(|p| json!({ "key": p.key.to_did_key(), "address": p.address }))
        .collect();
    output.answer(&json!({ "peers": peers }), |_| {
        let line = |p: &Json| {
            format!(
                "{}  {}",
                p["key"].as_str().unwrap_or_default(),
                p["address"].as_str().unwrap_or_default()
            )
        };
        peers.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

pub fn add_peer(
    home: &Home,
    address: &str,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let pod = here(home, "peers add")?;
    let (address, token) = rhizome_pod::parse_peer(address)?;
    let done = network::add_peer(&pod, vec![listen], &address, token.as_deref())?;
    output.answer(&report(&done), report_text)
}

pub fn remove_peer(home: &Home, key: &str, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "peers remove")?;
    let found = pod
        .peers()?
        .into_iter()
        .find(|p| p.key.to_did_key() == key || p.address == key);
    let peer = found.ok_or_else(|| {
        Failure::new(
            1,
            "no-peer",
            format!("{key} is none of the pod's peers: see `rhizome peers`"),
        )
    })?;
    pod.forget_peer(&peer.key)?;
    output.answer(&json!({ "removed": peer.key.to_did_key() }), |_| {
        "Forgotten. It keeps what it has, and gets nothing new.".into()
    })
}

pub fn sync(home: &Home, listen: SocketAddr, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "sync")?;
    let reports = network::sync_once(&pod, vec![listen])?;
    let all: Vec<Json> = reports.iter().map(report).collect();
    let failed = reports.iter().find_map(|r| r.error.clone());
    output.answer(&json!({ "peers": all }), |_| {
        if all.is_empty() {
            "There is no peer yet: `rhizome peers add ADDRESS`, or `rhizome pair`.".into()
        } else {
            all.iter().map(report_text).collect::<Vec<_>>().join("\n")
        }
    })?;
    match failed {
        Some(error) => Err(Failure::new(1, "sync", error)),
        None => Ok(()),
    }
}

pub fn digest(home: &Home, output: &Output) -> Result<(), Failure> {
    let pod = here(home, "digest")?;
    output.answer(&pod.digest()?, |d| {
        format!(
            "{}  {} ({} tuples)",
            d["digest"].as_str().unwrap_or_default(),
            d["did"].as_str().unwrap_or_default(),
            d["tuples"]
        )
    })
}
