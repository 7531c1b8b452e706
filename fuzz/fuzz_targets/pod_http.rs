//! Requests to the API, without sockets: nothing is answered to who has no token or comes from another site, every refusal is JSON with
//! a code, no request is the pod's own fault (5xx), and a range of a blob is what its headers say.
#![no_main]

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::Input;
use rhizome_pod::{App, Opening, Pod, PodHome, fuzzing, json::parse_changes};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const HOST: &str = "127.0.0.1:8420";

struct Node {
    _directory: TempDir,
    _pod: Arc<Pod>,
    api: Router,
    runtime: Runtime,
    blob: Vec<u8>,
    cid: String,
    entity: String,
}

static NODE: LazyLock<Node> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let pod = PodHome::at(directory.path().join("pod")).init(&Opening::by("fuzz")).expect("a pod");
    let tuples = json!([
        { "assert": { "entity": "_:a", "attribute": "x/name", "value": "a" } },
        { "assert": { "entity": "_:a", "attribute": "x/to", "value": { "ref": "_:b" } } },
        { "insert": { "entity": "_:b", "attribute": "x/tag", "value": 5 } },
    ]);
    let changes = parse_changes(&tuples).expect("changes");
    let receipt = pod.transact(App::CommandLine, &changes).expect("written");
    let blob: Vec<u8> = b"GIF89a".iter().copied().chain((0..=255).cycle().take(994)).collect();
    let cid = pod.blobs().put_bytes(&blob).expect("stored").to_string();
    let pod = Arc::new(pod);
    Node {
        _directory: directory,
        api: fuzzing::api(&pod, HOST.parse().expect("an address")),
        _pod: pod,
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        blob,
        cid,
        entity: receipt.entities[0].1.to_string(),
    }
});

/// Bytes as they may stand in an address.
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for b in bytes {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b'%' | b'&' | b'=' | b'+' | b':' => {
                out.push(char::from(*b));
            }
            _ => out.push_str(&format!("%{b:02x}")),
        }
    }
    out
}

/// Who asks.
#[derive(PartialEq, Clone, Copy)]
enum Asks {
    Friend,
    /// With no token, or a wrong one.
    Stranger,
    /// From another site.
    Foreigner,
}

