//! What a hostile page, a hostile app and somebody with a socket try.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::{
    ask::{Answer, ask, heard},
    node::{self, Node},
};

/// Something that no stranger is to read.
const SECRET: &str = "what nobody else may read";

fn with_secret() -> (Node, String) {
    let node = node::start();
    let note =
        json!([{ "assert": { "entity": "_:n", "attribute": "note/text", "value": SECRET } }]);
    let made = node.client.transact(&note).unwrap();
    let entity = made["entities"]["_:n"].as_str().unwrap().to_owned();
    (node, entity)
}

/// A request, byte for byte, and what comes until the end.
fn raw(node: &Node, request: &str) -> Answer {
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    heard(&mut stream)
}

fn tells(node: &Node, answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    [SECRET, node.pod.did(), &node.running.token]
        .iter()
        .any(|secret| text.contains(secret))
}

#[test]
fn another_name_for_this_machine_is_refused_whatever_it_looks_like() {
    let (node, _) = with_secret();
    let address = node.address();
    let port = address.rsplit(':').next().unwrap();
    let token = &node.running.token;
    let ask_as = |host: &str| {
        raw(
            &node,
            &format!(
                "GET /api/1/status HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
            ),
        )
    };
    for good in ["127.0.0.1", "localhost", "LocalHost", "[::1]"] {
        assert_eq!(ask_as(&format!("{good}:{port}")).status, 200, "{good}");
    }
    for bad in [
        "localhost.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "127.1",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
        "evil.example",
        "evil.example@127.0.0.1",
        "",
    ] {
        for host in [format!("{bad}:{port}"), bad.to_owned()] {
            let answer = ask_as(&host);
            assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
            assert!(!tells(&node, &answer), "{host}");
        }
    }
    // two of them, as a target, and none at all
    for request in [
        format!("GET /api/1/status HTTP/1.1\r\nhost: {address}\r\nhost: evil.example\r\n"),
        format!("GET /api/1/status HTTP/1.1\r\nhost: evil.example\r\nhost: {address}\r\n"),
        format!("GET http://evil.example/api/1/status HTTP/1.1\r\nhost: {address}\r\n"),
        "GET /api/1/status HTTP/1.1\r\n".to_owned(),
        "GET /api/1/status HTTP/1.0\r\n".to_owned(),
    ] {
        let answer = raw(
            &node,
            &format!("{request}authorization: Bearer {token}\r\nconnection: close\r\n\r\n"),
        );
        assert!(matches!(answer.status, 400 | 403), "{request}: {answer:?}");
    }
}

#[test]
fn a_page_of_another_site_gets_nothing_by_any_header() {
    let (node, entity) = with_secret();
    let bearer = format!("Bearer {}", node.running.token);
    let blob = node.pod.blobs().put_bytes(SECRET.as_bytes()).unwrap();
    let pages: [&[(&str, &str)]; 9] = [
        &[("origin", "null")],
        &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        &[("origin", "https://evil.example")],
        &[("origin", "file://")],
        &[("origin", "")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
        ],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
    ];
    let paths = [
        "/".to_owned(),
        "/api/1/status".to_owned(),
        format!("/api/1/entity/{entity}"),
        format!("/api/1/blob/{blob}"),
        "/api/1/live".to_owned(),
        "/link".to_owned(),
        "/metrics".to_owned(),
        format!("/1.0/identifiers/{}", node.pod.did()),
    ];
    for page in pages {
        for path in &paths {
            for method in ["GET", "POST", "OPTIONS", "HEAD", "PUT", "TRACE"] {
                let mut headers = page.to_vec();
                headers.push(("authorization", &bearer));
                let answer = ask(node.address(), method, path, &headers, b"");
                let name = format!("{method} {path} {page:?}");
                // a picture in a page has no origin, and needs a token of its own
                let picture = path.starts_with("/api/1/blob/") && page[0].0 != "origin";
                assert!(
                    answer.status == 403 || (picture && answer.status == 401),
                    "{name}: {answer:?}"
                );
                assert!(!tells(&node, &answer), "{name}");
                assert_eq!(answer.header("access-control-allow-origin"), None, "{name}");
            }
        }
    }
}

