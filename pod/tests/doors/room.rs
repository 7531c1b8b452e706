//! How much files may take: brought, imported and fetched.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rhizome_pod::{App, Opening, Pod, PodHome, PodNode, json::parse_changes};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::{
    ask::{Answer, ask},
    node::{self, Node},
    person::{Person, anywhere},
};

const MIB: usize = 1 << 20;

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut out);
    out
}

fn call(node: &Node, method: &str, path: &str, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", node.running.token);
    let headers = [
        ("authorization", &*bearer),
        ("content-type", "application/json"),
    ];
    ask(node.address(), method, path, &headers, body)
}

fn limit(node: &Node, limit: Option<usize>) {
    let body = json!({ "limit": limit }).to_string();
    let answer = call(node, "POST", "/api/1/storage", body.as_bytes());
    assert_eq!(
        (answer.status, &answer.json()["limit"]),
        (200, &json!(limit))
    );
}

#[test]
fn a_file_that_does_not_fit_is_refused_and_it_is_said_what_to_do() {
    let node = node::start();
    let room = call(&node, "GET", "/api/1/storage", b"").json()["room"].take();
    assert!(room["limit"].is_null() && room["used"].is_null());
    assert!(!cfg!(unix) || room["free"].as_u64().unwrap() > 0);
    let first = call(&node, "POST", "/api/1/blob", &noise(1, MIB));
    assert_eq!(first.status, 200);
    limit(&node, Some(2 * MIB));
    let refused = call(&node, "POST", "/api/1/blob", &noise(2, MIB));
    assert_eq!(refused.status, 507);
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "no-room");
    let said = error["message"].as_str().unwrap();
    for part in [
        (2 * MIB).to_string().as_str(),
        "rhizome storage --limit",
        "rhizome gc",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // what is here already is no more than it was, and what is small still fits
    assert_eq!(
        call(&node, "POST", "/api/1/blob", &noise(1, MIB)).status,
        200
    );
    assert_eq!(call(&node, "POST", "/api/1/blob", b"small").status, 200);
    let used = call(&node, "GET", "/api/1/storage", b"").json()["room"]["used"].as_u64();
    assert!(used.unwrap() > MIB as u64);
}

#[test]
fn a_limit_is_kept_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let home = PodHome::at(directory.path().join("pod"));
    let opening = Opening::by("test");
    let pod = home.init(&opening).unwrap();
    pod.blobs().put_bytes(&noise(1, MIB)).unwrap();
    pod.limit_files(Some(MIB as u64)).unwrap();
    drop(pod);
    let pod = home.open(&opening).unwrap();
    assert_eq!(pod.room()["limit"], MIB);
    assert!(pod.room()["used"].as_u64().unwrap() > MIB as u64);
    assert!(pod.blobs().put_bytes(b"x").is_err());
    pod.limit_files(None).unwrap();
    drop(pod);
    let pod = home.open(&opening).unwrap();
    assert!(pod.room()["limit"].is_null());
    pod.blobs().put_bytes(b"x").unwrap();
}

/// A folder with a table and three files that no importer reads.
fn export(directory: &Path) -> std::path::PathBuf {
    let folder = directory.join("export");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("books.csv"), "title,pages\nOne,100\nTwo,200\n").unwrap();
    for seed in 1..=3 {
        std::fs::write(folder.join(format!("{seed}.bin")), noise(seed, MIB)).unwrap();
    }
    folder
}

