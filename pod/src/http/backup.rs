//! Backups of the pod.

use std::{path::PathBuf, sync::Arc};

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::Deserialize;

use super::{
    App,
    api::read,
    blocking,
    devices::node,
    reply::{Answer, Payload, Refusal},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    directory: Option<PathBuf>,
    hours: Option<u32>,
    #[serde(default)]
    verify: bool,
}

/// Where backups go, and how the last one went.
pub(super) async fn state(State(app): State<App>) -> Answer {
    blocking(move || Ok(app.backups.state()))
        .await
        .map(JsonBody)
}

/// Makes a backup now, and remembers where and how often.
pub(super) async fn make(State(app): State<App>, Payload(body): Payload) -> Answer {
    let body: BackupBody = read(&body)?;
    let node = node(&app)?;
    let (backups, verify) = (Arc::clone(&app.backups), body.verify);
    blocking(move || app.backups.set(body.directory.as_deref(), body.hours)).await?;
    // it goes on if the caller leaves
    let done = tokio::spawn(async move { backups.run(&node, verify).await });
    match done.await {
        Ok(done) => Ok(JsonBody(done?.to_json())),
        Err(_) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "panic",
            "the backup hit a fault in the pod; its log says more",
        )),
    }
}

/// Makes no backups by itself any more.
pub(super) async fn forget(State(app): State<App>) -> Answer {
    blocking(move || {
        app.backups.forget()?;
        Ok(app.backups.state())
    })
    .await
    .map(JsonBody)
}
