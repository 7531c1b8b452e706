//! `/ipfs/{cid}`: the files that are public, by the rules of a trustless gateway (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>).
//!
//! Anybody who reaches the pod may ask, also a page of another site; what is answered can be checked against the CID. What is not public is answered as what is not there: whether the pod has a
//! file is nobody's business. `docs/ipfs.md` says what is served.

use std::{
    collections::BTreeSet,
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{Query, RawPathParams, State},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
    response::IntoResponse,
};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use rhizome_ipld::{BLAKE3, Cid, RAW, car};
use tokio::sync::Semaphore;

use super::{
    App, blocking, pieces, range,
    reply::{Refusal, insert},
};
use crate::{Pod, PodError};

/// Where all of this is.
pub const PATH: &str = "/ipfs/";
/// Answers at one time.
const MAX_ANSWERS: usize = 64;
/// For how long it is not looked again what is public.
const FRESH: Duration = Duration::from_secs(2);
/// Multihash code of no hash at all: the bytes are in the CID.
const IDENTITY: u64 = 0;

static ANSWERS: Semaphore = Semaphore::const_new(MAX_ANSWERS);

/// What is public, as of a moment ago.
#[derive(Default)]
pub struct Public(Mutex<Option<(Instant, Arc<BTreeSet<Cid>>)>>);

impl Public {
    fn files(&self, pod: &Pod) -> Result<Arc<BTreeSet<Cid>>, PodError> {
        // whoever comes second waits, and does not look as well
        let mut known = self.0.lock();
        if let Some((at, files)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(files));
        }
        let files = Arc::new(pod.public_files()?);
        *known = Some((Instant::now(), Arc::clone(&files)));
        Ok(files)
    }
}

/// In which form a block is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Raw,
    /// With what it adds to the validator.
    Car(String),
}

/// Whether this is a path of the gateway: those that another site may ask.
pub fn is_here(path: &str) -> bool {
    path.starts_with(PATH)
}

/// What a browser asks before a page of another site may.
pub fn preflight() -> Response<Body> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let out = response.headers_mut();
    open(out);
    for (name, value) in [
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        (
            "access-control-allow-headers",
            "accept, cache-control, content-type, range, user-agent, x-requested-with",
        ),
        ("access-control-max-age", "86400"),
        ("access-control-allow-private-network", "true"),
    ] {
        out.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets every page read the answer.
fn open(out: &mut HeaderMap) {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        (
            "access-control-expose-headers",
            "Content-Length, Content-Range, ETag, X-Ipfs-Path, X-Ipfs-Roots",
        ),
        ("cross-origin-resource-policy", "cross-origin"),
        ("vary", "Accept"),
    ] {
        out.insert(name, HeaderValue::from_static(value));
    }
}

