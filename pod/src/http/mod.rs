//! The API under `/api/1`, the console, and blobs. `docs/api.md` is its specification.

mod api;
mod apps;
mod assets;
mod backup;
mod blob;
mod body;
mod devices;
mod doors;
mod drafts;
mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod groups;
mod guard;
mod import;
mod metrics;
mod past;
mod pieces;
mod range;
mod reply;
mod resolution;
mod search;
mod serve;
mod sharing;
mod sniff;
mod subscriber;
mod websocket;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tokio::sync::watch;
use tower_http::compression::{
    CompressionLayer,
    predicate::{NotForContentType, Predicate, SizeAbove},
};

use crate::{Pod, PodError, PodNode, backup::Backups, jobs::Jobs, thumbnail::Thumbnails};
use body::Rooms;
use guard::{Hosts, Site};
pub(crate) use guard::{Tokens, bearer, same_secret};
pub(crate) use reply::{Answer, Refusal, error_json};
pub use serve::{Serving, serve};

/// Bytes of a query with its inputs.
pub(crate) const MAX_QUERY_BODY: usize = 16 << 20;
/// Bytes of a transaction.
pub(crate) const MAX_TX_BODY: usize = 256 << 20;
/// Bytes of what an app says before it has a token.
const MAX_REQUEST: usize = 64 << 10;
/// Bytes of a file that is brought by a call.
const MAX_FILE: usize = 64 << 20;

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pod: Arc<Pod>,
    jobs: Arc<Jobs>,
    exports: Arc<export::Exports>,
    backups: Arc<Backups>,
    thumbnails: Arc<Thumbnails>,
    tokens: Tokens,
    hosts: Hosts,
    /// What is public, for the gateway.
    public: Arc<gateway::Public>,
    metrics: Arc<metrics::Metrics>,
    rooms: Rooms,
    /// The network side, where there is one.
    node: Option<Arc<PodNode>>,
    /// Its address over a WebSocket.
    link: Option<String>,
    /// Turns true when the node shuts down.
    closing: watch::Receiver<bool>,
}

