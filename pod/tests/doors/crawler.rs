//! Every endpoint, asked by those who may not and by those who ask nonsense; and what the log says of it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use data_encoding::BASE64URL_NOPAD;
use rhizome_ipld::SigningKey;
use serde_json::{Value as Json, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    ask::{Answer, Length, Operation, ask, operations, send},
    node::{self, Node},
};

/// What must never be in a log: it is in paths, queries and bodies.
const SECRET: &str = "canary-that-nobody-may-log";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The token of a program that was let in to read what nobody has.
fn app_token(node: &Node) -> String {
    let post = |path: &str, token: Option<&str>, body: &Json| {
        let bearer = token.map(|t| format!("Bearer {t}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|b| ("authorization", b.as_str()))
            .collect();
        let answer = ask(
            node.address(),
            "POST",
            path,
            &headers,
            body.to_string().as_bytes(),
        );
        assert_eq!(
            answer.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    };
    let own = node.running.token.as_str();
    let key = SigningKey::from_seed([7; 32]);
    let client = key.public().to_did_key();
    let scope = json!([{ "where": "public: true", "can": "read", "why": "to show it" }]);
    let asked = post(
        "/api/1/apps/device",
        None,
        &json!({ "client_id": client, "name": "A program", "scope": scope }),
    );
    let query = format!("user_code={}", asked["user_code"].as_str().unwrap());
    let request = post("/api/1/apps/ask", Some(own), &json!({ "query": query }));
    let given = json!({ "request": request["request"], "scopes": [{ "where": "public: true", "can": "read" }] });
    post("/api/1/apps/allow", Some(own), &given);
    let code = asked["device_code"].as_str().unwrap();
    let proof = key.sign(format!("rhizome app token v1\n{code}").as_bytes());
    let token = post(
        "/api/1/apps/token",
        None,
        &json!({
            "grant_type": "device_code", "device_code": code, "client_id": client, "proof": BASE64URL_NOPAD.encode(&proof)
        }),
    );
    token["access_token"].as_str().unwrap().to_owned()
}

fn refused(who: &str, operation: &Operation, answer: &Answer, statuses: &[u16]) {
    let name = format!("{who}: {} {}", operation.method, operation.path);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(
        statuses.contains(&answer.status),
        "{name}: {} {text}",
        answer.status
    );
    // what no body can be sent with says it by its status alone
    if operation.path != "/1.0/identifiers/{did}" {
        assert!(
            answer.json()["error"].is_object() || answer.json()["error"].is_string(),
            "{name}: {text}"
        );
    }
}

/// Bytes that a path takes.
fn most(path: &str) -> usize {
    match path {
        "/api/1/tx" => 256 << 20,
        "/api/1/query" => 16 << 20,
        "/api/1/search" | "/api/1/import" | "/api/1/apps/token" | "/api/1/apps/device" => 64 << 10,
        "/api/1/blob" => 64 << 20,
        _ => 2 << 20,
    }
}

/// One byte more than a path takes: as it is, piece by piece, and by what it says of itself alone.
fn too_much(node: &Node, operation: &Operation, path: &str, headers: &[(&str, &str)]) {
    let most = most(&operation.path);
    let path = path.split('?').next().unwrap();
    let ways = [
        (most + 1, Length::True),
        (most + 1, Length::Chunked),
        (0, Length::Claimed(most as u64 + 1)),
        (1, Length::Claimed(1 << 60)),
    ];
    for (len, length) in ways {
        // what is so large is read whole, in one way
        if most > 64 << 20 && matches!(length, Length::True) {
            continue;
        }
        let before = resident();
        let answer = send(node.address(), path, headers, len, length);
        let name = format!("{length:?}: {}", operation.path);
        refused(&name, operation, &answer, &[413]);
        assert_eq!(answer.json()["error"]["code"], "too-large", "{name}");
        if let (Some(before), Some(peak)) = (before, peak()) {
            let grown = peak.saturating_sub(before);
            // a store of bytes grows by doubling, and moves
            let allowed = if len > most {
                2 * most + (64 << 20)
            } else {
                64 << 20
            };
            assert!(grown < allowed, "{name} took {grown} bytes");
        }
    }
}

/// Calls that succeed, with secrets in their paths, headers, bodies and answers; and those secrets.
fn tell_secrets(node: &Node) -> Vec<String> {
    let own = format!("Bearer {}", node.running.token);
    let call = |method: &str, path: &str, headers: &[(&str, &str)], body: &Json| {
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let answer = ask(node.address(), method, path, headers, body.as_bytes());
        let said = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{path}: {said}");
        answer
    };
    let post =
        |path: &str, body: &Json| call("POST", path, &[("authorization", &own)], body).json();
    let mut out = Vec::new();
    let words = post("/api/1/recovery/words", &json!({}));
    let words: Vec<&str> = words["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    post("/api/1/recovery/test", &json!({ "words": words.join(" ") }));
    let wrong = json!({ "words": format!("{} zoo", words[..23].join(" ")) });
    ask(
        node.address(),
        "POST",
        "/api/1/recovery/test",
        &[("authorization", &own)],
        wrong.to_string().as_bytes(),
    );
    let export = post("/api/1/export", &json!({ "format": "jsonl" }));
    call("GET", export["url"].as_str().unwrap(), &[], &Json::Null);
    out.push(export["export"].as_str().unwrap().to_owned());
    // an app that is let in: its code, what it types, its proof and its tokens
    let key = SigningKey::from_seed([8; 32]);
    let client = key.public().to_did_key();
    let scope = json!([{ "where": "public: true", "can": "read", "why": "to show it" }]);
    let wish = json!({ "client_id": client, "name": "Another", "scope": scope });
    let asked = call("POST", "/api/1/apps/device", &[], &wish).json();
    let typed = asked["user_code"].as_str().unwrap().to_owned();
    let request = post(
        "/api/1/apps/ask",
        &json!({ "query": format!("user_code={typed}") }),
    );
    post(
        "/api/1/apps/allow",
        &json!({ "request": request["request"], "scopes": [{ "where": "public: true", "can": "read" }] }),
    );
    let code = asked["device_code"].as_str().unwrap();
    let proof =
        BASE64URL_NOPAD.encode(&key.sign(format!("rhizome app token v1\n{code}").as_bytes()));
    let redeem = json!({ "grant_type": "device_code", "device_code": code, "client_id": client, "proof": proof });
    let token = call("POST", "/api/1/apps/token", &[], &redeem).json();
    // a file, by a token in its address
    let brought = post("/api/1/blob", &json!("bytes"));
    let path = format!(
        "/api/1/blob/{}?t={}",
        brought["blob"].as_str().unwrap(),
        node.client.status().unwrap()["blob_token"]
            .as_str()
            .unwrap()
    );
    call("GET", &path, &[], &Json::Null);
    // with a cookie that somebody else set for this machine
    call(
        "GET",
        "/api/1/status",
        &[
            ("authorization", &own),
            ("cookie", "session=a-session-of-another-program"),
        ],
        &Json::Null,
    );
    out.extend([
        code.to_owned(),
        typed,
        proof,
        "a-session-of-another-program".to_owned(),
    ]);
    for name in ["access_token", "blob_token"] {
        out.push(token[name].as_str().unwrap().to_owned());
    }
    out
}

/// Nothing if other tests are in the same process.
fn memory(line: &str) -> Option<usize> {
    std::env::var_os("NEXTEST")?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|l| l.strip_prefix(line))?;
    Some(kib.trim().strip_suffix(" kB")?.parse::<usize>().ok()? << 10)
}

/// Bytes of memory now, from where the highest is counted again.
fn resident() -> Option<usize> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    memory("VmRSS:")
}

fn peak() -> Option<usize> {
    memory("VmHWM:")
}

#[test]
fn nobody_gets_what_is_not_his_and_no_secret_is_logged() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .init();
    let node = node::start();
    let own = format!("Bearer {}", node.running.token);
    let app = app_token(&node);
    let app_bearer = format!("Bearer {app}");
    let status = node.client.status().unwrap();
    let blob_token = status["blob_token"].as_str().unwrap().to_owned();
    let words: Vec<String> = node
        .pod
        .recovery_words()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let body = json!({ "q": SECRET, SECRET: SECRET }).to_string();
    let for_apps = [
        "/status",
        "/query",
        "/search",
        "/tx",
        "/entity/{id}",
        "/propose",
        "/blob",
        "/apps/leave",
    ];
    let mut asked = 0;
    for operation in operations() {
        let path = match operation.path.as_str() {
            "/1.0/identifiers/{did}" => format!("/1.0/identifiers/{SECRET}"),
            path => {
                let parts: Vec<_> = path
                    .split('/')
                    .map(|p| if p.starts_with('{') { SECRET } else { p })
                    .collect();
                format!("{}?{SECRET}={SECRET}", parts.join("/"))
            }
        };
        let send = |headers: &[(&str, &str)], body: &[u8]| {
            ask(node.address(), &operation.method, &path, headers, body)
        };
        let sent = if operation.takes_body() {
            body.as_bytes()
        } else {
            b""
        };
        let public = operation.path.starts_with("/ipfs/");
        asked += 1;

        // a page of another site, with and without a good token; and another name of this machine
        if !public {
            let page = [
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
            ];
            refused("another origin", &operation, &send(&page, sent), &[403]);
            let knowing = [page[0], page[1], ("authorization", own.as_str())];
            refused(
                "another origin with the token",
                &operation,
                &send(&knowing, sent),
                &[403],
            );
        }
        let rebound = [("host", "evil.example"), ("authorization", own.as_str())];
        refused("another name", &operation, &send(&rebound, sent), &[403]);

        if operation.needs_token() {
            refused("without a token", &operation, &send(&[], sent), &[401]);
            let wrong = [("authorization", "Bearer wrong")];
            refused("a wrong token", &operation, &send(&wrong, sent), &[401]);
            let blob = format!("Bearer {blob_token}");
            refused(
                "the token for files",
                &operation,
                &send(&[("authorization", &blob)], sent),
                &[401],
            );
            let inside = operation.path.trim_start_matches("/api/1");
            if !for_apps.contains(&inside)
                || (inside == "/status") != (operation.method == "GET" && inside == "/status")
            {
                refused(
                    "an app",
                    &operation,
                    &send(&[("authorization", &app_bearer)], sent),
                    &[403],
                );
            }
        }
        // nonsense from who may ask
        if operation.takes_json() {
            let trusted = [
                ("authorization", own.as_str()),
                ("content-type", "application/json"),
            ];
            for malformed in [
                &b"{"[..],
                b"\xff\xfe\x00",
                b"[[[[[[[[[[[[",
                b"\"",
                body.as_bytes(),
            ] {
                let schema =
                    &operation.what["requestBody"]["content"]["application/json"]["schema"];
                if schema["properties"]
                    .as_object()
                    .is_some_and(serde_json::Map::is_empty)
                {
                    continue; // it takes no body and does not look at one
                }
                refused(
                    "malformed",
                    &operation,
                    &send(&trusted, malformed),
                    &[400, 404],
                );
            }
        }
        // asked by the owner, this path is none
        if operation.takes_body() && operation.path != "/api/1/apps/leave" {
            let kind = if operation.takes_json() {
                "application/json"
            } else {
                "application/octet-stream"
            };
            let trusted = [("authorization", own.as_str()), ("content-type", kind)];
            too_much(&node, &operation, &path, &trusted);
        }
    }
    // a file that is to be imported goes to the disk, and not all of it either
    let file = [
        ("authorization", own.as_str()),
        ("content-type", "application/zip"),
    ];
    let claimed = Length::Claimed((64 << 30) + 1);
    let answer = send(node.address(), "/api/1/import", &file, 1, claimed);
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (413, &json!("too-large"))
    );
    let secrets = tell_secrets(&node);
    assert!(asked > 60, "{asked}");
    // it is there as before, and what it holds is untouched
    let after = node.client.status().unwrap();
    assert_eq!(
        after["tuples"].as_u64(),
        node.client.status().unwrap()["tuples"].as_u64()
    );
    assert_eq!(after["did"], status["did"]);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.matches("answered").count() > 300,
        "the log has no requests in it"
    );
    let line = text
        .lines()
        .find(|l| l.contains("route=\"/api/1/grants\""))
        .unwrap_or_else(|| panic!("{}", &text[..text.len().min(4000)]));
    assert!(line.contains("status=") && line.contains("ms="), "{line}");
    let own = [SECRET, &node.running.token, &app, &blob_token];
    for secret in own.into_iter().chain(secrets.iter().map(String::as_str)) {
        let found = text.lines().find(|l| l.contains(secret));
        assert!(found.is_none(), "logged: {found:?}");
    }
    // words of the list are words of the language: some of them in a row would be a leak
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphabetic() { c } else { ' ' })
        .collect();
    let plain: Vec<&str> = plain.split_whitespace().collect();
    for some in words.windows(3) {
        let found = plain.windows(3).find(|said| said == &some);
        assert!(found.is_none(), "logged: {found:?}");
    }
}
