//! What a node counts of itself, in the text format that Prometheus and others read; and a line in the log for each request.
//!
//! Neither ever holds a path, a query, a body or a token: a request is known by the pattern of its route.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};
use tracing::{Instrument, field::Empty};

use super::{App, blocking, reply::Refusal};
use crate::PodError;

/// The type of the answer.
const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: &'static str,
    route: String,
    status: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// From half a millisecond to a minute.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 18))
}

/// What is counted as it happens.
pub struct Metrics {
    requests: Family<Asked, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    under_way: Gauge,
    connections: Gauge,
    numbers: AtomicU64,
    started: Instant,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            under_way: Gauge::default(),
            connections: Gauge::default(),
            numbers: AtomicU64::new(0),
            started: Instant::now(),
        }
    }
}

/// Counts one more as long as it is there.
pub struct Held(Gauge);

impl Held {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// A connection of live queries.
    pub fn connection(&self) -> Held {
        Held::of(&self.connections)
    }
}

/// The pattern of the route that answered, on its way out: only the router inside knows it.
#[derive(Clone)]
struct Answered(Arc<str>);

/// Around the routes of a router whose paths stand behind `prefix`.
async fn note(prefix: &'static str, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let path: Option<Arc<str>> = path.map(|path| {
        let path = path.as_str();
        let inside = path.strip_prefix(prefix).unwrap_or(path);
        format!("{prefix}{inside}").into()
    });
    let mut response = next.run(request).await;
    // the innermost knows best
    let known = response.extensions().get::<Answered>().is_some();
    if let Some(path) = path.filter(|path| !known && !path.contains("__private")) {
        response.extensions_mut().insert(Answered(path));
    }
    response
}

/// Around the routes of the API.
pub(super) async fn note_api(request: Request, next: Next) -> Response {
    note("/api/1", request, next).await
}

/// Around the others.
pub(super) async fn note_other(request: Request, next: Next) -> Response {
    note("", request, next).await
}

/// Around everything.
pub(super) async fn watch(State(app): State<App>, request: Request, next: Next) -> Response {
    let metrics = Arc::clone(&app.metrics);
    let id = metrics.numbers.fetch_add(1, Ordering::Relaxed);
    let method = method(request.method());
    let _one = Held::of(&metrics.under_way);
    let started = Instant::now();
    let span = tracing::info_span!(
        "request",
        id,
        method,
        route = Empty,
        status = Empty,
        ms = Empty
    );
    let response = next.run(request).instrument(span.clone()).await;
    let took = started.elapsed();
    let route = response.extensions().get::<Answered>();
    let route = route.map_or("other", |a| &a.0).to_owned();
    let status = u64::from(response.status().as_u16());
    span.record("route", &*route);
    span.record("status", status);
    span.record("ms", took.as_millis() as u64);
    span.in_scope(|| tracing::info!("answered"));
    let seconds = metrics.seconds.get_or_create(&Route {
        route: route.clone(),
    });
    seconds.observe(took.as_secs_f64());
    drop(seconds);
    let asked = Asked {
        method,
        route,
        status,
    };
    metrics.requests.get_or_create(&asked).inc();
    response
}

/// What a caller makes up is not counted apart.
fn method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Refusal> {
    let text = blocking(move || written(&app)).await?;
    let mut response = text.into_response();
    let kind = HeaderValue::from_static(TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn written(app: &App) -> Result<String, PodError> {
    let mut registry = Registry::with_prefix("rhizome");
    let m = &app.metrics;
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "Which version this is", version);
    registry.register("http_requests", "Requests answered", m.requests.clone());
    let seconds = "Seconds until an answer began";
    registry.register("http_request_seconds", seconds, m.seconds.clone());
    registry.register(
        "http_requests_under_way",
        "Requests not answered yet",
        m.under_way.clone(),
    );
    registry.register(
        "live_connections",
        "Connections of live queries",
        m.connections.clone(),
    );
    let figures = app.pod.figures();
    let blobs = app.pod.blob_figures()?;
    let peers = app
        .node
        .as_ref()
        .map(|node| node.peers())
        .unwrap_or_default();
    let connected = peers.values().filter(|peer| peer.connected).count();
    let (received, delivered) = peers.values().fold((0, 0), |(r, d), peer| {
        (r + peer.received, d + peer.delivered)
    });
    let gauges = [
        (
            "live_subscriptions",
            "Live queries and watched entities",
            app.pod.hub().subscriptions() as u64,
        ),
        ("tuples", "Tuples that are current", figures.tuples),
        ("entities", "Entities ever named", figures.entities),
        ("commits", "Commits in the log", figures.commits),
        ("files", "Files in the pod's store", blobs.count),
        ("files_bytes", "Their bytes", blobs.bytes),
        (
            "sync_sessions",
            "Peers and devices that are connected",
            connected as u64,
        ),
        (
            "sync_received_commits",
            "Commits that came since the start",
            received,
        ),
        (
            "sync_delivered_commits",
            "Commits that went since the start",
            delivered,
        ),
        (
            "import_jobs",
            "Imports that are known, under way or not",
            app.jobs.count() as u64,
        ),
        (
            "uptime_seconds",
            "Seconds since the start",
            m.started.elapsed().as_secs(),
        ),
    ];
    for (name, help, value) in gauges {
        let gauge = Gauge::<i64, AtomicI64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    if let Some(bytes) = resident() {
        let gauge = Gauge::<i64, AtomicI64>::default();
        gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        registry.register(
            "process_resident_memory_bytes",
            "Memory of the process",
            gauge,
        );
    }
    let mut text = String::new();
    encode(&mut text, &registry)
        .map_err(|fmt::Error| PodError::Request("the metrics cannot be written".into()))?;
    Ok(text)
}

/// Bytes of memory, where the system says so.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