/// A public file.
pub(super) async fn serve(
    State(app): State<App>,
    path: RawPathParams,
    asked: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Response<Body> {
    let path = path.iter().find(|(name, _)| *name == "path");
    let path = path.map_or("", |(_, path)| path);
    let answer = match asked {
        Ok(Query(asked)) => answer(&app, path, &asked, &method, &headers).await,
        Err(_) => Err(Refusal::request("this is no query")),
    };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    open(response.headers_mut());
    response
}

async fn answer(
    app: &App,
    path: &str,
    asked: &[(String, String)],
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let cid: Cid = name
        .parse()
        .map_err(|_| Refusal::request("there is no CID behind /ipfs/"))?;
    let form = form(asked, headers)?;
    match form {
        _ if rest.is_empty() => {}
        Form::Raw => return Err(Refusal::request("a raw block has no path in it")),
        // files are single blocks: nothing is below them, whatever they are
        Form::Car(_) => return Err(absent(headers)),
    }
    let _place = ANSWERS.try_acquire().map_err(|_| {
        Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too many ask at once: ask again in a moment",
        )
    })?;
    if cid.codec() == RAW && cid.hash().code() == IDENTITY {
        let bytes = Bytes::copy_from_slice(cid.hash().digest());
        let len = bytes.len() as u64;
        let slice = move |from: u64, to: u64| {
            let (from, to) = (usize::try_from(from), usize::try_from(to));
            match (from, to) {
                (Ok(from), Ok(to)) if from <= to && to <= bytes.len() => {
                    Body::from(bytes.slice(from..to))
                }
                _ => Body::empty(),
            }
        };
        return block(&cid, len, &form, method, headers, slice);
    }
    if cid.codec() != RAW || cid.hash().code() != BLAKE3 {
        return Err(absent(headers));
    }
    // in its one form: a CID of the same file may be written in many ways
    let (pod, public) = (Arc::clone(&app.pod), Arc::clone(&app.public));
    let file = blocking(move || {
        if !public.files(&pod)?.contains(&cid) {
            return Ok(None);
        }
        match pod.blobs().open(&cid) {
            Ok(file) => Ok(Some(file)),
            Err(rhizome_blob::BlobError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    let Some(file) = file else {
        return Err(absent(headers));
    };
    let len = file.len();
    block(&cid, len, &form, method, headers, move |from, to| {
        pieces::file(file, from, to)
    })
}

/// Not public, or not there: the same answer.
fn absent(headers: &HeaderMap) -> Refusal {
    let cached = headers
        .get(header::CACHE_CONTROL)
        .and_then(|h| h.to_str().ok())
        .is_some_and(|h| h.contains("only-if-cached"));
    if cached {
        return Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "not-found",
            "this pod has nothing public of this CID",
        );
    }
    Refusal::not_found("this pod has nothing public of this CID")
}

/// What is wanted: `format` decides, else what the caller accepts.
fn form(asked: &[(String, String)], headers: &HeaderMap) -> Result<Form, Refusal> {
    let of = |name: &str| {
        asked
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    let unknown = || {
        Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "not-acceptable",
            "this gateway gives raw blocks and CAR, version 1: ?format=raw or ?format=car",
        )
    };
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept
        .filter_map(|h| h.to_str().ok())
        .flat_map(|h| h.split(','))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let named = |kind: &str| {
        accept
            .iter()
            .find(|part| part.split(';').next().is_some_and(|k| k.trim() == kind))
            .copied()
    };
    let car_type = named("application/vnd.ipld.car");
    let car = match of("format") {
        Some("raw") => false,
        Some("car") => true,
        Some(_) => return Err(unknown()),
        None if named("application/vnd.ipld.raw").is_some() => false,
        None if car_type.is_some() => true,
        None => {
            let wild = ["*/*", "application/*"];
            if accept.is_empty() || wild.iter().any(|w| named(w).is_some()) {
                return Err(Refusal::request(
                    "say in which form: ?format=raw or ?format=car, or `Accept`",
                ));
            }
            return Err(unknown());
        }
    };
    if !car {
        return Ok(Form::Raw);
    }
    let parameter = |name: &str| {
        let parts = car_type.into_iter().flat_map(|t| t.split(';').skip(1));
        let mut named = parts.filter_map(|p| p.trim().split_once('='));
        named
            .find(|(n, _)| n.trim() == name)
            .map(|(_, v)| v.trim().trim_matches('"'))
    };
    let wanted = |query: &str, parameter_name: &str, known: &[&str]| {
        let value = of(query).or_else(|| parameter(parameter_name));
        value.is_none_or(|value| known.contains(&value))
    };
    if !wanted("car-version", "version", &["1"])
        || !wanted("car-order", "order", &["dfs", "unk"])
        || !wanted("car-dups", "dups", &["y", "n"])
    {
        return Err(unknown());
    }
    let mut mark = match of("dag-scope") {
        None => "all".to_owned(),
        Some(scope @ ("block" | "entity" | "all")) => scope.to_owned(),
        Some(_) => return Err(Refusal::request("`dag-scope` is block, entity or all")),
    };
    if let Some(bytes) = of("entity-bytes") {
        let end = |text: &str| text == "*" || text.parse::<i64>().is_ok();
        let fine = bytes
            .split_once(':')
            .is_some_and(|(from, to)| from.parse::<i64>().is_ok() && end(to));
        if !fine {
            return Err(Refusal::request("`entity-bytes` is FROM:TO, or FROM:*"));
        }
        // the least that can be verified is the whole block
        let _ = write!(mark, ".{}", bytes.replace('*', "end").replace(':', "to"));
    }
    Ok(Form::Car(mark))
}

/// One block, whose bytes `body` gives.
fn block(
    cid: &Cid,
    len: u64,
    form: &Form,
    method: &Method,
    headers: &HeaderMap,
    body: impl FnOnce(u64, u64) -> Body,
) -> Result<Response<Body>, Refusal> {
    let (etag, extension) = match form {
        Form::Raw => (format!("\"{cid}.raw\""), "bin"),
        Form::Car(mark) => (format!("\"{cid}.car.{mark}\""), "car"),
    };
    let head = method == Method::HEAD;
    let mut response = if matches(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match form {
            Form::Raw => raw(len, headers, &etag, head, body),
            Form::Car(_) => {
                let framed = framed(cid, len)?;
                let whole = framed.len() as u64 + len;
                let mut response = if head {
                    Response::new(Body::empty())
                } else {
                    let block = body(0, len).into_data_stream();
                    let framed = stream::once(async { Ok::<_, axum::Error>(Bytes::from(framed)) });
                    Response::new(Body::from_stream(framed.chain(block)))
                };
                let out = response.headers_mut();
                insert(out, header::CONTENT_LENGTH, &whole.to_string());
                insert(
                    out,
                    header::CONTENT_TYPE,
                    "application/vnd.ipld.car; version=1; order=dfs; dups=y",
                );
                insert(out, header::ACCEPT_RANGES, "none");
                response
            }
        }
    };
    let out = response.headers_mut();
    let file = format!("attachment; filename=\"{cid}.{extension}\"");
    insert(out, header::CONTENT_DISPOSITION, &file);
    insert(out, header::ETAG, &etag);
    insert(
        out,
        header::CACHE_CONTROL,
        "public, max-age=29030400, immutable",
    );
    out.insert("x-ipfs-path", text(&format!("{PATH}{cid}")));
    out.insert("x-ipfs-roots", text(&cid.to_string()));
    Ok(response)
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether the caller has it already.
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known
        .filter_map(|h| h.to_str().ok())
        .flat_map(|h| h.split(','))
        .map(|h| h.trim().trim_start_matches("W/"))
        .any(|h| h == etag || h == "*")
}

fn raw(
    len: u64,
    headers: &HeaderMap,
    etag: &str,
    head: bool,
    body: impl FnOnce(u64, u64) -> Body,
) -> Response<Body> {
    let mut response = range::answer(headers, etag, len, |from, to| {
        if head { Body::empty() } else { body(from, to) }
    });
    if response.status().is_success() {
        insert(
            response.headers_mut(),
            header::CONTENT_TYPE,
            "application/vnd.ipld.raw",
        );
    }
    response
}

/// What stands before the bytes of the only block of a CAR.
fn framed(cid: &Cid, len: u64) -> Result<Vec<u8>, Refusal> {
    let failed = |_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "car",
            "the CAR cannot be written",
        )
    };
    let mut out = car::Writer::new(Vec::new(), &[*cid])
        .and_then(car::Writer::finish)
        .map_err(failed)?;
    let name = cid.to_bytes();
    let mut rest = name.len() as u64 + len;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(&name);
    Ok(out)
}
