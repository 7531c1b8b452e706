//! Status, queries, transactions, entities, recovery, doctor.

use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use axum::{
    Json as JsonBody,
    body::Bytes,
    extract::{Query, State},
    http::HeaderMap,
};
use rhizome_identity::Did;
use rhizome_tuple::EntityId;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::{
    App, blocking,
    reply::{Answer, Asked, Named, Payload, Refusal},
};
use crate::{
    PodError, Stop,
    json::{ChangeError, parse_changes},
    query::is_iql,
};

/// The pod in figures.
pub(super) async fn status(State(app): State<App>) -> Answer {
    blocking(move || status_json(&app)).await.map(JsonBody)
}

/// Shared with the WebSocket.
pub(super) fn status_json(app: &App) -> Result<Json, PodError> {
    let figures = app.pod.figures();
    let blobs = app.pod.blob_figures()?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "did": app.pod.did(),
        "device": app.pod.device(),
        "home": app.pod.home().directory().display().to_string(),
        "tuples": figures.tuples,
        "entities": figures.entities,
        "commits": figures.commits,
        "blobs": { "count": blobs.count, "bytes": blobs.bytes },
        "recovery": { "confirmed": figures.recovery_confirmed },
        "blob_token": app.tokens.blob,
        "link": app.link,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryBody {
    pub q: Json,
    #[serde(default)]
    pub inputs: Vec<Json>,
    /// Whose tuples: a DID, or `all`.
    #[serde(default)]
    pub pod: Option<String>,
    /// The name of a draft: its base with what it says.
    #[serde(default)]
    pub draft: Option<String>,
    /// The pod as it was: milliseconds since 1970, or a date.
    #[serde(default)]
    pub as_of: Option<Moment>,
}

/// A time, as a number or as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Moment {
    Ms(i64),
    Text(String),
}

impl Moment {
    fn ms(self) -> Result<i64, PodError> {
        match self {
            Self::Ms(ms) => Ok(ms),
            Self::Text(text) => Ok(crate::parse_time(&text)?),
        }
    }
}

