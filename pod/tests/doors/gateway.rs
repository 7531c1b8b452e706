//! `/ipfs/{cid}`, by the rules of a trustless gateway.

use std::time::{Duration, Instant};

use rhizome_ipld::car;
use rhizome_pod::Power;
use serde_json::json;

use crate::{
    ask::{Answer, ask},
    node::{self, Node},
};

const RAW: (&str, &str) = ("accept", "application/vnd.ipld.raw");

fn raw_cid(bytes: &[u8]) -> rhizome_ipld::Cid {
    rhizome_ipld::cid_raw_blake3(*blake3::hash(bytes).as_bytes())
}

/// A file that an entity names, and its CID.
fn file(node: &Node, bytes: &[u8], public: bool) -> String {
    let cid = node.pod.blobs().put_bytes(bytes).unwrap().to_string();
    node.client
        .transact(&json!([
            { "assert": { "entity": "_:f", "attribute": "file/blob", "value": { "blob": cid } } },
            { "assert": { "entity": "_:f", "attribute": "public", "value": public } },
        ]))
        .unwrap();
    cid
}

fn publish(node: &Node) -> String {
    let terms = json!({ "where": "public: true", "can": "read", "to": "anyone" });
    let given = node.client.grant(&terms);
    let given = given.unwrap_or_else(|_| {
        // without a network side the pod itself does it
        let predicate = "public: true".parse().unwrap();
        node.pod
            .publish(&predicate, Power::Read, None)
            .unwrap()
            .to_json()
    });
    given["grant"].as_str().unwrap().to_owned()
}

