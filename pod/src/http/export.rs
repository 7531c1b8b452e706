//! Exports: asked for with the token, fetched by an address that is good once, so that a browser can save what comes without holding it.

use std::{
    collections::VecDeque,
    io::{self, BufWriter, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json as JsonBody,
    body::Body,
    extract::State,
    http::{Response, header},
};
use parking_lot::Mutex;
use rhizome_export::{Exported, Format};
use serde::Deserialize;
use serde_json::json;

use super::{
    App,
    api::read,
    guard::random_text,
    pieces::{self, PIECE},
    reply::{Answer, Named, Payload, Refusal, insert},
};
use crate::PodError;

/// Exports that are remembered: those that wait to be fetched, and the last ones.
const REMEMBERED: usize = 16;
/// Until when one may be fetched.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// Exports that were asked for.
#[derive(Default)]
pub(super) struct Exports(Mutex<VecDeque<One>>);

struct One {
    id: String,
    format: Format,
    asked: Instant,
    state: Stage,
}

#[derive(Clone)]
enum Stage {
    Waiting,
    Running,
    Done(Box<Exported>),
    Failed(String),
}

impl Exports {
    fn set(&self, id: &str, state: Stage) {
        if let Some(one) = self.0.lock().iter_mut().find(|one| one.id == id) {
            one.state = state;
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    format: String,
}

/// Prepares one.
pub(super) async fn ask(State(app): State<App>, Payload(body): Payload) -> Answer {
    let ask: Ask = read(&body)?;
    let format: Format = ask.format.parse().map_err(PodError::from)?;
    let id = random_text::<24>().map_err(PodError::from)?;
    let mut all = app.exports.0.lock();
    while all.len() >= REMEMBERED {
        all.pop_front();
    }
    all.push_back(One {
        id: id.clone(),
        format,
        asked: Instant::now(),
        state: Stage::Waiting,
    });
    let url = format!("/api/1/export/{id}/file");
    Ok(JsonBody(
        json!({ "export": id, "url": url, "seconds": GOOD_FOR.as_secs() }),
    ))
}

/// How it went.
pub(super) async fn look(State(app): State<App>, Named(id): Named) -> Answer {
    let all = app.exports.0.lock();
    let one = all.iter().find(|one| one.id == id).ok_or_else(gone)?;
    let mut answer = json!({ "export": id, "format": one.format, "state": "waiting", "exported": null, "error": null });
    let (state, exported, error) = match &one.state {
        Stage::Waiting => ("waiting", None, None),
        Stage::Running => ("running", None, None),
        Stage::Done(exported) => ("done", Some(exported), None),
        Stage::Failed(why) => ("failed", None, Some(why)),
    };
    answer["state"] = state.into();
    answer["exported"] = json!(exported);
    answer["error"] = json!(error);
    Ok(JsonBody(answer))
}

fn gone() -> Refusal {
    Refusal::not_found("there is no such export: ask for one again with POST /export")
}

/// The export itself. Whoever has the address may fetch it, once.
pub(super) async fn file(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Response<Body>, Refusal> {
    let format = {
        let mut all = app.exports.0.lock();
        let one = all.iter_mut().find(|one| one.id == id).ok_or_else(gone)?;
        if !matches!(one.state, Stage::Waiting) || one.asked.elapsed() > GOOD_FOR {
            return Err(gone());
        }
        one.state = Stage::Running;
        one.format
    };
    let (pod, exports) = (Arc::clone(&app.pod), Arc::clone(&app.exports));
    let body = pieces::body(move |pieces| {
        let mut out = BufWriter::with_capacity(PIECE, pieces);
        let written = pod.export(format, &mut out, &mut |_| Ok(()));
        let written = written.and_then(|exported| {
            out.flush()
                .map_err(|error| PodError::from(rhizome_export::ExportError::Write(error)))?;
            Ok(exported)
        });
        match written {
            Ok(exported) => exports.set(&id, Stage::Done(Box::new(exported))),
            Err(error) => {
                tracing::warn!(%error, "an export came to no end");
                // whoever reads it has to see that it is not whole
                let (pieces, _) = out.into_parts();
                let _ = pieces.send(Err(io::Error::other("the export failed")));
                exports.set(&id, Stage::Failed(error.to_string()));
            }
        }
    });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, format.media_type());
    let name = format!("attachment; filename=\"rhizome.{}\"", format.extension());
    insert(headers, header::CONTENT_DISPOSITION, &name);
    Ok(response)
}
