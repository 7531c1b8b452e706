//! Devices, peers and the exchange with them.

use std::{str::FromStr, sync::Arc};

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use rhizome_blob::Cid;
use rhizome_tuple::CommitId;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    App,
    api::read,
    blocking,
    reply::{Answer, Named, Payload, Refusal},
};
use crate::{DeviceDetail, PodError, PodNode, invitation::invited_role, parse_peer};

/// The network side of a running pod.
pub(super) fn node(app: &App) -> Result<Arc<PodNode>, Refusal> {
    app.node.clone().ok_or_else(|| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "offline",
            "this node is not on the network",
        )
    })
}

/// The devices, the most senior first.
pub(super) async fn list(State(app): State<App>) -> Answer {
    let states = app.node.as_ref().map(|n| n.peers()).unwrap_or_default();
    blocking(move || {
        let one = |device: &DeviceDetail| {
            let mut out = device.to_json();
            let state = states.get(&device.key);
            out["connected"] = state.is_some_and(|s| s.connected).into();
            out["pending"] = state.and_then(|s| s.pending).into();
            out
        };
        let devices: Vec<Json> = app.pod.devices()?.iter().map(one).collect();
        Ok(json!({ "devices": devices, "admin": app.pod.is_admin() }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    key: String,
    name: String,
}

/// Calls a device something else, on all devices.
pub(super) async fn name(State(app): State<App>, Payload(body): Payload) -> Answer {
    let NameBody { key, name } = read(&body)?;
    blocking(move || {
        let key = app.pod.device_by_name(&key)?;
        let name = name.trim();
        app.pod.name_device(&key, name)?;
        Ok(json!({ "key": key.to_did_key(), "name": name }))
    })
    .await
    .map(JsonBody)
}

/// Takes a device out.
pub(super) async fn remove(State(app): State<App>, Payload(body): Payload) -> Answer {
    let KeyBody { key } = read(&body)?;
    blocking(move || {
        let key = app.pod.device_by_name(&key)?;
        app.pod.remove_device(&key)?;
        Ok(json!({ "removed": key.to_did_key() }))
    })
    .await
    .map(JsonBody)
}

/// The peers that keep the pod, and how it stands with them.
pub(super) async fn peers(State(app): State<App>) -> Answer {
    let undelivered = app.node.as_ref().and_then(|n| n.undelivered());
    let states = app.node.as_ref().map(|n| n.peers()).unwrap_or_default();
    blocking(move || {
        let peers = app.pod.peers()?;
        let peers: Vec<Json> = peers
            .iter()
            .map(|p| p.to_json(states.get(&p.key)))
            .collect();
        Ok(json!({ "peers": peers, "undelivered": undelivered }))
    })
    .await
    .map(JsonBody)
}

/// Where a commit is known to be.
pub(super) async fn reach(State(app): State<App>, Named(commit): Named) -> Answer {
    let id = Cid::from_str(&commit).ok();
    let id = id.and_then(|cid| CommitId::from_cid(&cid));
    let id = id.ok_or_else(|| Refusal::request("this is not the name of a commit"))?;
    let known = app.node.as_ref().map(|n| n.reach_of(&id));
    blocking(move || {
        if !app.pod.replica().snapshot().holds(&id) {
            return Err(PodError::Request("this commit is not here".into()));
        }
        let writer = app.pod.writer_of(&id);
        let known = known.unwrap_or_default();
        let devices = app.pod.devices()?;
        let on = devices.iter().map(|d| {
            // this device has it, and so has the one that wrote it
            let surely = d.this || Some(d.key) == writer;
            if surely {
                Some(true)
            } else {
                known.get(&d.key).copied()
            }
        });
        let on = tally(on);
        let mut peers = app.pod.peers()?;
        peers.retain(|p| devices.iter().all(|d| d.key != p.key));
        let kept = tally(peers.iter().map(|p| known.get(&p.key).copied()));
        Ok(json!({ "commit": commit, "devices": on, "peers": kept }))
    })
    .await
    .map(JsonBody)
}

/// How many have something, have it not, and are not known to.
fn tally(each: impl Iterator<Item = Option<bool>>) -> Json {
    let [mut with, mut without, mut unknown] = [0u32; 3];
    for has in each {
        match has {
            Some(true) => with += 1,
            Some(false) => without += 1,
            None => unknown += 1,
        }
    }
    json!({ "with": with, "without": without, "unknown": unknown })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressBody {
    address: String,
}

/// Lets a peer keep the pod.
pub(super) async fn add_peer(State(app): State<App>, Payload(body): Payload) -> Answer {
    let AddressBody { address } = read(&body)?;
    let node = node(&app)?;
    let (address, grant) = parse_peer(&address)?;
    let report = node.add_peer(&address, grant.as_ref()).await?;
    Ok(JsonBody(report.to_json()))
}

/// Forgets a peer.
pub(super) async fn remove_peer(State(app): State<App>, Payload(body): Payload) -> Answer {
    let KeyBody { key } = read(&body)?;
    blocking(move || {
        let peer = app
            .pod
            .peers()?
            .into_iter()
            .find(|p| p.key.to_did_key() == key || p.address == key);
        let peer =
            peer.ok_or_else(|| PodError::Request(format!("{key} is none of the pod's peers")))?;
        app.pod.forget_peer(&peer.key)?;
        Ok(json!({ "removed": peer.key.to_did_key() }))
    })
    .await
    .map(JsonBody)
}

/// One round with every known peer.
pub(super) async fn sync(State(app): State<App>, Payload(_): Payload) -> Answer {
    let reports = node(&app)?.sync_all().await?;
    let reports: Vec<Json> = reports.iter().map(crate::PeerReport::to_json).collect();
    Ok(JsonBody(json!({ "peers": reports })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairBody {
    #[serde(default)]
    member: bool,
    #[serde(default)]
    compare: bool,
}

/// Makes a code for a new device, good for a short time.
pub(super) async fn pair(State(app): State<App>, Payload(body): Payload) -> Answer {
    let PairBody { member, compare } = read(&body)?;
    let role = invited_role(member);
    let node = node(&app)?;
    let code = if compare {
        node.invite_to_compare(role)?.0.to_string()
    } else {
        node.invite(role)?.0.to_string()
    };
    Ok(JsonBody(
        json!({ "code": code, "seconds": crate::PAIRING_TIME.as_secs() }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    id: u64,
    same: bool,
}

/// What the person says to a comparison.
pub(super) async fn confirm(State(app): State<App>, Payload(body): Payload) -> Answer {
    let ConfirmBody { id, same } = read(&body)?;
    node(&app)?.confirm(id, same)?;
    Ok(JsonBody(json!({ "same": same })))
}

/// Takes the code back.
pub(super) async fn unpair(State(app): State<App>) -> Answer {
    node(&app)?.uninvite();
    Ok(JsonBody(json!({ "open": false })))
}

/// Whether the code is still good, what is to be compared, and who joined by it.
pub(super) async fn pairing(State(app): State<App>) -> Answer {
    Ok(JsonBody(node(&app)?.pairing().to_json()))
}

/// A hash of the full current state.
pub(super) async fn digest(State(app): State<App>) -> Answer {
    blocking(move || app.pod.digest()).await.map(JsonBody)
}
