//! Imports over the API: look first, then run.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Extension, Json as JsonBody,
    body::{Body, HttpBody},
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::{
    App, api, blocking,
    body::is_longer,
    reply::{Answer, Asked, Named, Payload, Refusal},
};
use crate::{
    ImportOptions, Pod, PodError,
    jobs::{Job, JobState, Jobs},
};

/// Bytes of an uploaded export. Larger ones are imported by their path.
const MAX_UPLOAD: u64 = 64 << 30;
/// Bytes after which it is looked again whether the disk has room.
const LOOK: u64 = 16 << 20;
/// Bytes of `{"path": …}`.
const MAX_PATH_BODY: usize = 64 << 10;

#[derive(Deserialize)]
pub(super) struct How {
    #[serde(rename = "dry-run")]
    dry_run: Option<String>,
    name: Option<String>,
    mapping: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathBody {
    path: String,
    mapping: Option<String>,
    importer: Option<String>,
}

/// Starts a job: `{"path": …}` as JSON, or the export itself as any other content type.
pub(super) async fn receive(
    State(app): State<App>,
    Asked(how): Asked<How>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let dry_run = how.dry_run.is_some_and(|d| d != "false");
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|h| h.to_str().ok())
        .is_some_and(|h| h.starts_with("application/json"));
    if is_json && how.name.is_none() {
        let Extension(most) = app.rooms.owner(MAX_PATH_BODY);
        let body = most.read(body).await?;
        let PathBody {
            path,
            mapping,
            importer,
        } = api::read(&body)?;
        let jobs = Arc::clone(&app.jobs);
        return blocking(move || {
            let options = ImportOptions {
                mapping: mapping.map(PathBuf::from),
                importer,
                ..ImportOptions::default()
            };
            let job = jobs.of_path(&path, options)?;
            if !job.path().exists() {
                jobs.remove(job.id());
                return Err(rhizome_import::ImportError::Missing(job.path().to_owned()).into());
            }
            start(&jobs, &job, dry_run)
        })
        .await
        .map(JsonBody);
    }
    if is_longer(&body, MAX_UPLOAD) {
        return Err(too_large());
    }
    let options = ImportOptions {
        mapping: how.mapping.map(PathBuf::from),
        ..ImportOptions::default()
    };
    let jobs = Arc::clone(&app.jobs);
    let name = how.name.unwrap_or_default();
    let job = blocking(move || jobs.of_upload(&name, options)).await?;
    if let Err(error) = keep(&app.pod, &job, body).await {
        app.jobs.remove(job.id());
        return Err(error);
    }
    let jobs = Arc::clone(&app.jobs);
    blocking(move || start(&jobs, &job, dry_run))
        .await
        .map(JsonBody)
}

fn start(jobs: &Jobs, job: &Arc<Job>, dry_run: bool) -> Result<serde_json::Value, PodError> {
    jobs.work(job, dry_run)?;
    Ok(job.to_json())
}

fn too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the file is too large to be sent: import it by its path",
    )
}

/// Writes the body to the job's file as it comes.
async fn keep(pod: &Pod, job: &Job, body: Body) -> Result<(), Refusal> {
    let io = |error| PodError::file(job.path(), error);
    let mut file = tokio::fs::File::create_new(job.path()).await.map_err(io)?;
    // what says how long it is, is not begun if there is no room for it
    let all = body.size_hint().lower();
    let mut stream = body.into_data_stream();
    let (mut bytes, mut look) = (0_u64, 0);
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|e| PodError::Request(format!("the upload broke off: {e}")))?;
        bytes += piece.len() as u64;
        if bytes > MAX_UPLOAD {
            return Err(too_large());
        }
        if bytes > look {
            let left = all.saturating_sub(look).max(piece.len() as u64);
            pod.blobs().check_disk(left).map_err(PodError::from)?;
            look = bytes + LOOK;
        }
        file.write_all(&piece).await.map_err(io)?;
    }
    file.flush().await.map_err(io)?;
    Ok(())
}

fn find(app: &App, id: &str) -> Result<Arc<Job>, Refusal> {
    app.jobs.get(id).ok_or_else(|| {
        Refusal::not_found("there is no such import: the pod was restarted, or it was removed")
    })
}

/// How far a job is.
pub(super) async fn look(State(app): State<App>, Named(id): Named) -> Answer {
    Ok(JsonBody(find(&app, &id)?.to_json()))
}

/// Runs what was looked at.
pub(super) async fn run(State(app): State<App>, Named(id): Named, Payload(_): Payload) -> Answer {
    let job = find(&app, &id)?;
    if !job.claim(&[JobState::Ready, JobState::Failed, JobState::Cancelled]) {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "busy",
            "this import is under way or done",
        ));
    }
    let jobs = Arc::clone(&app.jobs);
    blocking(move || start(&jobs, &job, false))
        .await
        .map(JsonBody)
}

/// Stops and forgets a job. What it wrote stays.
pub(super) async fn remove(State(app): State<App>, Named(id): Named) -> Answer {
    let job = app
        .jobs
        .remove(&id)
        .ok_or_else(|| Refusal::not_found("there is no such import"))?;
    Ok(JsonBody(job.to_json()))
}