fn wait(node: &Node, job: &str) -> Json {
    let start = Instant::now();
    loop {
        let job = call(node, "GET", &format!("/api/1/import/{job}"), b"").json();
        if job["state"] != "importing" {
            return job;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{job}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn count(node: &Node, attribute: &str) -> usize {
    let q = json!({ "q": format!("[:find ?e ?v :where [?e \"{attribute}\" ?v]]") });
    let answer = call(node, "POST", "/api/1/query", q.to_string().as_bytes());
    answer.json()["rows"].as_array().unwrap().len()
}

#[test]
fn an_import_that_meets_the_limit_stops_and_goes_on_later() {
    let node = node::start();
    let directory = tempfile::tempdir().unwrap();
    let body = json!({ "path": export(directory.path()) }).to_string();
    limit(&node, Some(2 * MIB));
    let begun = call(&node, "POST", "/api/1/import", body.as_bytes()).json();
    let id = begun["job"]
        .as_str()
        .unwrap_or_else(|| panic!("{begun}"))
        .to_owned();
    let stopped = wait(&node, &id);
    assert_eq!(
        (&stopped["state"], &stopped["error"]["code"]),
        (&json!("failed"), &json!("no-room")),
        "{stopped}"
    );
    let said = stopped["error"]["message"].as_str().unwrap();
    assert!(
        said.contains("running the import again continues"),
        "{said}"
    );
    assert_eq!(stopped["report"]["complete"], false, "{stopped}");
    assert!(node.pod.blobs().iter().count() < 3);
    // once more, with room
    limit(&node, None);
    let again = call(&node, "POST", &format!("/api/1/import/{id}"), b"{}");
    assert_eq!(again.status, 200);
    let done = wait(&node, &id);
    assert_eq!(
        (&done["state"], &done["report"]["complete"]),
        (&json!("done"), &json!(true)),
        "{done}"
    );
    // as if it had never been stopped
    let other = node::start();
    let begun = call(&other, "POST", "/api/1/import", body.as_bytes()).json();
    assert_eq!(
        wait(&other, begun["job"].as_str().unwrap())["state"],
        "done"
    );
    // besides what the run notes about itself
    let files = |node: &Node| -> Vec<_> {
        let all = node.pod.blobs().iter().map(Result::unwrap);
        all.filter(|(_, len)| *len == MIB as u64).collect()
    };
    assert_eq!((files(&node).len(), files(&node)), (3, files(&other)));
    for attribute in ["import/blob", "import/path"] {
        assert_eq!(
            count(&node, attribute),
            count(&other, attribute),
            "{attribute}"
        );
    }
}

/// Makes a file, and something that names it.
fn name(pod: &Pod, seed: u8, len: usize) {
    let cid = pod
        .blobs()
        .put_bytes(&noise(seed, len))
        .unwrap()
        .to_string();
    let named = json!([{ "assert": { "entity": "_:f", "attribute": "file/blob", "value": { "blob": cid } } }]);
    pod.transact(App::CommandLine, &parse_changes(&named).unwrap())
        .unwrap();
}

#[test]
fn what_does_not_fit_is_fetched_when_there_is_room() {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let laptop = Person::start(&runtime, directory.path(), "laptop");
    let (code, _waiting) = runtime
        .block_on(async { laptop.node.invite(rhizome_pod::DeviceRole::Admin) })
        .unwrap();
    let home = PodHome::at(directory.path().join("phone"));
    let code = code.to_string().parse().unwrap();
    let opening = Opening::by("test");
    let phone = home.join(&opening, &code, "phone", anywhere());
    let phone = Arc::new(runtime.block_on(phone).unwrap());
    let node = runtime
        .block_on(PodNode::start(Arc::clone(&phone), anywhere()))
        .unwrap();
    let exchange = || {
        let there = laptop.node.address().unwrap();
        runtime.block_on(node.sync_with(&there, None)).unwrap()
    };
    phone.limit_files(Some(MIB as u64)).unwrap();
    name(&laptop.pod, 1, 2 * MIB);
    name(&laptop.pod, 2, 1000);
    let report = exchange();
    // the tuples are here, and the file that fits
    assert!(report.equal);
    assert_eq!(
        (report.files.fetched, report.files.full, report.files.failed),
        (1, 1, 1)
    );
    assert_eq!(report.to_json()["files"]["full"], 1);
    phone.limit_files(None).unwrap();
    let report = exchange();
    assert_eq!(
        (report.files.fetched, report.files.full, report.files.failed),
        (1, 0, 0)
    );
    assert_eq!(phone.blobs().iter().count(), 2);
    runtime.block_on(node.shutdown()).unwrap();
    laptop.stop(&runtime);
}