#[test]
fn a_websocket_is_not_opened_from_elsewhere() {
    let (node, _) = with_secret();
    let knock = |more: &str| {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        write!(
            stream,
            "GET /api/1/live HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n",
            node.address()
        )
        .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        String::from_utf8(first[9..].to_vec()).unwrap()
    };
    assert_eq!(knock(""), "101");
    assert_eq!(
        knock(&format!("origin: http://{}\r\n", node.address())),
        "101"
    );
    for more in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "origin: ws://127.0.0.1\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: websocket\r\nsec-fetch-dest: empty\r\n",
    ] {
        assert_eq!(knock(more), "403", "{more}");
    }
}

#[test]
fn no_spelling_of_a_path_goes_around_a_door() {
    let (node, entity) = with_secret();
    let blob = node.pod.blobs().put_bytes(SECRET.as_bytes()).unwrap();
    let mut paths: Vec<String> = [
        "//api/1/status",
        "/api//1/status",
        "/api/1//status",
        "/api/1/status/",
        "/api/1/./status",
        "/api/1/%73tatus",
        "/api/1/status%00",
        "/api/1/status%2f",
        "/api/1/status;x=y",
        "/api/1/status%3f",
        "/API/1/STATUS",
        "/api/1/apps/token/../../status",
        "/api/1/apps/token/%2e%2e/%2e%2e/status",
        "/api/1/apps%2ftoken",
        "/api/1/blob/../status",
        "/api/1/blob/%2e%2e/status",
        "/api/1/blob/..%2fstatus",
        "/api/1/blob/%2e%2e%2f%2e%2e%2frunning.json",
        "/api/1/export/..%2f..%2frunning.json/file",
        "/api/1/export/%2e%2e/file",
        "/api/1/live/../status",
        "/authorize/../api/1/status",
        "/authorize%2f..%2fapi/1/status",
        "/ipfs/../api/1/status",
        "/ipfs/%2e%2e/api/1/status",
        "/ipfs/%2e%2e%2fapi%2f1%2fstatus",
        "/../../running.json",
        "/%2e%2e/%2e%2e/running.json",
        "/..%2f..%2frunning.json",
        "/assets/../../../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..%5c..%5cCargo.toml",
        "/running.json",
        "/running.json%00.js",
        "/.git/config",
        "/1.0/identifiers/../../api/1/status",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.push(format!("/api/1/blob//{blob}"));
    paths.push(format!("/api/1/blob/{blob}/"));
    paths.push(format!("/api/1/blob/{blob}%00"));
    paths.push(format!("/api/1/entity/{entity}%2f"));
    paths.push(format!("/ipfs/{blob}?format=raw"));
    paths.push(format!("/ipfs/{blob}%2f?format=raw"));
    paths.push(format!("/ipfs//{blob}?format=raw"));
    let elsewhere: [(&str, &str); 2] = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let picture: [(&str, &str); 2] = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    for path in &paths {
        for headers in [&[][..], &elsewhere, &picture] {
            for method in ["GET", "POST"] {
                let answer = ask(node.address(), method, path, headers, b"");
                let text = String::from_utf8_lossy(&answer.body);
                assert!(!tells(&node, &answer), "{method} {path}: {text}");
                for part in ["[workspace", "\"token\"", "[core]"] {
                    assert!(!text.contains(part), "{method} {path}: {text}");
                }
                // what is answered is refused, or the page of the console, which has no data
                let page = answer.has("content-type", "text/html");
                assert!(
                    answer.status >= 400 || (page && headers.is_empty()),
                    "{method} {path}: {answer:?}"
                );
                assert!(answer.status != 500, "{method} {path}: {text}");
            }
        }
    }
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_not_read() {
    let (node, _) = with_secret();
    let (address, token) = (node.address().to_owned(), node.running.token.clone());
    let own = format!("host: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
    let hidden = format!("GET /api/1/status HTTP/1.1\r\n{own}\r\n");
    for (name, request) in [
        (
            "two lengths",
            format!(
                "POST /api/1/gc HTTP/1.1\r\n{own}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}x"
            ),
        ),
        (
            "no number",
            format!("POST /api/1/gc HTTP/1.1\r\n{own}content-length: +2\r\n\r\n{{}}"),
        ),
        (
            "negative",
            format!("POST /api/1/gc HTTP/1.1\r\n{own}content-length: -1\r\n\r\n{{}}"),
        ),
        (
            "unknown coding",
            format!(
                "POST /api/1/gc HTTP/1.1\r\n{own}transfer-encoding: chunked, identity\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
            ),
        ),
        (
            "not a size",
            format!(
                "POST /api/1/gc HTTP/1.1\r\n{own}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"
            ),
        ),
        (
            "a huge size",
            format!(
                "POST /api/1/gc HTTP/1.1\r\n{own}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{{}}"
            ),
        ),
        (
            "a blank before the colon",
            format!("GET /api/1/status HTTP/1.1\r\n{own}x-y : z\r\n\r\n"),
        ),
        (
            "a folded line",
            format!("GET /api/1/status HTTP/1.1\r\n{own}x-y: z\r\n more\r\n\r\n"),
        ),
        (
            "a zero byte",
            format!("GET /api/1/status HTTP/1.1\r\n{own}x-y: a\0b\r\n\r\n"),
        ),
        (
            "two tokens",
            format!("GET /api/1/status HTTP/1.1\r\n{own}authorization: Bearer wrong\r\n\r\n"),
        ),
        ("no path", format!("GET api/1/status HTTP/1.1\r\n{own}\r\n")),
        (
            "another protocol",
            format!("GET /api/1/status HTTP/3.0\r\n{own}\r\n"),
        ),
        ("HTTP 0.9", "GET /api/1/status\r\n".to_owned()),
        ("HTTP 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (
            "many headers",
            format!(
                "GET /api/1/status HTTP/1.1\r\n{own}{}\r\n",
                "x: y\r\n".repeat(2000)
            ),
        ),
        (
            "a huge header",
            format!(
                "GET /api/1/status HTTP/1.1\r\n{own}x: {}\r\n\r\n",
                "y".repeat(1 << 20)
            ),
        ),
        (
            "a huge path",
            format!("GET /{} HTTP/1.1\r\n{own}\r\n", "y".repeat(1 << 20)),
        ),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        // it may hang up before it has heard everything
        let _ = stream.write_all(request.as_bytes());
        let answer = heard(&mut stream);
        assert!(
            answer.status == 0 || (400..500).contains(&answer.status),
            "{name}: {answer:?}"
        );
        assert!(!tells(&node, &answer), "{name}");
    }
    // a length and pieces: the pieces count, and what follows them is no request of its own
    let request = format!(
        "POST /api/1/gc HTTP/1.1\r\n{own}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
    );
    let answer = raw(&node, &request);
    assert!(answer.status == 0 || answer.status == 400, "{answer:?}");
    assert!(!tells(&node, &answer), "{answer:?}");
    assert_eq!(node.client.status().unwrap()["did"], node.pod.did());
}

#[test]
fn many_who_say_nothing_do_not_keep_others_out() {
    let (node, _) = with_secret();
    let begun = Instant::now();
    // half a head, and half a body that has to come from who has no token
    let mut silent = Vec::new();
    for n in 0..120 {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        let half = if n % 2 == 0 {
            "GET /api/1/sta".to_owned()
        } else {
            format!(
                "POST /api/1/apps/token HTTP/1.1\r\nhost: {}\r\ncontent-length: 60000\r\n\r\n{{",
                node.address()
            )
        };
        stream.write_all(half.as_bytes()).unwrap();
        silent.push(stream);
    }
    for _ in 0..5 {
        assert_eq!(node.client.status().unwrap()["did"], node.pod.did());
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn strangers_together_hold_no_more_than_their_room() {
    let (node, _) = with_secret();
    // each is within what the path takes, and all together are not
    let body = vec![b' '; 60_000];
    let mut busy = 0;
    let mut open = Vec::new();
    for _ in 0..160 {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        let head = format!(
            "POST /api/1/apps/device HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 60001\r\n\r\n",
            node.address()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        open.push(stream);
    }
    let mut refused: Option<Json> = None;
    for stream in &mut open {
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let mut answer = [0; 4096];
        if let Ok(n) = stream.read(&mut answer)
            && answer.starts_with(b"HTTP/1.1 429")
        {
            busy += 1;
            let text = String::from_utf8_lossy(&answer[..n]).into_owned();
            refused = text
                .split("\r\n\r\n")
                .nth(1)
                .and_then(|body| serde_json::from_str(body).ok());
        }
    }
    // 8 MiB are 139 of them
    assert!((15..=30).contains(&busy), "{busy}");
    assert_eq!(refused.unwrap()["error"]["code"], "busy");
    // the owner has a room of his own, and theirs is free again when they are gone
    assert_eq!(node.client.status().unwrap()["did"], node.pod.did());
    drop(open);
    let start = Instant::now();
    loop {
        let answer = ask(node.address(), "POST", "/api/1/apps/device", &[], &body);
        if answer.status == 400 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn backups_and_imports_stay_where_they_belong() {
    let (node, _) = with_secret();
    let bearer = format!("Bearer {}", node.running.token);
    let post = |path: &str, body: &Json| {
        ask(
            node.address(),
            "POST",
            path,
            &[
                ("authorization", &bearer),
                ("content-type", "application/json"),
            ],
            body.to_string().as_bytes(),
        )
    };
    let home = node.home();
    let home = home.directory();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("letter.txt"), "mine").unwrap();
    for place in [
        home.to_owned(),
        home.join("blobs"),
        home.join("new/backup"),
        other.path().to_owned(),
    ] {
        let state = node.pod.blobs().iter().count();
        let answer = post("/api/1/backup", &json!({ "directory": place }));
        // without a network side nothing would be made at all: what is wrong with the place is looked at by the schedule
        assert!(matches!(answer.status, 400 | 503), "{place:?}: {answer:?}");
        assert!(!place.join("sealed.redb").exists());
        assert_eq!(node.pod.blobs().iter().count(), state);
    }
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
    // the name of an upload is a name and no path
    let answer = ask(
        node.address(),
        "POST",
        "/api/1/import?dry-run&name=..%2f..%2frunning.json",
        &[
            ("authorization", &bearer),
            ("content-type", "application/octet-stream"),
        ],
        b"{}",
    );
    assert_eq!(
        (answer.status, &answer.json()["name"]),
        (200, &json!("running.json"))
    );
    let running = std::fs::read_to_string(home.join("running.json")).unwrap();
    assert!(running.contains(&node.running.token));
}

/// A PNG that says so many pixels, with data for none of them.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = b"IHDR".to_vec();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([8, 6, 0, 0, 0]);
    out.extend(13_u32.to_be_bytes());
    let crc = crc(&head);
    out.extend(head);
    out.extend(crc.to_be_bytes());
    // an end of data that says that there is much
    let mut data = b"IDAT".to_vec();
    data.extend([0x78, 0x9c, 0x63, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01]);
    out.extend((data.len() as u32 - 4).to_be_bytes());
    let crc = self::crc(&data);
    out.extend(data);
    out.extend(crc.to_be_bytes());
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[test]
fn hostile_pictures_cost_little_and_run_nothing() {
    let (node, _) = with_secret();
    let token = node.client.status().unwrap()["blob_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let gif = [
        &b"GIF89a\xff\xff\xff\xff\xf7\0\0"[..],
        &[0; 768],
        b",\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\x3b",
    ]
    .concat();
    let jpeg = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0".to_vec();
    let webp = b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\xff\xff\xff\xff\xff".to_vec();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let html = b"\x89PNG\r\n\x1a\n<html><script>alert(1)</script>".to_vec();
    let page = b"<!doctype html><script>alert(1)</script>".to_vec();
    let files = [
        png(u32::MAX >> 1, u32::MAX >> 1),
        png(30_000, 30_000),
        png(29_999, 2),
        png(0, 0),
        gif,
        jpeg,
        webp,
        svg,
        html,
        page,
        b"\x89PNG\r\n\x1a\n".to_vec(),
    ];
    let begun = Instant::now();
    for (n, file) in files.iter().enumerate() {
        let cid = node.pod.blobs().put_bytes(file).unwrap();
        for size in ["", "&size=320", "&size=1280"] {
            let path = format!("/api/1/blob/{cid}?t={token}{size}");
            let answer = ask(node.address(), "GET", &path, &[], b"");
            assert_eq!((answer.status, &answer.body), (200, file), "{n}{size}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(
                answer.header("content-security-policy"),
                Some("sandbox; default-src 'none'")
            );
            let kind = answer.header("content-type").unwrap();
            assert!(
                !kind.contains("html") && !kind.contains("svg") && !kind.contains("xml"),
                "{n}: {kind}"
            );
            if kind == "application/octet-stream" {
                assert_eq!(
                    answer.header("content-disposition"),
                    Some("attachment"),
                    "{n}"
                );
            }
        }
    }
    assert!(
        begun.elapsed() < Duration::from_mins(1),
        "{:?}",
        begun.elapsed()
    );
    // with others in the same process it would say nothing
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && std::env::var_os("NEXTEST").is_some()
    {
        let peak = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        // one that may be opened takes at most half a gigabyte
        assert!(kib < 1_200 << 10, "{peak}");
    }
}

#[test]
fn a_cid_with_bytes_in_it_says_nothing_of_the_pod_and_runs_nothing() {
    let (node, _) = with_secret();
    // an identity CID of a page with a script
    let page = b"<script>alert(1)</script>";
    let mut cid = vec![1, 0x55, 0, page.len() as u8];
    cid.extend(page);
    let name = format!(
        "b{}",
        data_encoding::BASE32_NOPAD.encode(&cid).to_lowercase()
    );
    let answer = ask(
        node.address(),
        "GET",
        &format!("/ipfs/{name}?format=raw"),
        &[],
        b"",
    );
    assert_eq!((answer.status, &answer.body[..]), (200, &page[..]));
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.ipld.raw")
    );
    assert!(answer.has("content-disposition", "attachment"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    for form in ["", "?format=dag-json", "?format=html", "?download=false"] {
        let headers = [("accept", "text/html")];
        let answer = ask(
            node.address(),
            "GET",
            &format!("/ipfs/{name}{form}"),
            &headers,
            b"",
        );
        assert!(answer.status >= 400, "{form}: {answer:?}");
    }
    // one that says that there is more in it than there is, and ones of other kinds
    for bytes in [
        &[1, 0x55, 0, 200, 1][..],
        &[1, 0x71, 0, 1, 0xa0],
        &[1, 0x55, 0x1e, 32],
        &[0; 64],
        &[0xff; 64],
    ] {
        let name = format!(
            "b{}",
            data_encoding::BASE32_NOPAD.encode(bytes).to_lowercase()
        );
        let answer = ask(
            node.address(),
            "GET",
            &format!("/ipfs/{name}?format=raw"),
            &[],
            b"",
        );
        assert!(
            (400..500).contains(&answer.status) || (answer.status == 200 && answer.body == [0xa0]),
            "{bytes:?}: {answer:?}"
        );
        assert!(!tells(&node, &answer));
    }
}
