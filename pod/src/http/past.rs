//! What was written when, and taking it back.

use std::str::FromStr;

use axum::{Json as JsonBody, extract::State, http::HeaderMap};
use rhizome_tuple::EntityId;
use serde::Deserialize;

use super::{
    App,
    api::{read, writer},
    blocking,
    reply::{Answer, Asked, Payload, Refusal},
};
use crate::parse_commit;

/// Commits of one answer, if nobody says how many.
const COMMITS: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    before: Option<u32>,
    limit: Option<usize>,
}

/// The commits, the newest first.
pub(super) async fn commits(State(app): State<App>, Asked(which): Asked<Which>) -> Answer {
    blocking(move || {
        app.pod
            .commits(which.before, which.limit.unwrap_or(COMMITS))
    })
    .await
    .map(JsonBody)
}

/// When something was written.
pub(super) async fn times(State(app): State<App>) -> Answer {
    blocking(move || Ok(app.pod.commit_times()))
        .await
        .map(JsonBody)
}

/// What takes how much room, and how much there is.
pub(super) async fn storage(State(app): State<App>) -> Answer {
    blocking(move || {
        let mut found = (*app.pod.storage()?).clone();
        found["room"] = app.pod.room();
        Ok(found)
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitBody {
    #[serde(deserialize_with = "Option::deserialize")]
    limit: Option<u64>,
}

/// Says how much files may take.
pub(super) async fn limit(State(app): State<App>, Payload(body): Payload) -> Answer {
    let LimitBody { limit } = read(&body)?;
    blocking(move || {
        app.pod.limit_files(limit)?;
        Ok(app.pod.room())
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UndoBody {
    commit: String,
    #[serde(default)]
    entity: Option<String>,
}

/// Takes back what one commit said.
pub(super) async fn undo(
    State(app): State<App>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Answer {
    let UndoBody { commit, entity } = read(&body)?;
    let id = parse_commit(&commit)?;
    let only = entity.map(|id| EntityId::from_str(&id)).transpose();
    let only = only.map_err(|e| Refusal::request(&e.to_string()))?;
    let who = writer(&headers);
    blocking(move || Ok(app.pod.undo_commit(who, &id, only.as_ref())?.to_json()))
        .await
        .map(JsonBody)
}
