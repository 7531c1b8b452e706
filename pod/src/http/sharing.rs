//! What is shared: grants, invitations, what others share, proposals.

use std::{str::FromStr, time::Duration};

use axum::{
    Json as JsonBody,
    extract::{Query, State},
};
use rhizome_identity::Did;
use rhizome_tuple::EntityId;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    App,
    api::read,
    blocking,
    devices::node,
    reply::{Answer, Payload, Refusal},
};
use crate::{
    ANYONE, Accepted, Followed, Given, GrantTerms, Power, Proposal, ShareInvite,
    network::delivered, parse_peer,
};

/// How long is waited for those who keep the pod to have what is new.
const SENDING: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantBody {
    #[serde(rename = "where")]
    predicate: String,
    can: String,
    to: String,
    #[serde(default)]
    until_ms: Option<u64>,
}

fn did(text: &str) -> Result<Did, Refusal> {
    let did = Did::from_str(text.trim());
    did.map_err(|_| Refusal::request("`to` is to be a DID: did:rhizome:…, or `anyone`"))
}

/// Whether all who keep the pod have all of it.
pub(super) async fn sent(app: &App) -> bool {
    let Some(node) = &app.node else { return false };
    let sync = tokio::time::timeout(SENDING, node.sync_all()).await;
    matches!(sync, Ok(Ok(all)) if all.iter().all(delivered))
}

/// Shares what matches with somebody.
pub(super) async fn grant(State(app): State<App>, Payload(body): Payload) -> Answer {
    let body: GrantBody = read(&body)?;
    let predicate = body.predicate.parse();
    let predicate =
        predicate.map_err(|e: rhizome_share::PredicateError| Refusal::request(&e.to_string()))?;
    let power = Power::from_str(&body.can).map_err(|e| Refusal::request(&e))?;
    let until = body.until_ms.map(|ms| ms / 1000);
    let pod = app.pod.clone();
    if body.to.trim() == ANYONE {
        let given = blocking(move || pod.publish(&predicate, power, until)).await?;
        let mut answer = given.to_json();
        answer["sent"] = sent(&app).await.into();
        return Ok(JsonBody(answer));
    }
    let terms = GrantTerms {
        predicate,
        power,
        to: did(&body.to)?,
        until,
    };
    let (given, invite) = blocking(move || pod.grant(&terms)).await?;
    let sent = sent(&app).await;
    let mut answer = given.to_json();
    answer["invite"] = invite.to_string().into();
    answer["sent"] = sent.into();
    Ok(JsonBody(answer))
}

