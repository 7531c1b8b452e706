//! Every call that is described, made: what is answered is what the description says, and nothing besides.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use data_encoding::BASE64URL_NOPAD;
use rhizome_ipld::SigningKey;
use rhizome_pod::{App, Opening, Pod, PodHome, PodNode, json::parse_changes};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::{
    ask::{Answer, ask, description, operations},
    person::{Person, anywhere, cloud},
    schema,
};

/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// The description, and which of it was seen.
struct Book {
    all: Json,
    good: BTreeSet<(String, String)>,
    refused: BTreeSet<(String, String)>,
}

/// Who asks.
#[derive(Clone, Copy)]
struct As<'a> {
    address: &'a str,
    token: Option<&'a str>,
}

impl Person {
    fn owner(&self) -> As<'_> {
        As {
            address: self.address(),
            token: Some(&self.running.token),
        }
    }
}

impl Book {
    /// Holds an answer against what is described of its operation.
    fn note(&mut self, method: &str, pattern: &str, answer: &Answer) {
        let name = format!("{method} {pattern}");
        let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(3000)]);
        let operation = &self.all["paths"][pattern][method.to_lowercase()];
        assert!(operation.is_object(), "{name} is not described");
        let response = &operation["responses"][answer.status.to_string()];
        let response = match response["$ref"].as_str() {
            Some(place) => self.all.pointer(&place[1..]).unwrap(),
            None => response,
        };
        assert!(
            response.is_object(),
            "{name}: {} is not described: {text}",
            answer.status
        );
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let content = response["content"].as_object();
        match content.and_then(|all| all.get(kind).or_else(|| all.get("*/*"))) {
            Some(media) => {
                if let Some(schema) = media.get("schema")
                    && (kind.contains("json") || kind.contains("did"))
                {
                    let fits = schema::check(&self.all, schema, &answer.json());
                    if let Err(why) = fits {
                        panic!("{name}: {}: {why}\n{text}", answer.status);
                    }
                }
            }
            None => assert!(
                content.is_none() && answer.body.is_empty(),
                "{name}: {} with {kind} is not described: {text}",
                answer.status
            ),
        }
        let key = (method.to_owned(), pattern.to_owned());
        match answer.status {
            101 | 200..=399 => self.good.insert(key),
            _ => self.refused.insert(key),
        };
    }

    fn send(
        &mut self,
        who: As<'_>,
        method: &str,
        (pattern, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let bearer = who.token.map(|token| format!("Bearer {token}"));
        let mut all: Vec<(&str, &str)> = headers.to_vec();
        all.extend(bearer.iter().map(|b| ("authorization", b.as_str())));
        let answer = ask(who.address, method, path, &all, body);
        self.note(method, pattern, &answer);
        answer
    }

    /// A call by the pattern of its path, with what goes in the places of it.
    fn call(&mut self, who: As<'_>, method: &str, place: &str, body: Option<&Json>) -> Answer {
        let (pattern, path) = fill(place);
        let body = body.map(ToString::to_string).unwrap_or_default();
        let headers = [("content-type", "application/json")];
        self.send(who, method, (&pattern, &path), &headers, body.as_bytes())
    }

    fn good(&mut self, who: As<'_>, method: &str, place: &str, body: Option<&Json>) -> Json {
        let answer = self.call(who, method, place, body);
        assert_eq!(answer.status, 200, "{method} {place}: {}", answer.json());
        answer.json()
    }

    fn get(&mut self, who: As<'_>, place: &str) -> Json {
        self.good(who, "GET", place, None)
    }

    fn post(&mut self, who: As<'_>, place: &str, body: &Json) -> Json {
        self.good(who, "POST", place, Some(body))
    }

    fn refuse(&mut self, who: As<'_>, method: &str, place: &str, body: Option<&Json>, status: u16) {
        let answer = self.call(who, method, place, body);
        assert_eq!(answer.status, status, "{method} {place}: {}", answer.json());
    }

    /// Asks until something is as it is to be.
    fn until(&mut self, who: As<'_>, place: &str, good: impl Fn(&Json) -> bool) -> Json {
        let start = Instant::now();
        loop {
            let found = self.get(who, place);
            if good(&found) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "{place}: {found}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `/entity/{id=rz:…}` as the pattern and the path.
fn fill(place: &str) -> (String, String) {
    let (mut pattern, mut path) = (String::new(), String::new());
    let place = match place.strip_prefix('!') {
        Some(whole) => whole.to_owned(),
        None => format!("/api/1{place}"),
    };
    let mut rest = place.as_str();
    while let Some((before, hole)) = rest.split_once('{') {
        let (hole, after) = hole.split_once('}').unwrap();
        let (name, value) = hole.split_once('=').unwrap();
        pattern.extend([before, "{", name, "}"]);
        path.extend([before, value]);
        rest = after;
    }
    pattern += rest.split('?').next().unwrap();
    path += rest;
    (pattern, path)
}

fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name}: {json}"))
}

fn set(entity: &str, attribute: &str, value: impl Into<Json>) -> Json {
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value.into() } })
}

