//! Groups: who is in them, invitations, and going.

use std::str::FromStr;

use axum::{
    Json as JsonBody,
    extract::{Query, State},
};
use rhizome_identity::Did;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    App,
    api::read,
    blocking,
    devices::node,
    reply::{Answer, Payload, Refusal},
    sharing::sent,
};
use crate::GroupRole;

fn did(text: &str, member: &str) -> Result<Did, Refusal> {
    let did = Did::from_str(text.trim());
    did.map_err(|_| Refusal::request(&format!("`{member}` is to be a DID: did:rhizome:…")))
}

/// The groups that this person is in.
pub(super) async fn groups(State(app): State<App>) -> Answer {
    blocking(move || {
        let all = app.pod.groups()?;
        let all = all.iter().map(|group| app.pod.group_shown(group));
        Ok(json!({ "groups": all.collect::<Result<Vec<Json>, _>>()? }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
pub(super) struct Inside {
    group: String,
    #[serde(default = "hundred")]
    limit: usize,
}

fn hundred() -> usize {
    100
}

/// What is in a group.
pub(super) async fn contents(State(app): State<App>, Query(inside): Query<Inside>) -> Answer {
    let group = did(&inside.group, "group")?;
    blocking(move || app.pod.in_group(&group, inside.limit))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: String,
}

/// Makes a group.
pub(super) async fn create(State(app): State<App>, Payload(body): Payload) -> Answer {
    let CreateBody { name } = read(&body)?;
    let pod = app.pod.clone();
    let group = blocking(move || pod.create_group(&name)).await?;
    let mut answer = group.to_json();
    answer["sent"] = sent(&app).await.into();
    Ok(JsonBody(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    group: String,
    to: String,
    #[serde(rename = "as")]
    role: String,
}

/// Invites somebody to a group.
pub(super) async fn invite(State(app): State<App>, Payload(body): Payload) -> Answer {
    let InviteBody { group, to, role } = read(&body)?;
    let (group, to) = (did(&group, "group")?, did(&to, "to")?);
    let role: GroupRole = role.parse()?;
    let pod = app.pod.clone();
    let invite = blocking(move || pod.invite_to_group(&group, &to, role)).await?;
    let sent = sent(&app).await;
    Ok(JsonBody(json!({
        "group": group.to_string(),
        "to": to.to_string(),
        "as": role.to_string(),
        "invite": invite.to_string(),
        "sent": sent,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveBody {
    group: String,
    member: String,
}

/// Takes somebody out of a group.
pub(super) async fn remove(State(app): State<App>, Payload(body): Payload) -> Answer {
    let RemoveBody { group, member } = read(&body)?;
    let group = did(&group, "group")?;
    let pod = app.pod.clone();
    let group = blocking(move || pod.remove_from_group(&group, member.trim())).await?;
    let mut answer = group.to_json();
    answer["sent"] = sent(&app).await.into();
    Ok(JsonBody(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaveBody {
    group: String,
}

/// Leaves a group.
pub(super) async fn leave(State(app): State<App>, Payload(body): Payload) -> Answer {
    let LeaveBody { group } = read(&body)?;
    let group = did(&group, "group")?;
    node(&app)?.leave_group(&group).await?;
    Ok(JsonBody(json!({ "left": group.to_string() })))
}