/// What was given.
pub(super) async fn grants(State(app): State<App>) -> Answer {
    blocking(move || {
        let all: Vec<Json> = app.pod.grants()?.iter().map(Given::to_json).collect();
        Ok(json!({ "grants": all }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    grant: String,
}

/// Takes a grant back.
pub(super) async fn revoke(State(app): State<App>, Payload(body): Payload) -> Answer {
    let RevokeBody { grant } = read(&body)?;
    let pod = app.pod.clone();
    let given = blocking(move || pod.revoke(&grant)).await?;
    let sent = sent(&app).await;
    let mut answer = given.to_json();
    answer["sent"] = sent.into();
    Ok(JsonBody(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    invite: String,
}

/// Takes what somebody shares.
pub(super) async fn accept(State(app): State<App>, Payload(body): Payload) -> Answer {
    let AcceptBody { invite } = read(&body)?;
    let invite: ShareInvite = invite.parse()?;
    Ok(JsonBody(node(&app)?.accept(&invite).await?.to_json()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FollowBody {
    did: String,
    #[serde(default)]
    at: Option<String>,
}

fn whom(text: &str) -> Result<Did, Refusal> {
    let did = Did::from_str(text.trim());
    did.map_err(|_| Refusal::request("`did` is to be a DID: did:rhizome:…"))
}

fn followed(all: &[Followed]) -> Json {
    let all: Vec<Json> = all.iter().map(Followed::to_json).collect();
    json!({ "following": all })
}

/// Follows what somebody makes public.
pub(super) async fn follow(State(app): State<App>, Payload(body): Payload) -> Answer {
    let FollowBody { did, at } = read(&body)?;
    let at = at.map(|at| parse_peer(at.trim())).transpose()?;
    let at = at.map(|(address, _)| address);
    let all = node(&app)?.follow(&whom(&did)?, at.as_ref()).await?;
    Ok(JsonBody(followed(&all)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnfollowBody {
    did: String,
}

/// Follows somebody no longer.
pub(super) async fn unfollow(State(app): State<App>, Payload(body): Payload) -> Answer {
    let UnfollowBody { did } = read(&body)?;
    let of = whom(&did)?;
    blocking(move || Ok(json!({ "unfollowed": did, "views": app.pod.unfollow(&of)? })))
        .await
        .map(JsonBody)
}

/// What is followed.
pub(super) async fn following(State(app): State<App>) -> Answer {
    blocking(move || Ok(followed(&app.pod.following()?)))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
pub(super) struct HowMany {
    #[serde(default = "fifty")]
    limit: usize,
}

fn fifty() -> usize {
    50
}

/// The newest posts of those who are followed.
pub(super) async fn timeline(State(app): State<App>, Query(many): Query<HowMany>) -> Answer {
    blocking(move || Ok(app.pod.timeline(many.limit)?.to_json()))
        .await
        .map(JsonBody)
}

/// What others share.
pub(super) async fn shared(State(app): State<App>) -> Answer {
    blocking(move || {
        let all: Vec<Json> = app.pod.accepted()?.iter().map(Accepted::to_json).collect();
        Ok(json!({ "shared": all }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgetBody {
    view: String,
}

/// Forgets something that somebody shares.
pub(super) async fn forget(State(app): State<App>, Payload(body): Payload) -> Answer {
    let ForgetBody { view } = read(&body)?;
    blocking(move || {
        app.pod.forget_shared(&view)?;
        Ok(json!({ "forgotten": view }))
    })
    .await
    .map(JsonBody)
}

/// What others would like to be changed.
pub(super) async fn proposals(State(app): State<App>) -> Answer {
    blocking(move || {
        let all: Vec<Json> = app.pod.proposals()?.iter().map(Proposal::to_json).collect();
        Ok(json!({ "proposals": all }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecideBody {
    id: String,
    adopt: bool,
    #[serde(default)]
    entity: Option<String>,
}

/// Adopts a proposal, or declines it.
pub(super) async fn decide(State(app): State<App>, Payload(body): Payload) -> Answer {
    let DecideBody { id, adopt, entity } = read(&body)?;
    let only: Option<EntityId> = match entity {
        Some(text) => Some(
            text.parse()
                .map_err(|_| Refusal::request("`entity` is to be rz:…"))?,
        ),
        None => None,
    };
    blocking(move || {
        let done = if adopt {
            app.pod.adopt(&id, only.as_ref())?
        } else {
            app.pod.decline(&id)?
        };
        Ok(done.to_json())
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UndoBody {
    id: String,
}

/// Makes an adoption undone.
pub(super) async fn undo(State(app): State<App>, Payload(body): Payload) -> Answer {
    let UndoBody { id } = read(&body)?;
    blocking(move || Ok(app.pod.undo_adoption(&id)?.to_json()))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommentBody {
    id: String,
    text: String,
}

/// Says something about a proposal.
pub(super) async fn comment(State(app): State<App>, Payload(body): Payload) -> Answer {
    let CommentBody { id, text } = read(&body)?;
    blocking(move || app.pod.comment(&id, &text))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposeBody {
    to: String,
    changes: Json,
    #[serde(default)]
    comment: String,
}

/// Proposes changes to somebody.
pub(super) async fn propose(State(app): State<App>, Payload(body): Payload) -> Answer {
    let ProposeBody {
        to,
        changes,
        comment,
    } = read(&body)?;
    let to = did(&to)?;
    node(&app)?.propose(&to, &changes, &comment).await?;
    Ok(JsonBody(json!({ "proposed": to.to_string() })))
}
