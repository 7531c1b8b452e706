use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rhizome_pod::{Client, PodError, Serving};
use serde_json::{Value as Json, json};

use crate::node;

/// One request, byte for byte as given, and the whole answer. A connection cut before an answer has the status 0.
fn raw(address: &str, request: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(request.replace('\n', "\r\n").as_bytes())
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return (0, String::new(), answer);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

fn get(node: &node::Node, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
    raw(
        node.address(),
        &format!(
            "GET {path} HTTP/1.1\nhost: {}\nconnection: close\n{headers}\n",
            node.address()
        ),
    )
}

#[test]
fn the_token_opens_the_api_and_nothing_else_does() {
    let node = node::start();
    assert_eq!(get(&node, "/api/1/status", "").0, 401);
    assert_eq!(
        get(&node, "/api/1/status", "authorization: Bearer wrong\n").0,
        401
    );
    let token = node.running.token.clone();
    assert_eq!(
        get(&node, &format!("/api/1/status?token={token}"), "").0,
        401
    );
    let status = node.client.status().unwrap();
    assert_eq!(status["did"], node.pod.did());
    // the token for blobs opens blobs only
    let blob_token = status["blob_token"].as_str().unwrap().to_owned();
    assert_eq!(
        get(
            &node,
            "/api/1/status",
            &format!("authorization: Bearer {blob_token}\n")
        )
        .0,
        401
    );
    let (code, head, _) = get(
        &node,
        "/api/1/status",
        &format!("authorization: Bearer {token}\n"),
    );
    assert_eq!(code, 200);
    assert!(
        head.contains("cache-control: no-store")
            && head.contains("x-content-type-options: nosniff"),
        "{head}"
    );
}

#[test]
fn other_sites_are_refused_even_with_the_token() {
    let node = node::start();
    let token = &node.running.token;
    for headers in [
        "origin: http://evil.example\n",
        "sec-fetch-site: cross-site\n",
        "origin: null\n",
    ] {
        let (code, ..) = get(
            &node,
            "/api/1/status",
            &format!("authorization: Bearer {token}\n{headers}"),
        );
        assert_eq!(code, 403, "{headers}");
    }
    let rebound = format!(
        "GET /api/1/status HTTP/1.1\nhost: evil.example\nconnection: close\nauthorization: Bearer {token}\n\n"
    );
    assert_eq!(raw(node.address(), &rebound).0, 403);
    // the page itself as well: a rebound name must not even get the console
    assert_eq!(
        raw(
            node.address(),
            "GET / HTTP/1.1\nhost: evil.example\nconnection: close\n\n"
        )
        .0,
        403
    );
}

#[test]
fn the_page_comes_with_a_strict_policy() {
    let node = node::start();
    for path in ["/", "/query", "/data/rz:abc"] {
        let (code, head, body) = get(&node, path, "");
        assert_eq!(code, 200);
        assert!(
            head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
            "{head}"
        );
        assert!(!head.contains("unsafe"), "{head}");
        let page = String::from_utf8(body).unwrap();
        assert!(page.starts_with("<!doctype html>"), "{page}");
        let built = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../apps/console/dist/index.html")
            .exists();
        assert_eq!(
            page.contains("id=\"root\""),
            built,
            "the console if it was built, else how to build it"
        );
    }
    assert_eq!(get(&node, "/assets/nothing.js", "").0, 404);
    assert_eq!(
        get(&node, "/../../etc/passwd", "").0,
        200,
        "the page, not a file"
    );
    assert_eq!(get(&node, "/api/1/nothing", "").0, 401);
    let token = format!("authorization: Bearer {}\n", node.running.token);
    assert_eq!(get(&node, "/api/1/nothing", &token).0, 404);
}

#[test]
fn queries_and_their_errors() {
    let node = node::start();
    node.client
        .transact(&json!([
            { "assert": { "entity": "_:a", "attribute": "x/name", "value": "one" } },
            { "assert": { "entity": "_:b", "attribute": "x/name", "value": "two" } },
        ]))
        .unwrap();
    let ask = |q: &str, inputs: &[Json]| node.client.query(&Json::from(q), inputs);
    let answer = ask("[:find ?name :where [_ :x/name ?name] :order [?name]]", &[]).unwrap();
    assert_eq!(answer["columns"], json!(["?name"]));
    assert_eq!(answer["rows"], json!([["one"], ["two"]]));
    let answer = ask(
        "[:find ?e :in $ ?name :where [?e \"x/name\" ?name]]",
        &[json!("two")],
    )
    .unwrap();
    assert!(answer["rows"][0][0].as_str().unwrap().starts_with("rz:"));

    let nested = json!({ "x": { "$": { "where": { "name": "two" } } } });
    let found = node.client.query(&nested, &[]).unwrap();
    assert_eq!(found["x"][0]["name"], "two");
    assert_eq!(
        found,
        node.client
            .query(&Json::from(nested.to_string()), &[])
            .unwrap()
    );
    let error = ask("{\"x\": {\n \"$\": oops}}", &[]).unwrap_err();
    assert_eq!(
        (error.code(), error.position().unwrap().line),
        ("syntax", 2)
    );

    let error = ask("[:find ?e\n :where [?e \"x/name\" ?n)]", &[]).unwrap_err();
    assert_eq!(error.code(), "syntax");
    let at = error.position().unwrap();
    assert_eq!(at.line, 2);
    assert_eq!(ask("[:find ?x :in $ ?x]", &[]).unwrap_err().code(), "input");
    let error = node.client.query(&json!(5), &[]).unwrap_err();
    assert_eq!(error.code(), "request");
    let long = Json::from("x".repeat(17 << 20));
    assert_eq!(
        node.client.query(&long, &[]).unwrap_err().code(),
        "too-large"
    );
}

#[test]
fn a_caller_that_leaves_stops_its_query() {
    let node = node::start();
    let numbers: Vec<Json> = (0..400)
        .map(
            |n| json!({ "assert": { "entity": format!("_:{n}"), "attribute": "x/n", "value": n } }),
        )
        .collect();
    node.client.transact(&json!(numbers)).unwrap();
    // sixty-four million combinations
    let q = "[:find (max ?s) :where [_ :x/n ?a] [_ :x/n ?b] [_ :x/n ?c] [(+ ?a ?b ?c) ?s]]";
    let stop = rhizome_pod::Stop::new(false);
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| node.pod.query(&Json::from(q), &[], &stop));
        std::thread::sleep(std::time::Duration::from_millis(50));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        asked.join().unwrap()
    });
    assert_eq!(answer.unwrap_err().code(), "cancelled");
}