/// Asks until what is public has been looked at again.
fn until(node: &Node, path: &str, status: u16) -> Answer {
    let start = Instant::now();
    loop {
        let answer = ask(node.address(), "GET", path, &[], b"");
        if answer.status == status {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{answer:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_public_file_and_no_other_is_served() {
    let node = node::start();
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let (public, private) = (file(&node, &bytes, true), file(&node, b"mine alone", false));
    let unknown = raw_cid(b"nowhere").to_string();
    let stored = node
        .pod
        .blobs()
        .put_bytes(b"named by nobody")
        .unwrap()
        .to_string();
    let get = |path: &str, headers: &[(&str, &str)]| ask(node.address(), "GET", path, headers, b"");
    // nothing is public before it is given
    assert_eq!(get(&format!("/ipfs/{public}"), &[RAW]).status, 404);
    publish(&node);
    node.pod.tend_views(None).unwrap();
    let found = until(&node, &format!("/ipfs/{public}?format=raw"), 200);
    assert_eq!(found.body, bytes);
    assert!(found.has("content-type", "application/vnd.ipld.raw"));
    assert_eq!(found.header("etag"), Some(&*format!("\"{public}.raw\"")));
    assert_eq!(
        found.header("cache-control"),
        Some("public, max-age=29030400, immutable")
    );
    assert_eq!(found.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        found.header("x-ipfs-path"),
        Some(&*format!("/ipfs/{public}"))
    );
    assert!(found.has(
        "content-disposition",
        &format!("attachment; filename=\"{public}.bin\"")
    ));
    assert_eq!(found.header("access-control-allow-origin"), Some("*"));
    // what is not public, what is not here and what nobody names are answered alike, but for nothing
    let answers: Vec<Answer> = [&private, &unknown, &stored]
        .iter()
        .map(|cid| get(&format!("/ipfs/{cid}"), &[RAW]))
        .collect();
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (404, &answers[0].body));
        let length = |a: &Answer| {
            (
                a.head.lines().count(),
                a.header("content-length").map(str::to_owned),
            )
        };
        assert_eq!(length(answer), length(&answers[0]));
    }
    // pages of others may read it, and nothing else
    let elsewhere = [
        RAW,
        ("origin", "https://app.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(get(&format!("/ipfs/{public}"), &elsewhere).body, bytes);
    assert_eq!(get("/api/1/status", &elsewhere).status, 403);
    let asked = ask(
        node.address(),
        "OPTIONS",
        &format!("/ipfs/{public}"),
        &elsewhere,
        b"",
    );
    assert_eq!(
        (asked.status, asked.header("access-control-allow-methods")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(
        ask(
            node.address(),
            "POST",
            &format!("/ipfs/{public}"),
            &[RAW],
            b""
        )
        .status,
        405
    );
    // another name for this machine is refused here, too
    assert_eq!(
        get(&format!("/ipfs/{public}"), &[RAW, ("host", "evil.example")]).status,
        403
    );
}

#[test]
fn forms_ranges_and_refusals_are_those_of_the_specification() {
    let node = node::start();
    let cid = file(&node, b"a public file", true);
    publish(&node);
    node.pod.tend_views(None).unwrap();
    until(&node, &format!("/ipfs/{cid}?format=raw"), 200);
    let at = |rest: &str| format!("/ipfs/{cid}{rest}");
    let get = |path: &str, headers: &[(&str, &str)]| ask(node.address(), "GET", path, headers, b"");

    let car_type = (
        "accept",
        "application/vnd.ipld.car; version=1; order=dfs; dups=y",
    );
    let car = get(&at(""), &[car_type]);
    assert!(car.has("content-type", "application/vnd.ipld.car; version=1"));
    assert_eq!(
        car.header("content-length"),
        Some(&*car.body.len().to_string())
    );
    let mut reader = car::Reader::new(&car.body[..], car::Limits::default()).unwrap();
    assert_eq!(reader.roots()[0].to_string(), cid);
    let block = reader.next().unwrap().unwrap();
    assert_eq!(
        (block.0.to_string(), &block.1[..]),
        (cid.clone(), &b"a public file"[..])
    );
    assert!(reader.next().is_none());
    // `format` decides
    assert_eq!(get(&at("?format=raw"), &[car_type]).body, b"a public file");
    let scoped = get(&at("?format=car&dag-scope=block&entity-bytes=0:*"), &[]);
    assert_eq!(scoped.body, car.body);
    assert_ne!(scoped.header("etag"), car.header("etag"));

    let head = ask(node.address(), "HEAD", &at("?format=raw"), &[], b"");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("13"), 0)
    );
    let part = get(&at(""), &[RAW, ("range", "bytes=2-7")]);
    assert_eq!((part.status, &part.body[..]), (206, &b"public"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 2-7/13"));
    assert_eq!(get(&at(""), &[RAW, ("range", "bytes=99-")]).status, 416);
    let etag = format!("\"{cid}.raw\"");
    assert_eq!(get(&at(""), &[RAW, ("if-none-match", &etag)]).status, 304);
    assert_eq!(
        get(&at(""), &[RAW, ("if-none-match", "\"other\"")]).status,
        200
    );

    let cases = [
        (at(""), vec![], 400),
        (at(""), vec![("accept", "*/*")], 400),
        (at(""), vec![("accept", "text/html, image/png")], 406),
        (at("?format=tar"), vec![RAW], 406),
        (
            at(""),
            vec![("accept", "application/vnd.ipld.car; version=2")],
            406,
        ),
        (at("?format=car&dag-scope=most"), vec![], 400),
        (at("?format=car&entity-bytes=here"), vec![], 400),
        (at("/a/path?format=raw"), vec![], 400),
        (at("/a/path?format=car"), vec![], 404),
        ("/ipfs/nonsense?format=raw".into(), vec![], 400),
        (
            "/ipfs/QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n?format=raw".into(),
            vec![],
            404,
        ),
        (
            format!("/ipfs/{}?format=raw", raw_cid(b"x")),
            vec![("cache-control", "only-if-cached")],
            412,
        ),
    ];
    for (path, headers, status) in cases {
        let answer = get(&path, &headers);
        assert_eq!(answer.status, status, "{path} {headers:?}");
        assert!(answer.json()["error"]["code"].is_string(), "{path}");
    }
    // the probe, and what a CID says by itself
    assert_eq!(get("/ipfs/bafkqaaa?format=raw", &[]).body, b"");
    assert_eq!(
        get("/ipfs/bafkqabtimvwgy3yk?format=raw", &[]).body,
        b"hello\n"
    );
    // compression would change what is checked
    let squeezed = get(&at(""), &[RAW, ("accept-encoding", "gzip")]);
    assert_eq!(
        (squeezed.header("content-encoding"), &squeezed.body[..]),
        (None, &b"a public file"[..])
    );
}

#[test]
fn what_is_taken_back_is_not_served_any_more() {
    let node = node::start();
    let cid = file(&node, b"for a while", true);
    let grant = publish(&node);
    node.pod.tend_views(None).unwrap();
    until(&node, &format!("/ipfs/{cid}?format=raw"), 200);
    node.pod.revoke(&grant).unwrap();
    until(&node, &format!("/ipfs/{cid}?format=raw"), 404);
}