/// Something with everything that the lists of the pod show.
fn write(book: &mut Book, who: As<'_>) -> (String, String) {
    let file = book.send(
        who,
        "POST",
        ("/api/1/blob", "/api/1/blob"),
        &[],
        b"a small file",
    );
    let blob = text(&file.json(), "blob").to_owned();
    let made = book.post(
        who,
        "/tx",
        &json!([
            set("_:n", "note/text", "a note to be found"),
            set("_:n", "note/type", "note"),
            set("_:n", "public", true),
            set("_:n", "file/blob", json!({ "blob": blob })),
            set("_:n", "file/mime", "text/plain"),
            set("_:n", "note/at", json!({ "time": 1_700_000_000_000_i64 })),
            set("_:n", "note/raw", json!({ "bytes": "AAEC" })),
            set("_:n", "note/weight", 1.5),
            { "insert": { "entity": "_:n", "attribute": "note/tag", "value": "one" } },
            { "add": { "entity": "_:n", "attribute": "note/likes", "value": 2 } },
            { "push": { "entity": "_:n", "attribute": "note/list", "value": "first" } },
            set("_:m", "note/about", json!({ "ref": "_:n" })),
        ]),
    );
    (text(&made["entities"], "_:n").to_owned(), blob)
}

fn own_pod(book: &mut Book, who: As<'_>) -> (String, String) {
    book.get(who, "/status");
    let (note, blob) = write(book, who);
    let changed = book.post(
        who,
        "/tx",
        &json!([set(&note, "note/text", "a note, changed")]),
    );
    let commit = text(&changed, "commit").to_owned();
    // nothing new is no commit
    let same = book.post(
        who,
        "/tx",
        &json!([set(&note, "note/text", "a note, changed")]),
    );
    assert!(same["commit"].is_null());
    book.post(
        who,
        "/tx",
        &json!([{ "retract": { "entity": note, "attribute": "note/weight" } }]),
    );
    let q = r#"[:find ?e ?t ?f :where [?e :note/text ?t] [?e "file/blob" ?f]]"#;
    let rows = book.post(who, "/query", &json!({ "q": q }));
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
    let nested = json!({ "q": { "note": { "$": { "where": { "text": "a note, changed" } } } } });
    let nested = book.post(who, "/query", &nested);
    assert_eq!(nested["result"]["note"].as_array().unwrap().len(), 1);
    book.post(who, "/query", &json!({ "q": q, "as_of": 1 }));
    let start = Instant::now();
    while book.post(who, "/search", &json!({ "q": "changed" }))["hits"]
        .as_array()
        .unwrap()
        .is_empty()
    {
        assert!(start.elapsed() < PATIENCE, "nothing is found");
    }
    let found = book.get(who, &format!("/entity/{{id={note}}}"));
    for list in ["tuples", "history", "incoming"] {
        assert!(!found[list].as_array().unwrap().is_empty(), "{list}");
    }
    book.refuse(who, "GET", "/entity/{id=nonsense}", None, 400);
    let commits = book.get(who, "/commits?limit=3");
    assert!(commits["commits"].as_array().unwrap().len() > 1);
    book.refuse(who, "GET", "/commits?limit=many", None, 400);
    book.get(who, "/commits/times");
    let undone = book.post(who, "/undo", &json!({ "commit": commit }));
    assert!(undone["commit"].is_string());
    let again = book.post(who, "/undo", &json!({ "commit": commit }));
    assert!(!again["kept"].as_array().unwrap().is_empty(), "{again}");
    book.refuse(
        who,
        "POST",
        "/undo",
        Some(&json!({ "commit": "nonsense" })),
        400,
    );
    book.get(who, &format!("/reach/{{commit={commit}}}"));
    book.refuse(who, "GET", "/reach/{commit=nonsense}", None, 400);
    let used = book.get(who, "/storage");
    for list in ["kinds", "apps", "months"] {
        assert!(!used[list].as_array().unwrap().is_empty(), "{list}");
    }
    assert!(!used["files"]["types"].as_array().unwrap().is_empty());
    let room = book.post(who, "/storage", &json!({ "limit": 1 << 20 }));
    assert_eq!(room["limit"], 1 << 20);
    assert_eq!(book.get(who, "/storage")["room"]["limit"], 1 << 20);
    book.post(who, "/storage", &json!({ "limit": null }));
    book.refuse(who, "POST", "/storage", Some(&json!({})), 400);
    book.post(who, "/gc", &json!({ "days": 0, "dry_run": true }));
    book.get(who, "/digest");
    assert_eq!(book.post(who, "/doctor", &json!({}))["ok"], true);
    (note, blob)
}