#[test]
fn transactions_and_entities() {
    let node = node::start();
    let receipt = node
        .client
        .transact(&json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": { "time": "2026-11-20T12:00:00Z" } } }]))
        .unwrap();
    let id = receipt["entities"]["_:a"].as_str().unwrap();
    assert!(receipt["commit"].as_str().unwrap().starts_with("bafyr"));
    let detail = node.client.entity(id).unwrap();
    assert_eq!(
        detail["tuples"][0]["value"],
        json!({ "time": 1_795_176_000_000_i64 })
    );
    assert_eq!(detail["tuples"][0]["app"], "command line");

    let error = node
        .client
        .transact(&json!([{ "assert": { "entity": "_:a", "attribute": "x y", "value": 1 } }]))
        .unwrap_err();
    assert_eq!(error.code(), "transaction");
    assert!(error.to_string().starts_with("change 0:"), "{error}");
    let error = node.client.transact(&json!("not an array")).unwrap_err();
    assert_eq!(error.code(), "transaction");
    assert_eq!(
        node.client.entity("rz:nonsense").unwrap_err().code(),
        "request"
    );
}

#[test]
fn blobs_are_served_in_ranges_and_never_as_something_that_runs() {
    let node = node::start();
    let png = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![7; 300_000]].concat();
    let picture = node.pod.blobs().put_bytes(&png).unwrap();
    let page = node
        .pod
        .blobs()
        .put_bytes(b"<!doctype html><script>alert(1)</script>")
        .unwrap();
    let token = node.client.status().unwrap()["blob_token"]
        .as_str()
        .unwrap()
        .to_owned();

    let (code, head, body) = get(&node, &format!("/api/1/blob/{picture}?t={token}"), "");
    assert_eq!((code, body.len()), (200, png.len()));
    assert!(body == png);
    assert!(
        head.contains("content-type: image/png") && head.contains("accept-ranges: bytes"),
        "{head}"
    );
    assert!(
        head.contains("content-security-policy: sandbox") && head.contains("immutable"),
        "{head}"
    );

    let (code, head, body) = get(
        &node,
        &format!("/api/1/blob/{picture}?t={token}"),
        "range: bytes=262140-262150\n",
    );
    assert_eq!((code, body.as_slice()), (206, &png[262_140..=262_150]));
    assert!(
        head.contains(&format!("content-range: bytes 262140-262150/{}", png.len())),
        "{head}"
    );
    assert_eq!(
        get(
            &node,
            &format!("/api/1/blob/{picture}?t={token}"),
            "range: bytes=400000-\n"
        )
        .0,
        416
    );
    let (code, ..) = get(
        &node,
        &format!("/api/1/blob/{picture}?t={token}"),
        &format!("if-none-match: \"{picture}\"\n"),
    );
    assert_eq!(code, 304);

    let (code, head, _) = get(&node, &format!("/api/1/blob/{page}?t={token}"), "");
    assert_eq!(code, 200);
    assert!(
        head.contains("content-type: application/octet-stream")
            && head.contains("content-disposition: attachment"),
        "{head}"
    );

    assert_eq!(get(&node, &format!("/api/1/blob/{picture}"), "").0, 401);
    assert_eq!(
        get(&node, &format!("/api/1/blob/{picture}?t=wrong"), "").0,
        401
    );
    let missing = rhizome_ipld::cid_raw_blake3([1; 32]);
    assert_eq!(
        get(&node, &format!("/api/1/blob/{missing}?t={token}"), "").0,
        404
    );
    assert_eq!(
        get(&node, &format!("/api/1/blob/nonsense?t={token}"), "").0,
        400
    );
}