/// Sets the flag when the caller goes away, so that nobody computes for no one.
pub(super) struct StopOnDrop(pub Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One query, once.
pub(super) async fn query(State(app): State<App>, Payload(body): Payload) -> Answer {
    let QueryBody {
        q,
        inputs,
        pod,
        draft,
        as_of,
    } = read(&body)?;
    let as_of = as_of.map(Moment::ms).transpose()?;
    let whose: Option<crate::Whose> = pod.map(|pod| pod.parse()).transpose()?;
    if draft.is_some() && whose.is_some() {
        let why = "a draft knows whose pod it is of: leave `pod` out";
        return Err(Refusal::request(why));
    }
    if as_of.is_some() && (draft.is_some() || whose.is_some()) {
        let why = "`as_of` is for this pod alone: leave `pod` and `draft` out";
        return Err(Refusal::request(why));
    }
    let stop = Arc::new(Stop::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let answer = blocking(move || {
        let started = Instant::now();
        let answer = match (whose, draft, as_of) {
            (_, Some(draft), _) => app.pod.query_draft(&draft, &q, &inputs, &stop)?,
            (Some(whose), None, _) => app.pod.query_shared(whose, &q, &inputs, &stop)?,
            (None, None, Some(ms)) => app.pod.query_as_of(ms, &q, &inputs, &stop)?,
            (None, None, None) => app.pod.query(&q, &inputs, &stop)?,
        };
        Ok(answered(&q, answer, started))
    })
    .await;
    drop(guard);
    answer.map(JsonBody)
}

/// The answer to a query, with the time that it took.
pub(super) fn answered(q: &Json, answer: Json, started: Instant) -> Json {
    let took = json!(started.elapsed().as_micros() as u64);
    match answer {
        Json::Object(mut members) if members.contains_key("columns") && is_datalog(q) => {
            members.insert("took_us".into(), took);
            Json::Object(members)
        }
        // its members are namespaces of any name: a level of its own
        nested => json!({ "result": nested, "took_us": took }),
    }
}

fn is_datalog(q: &Json) -> bool {
    q.as_str().is_some_and(|text| !is_iql(text))
}

/// Whose pod.
#[derive(Deserialize)]
pub(super) struct OfPod {
    #[serde(default)]
    pod: Option<String>,
}

/// In whose name something is written.
pub(super) fn writer(headers: &HeaderMap) -> crate::App {
    match headers.get("rhizome-app").and_then(|h| h.to_str().ok()) {
        Some("console") => crate::App::Console,
        _ => crate::App::CommandLine,
    }
}

/// One transaction: all of it, durably, or nothing.
pub(super) async fn transact(
    State(app): State<App>,
    Query(whose): Query<OfPod>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Answer {
    let who = writer(&headers);
    let of: Option<Did> = match whose.pod {
        Some(text) => Some(text.parse().map_err(PodError::from)?),
        None => None,
    };
    blocking(move || {
        let json: Json =
            serde_json::from_slice(&body).map_err(|e| ChangeError::Json(e.to_string()))?;
        let changes = parse_changes(&json)?;
        let receipt = match of.filter(|of| of.to_string() != app.pod.did()) {
            Some(of) => app.pod.transact_shared(&of, &changes)?,
            None => app.pod.transact(who, &changes)?,
        };
        Ok(receipt.to_json())
    })
    .await
    .map(JsonBody)
}

/// When.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    as_of: Option<String>,
}

/// All about one entity.
pub(super) async fn entity(
    State(app): State<App>,
    Named(id): Named,
    Asked(when): Asked<When>,
) -> Answer {
    let id = EntityId::from_str(&id).map_err(|e| Refusal::request(&e.to_string()))?;
    let as_of = when.as_of.map(|text| crate::parse_time(&text));
    let as_of = as_of.transpose().map_err(PodError::from)?;
    blocking(move || {
        let found = match as_of {
            Some(ms) => app.pod.entity_as_of(&id, ms)?,
            None => app.pod.entity(&id)?,
        };
        serde_json::to_value(found).map_err(|e| PodError::Request(e.to_string()))
    })
    .await
    .map(JsonBody)
}

/// The words, until they are confirmed. By POST, so that no history or cache keeps the answer.
pub(super) async fn recovery_words(State(app): State<App>, Payload(_): Payload) -> Answer {
    blocking(move || {
        app.pod
            .recovery_words()
            .map(|words| json!({ "words": words }))
            .ok_or_else(|| {
                PodError::Request("the words were confirmed: they are only on paper now".into())
            })
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    answers: BTreeMap<String, String>,
}

/// Some of the words, as read from paper.
pub(super) async fn recovery_confirm(State(app): State<App>, Payload(body): Payload) -> Answer {
    let ConfirmBody { answers } = read(&body)?;
    let answers = answers
        .into_iter()
        .map(|(position, word)| position.parse().map(|p| (p, word)))
        .collect::<Result<BTreeMap<usize, String>, _>>()
        .map_err(|_| Refusal::request("`answers` is an object of positions, from 1, and words"))?;
    blocking(move || {
        app.pod.confirm_recovery(&answers)?;
        Ok(json!({ "confirmed": true }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordsBody {
    words: String,
}

/// All of the words, as read from paper, at any time.
pub(super) async fn recovery_test(State(app): State<App>, Payload(body): Payload) -> Answer {
    let WordsBody { words } = read(&body)?;
    let words = Zeroizing::new(words);
    blocking(move || {
        let (policy, policies) = app.pod.test_recovery(&words)?;
        Ok(json!({ "ok": true, "policy": policy, "policies": policies }))
    })
    .await
    .map(JsonBody)
}

/// Where two devices wrote different values at once.
pub(super) async fn conflicts(State(app): State<App>) -> Answer {
    blocking(move || app.pod.conflicts()).await.map(JsonBody)
}

/// Verifies every hash, signature, index and file.
pub(super) async fn doctor(State(app): State<App>, Payload(_): Payload) -> Answer {
    let stop = Arc::new(Stop::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let answer = blocking(move || Ok(app.pod.doctor(&mut |_| {}, &stop)?.to_json())).await;
    drop(guard);
    answer.map(JsonBody)
}

/// Reads a JSON body whatever its content type says: the token is what keeps other sites out.
pub(super) fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|e| Refusal::request(&format!("the body is not what this path takes: {e}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GarbageBody {
    days: Option<u32>,
    #[serde(default)]
    dry_run: bool,
}

/// Removes files that nothing names any more.
pub(super) async fn collect_garbage(State(app): State<App>, Payload(body): Payload) -> Answer {
    let GarbageBody { days, dry_run } = read(&body)?;
    let days = days.unwrap_or(crate::GARBAGE_DAYS);
    blocking(move || Ok(json!(app.pod.collect_garbage(days, dry_run)?)))
        .await
        .map(JsonBody)
}