fn recovery(book: &mut Book, who: As<'_>) {
    let told = book.post(who, "/recovery/words", &json!({}));
    let words = told["words"].as_array().unwrap();
    let words: Vec<&str> = words.iter().map(|w| w.as_str().unwrap()).collect();
    let wrong = json!({ "answers": { "1": "wrong", "2": "wrong", "3": "wrong" } });
    book.refuse(who, "POST", "/recovery/confirm", Some(&wrong), 400);
    let right = json!({ "answers": { "1": words[0], "7": words[6], "24": words[23] } });
    book.post(who, "/recovery/confirm", &right);
    book.refuse(who, "POST", "/recovery/words", Some(&json!({})), 400);
    book.post(who, "/recovery/test", &json!({ "words": words.join(" ") }));
    let wrong = json!({ "words": "not these" });
    book.refuse(who, "POST", "/recovery/test", Some(&wrong), 400);
}

fn files(book: &mut Book, who: As<'_>, blob: &str) {
    let token = text(&book.get(who, "/status"), "blob_token").to_owned();
    let path = format!("/api/1/blob/{blob}?t={token}");
    let pattern = "/api/1/blob/{cid}";
    let nobody = As { token: None, ..who };
    let mut send = |path: &str, headers: &[(&str, &str)], status: u16| {
        let answer = book.send(nobody, "GET", (pattern, path), headers, b"");
        assert_eq!(answer.status, status, "{path}");
        answer
    };
    let whole = send(&path, &[], 200);
    assert_eq!(whole.body, b"a small file");
    assert_eq!(send(&path, &[("range", "bytes=2-6")], 206).body, b"small");
    send(&path, &[("range", "bytes=99-")], 416);
    let etag = whole.header("etag").unwrap().to_owned();
    send(&path, &[("if-none-match", &etag)], 304);
    send(&format!("/api/1/blob/{blob}"), &[], 401);
    send(&format!("/api/1/blob/nonsense?t={token}"), &[], 400);
    send(&format!("{path}&size=7"), &[], 400);
    let absent = rhizome_ipld::cid_raw_blake3(*blake3::hash(b"elsewhere").as_bytes());
    send(&format!("/api/1/blob/{absent}?t={token}"), &[], 404);
}

fn ways_out(book: &mut Book, who: As<'_>, directory: &Path) {
    let asked = book.post(who, "/export", &json!({ "format": "zip" }));
    let id = text(&asked, "export").to_owned();
    let look = format!("/export/{{id={id}}}");
    assert_eq!(book.get(who, &look)["state"], "waiting");
    let nobody = As { token: None, ..who };
    let file = book.call(nobody, "GET", &format!("/export/{{id={id}}}/file"), None);
    assert!(file.status == 200 && file.body.starts_with(b"PK"));
    book.until(who, &look, |export| export["state"] == "done");
    book.refuse(
        nobody,
        "GET",
        &format!("/export/{{id={id}}}/file"),
        None,
        404,
    );
    book.refuse(who, "GET", "/export/{id=nonsense}", None, 404);
    book.refuse(
        who,
        "POST",
        "/export",
        Some(&json!({ "format": "paper" })),
        400,
    );

    assert!(book.get(who, "/backup")["directory"].is_null());
    book.refuse(who, "POST", "/backup", Some(&json!({})), 400);
    let place = directory.join("backup");
    let body = json!({ "directory": place, "hours": 24, "verify": true });
    let made = book.post(who, "/backup", &body);
    assert_eq!(made["complete"], true, "{made}");
    assert!(book.get(who, "/backup")["report"].is_object());
    assert!(book.good(who, "DELETE", "/backup", None)["directory"].is_null());
}

fn imports(book: &mut Book, who: As<'_>, directory: &Path) {
    let table = directory.join("books.csv");
    std::fs::write(&table, "title,pages\nOne,100\nTwo,200\n").unwrap();
    let job = book.post(
        who,
        "/import?dry-run",
        &json!({ "path": table, "importer": "table" }),
    );
    let job = format!("/import/{{job={}}}", text(&job, "job"));
    let ready = book.until(who, &job, |job| job["state"] != "reading");
    assert_eq!(
        (&ready["state"], &ready["report"]["added"]),
        (&json!("ready"), &json!(2)),
        "{ready}"
    );
    book.post(who, &job, &json!({}));
    let done = book.until(who, &job, |job| job["state"] != "importing");
    assert_eq!(done["state"], "done", "{done}");
    book.refuse(who, "POST", &job, Some(&json!({})), 409);
    book.good(who, "DELETE", &job, None);
    for method in ["GET", "POST", "DELETE"] {
        let body = json!({});
        let body = (method == "POST").then_some(&body);
        book.refuse(who, method, &job, body, 404);
    }
    // as an upload, of which nothing can be made
    let path = "/api/1/import?name=noise.bin";
    let noise = book.send(who, "POST", ("/api/1/import", path), &[], &[0xff; 64]);
    assert_eq!(noise.status, 200);
    let job = format!("/import/{{job={}}}", text(&noise.json(), "job"));
    let failed = book.until(who, &job, |job| job["state"] != "importing");
    assert!(failed["error"]["code"].is_string(), "{failed}");
    book.refuse(
        who,
        "POST",
        "/import",
        Some(&json!({ "path": directory.join("nowhere") })),
        400,
    );
}

