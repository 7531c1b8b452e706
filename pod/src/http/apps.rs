//! Apps: asking, deciding, tokens, and the few paths that are open to those who have one.

use std::{
    str::FromStr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use axum::{
    Extension, Json as JsonBody, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rhizome_tuple::EntityId;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tower::ServiceExt;
use url::Url;

use super::{
    App, MAX_FILE,
    api::{QueryBody, StopOnDrop, answered, read},
    blocking,
    guard::{NOT_ASKED, Site, bearer, same_secret},
    reply::{Answer, Named, Payload, Refusal},
    search::MAX_SEARCH,
};
use crate::{
    PodError, Search, Stop,
    apps::{Caller, Doing, Opens, Redeem, Scope},
    entity,
    json::{ChangeError, parse_changes},
    query::query_in,
};

/// Bytes of a query of an app.
const MAX_QUERY: usize = 1 << 20;
/// Bytes of a transaction of an app.
const MAX_TX: usize = 16 << 20;
/// How long a browser may remember that a page may ask, in seconds: an app that is sent away is refused all the same.
const REMEMBER: &str = "600";

/// What a page of another origin asks: refused, unless it is one of an app that was let in, on a path that is for apps.
pub(super) async fn other_site(
    app: &App,
    origin: Option<String>,
    mut request: Request,
    next: Next,
) -> Response {
    let refused = |why: &str| Refusal::new(StatusCode::FORBIDDEN, "forbidden", why).into_response();
    let path = request.uri().path();
    if !path.starts_with("/api/1/") || path.contains("//") {
        return refused(NOT_ASKED);
    }
    let file = path.starts_with("/api/1/blob/") && request.method() == Method::GET;
    let Some(origin) = origin else {
        // a picture has no origin; its address has a secret
        if !file {
            return refused(NOT_ASKED);
        }
        request.extensions_mut().insert(Site::Other(None));
        let mut response = next.run(request).await;
        response.headers_mut().insert(
            "cross-origin-resource-policy",
            HeaderValue::from_static("cross-origin"),
        );
        return response;
    };
    let is_known = {
        let (pod, origin) = (Arc::clone(&app.pod), origin.clone());
        blocking(move || pod.knows_origin(&origin)).await
    };
    let allowed = HeaderValue::from_str(&origin).ok();
    let (Ok(true), Some(allowed)) = (is_known, allowed) else {
        return refused(NOT_ASKED);
    };
    let mut response = if request.method() == Method::OPTIONS {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            ("access-control-allow-methods", "GET, POST"),
            (
                "access-control-allow-headers",
                "authorization, content-type, range",
            ),
            ("access-control-max-age", REMEMBER),
            // a page of the internet asks a machine of its visitor
            ("access-control-allow-private-network", "true"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    } else {
        request.extensions_mut().insert(Site::Other(Some(origin)));
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert("access-control-allow-origin", allowed);
    headers.insert(
        "access-control-expose-headers",
        HeaderValue::from_static("content-range, content-length, etag, retry-after"),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if file {
        headers.insert(
            "cross-origin-resource-policy",
            HeaderValue::from_static("cross-origin"),
        );
    }
    response
}

/// Whether who shows a token may show it from there.
fn is_from(caller: &Caller, site: &Site) -> bool {
    match site {
        Site::Own => true,
        Site::Other(Some(origin)) => caller.grant().origin.as_ref() == Some(origin),
        Site::Other(None) | Site::Visit => false,
    }
}

/// The app that a token was given to, if it comes from where that is.
pub(super) fn caller(app: &App, site: &Site, token: &str) -> Result<Caller, Refusal> {
    let caller = app.pod.caller(token, Opens::Api)?;
    let caller = caller.ok_or_else(Refusal::unauthorised)?;
    if is_from(&caller, site) {
        Ok(caller)
    } else {
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this token is for a page of another origin",
        ))
    }
}

/// The app that asks for a file, by either of its tokens.
pub(super) fn caller_of_file(
    app: &App,
    site: &Site,
    asked: Option<&str>,
    shown: Option<&str>,
) -> Result<Caller, Refusal> {
    if let Some(token) = shown {
        return caller(app, site, token);
    }
    let found = match asked {
        Some(token) => app.pod.caller(token, Opens::Blobs)?,
        None => None,
    };
    // a picture in a page has no origin to compare
    let may = |caller: &Caller| *site == Site::Other(None) || is_from(caller, site);
    found.filter(may).ok_or_else(Refusal::unauthorised)
}

/// Sorts requests by their token: the owner's go on, those of apps go to a router of their own.
pub(super) async fn by_token(
    State((app, for_apps)): State<(App, Router)>,
    Extension(site): Extension<Site>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = bearer(request.headers()) else {
        return Refusal::unauthorised().into_response();
    };
    if site == Site::Own && same_secret(token, &app.tokens.api) {
        return next.run(request).await;
    }
    match caller(&app, &site, token) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            match for_apps.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// What apps may ask.
pub(super) fn router(app: App) -> Router {
    let rooms = app.rooms.clone();
    let body = |bytes| rooms.app(bytes);
    Router::new()
        .route("/status", get(status))
        .route("/query", post(query).layer(body(MAX_QUERY)))
        .route("/search", post(search).layer(body(MAX_SEARCH)))
        .route("/tx", post(transact).layer(body(MAX_TX)))
        .route("/entity/{id}", get(seen))
        .route("/propose", post(propose).layer(body(MAX_QUERY)))
        .route("/blob", post(bring).layer(body(MAX_FILE)))
        .route("/apps/leave", post(leave))
        .fallback(not_granted)
        .method_not_allowed_fallback(not_granted)
        .route_layer(axum::middleware::from_fn(super::metrics::note_api))
        .with_state(app)
}

async fn not_granted(Extension(caller): Extension<Caller>) -> Refusal {
    let what = "apps ask /status, /query, /search, /tx, /entity, /propose, /blob, /live and /apps/leave, nothing else";
    caller.note(Doing::Refused, Some("another path"));
    PodError::NotGranted(what.into()).into()
}

/// Notes what an app did, or that it was refused, and answers.
fn noted<T>(caller: &Caller, kind: Doing, done: Result<T, PodError>) -> Result<T, PodError> {
    match &done {
        Err(error @ (PodError::NotGranted(_) | PodError::Quota { .. })) => {
            caller.note(Doing::Refused, Some(&error.to_string()));
        }
        _ => caller.note(kind, None),
    }
    done
}

/// As [`super::api::status_json`], for an app.
pub(super) fn status_json(caller: &Caller) -> Result<Json, PodError> {
    caller.compute(|now| {
        let grant = caller.grant();
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "did": caller.pod(),
            "app": grant.to_json(),
            "tuples": now.len(),
            "entities": now.entities().count(),
        }))
    })
}

async fn status(Extension(caller): Extension<Caller>) -> Answer {
    blocking(move || status_json(&caller)).await.map(JsonBody)
}

async fn query(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Answer {
    let QueryBody {
        q,
        inputs,
        pod,
        draft,
        as_of,
    } = read(&body)?;
    if draft.is_some() || as_of.is_some() {
        let what = "drafts, and the pod as it was, are not for apps: leave `draft` and `as_of` out";
        return Err(PodError::NotGranted(what.into()).into());
    }
    if pod.is_some_and(|pod| pod != caller.pod()) {
        let what = "an app asks the pod that let it in: leave `pod` out";
        return Err(PodError::NotGranted(what.into()).into());
    }
    let stop = Arc::new(Stop::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let answer = blocking(move || {
        let started = Instant::now();
        let done = caller.compute(|now| query_in(now, &q, &inputs, &stop));
        let answer = noted(&caller, Doing::Query, done)?;
        Ok(answered(&q, answer, started))
    })
    .await;
    guard.0.store(true, Ordering::Relaxed);
    answer.map(JsonBody)
}

async fn search(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Answer {
    let search: Search = read(&body)?;
    if search.pod.as_ref().is_some_and(|pod| pod != caller.pod()) {
        let what = "an app searches the pod that let it in: leave `pod` out";
        return Err(PodError::NotGranted(what.into()).into());
    }
    let stop = Arc::new(Stop::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let answer = blocking(move || {
        let done = caller.compute(|now| search.scan(now, &stop));
        noted(&caller, Doing::Query, done)
    })
    .await;
    drop(guard);
    answer.map(JsonBody)
}

async fn transact(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Answer {
    blocking(move || {
        let json: Json =
            serde_json::from_slice(&body).map_err(|e| ChangeError::Json(e.to_string()))?;
        let changes = parse_changes(&json)?;
        let done = caller.transact(&changes, body.len());
        Ok(noted(&caller, Doing::Write, done)?.to_json())
    })
    .await
    .map(JsonBody)
}

async fn seen(Extension(caller): Extension<Caller>, Named(id): Named) -> Answer {
    let id = EntityId::from_str(&id).map_err(|e| Refusal::request(&e.to_string()))?;
    blocking(move || {
        let done = caller.compute(|now| entity::seen(now, &id));
        noted(&caller, Doing::Entity, done)
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposeBody {
    changes: Json,
    #[serde(default)]
    comment: String,
}

async fn propose(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Answer {
    let ProposeBody { changes, comment } = read(&body)?;
    blocking(move || {
        let done = caller.propose(&changes, &comment);
        noted(&caller, Doing::Propose, done)?;
        Ok(json!({ "proposed": caller.pod() }))
    })
    .await
    .map(JsonBody)
}

async fn bring(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Answer {
    blocking(move || {
        let done = caller.bring(&body);
        let cid = noted(&caller, Doing::File, done)?;
        Ok(json!({ "blob": cid.to_string(), "bytes": body.len() }))
    })
    .await
    .map(JsonBody)
}

async fn leave(Extension(caller): Extension<Caller>) -> Answer {
    blocking(move || {
        caller.leave()?;
        Ok(json!({ "left": true }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    grant_type: String,
    client_id: String,
    proof: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    code_verifier: Option<String>,
    #[serde(default)]
    redirect_uri: Option<String>,
    #[serde(default)]
    device_code: Option<String>,
}

/// A token for a code.
pub(super) async fn token(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    Payload(body): Payload,
) -> Answer {
    let asked: TokenBody = read(&body)?;
    let unclear = || {
        Refusal::request(
            "`grant_type` is authorization_code, with `code`, `code_verifier` and `redirect_uri`, or device_code, with `device_code`",
        )
    };
    let origin = match site {
        Site::Own => None,
        Site::Other(Some(origin)) => Some(origin),
        Site::Other(None) | Site::Visit => return Err(unclear()),
    };
    blocking(move || {
        let code = match asked.grant_type.as_str() {
            "authorization_code" => asked.code.as_deref(),
            "device_code" => asked.device_code.as_deref(),
            _ => None,
        };
        let page = asked
            .code_verifier
            .as_deref()
            .zip(asked.redirect_uri.as_deref());
        let is_page = asked.grant_type == "authorization_code";
        let Some(code) = code.filter(|_| is_page == page.is_some()) else {
            return Ok(None);
        };
        let redeem = Redeem {
            code,
            client: &asked.client_id,
            proof: &asked.proof,
            page,
            origin: origin.as_deref(),
        };
        Ok(Some(app.pod.redeem(&redeem)?.to_json()))
    })
    .await?
    .map(JsonBody)
    .ok_or_else(unclear)
}

/// A program without a browser asks.
pub(super) async fn device(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Answer {
    if site != Site::Own || headers.contains_key(header::ORIGIN) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this is for programs: a page sends the browser to /authorize",
        ));
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    blocking(move || {
        let mut answer = app.pod.ask_program(&body)?;
        let code = answer["user_code"].as_str().unwrap_or_default();
        let place = format!("http://{host}/authorize?user_code={code}");
        answer["verification_uri"] = place.into();
        Ok(answer)
    })
    .await
    .map(JsonBody)
}

/// Apps, and those that wait.
pub(super) async fn list(State(app): State<App>) -> Answer {
    blocking(move || app.pod.apps_json()).await.map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskBody {
    query: String,
}

/// What an app asks for.
pub(super) async fn ask(State(app): State<App>, Payload(body): Payload) -> Answer {
    let AskBody { query } = read(&body)?;
    blocking(move || Ok(app.pod.ask_app(&query)?.0))
        .await
        .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewBody {
    #[serde(rename = "where")]
    predicate: String,
}

/// What matches.
pub(super) async fn preview(State(app): State<App>, Payload(body): Payload) -> Answer {
    let PreviewBody { predicate } = read(&body)?;
    blocking(move || {
        let scope = Scope::parse(&predicate, "read")?;
        app.pod.preview(&scope.predicate)
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(rename = "where")]
    predicate: String,
    can: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowBody {
    request: String,
    scopes: Vec<Option<Given>>,
    #[serde(default)]
    days: Option<u32>,
}

/// An answer with the address of this pod (RFC 9207): who asks several pods knows whose answer it is.
fn from_here(redirect: Option<String>, headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let pod = format!("http://{}", host.unwrap_or_default());
    let mut url = Url::parse(&redirect?).ok()?;
    url.query_pairs_mut().append_pair("iss", &pod);
    Some(url.into())
}

/// Lets an app in.
pub(super) async fn allow(
    State(app): State<App>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Answer {
    let AllowBody {
        request,
        scopes,
        days,
    } = read(&body)?;
    blocking(move || {
        let given = scopes.iter().map(|given| {
            let parse = |given: &Given| Scope::parse(&given.predicate, &given.can);
            given.as_ref().map(parse).transpose()
        });
        let given: Vec<Option<Scope>> = given.collect::<Result<_, _>>()?;
        let allowed = app.pod.allow_app(&request, &given, days)?;
        Ok(json!({ "redirect": from_here(allowed.redirect, &headers) }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyBody {
    request: String,
}

/// Refuses an app.
pub(super) async fn deny(
    State(app): State<App>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Answer {
    let DenyBody { request } = read(&body)?;
    blocking(move || {
        let denied = app.pod.deny_app(&request)?;
        Ok(json!({ "redirect": from_here(denied.redirect, &headers) }))
    })
    .await
    .map(JsonBody)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    id: String,
}

/// Sends an app away.
pub(super) async fn revoke(State(app): State<App>, Payload(body): Payload) -> Answer {
    let RevokeBody { id } = read(&body)?;
    blocking(move || Ok(app.pod.revoke_app(&id)?.to_json()))
        .await
        .map(JsonBody)
}

/// What an app did.
pub(super) async fn activity(State(app): State<App>, Named(id): Named) -> Answer {
    blocking(move || app.pod.app_activity(&id))
        .await
        .map(JsonBody)
}