#[test]
fn damaged_files_are_not_served() {
    let node = node::start();
    let cid = node.pod.blobs().put_bytes(&vec![5; 100_000]).unwrap();
    let mut file = None;
    visit(node.pod.blobs().directory(), &mut |path| {
        if path.metadata().unwrap().len() == 100_000 {
            file = Some(path.to_owned());
        }
    });
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[50_000] ^= 1;
    let mut permissions = file.metadata().unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&file, permissions).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let token = node.client.status().unwrap()["blob_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (code, _, body) = get(&node, &format!("/api/1/blob/{cid}?t={token}"), "");
    // the head may be sound and sent; the damaged piece never is
    assert!(code != 200 || body.len() < 100_000);
    let diagnosis = node.client.doctor().unwrap();
    assert_eq!(diagnosis["ok"], false);
    assert!(
        diagnosis["findings"][0]
            .as_str()
            .unwrap()
            .contains(&cid.to_string())
    );
}

fn visit(directory: &std::path::Path, f: &mut dyn FnMut(&std::path::Path)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, f);
        } else {
            f(&path);
        }
    }
}

#[test]
fn a_running_node_is_found_and_a_dead_one_is_not() {
    let mut node = node::start();
    let home = node.home();
    assert!(Client::connect(&home).is_some());
    let announced = std::fs::read(home.directory().join("running.json")).unwrap();
    node.stop();
    assert_eq!(home.running(), None);
    assert!(Client::connect(&home).is_none());
    // killed: the note stays, but nobody answers
    std::fs::write(home.directory().join("running.json"), announced).unwrap();
    assert!(home.running().is_some());
    assert!(Client::connect(&home).is_none());
}

#[test]
fn a_port_in_use_is_explained() {
    let node = node::start();
    let dir = tempfile::tempdir().unwrap();
    let other = std::sync::Arc::new(
        rhizome_pod::PodHome::at(dir.path())
            .init(&rhizome_pod::Opening::by("a test"))
            .unwrap(),
    );
    let Err(error) = Serving::bind(other.clone(), node.address().parse().unwrap()) else {
        panic!("two on one port")
    };
    assert!(matches!(error, PodError::PortInUse(_)), "{error:?}");
    assert!(error.to_string().contains("--listen"), "{error}");
    let Err(error) = Serving::bind(other, "0.0.0.0:0".parse().unwrap()) else {
        panic!("not on loopback")
    };
    assert!(matches!(error, PodError::NotLoopback(_)), "{error:?}");
}