/// Another device of the person, off now: what it writes is its own until it is back.
fn devices(book: &mut Book, person: &Person, runtime: &Runtime, directory: &Path, note: &str) {
    let who = person.owner();
    book.post(who, "/pair", &json!({ "member": true }));
    assert_eq!(book.good(who, "DELETE", "/pair", None)["open"], false);
    let code = book.post(who, "/pair", &json!({}));
    let home = PodHome::at(directory.join("phone"));
    let code = text(&code, "code").parse().unwrap();
    let opening = Opening::by("test");
    let phone = runtime.block_on(home.join(&opening, &code, "phone", anywhere()));
    let phone = Arc::new(phone.unwrap());
    let open = book.until(who, "/pair", |pair| pair["joined"].is_object());
    assert_eq!(open["joined"]["name"], "phone");

    // both say something else at once
    let node = runtime.block_on(PodNode::start(Arc::clone(&phone), anywhere()));
    let node = node.unwrap();
    let exchange = || {
        let here = person.node.address().unwrap();
        runtime.block_on(node.sync_with(&here, None)).unwrap()
    };
    assert!(exchange().equal);
    let said = parse_changes(&json!([set(note, "note/text", "by the phone")])).unwrap();
    phone.transact(App::CommandLine, &said).unwrap();
    book.post(
        who,
        "/tx",
        &json!([set(note, "note/text", "by the laptop")]),
    );
    assert!(exchange().equal);
    let conflicts = book.get(who, "/conflicts");
    assert_eq!(conflicts["total"], 1, "{conflicts}");
    let shown = book.get(who, &format!("/entity/{{id={note}}}"));
    assert_eq!(shown["conflicts"].as_array().unwrap().len(), 1);
    book.until(who, "/devices", |all| {
        all["devices"].as_array().unwrap().len() == 2
    });

    let name = json!({ "key": "phone", "name": "telephone" });
    book.post(who, "/devices/name", &name);
    book.refuse(who, "POST", "/devices/name", Some(&name), 400);
    runtime.block_on(node.shutdown()).unwrap();
    book.post(who, "/devices/remove", &json!({ "key": "telephone" }));
    let gone = json!({ "key": "telephone" });
    book.refuse(who, "POST", "/devices/remove", Some(&gone), 400);

    // the other way in: seven pictures on both sides
    let code = book.post(who, "/pair", &json!({ "compare": true }));
    let code = text(&code, "code").parse().unwrap();
    let home = PodHome::at(directory.join("tablet"));
    let joined = runtime.spawn(async move {
        let ask = |_| std::future::ready(true);
        let opening = Opening::by("test");
        home.compare(&opening, &code, "tablet", anywhere(), ask)
            .await
    });
    let open = book.until(who, "/pair", |pair| pair["comparison"].is_object());
    let id = &open["comparison"]["id"];
    book.post(who, "/pair/confirm", &json!({ "id": id, "same": true }));
    let again = json!({ "id": id, "same": true });
    book.refuse(who, "POST", "/pair/confirm", Some(&again), 400);
    runtime.block_on(joined).unwrap().unwrap();
}

fn did(pod: &Pod) -> &str {
    pod.did()
}