/// Everything that the node answers.
fn router(app: App) -> Router {
    let behind_token = Router::new()
        .route("/status", get(api::status))
        .route(
            "/query",
            post(api::query).layer(app.rooms.owner(MAX_QUERY_BODY)),
        )
        .route(
            "/search",
            post(search::search).layer(app.rooms.owner(search::MAX_SEARCH)),
        )
        .route(
            "/tx",
            post(api::transact).layer(app.rooms.owner(MAX_TX_BODY)),
        )
        .route("/blob", post(blob::bring).layer(app.rooms.owner(MAX_FILE)))
        .route("/entity/{id}", get(api::entity))
        .route("/commits", get(past::commits))
        .route("/commits/times", get(past::times))
        .route("/undo", post(past::undo))
        .route("/storage", get(past::storage).post(past::limit))
        .route("/recovery/words", post(api::recovery_words))
        .route("/recovery/confirm", post(api::recovery_confirm))
        .route("/recovery/test", post(api::recovery_test))
        .route("/conflicts", get(api::conflicts))
        .route("/gc", post(api::collect_garbage))
        .route("/export", post(export::ask))
        .route(
            "/backup",
            get(backup::state).post(backup::make).delete(backup::forget),
        )
        .route("/export/{id}", get(export::look))
        .route("/doctor", post(api::doctor))
        .route("/devices", get(devices::list))
        .route("/devices/name", post(devices::name))
        .route("/devices/remove", post(devices::remove))
        .route("/peers", get(devices::peers).post(devices::add_peer))
        .route("/peers/remove", post(devices::remove_peer))
        .route("/sync", post(devices::sync))
        .route("/reach/{commit}", get(devices::reach))
        .route(
            "/pair",
            post(devices::pair)
                .get(devices::pairing)
                .delete(devices::unpair),
        )
        .route("/pair/confirm", post(devices::confirm))
        .route("/digest", get(devices::digest))
        .route("/grants", get(sharing::grants).post(sharing::grant))
        .route("/grants/revoke", post(sharing::revoke))
        .route("/groups", get(groups::groups).post(groups::create))
        .route("/groups/contents", get(groups::contents))
        .route("/groups/invite", post(groups::invite))
        .route("/groups/remove", post(groups::remove))
        .route("/groups/leave", post(groups::leave))
        .route("/accept", post(sharing::accept))
        .route("/follow", post(sharing::follow))
        .route("/unfollow", post(sharing::unfollow))
        .route("/following", get(sharing::following))
        .route("/timeline", get(sharing::timeline))
        .route("/shared", get(sharing::shared))
        .route("/shared/forget", post(sharing::forget))
        .route("/proposals", get(sharing::proposals).post(sharing::decide))
        .route("/proposals/undo", post(sharing::undo))
        .route("/proposals/comment", post(sharing::comment))
        .route("/propose", post(sharing::propose))
        .route("/drafts", get(drafts::drafts).post(drafts::create))
        .route("/drafts/tx", post(drafts::transact))
        .route("/drafts/diff", post(drafts::diff))
        .route("/drafts/adopt", post(drafts::adopt))
        .route("/drafts/undo", post(drafts::undo))
        .route("/drafts/propose", post(drafts::propose))
        .route("/drafts/drop", post(drafts::drop))
        .route("/apps", get(apps::list))
        .route("/apps/ask", post(apps::ask))
        .route("/apps/preview", post(apps::preview))
        .route("/apps/allow", post(apps::allow))
        .route("/apps/deny", post(apps::deny))
        .route("/apps/revoke", post(apps::revoke))
        .route("/apps/{id}/activity", get(apps::activity))
        .route("/import", post(import::receive))
        .route(
            "/import/{job}",
            get(import::look).post(import::run).delete(import::remove),
        )
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(description))
        .fallback(no_such_path)
        .method_not_allowed_fallback(other_method)
        .route_layer(middleware::from_fn(metrics::note_api))
        .layer(app.rooms.owner(body::MOST));
    // the same paths for apps, and no others
    let for_apps = apps::router(app.clone());
    let behind_token = behind_token.layer(middleware::from_fn_with_state(
        (app.clone(), for_apps),
        apps::by_token,
    ));
    let api = Router::new()
        // a code or a key is the token here
        .route(
            "/apps/token",
            post(apps::token).layer(app.rooms.anyone(MAX_REQUEST)),
        )
        .route(
            "/apps/device",
            post(apps::device).layer(app.rooms.anyone(MAX_REQUEST)),
        )
        // the token comes in the first message
        .route("/live", get(websocket::live))
        // the token comes in the query
        .route("/blob/{cid}", get(blob::blob))
        // the address is good once
        .route("/export/{id}/file", get(export::file))
        .method_not_allowed_fallback(other_method)
        .route_layer(middleware::from_fn(metrics::note_api))
        .fallback_service(behind_token.with_state(app.clone()));
    // who comes here proves its key, and is a device of the pod or shows a code
    let links = match &app.node {
        Some(node) => Router::new().route("/link", node.link_route()),
        None => Router::new(),
    };
    // pictures and films are compressed already, and ranges of them must stay ranges
    let small = SizeAbove::new(1024)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("audio/"))
        // what is checked against a hash stays as it is
        .and(NotForContentType::const_new("application/vnd.ipld."))
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("application/zip"));
    Router::new()
        .nest("/api/1", api)
        // not part of what is nested, and no page of the console either
        .route("/api/1/", any(no_such_path))
        // a DID document is public
        .route("/1.0/identifiers/{did}", get(resolution::resolve))
        // files that are public
        .route(
            "/ipfs/{*path}",
            get(gateway::serve)
                .options(|| async { gateway::preflight() })
                .fallback(other_method),
        )
        .route_layer(middleware::from_fn(metrics::note_other))
        .merge(links)
        .fallback(get(assets::serve))
        .layer(CompressionLayer::new().gzip(true).compress_when(small))
        .layer(middleware::from_fn_with_state(app.clone(), admit))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::watch))
        .with_state(app)
}

async fn no_such_path() -> Refusal {
    Refusal::not_found("there is no such path in the API")
}

/// The API as a program reads it.
async fn description() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, include_str!("../../../docs/openapi.json"))
}

async fn other_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this path takes another method",
    )
}

/// Refuses wrong names, and other sites but those of apps, and puts on every answer what keeps it from being misread.
async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let refused = |why| Refusal::new(StatusCode::FORBIDDEN, "forbidden", why).into_response();
    let mut response = match app.hosts.admit(request.headers()) {
        _ if !app.hosts.is_for(request.uri()) => refused(guard::OTHER_NAME),
        Err(why) => refused(why),
        Ok(Site::Own) => {
            request.extensions_mut().insert(Site::Own);
            next.run(request).await
        }
        // an app sent the browser here: what it is for is decided by the person who sees the page
        Ok(Site::Visit) if request.uri().path() == "/authorize" => {
            request.extensions_mut().insert(Site::Visit);
            next.run(request).await
        }
        // what is public is for every page, too
        Ok(Site::Visit | Site::Other(_)) if gateway::is_here(request.uri().path()) => {
            next.run(request).await
        }
        Ok(Site::Visit) => refused(guard::NOT_ASKED),
        Ok(Site::Other(origin)) => apps::other_site(&app, origin, request, next).await,
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry("cross-origin-resource-policy")
        .or_insert(HeaderValue::from_static("same-origin"));
    headers.insert(
        "cross-origin-opener-policy",
        HeaderValue::from_static("same-origin"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Runs what reads disks or computes on a thread where it may take its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PodError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "panic",
            "this request hit a fault in the pod; its log says more",
        )),
    }
}
