//! Apps that ask: from another origin, over HTTP, as a page and as a program does.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use data_encoding::BASE64URL_NOPAD;
use rhizome_ipld::SigningKey;
use rhizome_pod::PodError;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::node::{self, Node};

const ORIGIN: &str = "http://localhost:5173";
const BACK: &str = "http://localhost:5173/back";
const VERIFIER: &str = "a verifier that is random in real life, and long enough";
/// What must not be found anywhere.
const SECRET: &str = "zanzibar";

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}: {}", self.head, String::from_utf8_lossy(&self.body)))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// One request with these headers, each a line.
fn send(node: &Node, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(node.address()).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\nhost: {}\nconnection: close\ncontent-length: {}\n{headers}\n",
        node.address(),
        body.len()
    );
    stream
        .write_all(head.replace('\n', "\r\n").as_bytes())
        .unwrap();
    // it may be refused before all of it was read
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{method} {path}: no answer"));
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = answer[end + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status, head, body }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    out
}

/// A page at [`ORIGIN`].
struct Page<'n> {
    node: &'n Node,
    key: SigningKey,
    origin: &'n str,
    token: String,
    blob_token: String,
    grant: String,
}

fn query_of(key: &SigningKey, scopes: &Json, changes: &[(&str, &str)]) -> String {
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
    let (client, scope) = (key.public().to_did_key(), scopes.to_string());
    let mut pairs = vec![
        ("client_id", client.as_str()),
        ("name", "Album captions"),
        ("redirect_uri", BACK),
        ("state", "what comes back"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("scope", &scope),
    ];
    for (name, value) in changes {
        pairs.retain(|p| p.0 != *name);
        pairs.push((name, value));
    }
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// The console's part: shows, and lets in as asked.
fn let_in(node: &Node, query: &str, given: Option<Json>) -> String {
    let asked = node.pod.ask_app(query).unwrap().0;
    let scopes = given.unwrap_or_else(|| {
        let scopes = asked["scopes"].as_array().unwrap();
        scopes
            .iter()
            .map(|s| json!({ "where": s["where"], "can": s["can"] }))
            .collect()
    });
    let body = json!({ "request": asked["request"], "scopes": scopes });
    let answer = owner(node, "POST", "/apps/allow", &body);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let back = answer.json()["redirect"].as_str().unwrap().to_owned();
    // whose answer it is
    assert_eq!(part(&back, "iss").as_deref(), Some(&*node.running.url));
    back
}

fn owner(node: &Node, method: &str, path: &str, body: &Json) -> Answer {
    let headers = format!("authorization: Bearer {}\n", node.running.token);
    let path = format!("/api/1{path}");
    send(node, method, &path, &headers, body.to_string().as_bytes())
}

fn part(address: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(address).unwrap();
    let mut pairs = url.query_pairs();
    pairs
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.into_owned())
}

fn proof(key: &SigningKey, code: &str) -> String {
    BASE64URL_NOPAD.encode(&key.sign(format!("rhizome app token v1\n{code}").as_bytes()))
}

fn redeem_body(key: &SigningKey, code: &str) -> Json {
    json!({
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": BACK,
        "client_id": key.public().to_did_key(),
        "proof": proof(key, code),
    })
}

fn redeem(node: &Node, origin: &str, body: &Json) -> Answer {
    let headers = format!("origin: {origin}\nsec-fetch-site: cross-site\n");
    send(
        node,
        "POST",
        "/api/1/apps/token",
        &headers,
        body.to_string().as_bytes(),
    )
}

impl<'n> Page<'n> {
    fn connect(node: &'n Node, scopes: &Json) -> Self {
        Self::narrowed(node, scopes, None)
    }

    fn narrowed(node: &'n Node, scopes: &Json, given: Option<Json>) -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let key = SigningKey::from_seed(seed);
        let redirect = let_in(node, &query_of(&key, scopes, &[]), given);
        let code = part(&redirect, "code").unwrap();
        let answer = redeem(node, ORIGIN, &redeem_body(&key, &code));
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert!(
            answer
                .head
                .contains(&format!("access-control-allow-origin: {ORIGIN}"))
        );
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        Self {
            node,
            key,
            origin: ORIGIN,
            token: text("access_token"),
            blob_token: text("blob_token"),
            grant: text("grant"),
        }
    }

    fn headers(&self) -> String {
        format!(
            "authorization: Bearer {}\norigin: {}\nsec-fetch-site: cross-site\nsec-fetch-mode: cors\n",
            self.token, self.origin
        )
    }

    fn ask(&self, method: &str, path: &str, body: &Json) -> Answer {
        let path = format!("/api/1{path}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        send(self.node, method, &path, &self.headers(), body.as_bytes())
    }

    fn rows(&self, q: &str) -> Json {
        let answer = self.ask("POST", "/query", &json!({ "q": q }));
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["rows"].clone()
    }

    fn tx(&self, changes: &Json) -> Answer {
        self.ask("POST", "/tx", changes)
    }
}

fn assert(entity: &str, attribute: &str, value: impl Into<Json>) -> Json {
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value.into() } })
}