/// What one gives, and another takes, proposes, talks of and follows.
fn sharing(book: &mut Book, alice: &Person, bob: &Person, peer: &str) {
    let (hers, his) = (alice.owner(), bob.owner());
    let shared = book.post(
        hers,
        "/tx",
        &json!([set("_:s", "shared", true), set("_:s", "title", "by Alice")]),
    );
    let shared = text(&shared["entities"], "_:s").to_owned();
    let terms = json!({ "where": "shared: true", "can": "propose", "to": did(&bob.pod) });
    let given = book.post(hers, "/grants", &terms);
    let bad = json!({ "where": "(((", "can": "propose", "to": "anyone" });
    book.refuse(hers, "POST", "/grants", Some(&bad), 400);
    book.refuse(his, "POST", "/accept", Some(&json!({ "invite": "x" })), 400);
    book.post(his, "/accept", &json!({ "invite": given["invite"] }));
    let mine = book.get(his, "/shared");
    assert_eq!(mine["shared"][0]["entities"], 1, "{mine}");

    // two wishes by the way of a call, one by that of a draft
    let wish = |title: &str| json!([set(&shared, "title", title)]);
    let to = did(&alice.pod);
    for title in ["better", "best"] {
        let body = json!({ "to": to, "changes": wish(title), "comment": "please" });
        book.post(his, "/propose", &body);
    }
    let to_none = json!({ "to": "nobody", "changes": [] });
    book.refuse(his, "POST", "/propose", Some(&to_none), 400);
    book.post(his, "/drafts", &json!({ "name": "wishes", "of": to }));
    let said = json!({ "name": "wishes", "changes": wish("drafted") });
    book.post(his, "/drafts/tx", &said);
    let body = json!({ "name": "wishes", "to": to, "comment": "from a draft" });
    book.post(his, "/drafts/propose", &body);
    book.post(his, "/sync", &json!({}));
    book.post(hers, "/sync", &json!({}));
    let all = book.until(hers, "/proposals", |all| {
        all["proposals"].as_array().unwrap().len() == 3
    });
    let id = |n: usize| text(&all["proposals"][n], "id").to_owned();
    book.post(
        hers,
        "/proposals/comment",
        &json!({ "id": id(0), "text": "which?" }),
    );
    book.post(hers, "/proposals", &json!({ "id": id(0), "adopt": true }));
    book.post(hers, "/proposals/undo", &json!({ "id": id(0) }));
    book.post(hers, "/proposals", &json!({ "id": id(1), "adopt": false }));
    let told = book.get(hers, "/proposals");
    let decided = |n: usize| &told["proposals"][n]["decided"];
    assert_eq!(decided(1), "declined", "{told}");
    let none = json!({ "id": "nonsense", "text": "x", "adopt": true });
    for place in ["/proposals", "/proposals/undo", "/proposals/comment"] {
        let mut body = none.clone();
        let body = body.as_object_mut().unwrap();
        body.retain(|name, _| {
            name == "id"
                || (name == "text" && place.ends_with("comment"))
                || (name == "adopt" && place == "/proposals")
        });
        book.refuse(hers, "POST", place, Some(&json!(body)), 400);
    }
    book.post(hers, "/sync", &json!({}));
    book.post(his, "/sync", &json!({}));
    let mine = book.get(his, "/shared");
    assert!(
        !mine["shared"][0]["proposals"]
            .as_array()
            .unwrap()
            .is_empty(),
        "{mine}"
    );
    book.get(hers, "/grants");
    book.post(hers, "/grants/revoke", &json!({ "grant": given["grant"] }));
    let none = json!({ "grant": "nonsense" });
    book.refuse(hers, "POST", "/grants/revoke", Some(&none), 400);
    book.post(his, "/shared/forget", &json!({ "view": given["view"] }));
    let none = json!({ "view": "nonsense" });
    book.refuse(his, "POST", "/shared/forget", Some(&none), 400);

    // what everybody may read
    let posts = json!([
        set("_:a", "social/name", "Alice"),
        set("_:a", "public", true),
        set("_:p", "social/type", "post"),
        set("_:p", "public", true),
        set("_:p", "social/text", "hello"),
        set("_:p", "social/author", json!({ "ref": "_:a" })),
        set(
            "_:p",
            "social/created",
            json!({ "time": "2026-01-01T00:00:00Z" })
        ),
        set("_:r", "social/type", "reply"),
        set("_:r", "public", true),
        set("_:r", "social/text", "hello to myself"),
        set("_:r", "social/reply-to", json!({ "ref": "_:p" })),
        set(
            "_:r",
            "social/created",
            json!({ "time": "2026-01-02T00:00:00Z" })
        ),
    ]);
    book.post(hers, "/tx", &posts);
    let anyone = json!({ "where": "public: true", "can": "read", "to": "anyone" });
    book.post(hers, "/grants", &anyone);
    book.post(hers, "/sync", &json!({}));
    book.post(his, "/follow", &json!({ "did": to, "at": peer }));
    let nobody = json!({ "did": "nobody" });
    book.refuse(his, "POST", "/follow", Some(&nobody), 400);
    let followed = book.get(his, "/following");
    assert_eq!(followed["following"].as_array().unwrap().len(), 1);
    let timeline = book.get(his, "/timeline?limit=5");
    assert_eq!(
        timeline["posts"][0]["comments"][0]["text"], "hello to myself",
        "{timeline}"
    );
    book.post(his, "/unfollow", &json!({ "did": to }));
    book.refuse(his, "POST", "/unfollow", Some(&nobody), 400);
}