fuzz_target!(|data: &[u8]| {
    let node = &*NODE;
    let mut input = Input::new(data);
    let route = input.below(11);
    let asks = [Asks::Friend, Asks::Friend, Asks::Friend, Asks::Stranger, Asks::Foreigner][input.below(5)];
    let n = input.byte().into();
    let text = encoded(input.take(n));
    let known = input.one_in(2);
    let (method, path) = match route {
        0 => (Method::GET, format!("/api/1/status?{text}")),
        1 => (Method::POST, format!("/api/1/query?{text}")),
        2 => (Method::POST, "/api/1/tx".to_owned()),
        3 if known => (Method::GET, format!("/api/1/entity/{}", node.entity)),
        3 => (Method::GET, format!("/api/1/entity/{text}")),
        4 => (Method::POST, "/api/1/recovery/confirm".to_owned()),
        5 | 6 if known => (Method::GET, format!("/api/1/blob/{}?t={}&{text}", node.cid, fuzzing::BLOB_TOKEN)),
        5 | 6 => (Method::GET, format!("/api/1/blob/{text}")),
        7 => (Method::POST, format!("/api/1/import?{text}")),
        8 => ([Method::GET, Method::POST, Method::DELETE][input.below(3)].clone(), format!("/api/1/import/{text}")),
        9 => (Method::POST, "/api/1/doctor".to_owned()),
        _ => ([Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS][input.below(4)].clone(), format!("/{text}")),
    };
    let mut headers = HeaderMap::new();
    let mut host = HOST;
    match (asks, input.byte() % 4) {
        (Asks::Friend, _) => {
            let bearer = format!("Bearer {}", fuzzing::TOKEN);
            headers.insert(header::AUTHORIZATION, bearer.parse().expect("a header"));
        }
        (Asks::Stranger, 0) => {}
        (Asks::Stranger, _) => {
            let n = input.byte().into();
            let given = [b"Bearer ", input.take(n)].concat();
            if given.get(7..).map(<[u8]>::trim_ascii) == Some(fuzzing::TOKEN.as_bytes()) {
                return;
            }
            insert(&mut headers, header::AUTHORIZATION, &given);
        }
        (Asks::Foreigner, 0) => host = "evil.example:8420",
        (Asks::Foreigner, 1) => insert(&mut headers, header::ORIGIN, b"http://evil.example"),
        (Asks::Foreigner, _) => insert(&mut headers, header::HeaderName::from_static("sec-fetch-site"), b"cross-site"),
    }
    headers.insert(header::HOST, host.parse().expect("a header"));
    for name in [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH] {
        if input.one_in(4) {
            let n = input.below(48);
            insert(&mut headers, name, input.take(n));
        }
    }
    let body = input.rest();
    // what would change the pod, or read the machine's own files, has targets of its own
    let json: Option<Json> = serde_json::from_slice(body).ok();
    match (route, json) {
        (2, Some(json)) if parse_changes(&json).is_ok() => return,
        (7, Some(json)) if json.get("path").is_some() => return,
        (7, _) => insert(&mut headers, header::CONTENT_TYPE, b"application/json"),
        _ => {}
    }
    // an upload
    if route == 7 && text.contains("name") {
        let name = String::from_utf8_lossy(body);
        let kept = fuzzing::upload_name(&name);
        assert!((1..=255).contains(&kept.len()) && kept != "." && kept != "..");
        assert!(!kept.contains(|c: char| c.is_control() || "/\\".contains(c)), "{kept}");
        return;
    }
    let blob_token = path.contains(fuzzing::BLOB_TOKEN);
    let Ok(mut request) = Request::builder().method(method.clone()).uri(&path).body(Body::from(body.to_vec())) else {
        return;
    };
    *request.headers_mut() = headers.clone();
    let (status, answer, body) = node.runtime.block_on(async {
        let response = node.api.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a whole answer");
        (parts.status, parts.headers, body)
    });
    assert!(!status.is_server_error(), "{method} {path}: {status} {body:?}");
    assert_eq!(answer["x-content-type-options"], "nosniff");
    if asks == Asks::Foreigner {
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let inside = path.starts_with("/api/1/");
    if asks == Asks::Stranger && inside && !blob_token {
        assert!(status.is_client_error(), "{method} {path}: {status}");
    }
    let is_json = answer.get(header::CONTENT_TYPE).is_some_and(|t| t == "application/json");
    if is_json && method != Method::HEAD {
        let json: Json = serde_json::from_slice(&body).expect("it says that it is JSON");
        if status.is_client_error() {
            let error = &json["error"];
            assert!(error["code"].is_string() && error["message"].is_string(), "{json}");
        }
    }
    let passed_on = status.is_redirection() || matches!(route, 5 | 6) && status.is_success();
    assert!(!inside || is_json || passed_on, "{method} {path}: {status} {body:?}");
    if matches!(route, 5 | 6) && known && status.is_success() {
        let part = match status {
            StatusCode::PARTIAL_CONTENT => {
                let range = answer[header::CONTENT_RANGE].to_str().expect("text");
                let (range, len) = range.strip_prefix("bytes ").and_then(|r| r.split_once('/')).expect("a range");
                let (from, to) = range.split_once('-').expect("two ends");
                assert_eq!(len, "1000");
                let (from, to): (usize, usize) = (from.parse().expect("a number"), to.parse().expect("a number"));
                &node.blob[from..=to]
            }
            _ => &node.blob[..],
        };
        assert!(body == part);
        assert_eq!(answer[header::CONTENT_TYPE], "image/gif");
    }
});

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}