#[test]
fn recovery_words_go_by_post_only() {
    let node = node::start();
    let token = &node.running.token;
    assert_eq!(
        get(
            &node,
            "/api/1/recovery/words",
            &format!("authorization: Bearer {token}\n")
        )
        .0,
        405
    );
    let post = |path: &str, body: &Json| {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\nhost: {}\nconnection: close\nauthorization: Bearer {token}\ncontent-length: {}\n\n{body}",
            node.address(),
            body.len()
        );
        let (code, _, body) = raw(node.address(), &request);
        (code, serde_json::from_slice::<Json>(&body).unwrap())
    };
    let (_, words) = post("/api/1/recovery/words", &json!({}));
    assert_eq!(words["words"].as_array().unwrap().len(), 24);
    let (code, error) = post(
        "/api/1/recovery/confirm",
        &json!({ "answers": { "1": "zoo", "2": "zoo", "3": "zoo" } }),
    );
    assert_eq!((code, &error["error"]["code"]), (400, &json!("request")));
    let answers =
        json!({ "1": words["words"][0], "2": words["words"][1], "24": words["words"][23] });
    assert_eq!(
        post("/api/1/recovery/confirm", &json!({ "answers": answers })),
        (200, json!({ "confirmed": true }))
    );
    assert_eq!(node.client.status().unwrap()["recovery"]["confirmed"], true);
    // the paper can be tested whenever one likes
    let paper: Vec<&str> = words["words"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let test = |text: String| post("/api/1/recovery/test", &json!({ "words": text }));
    assert_eq!(
        test(paper.join("\n ").to_uppercase()),
        (200, json!({ "ok": true, "policy": 0, "policies": 1 }))
    );
    let others = format!("{}art", "abandon ".repeat(23));
    for (text, says) in [
        (paper[1..].join(" "), "23 words"),
        (
            paper.join(" ").replacen(paper[3], "rhizome", 1),
            "not in the list",
        ),
        (others, "another identity"),
    ] {
        let (code, error) = test(text);
        assert_eq!((code, &error["error"]["code"]), (400, &json!("words")));
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn devices_conflicts_and_where_a_commit_is() {
    let node = node::start();
    let bearer = format!("authorization: Bearer {}\n", node.running.token);
    let ask = |path: &str| {
        let (code, _, body) = get(&node, path, &bearer);
        (code, serde_json::from_slice::<Json>(&body).unwrap())
    };
    let post = |path: &str, body: &Json| {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\nhost: {}\nconnection: close\n{bearer}content-length: {}\n\n{body}",
            node.address(),
            body.len()
        );
        let (code, _, body) = raw(node.address(), &request);
        (code, serde_json::from_slice::<Json>(&body).unwrap())
    };
    let (_, devices) = ask("/api/1/devices");
    assert_eq!(devices["admin"], true);
    let key = &devices["devices"][0]["key"];
    let named = post(
        "/api/1/devices/name",
        &json!({ "key": key, "name": " laptop " }),
    );
    assert_eq!(named, (200, json!({ "key": key, "name": "laptop" })));
    assert_eq!(ask("/api/1/devices").1["devices"][0]["name"], "laptop");
    for name in ["", "  ", "two\nlines", &"x".repeat(65)] {
        let body = json!({ "key": key, "name": name });
        assert_eq!(post("/api/1/devices/name", &body).0, 400, "{name:?}");
    }
    let nobody = json!({ "key": "did:key:z6Mk", "name": "x" });
    assert_eq!(post("/api/1/devices/name", &nobody).0, 400);

    assert_eq!(
        ask("/api/1/conflicts"),
        (200, json!({ "conflicts": [], "total": 0 }))
    );

    let changes =
        json!([{ "assert": { "entity": "_:n", "attribute": "note/text", "value": "x" } }]);
    let commit = node.client.transact(&changes).unwrap()["commit"].clone();
    let (code, reach) = ask(&format!("/api/1/reach/{}", commit.as_str().unwrap()));
    assert_eq!(code, 200);
    assert_eq!(
        reach["devices"],
        json!({ "with": 1, "without": 0, "unknown": 0 })
    );
    assert_eq!(ask("/api/1/reach/bafkqaaa").0, 400);
    assert_eq!(ask("/api/1/peers").1["undelivered"], Json::Null);
}

#[test]
fn the_did_is_resolved_for_who_asks_under_the_right_name() {
    let node = node::start();
    let did = node.pod.did();
    let path = format!("/1.0/identifiers/{did}");
    let (code, head, body) = get(&node, &path, "");
    assert_eq!(code, 200);
    assert!(
        head.contains("content-type: application/did-resolution"),
        "{head}"
    );
    let result: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(result["didDocument"]["id"], did);
    let (code, head, body) = get(&node, &path, "accept: application/did+ld+json\n");
    assert_eq!(code, 200);
    assert!(
        head.contains("content-type: application/did+ld+json"),
        "{head}"
    );
    let document: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["id"], did);
    for (path, accept, status) in [
        (path.clone(), "accept: text/html\n", 406),
        (format!("{path}?versionId="), "", 400),
        (format!("{path}?versionTime=2026-01-01"), "", 501),
        ("/1.0/identifiers/did:web:example.org".to_owned(), "", 501),
        ("/1.0/identifiers/nonsense".to_owned(), "", 400),
        (path.clone(), "origin: http://evil.example\n", 403),
    ] {
        assert_eq!(get(&node, &path, accept).0, status, "{path} {accept}");
    }
}