fn groups(book: &mut Book, alice: &Person, bob: &Person) {
    let (hers, his) = (alice.owner(), bob.owner());
    let group = book.post(hers, "/groups", &json!({ "name": "the choir" }));
    let group = text(&group, "group").to_owned();
    book.refuse(hers, "POST", "/groups", Some(&json!({ "name": "" })), 400);
    let invite = json!({ "group": group, "to": did(&bob.pod), "as": "member" });
    let invited = book.post(hers, "/groups/invite", &invite);
    let nobody = json!({ "group": group, "to": "nobody", "as": "member" });
    book.refuse(hers, "POST", "/groups/invite", Some(&nobody), 400);
    book.post(his, "/accept", &json!({ "invite": invited["invite"] }));
    // a device of hers hears that he came, and he that it did
    for who in [his, hers, his] {
        book.post(who, "/sync", &json!({}));
    }
    let song = json!([set("_:s", "song/name", "a song")]);
    let place = format!("/tx?pod={group}");
    let (pattern, path) = fill(&place);
    let body = song.to_string();
    let written = book.send(his, "POST", (&pattern, &path), &[], body.as_bytes());
    assert_eq!(written.status, 200, "{}", written.json());
    for who in [his, hers] {
        book.post(who, "/sync", &json!({}));
    }
    let inside = format!("/groups/contents?group={group}&limit=10");
    let inside = book.get(hers, &inside);
    assert_eq!(inside["entities"].as_array().unwrap().len(), 1, "{inside}");
    book.refuse(hers, "GET", "/groups/contents?group=nonsense", None, 400);
    let all = book.get(hers, "/groups");
    assert_eq!(all["groups"][0]["members"].as_array().unwrap().len(), 2);
    // one is taken out of it, and goes from another
    let out = json!({ "group": group, "member": did(&bob.pod) });
    book.post(hers, "/groups/remove", &out);
    book.refuse(hers, "POST", "/groups/remove", Some(&out), 400);
    let own = book.post(his, "/groups", &json!({ "name": "alone" }));
    let own = json!({ "group": own["group"] });
    book.post(his, "/groups/leave", &own);
    let none = json!({ "group": "nonsense" });
    book.refuse(his, "POST", "/groups/leave", Some(&none), 400);
}

fn drafts(book: &mut Book, who: As<'_>, note: &str) {
    book.post(who, "/drafts", &json!({ "name": "an idea" }));
    let again = json!({ "name": "an idea" });
    book.refuse(who, "POST", "/drafts", Some(&again), 400);
    let changes = json!([
        set(note, "note/text", "drafted"),
        set("_:new", "note/text", "new")
    ]);
    let said = json!({ "name": "an idea", "changes": changes });
    book.post(who, "/drafts/tx", &said);
    let diff = book.post(who, "/drafts/diff", &json!({ "name": "an idea" }));
    assert_eq!(diff["entities"].as_array().unwrap().len(), 2);
    book.post(
        who,
        "/drafts/adopt",
        &json!({ "name": "an idea", "entity": note }),
    );
    book.get(who, "/drafts");
    book.post(
        who,
        "/tx",
        &json!([set(note, "note/text", "changed since")]),
    );
    let undone = book.post(who, "/drafts/undo", &json!({ "name": "an idea" }));
    assert_eq!(undone["kept"].as_array().unwrap().len(), 1, "{undone}");
    let drop = json!({ "name": "an idea", "for_good": true });
    book.post(who, "/drafts/drop", &drop);
    let none = json!({ "name": "an idea" });
    for place in ["diff", "adopt", "undo", "drop"] {
        let place = format!("/drafts/{place}");
        book.refuse(who, "POST", &place, Some(&none), 400);
    }
    let more = json!({ "name": "an idea", "changes": [] });
    book.refuse(who, "POST", "/drafts/tx", Some(&more), 400);
    let more = json!({ "name": "an idea", "to": "nobody" });
    book.refuse(who, "POST", "/drafts/propose", Some(&more), 400);
}