/// Photos in two albums, and something else. Returns the entities by their names.
fn fill(node: &Node, secrets: usize) -> serde_json::Map<String, Json> {
    let mut changes = Vec::new();
    for (i, album) in ["garibaldi", "garibaldi", "home"].iter().enumerate() {
        let name = format!("_:photo{i}");
        changes.push(assert(&name, "is-photo", true));
        changes.push(assert(&name, "import/source", "how it came here"));
        changes.push(assert(&name, "photo-album", *album));
        changes.push(assert(&name, "photo/title", format!("photo {i}")));
        let file = node
            .pod
            .blobs()
            .put_bytes(format!("file of photo {i}").as_bytes())
            .unwrap();
        changes.push(assert(
            &name,
            "photo/file",
            json!({ "blob": file.to_string() }),
        ));
        changes.push(json!({ "list": { "entity": name, "attribute": "photo/tags", "value": ["b", "a", "b"] } }));
    }
    for i in 0..secrets {
        let name = format!("_:diary{i}");
        changes.push(assert(
            &name,
            &format!("{SECRET}/text"),
            format!("{SECRET} {i}"),
        ));
        changes.push(assert(&name, "photo/of", json!({ "ref": "_:photo0" })));
        let bytes = format!("{SECRET} file {i}");
        let file = node.pod.blobs().put_bytes(bytes.as_bytes()).unwrap();
        changes.push(assert(
            &name,
            "diary/file",
            json!({ "blob": file.to_string() }),
        ));
    }
    let done = node.client.transact(&Json::Array(changes)).unwrap();
    done["entities"].as_object().unwrap().clone()
}

fn id<'e>(entities: &'e serde_json::Map<String, Json>, name: &str) -> &'e str {
    entities[&format!("_:{name}")].as_str().unwrap()
}

fn album(name: &str, can: &str) -> Json {
    json!([{ "where": format!("is-photo: true && photo-album: {name}"), "can": can, "why": "to caption them" }])
}

#[test]
fn a_page_is_let_in_and_has_what_it_was_given_and_nothing_else() {
    let node = node::start();
    let all = fill(&node, 3);
    let page = Page::connect(&node, &album("garibaldi", "write"));
    let titles = page.rows("[:find ?t :where [_ :photo/title ?t] :order [?t]]");
    assert_eq!(titles, json!([["photo 0"], ["photo 1"]]));
    let status = page.ask("GET", "/status", &Json::Null).json();
    assert_eq!(
        (&status["entities"], &status["did"]),
        (&json!(2), &json!(node.pod.did()))
    );
    assert!(status.get("home").is_none() && status.get("blob_token").is_none());
    // an entity that it has, one that it has not, one that is nowhere
    let seen = |id: &str| {
        page.ask("GET", &format!("/entity/{id}"), &Json::Null)
            .json()
    };
    let photo = seen(id(&all, "photo0"));
    let tags: Vec<&Json> = photo["tuples"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["attribute"] == "photo/tags")
        .map(|t| &t["value"])
        .collect();
    assert_eq!(tags, ["b", "a", "b"]);
    assert_eq!(
        photo["incoming_total"], 0,
        "the diary refers to it, and is not there"
    );
    let hidden = seen(id(&all, "photo2"));
    let nowhere = seen("rz:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let bare = |mut json: Json| {
        json["id"] = Json::Null;
        json
    };
    assert_eq!(bare(hidden), bare(nowhere));
    // writing: seen at once, by the owner and by itself, and in its name
    let caption = assert(id(&all, "photo0"), "photo/title", "a glacier");
    assert_eq!(page.tx(&json!([caption])).status, 200);
    assert_eq!(
        page.rows("[:find ?t :where [_ :photo/title ?t] :order [?t]]"),
        json!([["a glacier"], ["photo 1"]])
    );
    let detail = owner(
        &node,
        "GET",
        &format!("/entity/{}", id(&all, "photo0")),
        &Json::Null,
    )
    .json();
    let by = detail["tuples"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["attribute"] == "photo/title")
        .unwrap();
    assert!(
        by["app"]
            .as_str()
            .unwrap()
            .starts_with("Album captions (app "),
        "{by}"
    );
    // one of its own
    let new = json!([
        assert("_:n", "is-photo", true),
        assert("_:n", "photo-album", "garibaldi"),
        assert("_:n", "photo/title", "new")
    ]);
    let made = page.tx(&new).json()["entities"]["_:n"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        page.tx(&json!([assert(&made, "photo/title", "newer")]))
            .status,
        200
    );
    // what leaves is gone with the next question, what comes is there
    node.client
        .transact(&json!([
            assert(id(&all, "photo0"), "photo-album", "home"),
            assert(id(&all, "photo2"), "photo-album", "garibaldi"),
        ]))
        .unwrap();
    assert_eq!(
        page.rows("[:find ?t :where [_ :photo/title ?t] :order [?t]]"),
        json!([["newer"], ["photo 1"], ["photo 2"]])
    );
    assert_eq!(
        page.tx(&json!([assert(id(&all, "photo0"), "photo/title", "mine")]))
            .code(),
        "not-granted"
    );
    // sent away: at once
    owner(&node, "POST", "/apps/revoke", &json!({ "id": page.grant }));
    assert_eq!(
        page.ask("GET", "/status", &Json::Null).status,
        403,
        "its origin is not known any more"
    );
    let without = send(
        &node,
        "GET",
        "/api/1/status",
        &format!("authorization: Bearer {}\n", page.token),
        b"",
    );
    assert_eq!(without.status, 401);
    let activity = owner(
        &node,
        "GET",
        &format!("/apps/{}/activity", page.grant),
        &Json::Null,
    )
    .json();
    let kinds: BTreeSet<&str> = activity["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["came", "query", "entity", "write", "refused", "left"])
    );
}