#[test]
fn every_refusal_has_a_code() {
    let node = node::start();
    let bearer = format!("authorization: Bearer {}\n", node.running.token);
    for (path, status, code) in [
        ("/api/1", 404, "missing"),
        ("/api/1/", 404, "missing"),
        ("/api/1/none", 404, "missing"),
        ("/api/1/query", 405, "method"),
        ("/api/1/entity/%ff", 400, "request"),
        ("/api/1/import/%ff", 400, "request"),
        ("/api/1/blob/%ff", 400, "request"),
        ("/api/1/blob/x?t=1&t=2", 400, "request"),
        ("/api/1/blob/x?t=%ff", 401, "unauthorised"),
    ] {
        let (got, head, body) = get(
            &node,
            path,
            &bearer.replace("Bearer", if status == 401 { "Basic" } else { "Bearer" }),
        );
        assert_eq!(got, status, "{path}: {head}");
        let error: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!(error["error"]["code"], code, "{path}");
    }
}

#[test]
fn pictures_come_in_a_few_smaller_sizes() {
    let node = node::start();
    let blob_token = node.client.status().unwrap()["blob_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let picture = image::RgbImage::from_fn(1_600, 800, |x, y| image::Rgb([x as u8, y as u8, 9]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    let jpeg = jpeg.into_inner();
    let [large, text] =
        [&jpeg[..], b"no picture"].map(|bytes| node.pod.blobs().put_bytes(bytes).unwrap());
    let ask = |cid: &rhizome_blob::Cid, size: u32| {
        get(
            &node,
            &format!("/api/1/blob/{cid}?t={blob_token}&size={size}"),
            "",
        )
    };
    // made, and then found
    for _ in 0..2 {
        let (status, head, body) = ask(&large, 320);
        assert_eq!(status, 200);
        assert!(
            head.contains("content-type: image/jpeg") && head.contains(&format!("{large}-320"))
        );
        let small = image::load_from_memory(&body).unwrap();
        assert_eq!((small.width(), small.height()), (320, 160));
    }
    assert_eq!(ask(&text, 320).2, b"no picture");
    assert_eq!(ask(&large, 321).0, 400);
    let (status, ..) = get(&node, &format!("/api/1/blob/{large}?size=320"), "");
    assert_eq!(status, 401, "with a token only");
}

#[test]
fn an_export_is_fetched_once() {
    let node = node::start();
    let token = format!("authorization: Bearer {}\n", node.running.token);
    let asked = node
        .client
        .export(rhizome_pod::ExportFormat::Jsonl, &mut Vec::new());
    assert_eq!(asked.unwrap()["missing_total"], 0);
    let body = r#"{"format":"car"}"#;
    let request = format!(
        "POST /api/1/export HTTP/1.1\nhost: {}\n{token}content-length: {}\nconnection: close\n\n{body}",
        node.address(),
        body.len()
    );
    let (status, _, answer) = raw(node.address(), &request);
    assert_eq!(status, 200);
    let answer: Json = serde_json::from_slice(&answer).unwrap();
    let url = answer["url"].as_str().unwrap();
    let (status, head, _) = get(&node, url, "");
    assert_eq!(status, 200);
    assert!(head.contains("attachment; filename=\"rhizome.car\""));
    assert_eq!(get(&node, url, "").0, 404, "it is good once");
    assert_eq!(get(&node, "/api/1/export/nothing/file", "").0, 404);
    let (status, _, state) = get(&node, url.trim_end_matches("/file"), &token);
    assert_eq!(status, 200);
    let state: Json = serde_json::from_slice(&state).unwrap();
    assert_eq!(state["state"], "done");
    assert_eq!(get(&node, url.trim_end_matches("/file"), "").0, 401);
}