/// A program is let in, asks, and goes; another is refused.
fn apps(book: &mut Book, who: As<'_>, note: &str) {
    let nobody = As { token: None, ..who };
    let key = SigningKey::from_seed([7; 32]);
    let client = key.public().to_did_key();
    let scope = json!([{ "where": "public: true", "can": "write", "why": "to show it" }]);
    let wish = json!({ "client_id": client, "name": "A program", "scope": scope, "days": 30 });
    let token_for = |asked: &Json| {
        let code = text(asked, "device_code");
        let proof = key.sign(format!("rhizome app token v1\n{code}").as_bytes());
        let proof = BASE64URL_NOPAD.encode(&proof);
        json!({ "grant_type": "device_code", "device_code": code, "client_id": client, "proof": proof })
    };
    let let_in = |book: &mut Book| {
        let asked = book.post(nobody, "/apps/device", &wish);
        let waiting = book.get(who, "/apps");
        assert_eq!(waiting["waiting"].as_array().unwrap().len(), 1);
        let query = format!("user_code={}", text(&asked, "user_code"));
        let shown = book.post(who, "/apps/ask", &json!({ "query": query }));
        (token_for(&asked), shown)
    };
    let (redeem, shown) = let_in(book);
    book.refuse(nobody, "POST", "/apps/token", Some(&redeem), 400);
    let seen = book.post(who, "/apps/preview", &json!({ "where": "public: true" }));
    assert!(!seen["sample"].as_array().unwrap().is_empty());
    book.refuse(
        who,
        "POST",
        "/apps/preview",
        Some(&json!({ "where": "((" })),
        400,
    );
    let scopes = json!([{ "where": "public: true", "can": "write" }]);
    let allow = json!({ "request": shown["request"], "scopes": scopes, "days": 7 });
    book.post(who, "/apps/allow", &allow);
    let token = book.post(nobody, "/apps/token", &redeem);
    let access = text(&token, "access_token").to_owned();
    let app = As {
        token: Some(&access),
        ..who
    };
    book.get(app, "/status");
    book.get(app, &format!("/entity/{{id={note}}}"));
    book.post(
        app,
        "/query",
        &json!({ "q": "[:find ?t :where [?e :note/text ?t]]" }),
    );
    book.post(app, "/search", &json!({ "q": "note" }));
    book.post(app, "/tx", &json!([set(note, "note/seen", true)]));
    let body = json!({ "changes": [set(note, "note/seen", false)], "comment": "not yet" });
    book.post(app, "/propose", &body);
    book.refuse(app, "GET", "/grants", None, 403);
    let id = text(&token, "grant").to_owned();
    let done = book.get(who, &format!("/apps/{{id={id}}}/activity"));
    assert!(done["activity"].as_array().unwrap().len() > 3);
    book.refuse(who, "GET", "/apps/{id=nonsense}/activity", None, 400);
    let all = book.get(who, "/apps");
    assert!(all["apps"][0]["quota"].is_object());
    assert_eq!(book.post(app, "/apps/leave", &json!({}))["left"], true);
    book.refuse(app, "POST", "/apps/leave", Some(&json!({})), 401);

    let (redeem, shown) = let_in(book);
    let request = json!({ "request": shown["request"] });
    book.post(who, "/apps/deny", &request);
    book.refuse(nobody, "POST", "/apps/token", Some(&redeem), 400);
    book.refuse(
        who,
        "POST",
        "/apps/deny",
        Some(&json!({ "request": "none" })),
        400,
    );
    let (redeem, shown) = let_in(book);
    let allow = json!({ "request": shown["request"], "scopes": scopes });
    book.post(who, "/apps/allow", &allow);
    let token = book.post(nobody, "/apps/token", &redeem);
    book.post(who, "/apps/revoke", &json!({ "id": token["grant"] }));
    book.refuse(
        who,
        "POST",
        "/apps/revoke",
        Some(&json!({ "id": "none" })),
        400,
    );
    let wrong = json!({ "client_id": "none", "name": "x", "scope": scope });
    book.refuse(nobody, "POST", "/apps/device", Some(&wrong), 400);
    book.refuse(
        who,
        "POST",
        "/apps/ask",
        Some(&json!({ "query": "user_code=NONE" })),
        400,
    );
    let wrong = json!({ "request": "none", "scopes": scopes });
    book.refuse(who, "POST", "/apps/allow", Some(&wrong), 400);
}

/// What is answered to everybody.
fn outside(book: &mut Book, person: &Person, blob: &str) {
    let who = As {
        token: None,
        ..person.owner()
    };
    let mut send = |pattern: &str, path: &str, headers: &[(&str, &str)], status: u16| {
        let answer = book.send(who, "GET", (pattern, path), headers, b"");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        answer
    };
    let (dids, own) = ("/1.0/identifiers/{did}", did(&person.pod));
    let path = format!("/1.0/identifiers/{own}");
    send(dids, &path, &[], 200);
    for form in ["did", "did+json", "did+ld+json"] {
        send(
            dids,
            &path,
            &[("accept", &format!("application/{form}"))],
            200,
        );
    }
    send(dids, &path, &[("accept", "text/html")], 406);
    send(dids, "/1.0/identifiers/nonsense", &[], 400);
    send(dids, "/1.0/identifiers/did:web:example.org", &[], 501);
    let other = format!("{}{}", &own[..own.len() - 4], "aaaa");
    let unknown = book_status(person, &format!("/1.0/identifiers/{other}"));
    assert!(matches!(unknown, 400 | 404), "{unknown}");

    let (files, path) = ("/ipfs/{path}", format!("/ipfs/{blob}"));
    let raw = ("accept", "application/vnd.ipld.raw");
    let start = Instant::now();
    // what is public is looked at now and then
    while book_status(person, &format!("{path}?format=raw")) != 200 {
        assert!(start.elapsed() < PATIENCE, "the file is not public");
        thread::sleep(Duration::from_millis(100));
    }
    send(files, &path, &[raw], 200);
    send(files, &path, &[("accept", "application/vnd.ipld.car")], 200);
    send(files, &path, &[raw, ("range", "bytes=2-6")], 206);
    send(files, &path, &[raw, ("range", "bytes=99-")], 416);
    send(files, &path, &[("accept", "text/html")], 406);
    send(files, "/ipfs/nonsense", &[raw], 400);
    let absent = rhizome_ipld::cid_raw_blake3(*blake3::hash(b"elsewhere").as_bytes());
    send(files, &format!("/ipfs/{absent}"), &[raw], 404);
    let cached = ("cache-control", "only-if-cached");
    send(files, &format!("/ipfs/{absent}"), &[raw, cached], 412);
}

