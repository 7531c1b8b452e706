//! Drafts: branches of the pod.

use std::str::FromStr;

use axum::{Json as JsonBody, extract::State};
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
use crate::Draft;

fn whose(text: &str) -> Result<Did, Refusal> {
    let did = Did::from_str(text.trim());
    did.map_err(|_| Refusal::request("whose it is is to be a DID: did:rhizome:…"))
}

/// The drafts.
pub(super) async fn drafts(State(app): State<App>) -> Answer {
    blocking(move || {
        let all: Vec<Json> = app.pod.drafts()?.iter().map(Draft::to_json).collect();
        Ok(json!({ "drafts": all }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBody {
    name: String,
    #[serde(default)]
    of: Option<String>,
}

/// Begins a draft.
pub(super) async fn create(State(app): State<App>, Payload(body): Payload) -> Answer {
    let NewBody { name, of } = read(&body)?;
    let of = of.map(|of| whose(&of)).transpose()?;
    blocking(move || Ok(app.pod.new_draft(&name, of.as_ref())?.to_json()))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TxBody {
    name: String,
    changes: Json,
}

/// Says something in a draft.
pub(super) async fn transact(State(app): State<App>, Payload(body): Payload) -> Answer {
    let TxBody { name, changes } = read(&body)?;
    blocking(move || Ok(app.pod.draft_transact(&name, &changes)?.to_json()))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

/// What a draft would change.
pub(super) async fn diff(State(app): State<App>, Payload(body): Payload) -> Answer {
    let NameBody { name } = read(&body)?;
    blocking(move || Ok(app.pod.draft_diff(&name)?.to_json()))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdoptBody {
    name: String,
    #[serde(default)]
    entity: Option<String>,
}

/// Makes the changes of a draft, or of one entity.
pub(super) async fn adopt(State(app): State<App>, Payload(body): Payload) -> Answer {
    let AdoptBody { name, entity } = read(&body)?;
    let only: Option<EntityId> = match entity {
        Some(text) => Some(
            text.parse()
                .map_err(|_| Refusal::request("`entity` is to be rz:…"))?,
        ),
        None => None,
    };
    blocking(move || Ok(app.pod.adopt_draft(&name, only.as_ref())?.to_json()))
        .await
        .map(JsonBody)
}

/// Makes the adoptions of a draft undone.
pub(super) async fn undo(State(app): State<App>, Payload(body): Payload) -> Answer {
    let NameBody { name } = read(&body)?;
    blocking(move || Ok(app.pod.undo_draft(&name)?.to_json()))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposeBody {
    name: String,
    to: String,
    #[serde(default)]
    comment: String,
}

/// Proposes what a draft says to somebody.
pub(super) async fn propose(State(app): State<App>, Payload(body): Payload) -> Answer {
    let ProposeBody { name, to, comment } = read(&body)?;
    let to = whose(&to)?;
    let draft = node(&app)?.propose_draft(&name, &to, &comment).await?;
    let mut answer = draft.to_json();
    answer["proposed"] = to.to_string().into();
    Ok(JsonBody(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropBody {
    name: String,
    #[serde(default)]
    for_good: bool,
}

/// Drops a draft.
pub(super) async fn drop(State(app): State<App>, Payload(body): Payload) -> Answer {
    let DropBody { name, for_good } = read(&body)?;
    blocking(move || {
        app.pod.drop_draft(&name, for_good)?;
        Ok(json!({ "dropped": name, "for_good": for_good }))
    })
    .await
    .map(JsonBody)
}