#[test]
fn what_an_app_may_not_write() {
    let node = node::start();
    let all = fill(&node, 1);
    let page = Page::connect(&node, &album("garibaldi", "write"));
    let before = node.pod.replica().snapshot().digest().unwrap();
    let (own, other, diary) = (id(&all, "photo0"), id(&all, "photo2"), id(&all, "diary0"));
    let hidden = node
        .pod
        .blobs()
        .put_bytes(format!("{SECRET} file 0").as_bytes())
        .unwrap();
    let blob = |cid: &str| json!({ "blob": cid });
    for (what, changes) in [
        ("another album", json!([assert(other, "photo/title", "x")])),
        (
            "a private entity",
            json!([assert(diary, "photo/title", "x")]),
        ),
        (
            "pulling one in",
            json!([
                assert(diary, "is-photo", true),
                assert(diary, "photo-album", "garibaldi")
            ]),
        ),
        (
            "one that is nowhere",
            json!([assert(
                "rz:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "photo/title",
                "x"
            )]),
        ),
        ("what decides", json!([assert(own, "photo-album", "home")])),
        (
            "taking back what decides",
            json!([{ "retract": { "entity": own, "attribute": "is-photo" } }]),
        ),
        (
            "a new one that does not match",
            json!([assert("_:n", "is-photo", true)]),
        ),
        (
            "a new one elsewhere",
            json!([
                assert("_:n", "is-photo", true),
                assert("_:n", "photo-album", "home")
            ]),
        ),
        (
            "a new one that matches on the way alone",
            json!([
                assert("_:n", "is-photo", true),
                assert("_:n", "photo-album", "garibaldi"),
                assert("_:n", "photo-album", "home")
            ]),
        ),
        (
            "a new one of which that is taken back at once",
            json!([
                assert("_:n", "is-photo", true),
                assert("_:n", "photo-album", "garibaldi"),
                { "retract": { "entity": "_:n", "attribute": "is-photo" } }
            ]),
        ),
        (
            "a new one that says it in two ways",
            json!([
                { "insert": { "entity": "_:n", "attribute": "is-photo", "value": true } },
                assert("_:n", "is-photo", false),
                assert("_:n", "photo-album", "garibaldi")
            ]),
        ),
        ("erasing", json!([{ "erase": { "entity": own } }])),
        ("the pod's own", json!([assert(own, "device/name", "x")])),
        (
            "a grant",
            json!([
                assert("_:n", "app-grant/token", "x"),
                assert("_:n", "is-photo", true),
                assert("_:n", "photo-album", "garibaldi")
            ]),
        ),
        (
            "where it came from",
            json!([assert(own, "import/source", "x")]),
        ),
        (
            "a file that it does not see",
            json!([assert(own, "photo/file", blob(&hidden.to_string()))]),
        ),
        (
            "all or nothing",
            json!([
                assert(own, "photo/title", "x"),
                assert(other, "photo/title", "x")
            ]),
        ),
    ] {
        let answer = page.tx(&changes);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "not-granted"),
            "{what}: {}",
            answer.json()
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains(SECRET));
    }
    assert_eq!(node.pod.replica().snapshot().digest().unwrap(), before);
    // whether an entity is there cannot be told by what is said
    let said = |entity: &str| {
        page.tx(&json!([assert(entity, "photo/title", "x")]))
            .json()
            .to_string()
            .replace(entity, "it")
    };
    assert_eq!(
        said(diary),
        said("rz:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
    );
    // who may read does not write, who may propose does that
    let reads = Page::connect(&node, &album("garibaldi", "read"));
    assert_eq!(
        reads.tx(&json!([assert(own, "photo/title", "x")])).code(),
        "not-granted"
    );
    let body = json!({ "changes": [assert(own, "photo/title", "better")], "comment": "is it?" });
    assert_eq!(reads.ask("POST", "/propose", &body).code(), "not-granted");
    let proposes = Page::connect(&node, &album("garibaldi", "propose"));
    assert_eq!(
        proposes
            .tx(&json!([assert(own, "photo/title", "x")]))
            .code(),
        "not-granted"
    );
    assert_eq!(proposes.ask("POST", "/propose", &body).status, 200);
    let open = owner(&node, "GET", "/proposals", &Json::Null).json();
    let open = &open["proposals"][0];
    assert_eq!(
        (&open["comment"], &open["from"]),
        (&json!("is it?"), &json!(proposes.key.public().to_did_key()))
    );
    let decide = json!({ "id": open["id"], "adopt": true });
    assert_eq!(owner(&node, "POST", "/proposals", &decide).status, 200);
    assert_eq!(
        page.rows("[:find ?t :where [?e :photo/title ?t] :order [?t]]"),
        json!([["better"], ["photo 1"]])
    );
}