fn book_status(person: &Person, path: &str) -> u16 {
    ask(person.address(), "GET", path, &[], b"").status
}

/// The WebSocket is opened; without the words for it, it is not.
fn live(book: &mut Book, person: &Person) {
    let mut stream = TcpStream::connect(person.address()).unwrap();
    write!(
        stream,
        "GET /api/1/live HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        person.address()
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let opened = Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: Vec::new(),
    };
    assert_eq!(opened.status, 101);
    book.note("GET", "/api/1/live", &opened);
    let plain = ask(person.address(), "GET", "/api/1/live", &[], b"");
    assert!(plain.status >= 400);
    book.note("GET", "/api/1/live", &plain);
}

/// What is refused everywhere: no token, and a body of which no member is known.
fn refusals(book: &mut Book, person: &Person) {
    let who = person.owner();
    let nobody = As { token: None, ..who };
    for operation in operations() {
        let path: Vec<&str> = operation
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        let place = (operation.path.as_str(), &*path.join("/"));
        if operation.needs_token() {
            let answer = book.send(nobody, &operation.method, place, &[], b"");
            assert_eq!(answer.status, 401, "{place:?}");
        }
        let schema = &operation.what["requestBody"]["content"]["application/json"]["schema"];
        if schema["properties"]
            .as_object()
            .is_some_and(|all| !all.is_empty())
        {
            let headers = [("content-type", "application/json")];
            let answer = book.send(who, &operation.method, place, &headers, br#"{"unknown":1}"#);
            assert_eq!(answer.status, 400, "{place:?}");
        }
    }
    book.refuse(who, "POST", "/tx", Some(&json!([{ "unknown": {} }])), 400);
}

#[test]
fn every_call_answers_what_is_described() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let mut book = Book {
        all: description(),
        good: BTreeSet::new(),
        refused: BTreeSet::new(),
    };
    let (peer, invitation) = cloud(&runtime, directory.path());
    let [alice, bob] = ["alice", "bob"].map(|name| Person::start(&runtime, directory.path(), name));
    let hers = alice.owner();

    let (note, blob) = own_pod(&mut book, hers);
    recovery(&mut book, hers);
    files(&mut book, hers, &blob);
    for person in [&alice, &bob] {
        let who = person.owner();
        book.post(who, "/peers", &json!({ "address": invitation }));
    }
    book.refuse(
        hers,
        "POST",
        "/peers",
        Some(&json!({ "address": "x" })),
        400,
    );
    sharing(&mut book, &alice, &bob, &invitation);
    groups(&mut book, &alice, &bob);
    drafts(&mut book, hers, &note);
    apps(&mut book, hers, &note);
    outside(&mut book, &alice, &blob);
    devices(&mut book, &alice, &runtime, directory.path(), &note);
    ways_out(&mut book, hers, directory.path());
    imports(&mut book, hers, directory.path());
    live(&mut book, &alice);
    let peers = book.get(hers, "/peers");
    let key = json!({ "key": peers["peers"][0]["key"] });
    book.post(hers, "/peers/remove", &key);
    book.refuse(hers, "POST", "/peers/remove", Some(&key), 400);
    let metrics = book.call(hers, "GET", "/metrics", None);
    assert_eq!(metrics.status, 200);
    book.get(hers, "/openapi.json");
    refusals(&mut book, &alice);

    let all: BTreeSet<(String, String)> = operations()
        .into_iter()
        .map(|o| (o.method, o.path))
        .collect();
    let never: Vec<_> = all.difference(&book.good).collect();
    assert!(never.is_empty(), "never called: {never:?}");
    // nothing asks for a right there, and nothing can be said wrongly
    let never: Vec<_> = all.difference(&book.refused).collect();
    assert!(never.is_empty(), "never refused: {never:?}");
    for person in [alice, bob] {
        person.stop(&runtime);
    }
    runtime.block_on(peer.shutdown()).unwrap();
}

#[test]
fn every_answer_is_described_to_its_last_member() {
    let all = description();
    for operation in operations() {
        let responses = operation.what["responses"].as_object().unwrap();
        for (status, response) in responses {
            let media = response["content"].as_object().into_iter().flatten();
            for (kind, media) in
                media.filter(|(kind, _)| kind.contains("json") || kind.contains("did"))
            {
                let schema = &media["schema"];
                if let Err(why) = schema::says_all(&all, schema) {
                    panic!(
                        "{} {}: {status} as {kind}: {why}",
                        operation.method, operation.path
                    );
                }
            }
        }
    }
}
