//! Commands about the person's other devices and the peers that keep the pod.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rhizome_pod::{DeviceDetail, GrantPart, PairingCode, PeerReport, network};
use serde_json::{Value as Json, json};

use crate::{
    compare,
    open::{Home, Opened},
    output::{Failure, Output},
};

fn report_text(r: &Json) -> String {
    let key = r["key"].as_str().unwrap_or_default();
    let who = match r["pod"].as_str() {
        Some(view) => format!("{key}, view {view}"),
        None => key.to_owned(),
    };
    match r["error"].as_str() {
        Some(error) => format!("{who}: {error}"),
        None => format!(
            "{who}: {} new commits here, {} bytes out, {} in; {}",
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
pub(crate) fn qr(text: &str) -> Option<String> {
    let code = qrcode::QrCode::new(text.as_bytes()).ok()?;
    let mut image = code.render::<qrcode::render::unicode::Dense1x2>();
    Some(image.quiet_zone(true).build())
}

/// How often it is looked whether somebody has joined.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

pub fn pair(home: &Home, listen: SocketAddr, member: bool, output: &Output) -> Result<(), Failure> {
    let show = |text: &str| {
        output.answer(&json!({ "code": text }), |_| {
            let picture = qr(&text.to_ascii_uppercase()).unwrap_or_default();
            format!("{picture}\nOn the new device, within two minutes:\n\n  rhizome join {text}\n")
        })
    };
    let joined = match home.open("pair")? {
        Opened::Here(pod) => {
            let mut shown = Ok(());
            let joined = network::pair(&Arc::from(pod), &[listen], member, |code| {
                shown = show(&code.to_string());
            })?;
            shown?;
            json!({ "key": joined.key.to_did_key(), "name": joined.name })
        }
        Opened::There(client) => {
            let code = client.pair(member, false)?;
            show(code["code"].as_str().unwrap_or_default())?;
            loop {
                let now = client.pairing()?;
                if now["open"] != true {
                    break now["joined"].clone();
                }
                std::thread::sleep(LOOK);
            }
        }
    };
    one_more(&joined, output)
}

/// Who joined, if somebody did.
pub(crate) fn one_more(joined: &Json, output: &Output) -> Result<(), Failure> {
    if joined.is_null() {
        return Err(Failure::new(
            1,
            "nobody",
            "no device came in time, or the code was mistyped too often",
        ));
    }
    output.answer(&json!({ "joined": joined }), |_| {
        format!(
            "{} is one of your devices now.",
            joined["name"].as_str().unwrap_or_default()
        )
    })
}

pub fn join(
    home: &Home,
    code: &str,
    name: Option<&str>,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => rhizome_pod::host_name(),
    };
    let opening = home.opening("join");
    // an address and no more is to be compared
    let (pod, first) = if let Ok(address) = code.trim().parse() {
        let json = output.json;
        let ask = move |emoji| compare::ask(json, &json!(emoji), "old");
        network::join_comparing(&home.pod, &opening, &address, &name, &[listen], ask)?
    } else {
        let code: PairingCode = code.parse()?;
        network::join(&home.pod, &opening, &code, &name, &[listen])?
    };
    let answer =
        json!({ "did": pod.did(), "device": pod.device(), "name": name, "sync": first.to_json() });
    output.answer(&answer, |a| {
        format!(
            "This device is `{name}` of {} now.\n{}",
            pod.did(),
            report_text(&a["sync"])
        )
    })
}

pub fn devices(home: &Home, output: &Output) -> Result<(), Failure> {
    let devices = match home.open("devices")? {
        Opened::Here(pod) => {
            let all: Vec<Json> = pod.devices()?.iter().map(DeviceDetail::to_json).collect();
            json!({ "devices": all })
        }
        Opened::There(client) => client.devices()?,
    };
    output.answer(&devices, |d| {
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
        lines(&d["devices"], line)
    })
}

pub(crate) fn lines(list: &Json, line: impl Fn(&Json) -> String) -> String {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub fn remove_device(home: &Home, key: &str, output: &Output) -> Result<(), Failure> {
    let removed = match home.open("devices remove")? {
        Opened::Here(pod) => {
            let key = pod.device_by_name(key)?;
            pod.remove_device(&key)?;
            json!({ "removed": key.to_did_key() })
        }
        Opened::There(client) => client.remove_device(key)?,
    };
    output.answer(&removed, |_| {
        "Removed. What it writes from now on does not count, and what you write from now on it cannot read.".into()
    })
}

pub fn peers(home: &Home, output: &Output) -> Result<(), Failure> {
    let peers = match home.open("peers")? {
        Opened::Here(pod) => {
            let all: Vec<Json> = pod.peers()?.iter().map(|p| p.to_json(None)).collect();
            json!({ "peers": all })
        }
        Opened::There(client) => client.peers()?,
    };
    output.answer(&peers, |p| {
        let line = |p: &Json| {
            let state = match (p["connected"].as_bool(), p["error"].as_str()) {
                (Some(true), _) if p["equal"] == true => "  connected, in step".to_owned(),
                (Some(true), _) => "  connected".to_owned(),
                (_, Some(error)) => format!("  {error}"),
                _ => String::new(),
            };
            format!(
                "{}{state}\n  {}",
                p["key"].as_str().unwrap_or_default(),
                p["address"].as_str().unwrap_or_default()
            )
        };
        lines(&p["peers"], line)
    })
}

pub fn add_peer(
    home: &Home,
    address: &str,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let (at, grant) = rhizome_pod::parse_peer(address)?;
    let report = match home.open("peers add")? {
        Opened::Here(pod) => {
            network::add_peer(&Arc::from(pod), vec![listen], &at, grant.as_ref())?.to_json()
        }
        Opened::There(client) => client.add_peer(address)?,
    };
    output.answer(&report, report_text)
}

pub fn pass_on(
    home: &Home,
    address: &str,
    to: Option<&str>,
    hours: Option<u32>,
    quota: Option<u64>,
    output: &Output,
) -> Result<(), Failure> {
    let (at, grant) = rhizome_pod::parse_peer(address)?;
    let refused = |why: &str| Failure::new(1, "invitation", why);
    let grant = grant.ok_or_else(|| refused("there is no invitation behind this address"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|e| refused(&e.to_string()))?.as_secs();
    let part = GrantPart {
        to: to.map(rhizome_pod::parse_device).transpose()?,
        quota: quota.map(|mib| mib.saturating_mul(1 << 20)),
        expires: hours.map(|hours| now + u64::from(hours) * 3600),
    };
    let part = if grant.is_for_a_device() {
        match home.open("peers pass-on")? {
            Opened::Here(pod) => pod.pass_on(&grant, &part)?,
            Opened::There(_) => {
                let why =
                    "the invitation is for one device, and its pod is in use: stop `rhizome up`";
                return Err(refused(why));
            }
        }
    } else {
        grant.pass_on(&part)?
    };
    let answer = json!({ "address": format!("{at}.{part}") });
    output.answer(&answer, |a| {
        let address = a["address"].as_str().unwrap_or_default();
        format!("For somebody else:\n\n  rhizome peers add {address}")
    })
}

pub fn remove_peer(home: &Home, key: &str, output: &Output) -> Result<(), Failure> {
    let removed = match home.open("peers remove")? {
        Opened::Here(pod) => {
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
            json!({ "removed": peer.key.to_did_key() })
        }
        Opened::There(client) => client.remove_peer(key)?,
    };
    output.answer(&removed, |_| {
        "Forgotten. It keeps what it has, and gets nothing new.".into()
    })
}

pub fn sync(home: &Home, listen: SocketAddr, output: &Output) -> Result<(), Failure> {
    let reports = match home.open("sync")? {
        Opened::Here(pod) => {
            let all = network::sync_once(&Arc::from(pod), vec![listen])?;
            json!({ "peers": all.iter().map(PeerReport::to_json).collect::<Vec<_>>() })
        }
        Opened::There(client) => client.sync()?,
    };
    output.answer(&reports, |r| match r["peers"].as_array() {
        Some(all) if !all.is_empty() => lines(&r["peers"], report_text),
        _ => "There is no peer yet: `rhizome peers add ADDRESS`, or `rhizome pair`.".into(),
    })?;
    let failed = reports["peers"]
        .as_array()
        .and_then(|all| all.iter().find_map(|r| r["error"].as_str()));
    match failed {
        Some(error) => Err(Failure::new(1, "sync", error)),
        None => Ok(()),
    }
}

pub fn recover(
    home: &Home,
    peer: &str,
    listen: SocketAddr,
    output: &Output,
) -> Result<(), Failure> {
    let (address, _) = rhizome_pod::parse_peer(peer)?;
    let words = crate::recovery::words(output, "Type the 24 words, then Enter and Ctrl-D:")?;
    let (pod, first) = network::recover(
        &home.pod,
        &home.opening("recover"),
        &words,
        &address,
        &[listen],
    )?;
    let answer = json!({ "did": pod.did(), "device": pod.device(), "sync": first.to_json() });
    output.answer(&answer, |a| {
        format!(
            "{} is yours again; all other devices are out.\n{}",
            pod.did(),
            report_text(&a["sync"])
        )
    })
}

pub fn digest(home: &Home, output: &Output) -> Result<(), Failure> {
    let digest = match home.open("digest")? {
        Opened::Here(pod) => pod.digest()?,
        Opened::There(client) => client.digest()?,
    };
    output.answer(&digest, |d| {
        format!(
            "{}  {} ({} tuples)",
            d["digest"].as_str().unwrap_or_default(),
            d["did"].as_str().unwrap_or_default(),
            d["tuples"]
        )
    })
}