#[test]
fn what_was_asked_for_may_be_narrowed_and_nothing_more() {
    let node = node::start();
    fill(&node, 1);
    let both = json!([
        { "where": "is-photo: true", "can": "write" },
        { "where": format!("{SECRET}/text: \"{SECRET} 0\""), "can": "read" },
    ]);
    let given = json!([{ "where": "photo-album: home", "can": "read" }, null]);
    let page = Page::narrowed(&node, &both, Some(given));
    assert_eq!(
        page.rows("[:find ?t :where [_ :photo/title ?t]]"),
        json!([["photo 2"]])
    );
    assert_eq!(
        page.rows("[:find ?a :where [_ ?a _]]")
            .as_array()
            .unwrap()
            .len(),
        5
    );
    let grant = page.ask("GET", "/status", &Json::Null).json()["app"].clone();
    assert_eq!(
        grant["scopes"],
        json!([{ "where": "is-photo: true && photo-album: \"home\"", "can": "read" }])
    );
    // more than was asked for
    let key = SigningKey::from_seed([7; 32]);
    let asked = node
        .pod
        .ask_app(&query_of(&key, &album("home", "read"), &[]))
        .unwrap()
        .0;
    for (scopes, says) in [
        (
            json!([{ "where": "is-photo: true", "can": "write" }]),
            "not to write",
        ),
        (json!([null]), "nothing is given"),
        (json!([]), "1 scopes"),
        (
            json!([{ "where": "device/name: x", "can": "read" }]),
            "not given to apps",
        ),
    ] {
        let body = json!({ "request": asked["request"], "scopes": scopes });
        let answer = owner(&node, "POST", "/apps/allow", &body);
        assert_eq!(answer.status, 400);
        assert!(
            answer.json().to_string().contains(says),
            "{}",
            answer.json()
        );
    }
    // a predicate that would be wider is made no wider
    let body = json!({ "request": asked["request"], "scopes": [{ "where": "is-photo: true || photo-album: garibaldi", "can": "read" }] });
    let redirect = owner(&node, "POST", "/apps/allow", &body).json()["redirect"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = redeem(
        &node,
        ORIGIN,
        &redeem_body(&key, &part(&redirect, "code").unwrap()),
    )
    .json();
    let token = answer["access_token"].as_str().unwrap();
    let headers = format!("authorization: Bearer {token}\n");
    let q = json!({ "q": "[:find ?t :where [_ :photo/title ?t]]" }).to_string();
    let rows = send(&node, "POST", "/api/1/query", &headers, q.as_bytes()).json();
    assert_eq!(rows["rows"], json!([["photo 2"]]));
}

#[test]
fn a_code_is_for_one_app_at_one_address_once() {
    let node = node::start();
    fill(&node, 0);
    let key = SigningKey::from_seed([1; 32]);
    let other = SigningKey::from_seed([2; 32]);
    let code = || {
        let redirect = let_in(&node, &query_of(&key, &album("home", "read"), &[]), None);
        assert!(redirect.starts_with(&format!("{BACK}?code=")));
        assert_eq!(part(&redirect, "state").unwrap(), "what comes back");
        part(&redirect, "code").unwrap()
    };
    let one = code();
    let good = redeem_body(&key, &one);
    let with = |name: &str, value: &str| {
        let mut body = good.clone();
        body[name] = value.into();
        body
    };
    for (what, origin, body) in [
        (
            "another verifier",
            ORIGIN,
            with("code_verifier", &VERIFIER.replace('a', "b")),
        ),
        (
            "another address",
            ORIGIN,
            with("redirect_uri", "http://localhost:5173/other"),
        ),
        (
            "another key",
            ORIGIN,
            with("client_id", &other.public().to_did_key()),
        ),
        (
            "another's proof",
            ORIGIN,
            with("proof", &proof(&other, &one)),
        ),
        (
            "the proof of another code",
            ORIGIN,
            with("proof", &proof(&key, "x")),
        ),
        ("no code", ORIGIN, with("code", "x")),
    ] {
        let answer = redeem(&node, origin, &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_grant"),
            "{what}"
        );
    }
    // another origin is not even told so
    assert_eq!(redeem(&node, "http://localhost:5174", &good).status, 403);
    // one that is known here is, and gets nothing
    let elsewhere = "http://localhost:5174";
    let back = format!("{elsewhere}/back");
    let query = query_of(&other, &album("home", "read"), &[("redirect_uri", &back)]);
    let theirs = part(&let_in(&node, &query, None), "code").unwrap();
    let mut body = redeem_body(&other, &theirs);
    body["redirect_uri"] = back.into();
    assert_eq!(redeem(&node, elsewhere, &body).status, 200);
    let stolen = redeem(&node, elsewhere, &good);
    assert_eq!(
        (stolen.status, stolen.code().as_str()),
        (400, "invalid_grant")
    );
    let first = redeem(&node, ORIGIN, &good);
    assert_eq!(first.status, 200);
    let token = first.json()["access_token"].as_str().unwrap().to_owned();
    let status = || {
        send(
            &node,
            "GET",
            "/api/1/status",
            &format!("authorization: Bearer {token}\n"),
            b"",
        )
        .status
    };
    assert_eq!(status(), 200);
    // a second time: one of them is a thief
    let again = redeem(&node, ORIGIN, &good);
    assert_eq!(again.code(), "invalid_grant");
    assert!(again.json().to_string().contains("taken back"));
    assert_eq!(status(), 401);
    // asked again and let in: the old one counts no longer
    let (one, two) = (code(), code());
    let first = redeem(&node, ORIGIN, &redeem_body(&key, &one)).json();
    let second = redeem(&node, ORIGIN, &redeem_body(&key, &two)).json();
    let works = |json: &Json| {
        let token = json["access_token"].as_str().unwrap();
        send(
            &node,
            "GET",
            "/api/1/status",
            &format!("authorization: Bearer {token}\n"),
            b"",
        )
        .status
    };
    assert_eq!((works(&first), works(&second)), (401, 200));
    // refused
    let asked = node
        .pod
        .ask_app(&query_of(&key, &album("home", "read"), &[]))
        .unwrap()
        .0;
    let denied = owner(
        &node,
        "POST",
        "/apps/deny",
        &json!({ "request": asked["request"] }),
    )
    .json();
    let denied = denied["redirect"].as_str().unwrap();
    assert_eq!(
        (part(denied, "error").as_deref(), part(denied, "code")),
        (Some("access_denied"), None)
    );
    let gone = owner(
        &node,
        "POST",
        "/apps/allow",
        &json!({ "request": asked["request"], "scopes": [null] }),
    );
    assert!(gone.json().to_string().contains("nobody waits"));
}

#[test]
fn a_token_is_for_its_origin_and_its_paths() {
    let node = node::start();
    let all = fill(&node, 1);
    let page = Page::connect(&node, &album("garibaldi", "write"));
    let bearer = format!("authorization: Bearer {}\n", page.token);
    // another page has the token
    for from in [
        "origin: http://localhost:5174\n",
        "origin: https://localhost:5173\n",
        "origin: null\n",
        "sec-fetch-site: cross-site\n",
        "sec-fetch-site: same-site\n",
    ] {
        assert_eq!(
            send(
                &node,
                "GET",
                "/api/1/status",
                &format!("{bearer}{from}"),
                b""
            )
            .status,
            403,
            "{from}"
        );
    }
    // one that was let in itself
    let (elsewhere, key) = ("http://localhost:5175", SigningKey::from_seed([8; 32]));
    let back = format!("{elsewhere}/back");
    let query = query_of(&key, &album("home", "read"), &[("redirect_uri", &back)]);
    let code = part(&let_in(&node, &query, None), "code").unwrap();
    let mut body = redeem_body(&key, &code);
    body["redirect_uri"] = back.into();
    assert_eq!(redeem(&node, elsewhere, &body).status, 200);
    let headers = format!("{bearer}origin: {elsewhere}\n");
    assert_eq!(
        send(&node, "GET", "/api/1/status", &headers, b"").status,
        403
    );
    // the owner's token does not work from there, nor from anywhere else
    for from in [ORIGIN, "http://localhost:5174"] {
        let headers = format!(
            "authorization: Bearer {}\norigin: {from}\n",
            node.running.token
        );
        let status = send(&node, "GET", "/api/1/status", &headers, b"").status;
        assert!(status == 401 || status == 403, "{status}");
    }
    // the token for files opens files
    let headers = format!("authorization: Bearer {}\n", page.blob_token);
    assert_eq!(
        send(&node, "GET", "/api/1/status", &headers, b"").status,
        401
    );
    // a preflight of its origin, and of another one
    let ask = |origin: &str| {
        let headers = format!(
            "origin: {origin}\naccess-control-request-method: POST\naccess-control-request-headers: authorization\n"
        );
        send(&node, "OPTIONS", "/api/1/query", &headers, b"")
    };
    let yes = ask(ORIGIN);
    assert_eq!(yes.status, 204);
    assert!(
        yes.head
            .contains("access-control-allow-headers: authorization, content-type"),
        "{}",
        yes.head
    );
    assert!(!yes.head.contains("access-control-allow-credentials"));
    let no = ask("http://localhost:5174");
    assert!(
        no.status == 403 && !no.head.contains("access-control-allow"),
        "{}",
        no.head
    );
    // the page that asks may be visited, and by no frame
    let visit = |path: &str, dest: &str| {
        let headers = format!(
            "sec-fetch-site: cross-site\nsec-fetch-mode: navigate\nsec-fetch-dest: {dest}\n"
        );
        send(&node, "GET", path, &headers, b"").status
    };
    assert_eq!(visit("/authorize?client_id=x", "document"), 200);
    for (path, dest) in [
        ("/authorize", "iframe"),
        ("/", "document"),
        ("/api/1/status", "document"),
        ("/authorize/x", "document"),
    ] {
        assert_eq!(visit(path, dest), 403, "{path} {dest}");
    }
    // every other path
    for (method, path) in [
        ("GET", "/devices"),
        ("GET", "/peers"),
        ("POST", "/sync"),
        ("GET", "/grants"),
        ("POST", "/grants"),
        ("GET", "/shared"),
        ("GET", "/proposals"),
        ("POST", "/proposals/comment"),
        ("GET", "/drafts"),
        ("POST", "/drafts"),
        ("POST", "/drafts/diff"),
        ("POST", "/drafts/adopt"),
        ("POST", "/recovery/words"),
        ("GET", "/conflicts"),
        ("GET", "/commits"),
        ("GET", "/commits/times"),
        ("POST", "/undo"),
        ("GET", "/storage"),
        ("POST", "/doctor"),
        ("GET", "/digest"),
        ("POST", "/import"),
        ("GET", "/apps"),
        ("POST", "/apps/allow"),
        ("POST", "/apps/ask"),
        ("POST", "/apps/preview"),
        ("POST", "/apps/revoke"),
        ("DELETE", "/query"),
        ("GET", "/nothing"),
        ("POST", "/pair"),
        ("GET", "//status"),
        ("GET", "/Status"),
    ] {
        let answer = page.ask(method, path, &json!({}));
        assert!(
            answer.status == 403 || answer.status == 404,
            "{method} {path}: {}",
            answer.status
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains(SECRET));
    }
    let elsewhere = page.ask(
        "POST",
        "/query",
        &json!({ "q": "[:find ?e :where [?e _ _]]", "pod": "all" }),
    );
    assert_eq!(elsewhere.code(), "not-granted");
    // a draft, also one about what it sees
    let name = json!({ "name": "mine" });
    assert_eq!(owner(&node, "POST", "/drafts", &name).status, 200);
    let about = json!({ "entity": id(&all, "photo0"), "attribute": "caption", "value": SECRET });
    let said = json!({ "name": "mine", "changes": [{ "assert": about }] });
    assert_eq!(owner(&node, "POST", "/drafts/tx", &said).status, 200);
    let q = "[:find ?e ?a ?v :where [?e ?a ?v]]";
    let seen = page.ask("POST", "/query", &json!({ "q": q }));
    let seen = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(seen.contains("rows") && !seen.contains(SECRET) && !seen.contains("draft/"));
    let asked = page.ask("POST", "/query", &json!({ "q": q, "draft": "mine" }));
    assert_eq!(asked.code(), "not-granted");
    let asked = owner(&node, "POST", "/query", &json!({ "q": q, "draft": "mine" }));
    assert!(String::from_utf8_lossy(&asked.body).contains(SECRET));
    let both = json!({ "q": q, "draft": "mine", "pod": "all" });
    assert_eq!(owner(&node, "POST", "/query", &both).status, 400);
    let gone = json!({ "name": "mine", "for_good": true });
    assert_eq!(owner(&node, "POST", "/drafts/drop", &gone).status, 200);
    // files: those of what it sees, by either token
    let file = |name: &str| {
        let answer = owner(
            &node,
            "GET",
            &format!("/entity/{}", id(&all, name)),
            &Json::Null,
        )
        .json();
        let tuple = answer["tuples"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["attribute"].as_str().unwrap().ends_with("/file"))
            .cloned()
            .unwrap();
        tuple["value"]["blob"].as_str().unwrap().to_owned()
    };
    let own = page.ask("GET", &format!("/blob/{}", file("photo0")), &Json::Null);
    assert_eq!(
        (own.status, own.body.as_slice()),
        (200, &b"file of photo 0"[..])
    );
    let picture = |cid: &str, token: &str| {
        let headers =
            "sec-fetch-site: cross-site\nsec-fetch-mode: no-cors\nsec-fetch-dest: image\n";
        send(
            &node,
            "GET",
            &format!("/api/1/blob/{cid}?t={token}"),
            headers,
            b"",
        )
    };
    let shown = picture(&file("photo0"), &page.blob_token);
    assert_eq!(
        (
            shown.status,
            shown
                .head
                .contains("cross-origin-resource-policy: cross-origin")
        ),
        (200, true)
    );
    assert_eq!(picture(&file("photo0"), &page.token).status, 401);
    let status = owner(&node, "GET", "/status", &Json::Null).json();
    assert_eq!(
        picture(&file("photo0"), status["blob_token"].as_str().unwrap()).status,
        401,
        "the owner's, from a page"
    );
    let nowhere = rhizome_pod_blob(b"nothing has these bytes");
    for cid in [file("photo2"), file("diary0"), nowhere.clone()] {
        let answer = page.ask("GET", &format!("/blob/{cid}"), &Json::Null);
        assert_eq!(
            (answer.status, answer.json().to_string().replace(&cid, "it")),
            (
                404,
                picture(&nowhere, &page.blob_token)
                    .json()
                    .to_string()
                    .replace(&nowhere, "it")
            )
        );
        let headers = format!("{}if-none-match: \"{cid}\"\n", page.headers());
        assert_eq!(
            send(&node, "GET", &format!("/api/1/blob/{cid}"), &headers, b"").status,
            404
        );
    }
    // one that it brings
    let brought = send(
        &node,
        "POST",
        "/api/1/blob",
        &page.headers(),
        b"a new picture",
    )
    .json();
    let cid = brought["blob"].as_str().unwrap();
    let tx = page.tx(&json!([assert(
        id(&all, "photo0"),
        "photo/file",
        json!({ "blob": cid })
    )]));
    assert_eq!(tx.status, 200, "{}", tx.json());
    assert_eq!(picture(cid, &page.blob_token).body, b"a new picture");
}

fn rhizome_pod_blob(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let store = rhizome_blob::BlobStore::in_directory(directory.path()).unwrap();
    store.put_bytes(bytes).unwrap().to_string()
}

fn sort(json: &mut Json) {
    match json {
        Json::Array(all) => {
            all.iter_mut().for_each(sort);
            all.sort_by_key(Json::to_string);
        }
        Json::Object(members) => members.values_mut().for_each(sort),
        _ => (),
    }
}

/// All that a pod answers an app, as far as it does not depend on ids, keys, clocks and tokens.
fn all_answers(node: &Node, all: &serde_json::Map<String, Json>) -> Vec<(String, u16, String)> {
    let page = Page::connect(node, &album("garibaldi", "write"));
    let mut out = Vec::new();
    let mut names: Vec<(String, String)> = all
        .iter()
        .map(|(name, id)| (id.as_str().unwrap().to_owned(), name.clone()))
        .collect();
    names.push((node.pod.did().to_owned(), "DID".into()));
    names.push((page.key.public().to_did_key(), "KEY".into()));
    names.push((page.grant.clone(), "GRANT".into()));
    let mut note = |what: &str, answer: &Answer| {
        let mut text = String::from_utf8_lossy(&answer.body).into_owned();
        for (id, name) in &names {
            text = text.replace(id, name);
        }
        if let Ok(mut json) = serde_json::from_str::<Json>(&text) {
            if let Some(members) = json.as_object_mut() {
                members.remove("took_us");
                members.remove("commit");
            }
            if let Some(app) = json.get_mut("app").and_then(Json::as_object_mut) {
                app.remove("given_ms");
            }
            // ids are random, and where no order is asked for it is theirs
            sort(&mut json);
            text = json.to_string();
        }
        out.push((what.to_owned(), answer.status, text));
    };
    for q in [
        "[:find (count ?e) :where [?e _ _]]",
        "[:find ?a (count ?e) :where [?e ?a _] :order [?a]]",
        "[:find ?v :where [_ :zanzibar/text ?v]]",
        "[:find ?v :where [_ :never/heard ?v]]",
        "[:find ?e ?t :where [?e :photo/title ?t] :order [?t]]",
        "[:find ?e :where [?e :photo/of ?p]]",
        "[:find ?p :where [?p :photo/title _] [?x ?a ?p]]",
        "[:find ?e :where [?e :device/name _]]",
        "[:find ?e :where [?e :app-grant/id _]]",
        "[:find ?x :where",
    ] {
        note(q, &page.ask("POST", "/query", &json!({ "q": q })));
    }
    for q in [
        json!({ "photo": {} }),
        json!({ "zanzibar": {} }),
        json!({ "never": {} }),
        json!({ "photo": { "$": { "limit": 5 } } }),
    ] {
        note(
            &q.to_string(),
            &page.ask("POST", "/query", &json!({ "q": q })),
        );
    }
    for q in [
        "photo",
        "zanzibar",
        "zanz*",
        "photo OR zanzibar",
        "came",
        "photo -zanzibar",
    ] {
        note(q, &page.ask("POST", "/search", &json!({ "q": q })));
    }
    note("status", &page.ask("GET", "/status", &Json::Null));
    for name in ["photo0", "photo1", "photo2"] {
        note(
            name,
            &page.ask("GET", &format!("/entity/{}", id(all, name)), &Json::Null),
        );
        note(
            name,
            &page.tx(&json!([assert(id(all, name), "photo/title", "x")])),
        );
    }
    for path in ["/conflicts", "/digest", "/apps", "/devices", "/shared"] {
        note(path, &page.ask("GET", path, &Json::Null));
    }
    out
}

#[test]
fn nothing_that_is_answered_depends_on_what_is_not_given() {
    let (bare, full) = (node::start(), node::start());
    let bare = (fill(&bare, 0), bare);
    let full = (fill(&full, 200), full);
    let first = all_answers(&bare.1, &bare.0);
    let mut second = all_answers(&full.1, &full.0);
    assert_eq!(first.len(), second.len());
    for (a, b) in first.iter().zip(&mut second) {
        assert_eq!(a, b);
        assert!(!b.2.contains("zanzibar 0"), "{b:?}");
    }
}

#[test]
fn a_program_asks_with_a_code_that_a_person_types() {
    let node = node::start();
    fill(&node, 1);
    let key = SigningKey::from_seed([3; 32]);
    let body = json!({ "client_id": key.public().to_did_key(), "name": "nightly report", "scope": album("home", "read"), "days": 7 });
    let ask = |headers: &str| {
        send(
            &node,
            "POST",
            "/api/1/apps/device",
            headers,
            body.to_string().as_bytes(),
        )
    };
    assert_eq!(
        ask("origin: http://localhost:5173\n").status,
        403,
        "a page is no program"
    );
    let asked = ask("").json();
    let (code, user) = (
        asked["device_code"].as_str().unwrap(),
        asked["user_code"].as_str().unwrap(),
    );
    assert!(
        asked["verification_uri"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/authorize?user_code={user}"))
    );
    let redeem = |key: &SigningKey| {
        let body = json!({ "grant_type": "device_code", "device_code": code, "client_id": key.public().to_did_key(), "proof": proof(key, code) });
        send(
            &node,
            "POST",
            "/api/1/apps/token",
            "",
            body.to_string().as_bytes(),
        )
    };
    assert_eq!(redeem(&key).code(), "authorization_pending");
    // the page of an app that is known here brings a program's code
    let page = Page::connect(&node, &album("home", "read"));
    let body = json!({ "grant_type": "device_code", "device_code": code, "client_id": key.public().to_did_key(), "proof": proof(&key, code) });
    assert_eq!(
        ask("origin: http://localhost:5173\n").status,
        403,
        "nor is one that is known"
    );
    let brought = page.ask("POST", "/apps/token", &body);
    assert_eq!(
        (brought.status, brought.code().as_str()),
        (400, "invalid_grant")
    );
    assert_eq!(redeem(&key).code(), "slow_down");
    assert_eq!(
        redeem(&SigningKey::from_seed([4; 32])).code(),
        "invalid_grant"
    );
    let list = owner(&node, "GET", "/apps", &Json::Null).json();
    assert_eq!(list["waiting"][0]["user_code"], user);
    let wrong = owner(
        &node,
        "POST",
        "/apps/ask",
        &json!({ "query": "user_code=BBBB-BBBB" }),
    );
    assert_eq!(wrong.status, 400);
    let typed = user.to_lowercase().replace('-', " ");
    let shown = owner(
        &node,
        "POST",
        "/apps/ask",
        &json!({ "query": format!("user_code={typed}") }),
    )
    .json();
    assert_eq!(
        (
            &shown["name"],
            &shown["origin"],
            &shown["scopes"][0]["matches"]
        ),
        (&json!("nightly report"), &Json::Null, &json!(1))
    );
    let body = json!({ "request": shown["request"], "scopes": [{ "where": "is-photo: true", "can": "read" }], "days": 1 });
    let allowed = owner(&node, "POST", "/apps/allow", &body);
    assert_eq!(allowed.json(), json!({ "redirect": null }));
    let token = redeem(&key).json();
    assert!(token["until_ms"].as_i64().unwrap() > 0, "{token}");
    let headers = format!(
        "authorization: Bearer {}\n",
        token["access_token"].as_str().unwrap()
    );
    let q = json!({ "q": "[:find ?t :where [_ :photo/title ?t]]" }).to_string();
    let answer = send(&node, "POST", "/api/1/query", &headers, q.as_bytes()).json();
    assert_eq!(answer["rows"], json!([["photo 2"]]));
    // the token of a program is of no use to a page
    let from_page = format!("{headers}origin: http://localhost:5173\n");
    assert_eq!(
        send(&node, "POST", "/api/1/query", &from_page, q.as_bytes()).status,
        403
    );
    assert_eq!(
        send(&node, "POST", "/api/1/apps/leave", &headers, b"").status,
        200
    );
    assert_eq!(
        send(&node, "POST", "/api/1/query", &headers, q.as_bytes()).status,
        401
    );
    // too many at once
    let flood: Vec<u16> = (0..20).map(|_| ask("").status).collect();
    assert!(
        flood.contains(&429) && flood.iter().filter(|s| **s == 200).count() <= 16,
        "{flood:?}"
    );
}

#[test]
fn over_a_websocket_an_app_hears_of_what_it_sees_until_it_is_sent_away() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

    let node = node::start();
    let all = fill(&node, 2);
    let page = Page::connect(&node, &album("garibaldi", "read"));
    let connect = |origin: &str| {
        let mut request = format!("ws://{}/api/1/live", node.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        request
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        assert!(
            tokio_tungstenite::connect_async(connect("http://localhost:5174"))
                .await
                .is_err()
        );
        let hello = |token: &str| Message::Text(json!({ "auth": token }).to_string().into());
        // the owner's token, from a page
        let (mut socket, _) = tokio_tungstenite::connect_async(connect(ORIGIN))
            .await
            .unwrap();
        socket.send(hello(&node.running.token)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert!(
            matches!(&answer, Message::Close(Some(frame)) if u16::from(frame.code) == 4401),
            "{answer:?}"
        );

        let (mut socket, _) = tokio_tungstenite::connect_async(connect(ORIGIN))
            .await
            .unwrap();
        socket.send(hello(&page.token)).await.unwrap();
        let mut next = async || loop {
            let message = tokio::time::timeout(Duration::from_secs(20), socket.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            match message {
                Message::Text(text) => return serde_json::from_str::<Json>(&text).unwrap(),
                Message::Close(frame) => return json!({ "closed": u16::from(frame.unwrap().code) }),
                _ => (),
            }
        };
        assert_eq!(next().await["ready"], true);
        socket
            .send(Message::Text(
                json!({ "subscribe": 1, "q": "[:find ?t :where [_ :photo/title ?t] :order [?t]]" })
                    .to_string()
                    .into(),
            ))
            .await
            .unwrap();
        let mut next = async || loop {
            let message = tokio::time::timeout(Duration::from_secs(20), socket.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            match message {
                Message::Text(text) => return serde_json::from_str::<Json>(&text).unwrap(),
                Message::Close(frame) => return json!({ "closed": u16::from(frame.unwrap().code) }),
                _ => (),
            }
        };
        let cells = |message: &Json, of: &str| -> Vec<String> {
            message[of]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[1][0].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(cells(&next().await, "rows"), ["photo 0", "photo 1"]);
        // something private, and then something of its own: only that is heard
        node.client
            .transact(&json!([assert(
                id(&all, "diary0"),
                "zanzibar/text",
                "new secret"
            )]))
            .unwrap();
        node.client
            .transact(&json!([assert(
                id(&all, "photo2"),
                "photo-album",
                "garibaldi"
            )]))
            .unwrap();
        let heard = next().await;
        assert_eq!(cells(&heard, "added"), ["photo 2"], "{heard}");
        node.client
            .transact(
                &json!([{ "retract": { "entity": id(&all, "photo0"), "attribute": "is-photo" } }]),
            )
            .unwrap();
        let heard = next().await;
        assert_eq!(heard["removed"].as_array().unwrap().len(), 1, "{heard}");
        node.pod.revoke_app(&page.grant).unwrap();
        assert_eq!(next().await["closed"], 4403);
    });
}

#[test]
fn a_grant_ends_by_itself_and_by_another_device() {
    let node = node::start();
    fill(&node, 0);
    let page = Page::connect(&node, &album("home", "read"));
    let grant = node.pod.apps().unwrap().remove(0);
    assert_eq!(
        (grant.id.as_str(), grant.is_good()),
        (page.grant.as_str(), true)
    );
    // as a tuple that came from another device says it
    let entity = page_entity(&node, &page.grant);
    node.client
        .transact(&json!([assert(
            &entity,
            "app-grant/until",
            json!({ "time": 1 })
        )]))
        .unwrap();
    let headers = format!("authorization: Bearer {}\n", page.token);
    assert_eq!(
        send(&node, "GET", "/api/1/status", &headers, b"").status,
        401
    );
    assert!(matches!(
        node.pod.revoke_app("nothing"),
        Err(PodError::Request(_))
    ));
}

fn page_entity(node: &Node, grant: &str) -> String {
    let q = json!("[:find ?e :in ?id :where [?e :app-grant/id ?id]]");
    let found = node.client.query(&q, &[json!(grant)]).unwrap();
    found["rows"][0][0]
        .as_str()
        .or_else(|| found["rows"][0][0]["ref"].as_str())
        .unwrap()
        .to_owned()
}
