//! The pod as it was, and taking back what a commit said.

use std::time::Instant;

use rhizome_pod::{App, Opening, Pod, PodHome, Receipt, Stop, json::parse_changes};
use rhizome_tuple::{CommitId, EntityId};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::node;

fn pod() -> (TempDir, Pod) {
    let dir = tempfile::tempdir().unwrap();
    let pod = PodHome::at(dir.path())
        .init(&Opening::by("a test"))
        .unwrap();
    (dir, pod)
}

fn tx(pod: &Pod, changes: &Json) -> Receipt {
    // as-of goes by milliseconds
    std::thread::sleep(std::time::Duration::from_millis(3));
    let receipt = pod
        .transact(App::CommandLine, &parse_changes(changes).unwrap())
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(3));
    receipt
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

fn made(pod: &Pod, attributes: &[(&str, Json)]) -> (EntityId, CommitId) {
    let all: Vec<Json> = attributes
        .iter()
        .map(|(a, v)| json!({ "assert": { "entity": "_:e", "attribute": a, "value": v } }))
        .collect();
    let receipt = tx(pod, &Json::Array(all));
    (receipt.entities[0].1, receipt.commit.unwrap())
}

fn set(pod: &Pod, e: EntityId, attribute: &str, value: impl Into<Json>) -> CommitId {
    let change = json!([{ "assert": { "entity": e.to_string(), "attribute": attribute, "value": value.into() } }]);
    tx(pod, &change).commit.unwrap()
}

fn names(pod: &Pod, at: i64) -> Json {
    let q = json!("[:find ?name :where [_ \"note/name\" ?name] :order [?name]]");
    let mut answer = pod.query_as_of(at, &q, &[], &Stop::new(false)).unwrap();
    answer["rows"].take()
}

#[test]
fn a_query_sees_the_pod_as_it_was() {
    let (_dir, pod) = pod();
    let before = now();
    let (e, _) = made(&pod, &[("note/name", "Ada".into())]);
    let first = now();
    set(&pod, e, "note/name", "Ada Lovelace");
    made(&pod, &[("note/name", "Grace".into())]);
    let last = now();
    assert_eq!(names(&pod, before), json!([]));
    assert_eq!(names(&pod, first), json!([["Ada"]]));
    // a second time from what is kept
    assert_eq!(names(&pod, first), json!([["Ada"]]));
    assert_eq!(names(&pod, last), json!([["Ada Lovelace"], ["Grace"]]));
    assert_eq!(names(&pod, i64::MAX), names(&pod, last));
    assert_eq!(names(&pod, i64::MIN), json!([]));
    // what is written later changes nothing of it
    set(&pod, e, "note/name", "Countess");
    assert_eq!(names(&pod, first), json!([["Ada"]]));
    assert_eq!(names(&pod, last), json!([["Ada Lovelace"], ["Grace"]]));
}

#[test]
fn an_entity_as_it_was_with_its_history_up_to_then() {
    let (_dir, pod) = pod();
    let (e, _) = made(
        &pod,
        &[("note/name", "Ada".into()), ("social/tag", "a".into())],
    );
    let first = now();
    set(&pod, e, "social/tag", "b");
    set(&pod, e, "note/name", "Grace");
    let then = serde_json::to_value(pod.entity_as_of(&e, first).unwrap()).unwrap();
    let values = |detail: &Json| -> Vec<Json> {
        let tuples = detail["tuples"].as_array().unwrap().iter();
        tuples.map(|t| t["value"].clone()).collect()
    };
    assert_eq!(values(&then), [json!("Ada"), json!("a")]);
    assert_eq!(then["tuples"][0]["app"], "command line");
    // made, and two values
    assert_eq!(then["history_total"], 3);
    let now = serde_json::to_value(pod.entity(&e).unwrap()).unwrap();
    assert_eq!(values(&now), [json!("Grace"), json!("a"), json!("b")]);
    let never = serde_json::to_value(pod.entity_as_of(&e, 5).unwrap()).unwrap();
    assert_eq!(never["tuples"], json!([]));
}

#[test]
fn a_commit_is_taken_back_and_brought_back() {
    let (_dir, pod) = pod();
    let list = json!({ "list": { "entity": "_:e", "attribute": "x/steps", "value": ["first", "second"] } });
    let e = tx(&pod, &json!([list])).entities[0].1;
    set(&pod, e, "note/name", "Ada");
    for tag in ["a", "b", "c"] {
        set(&pod, e, "social/tag", tag);
    }
    let before = pod.state(&e).unwrap();
    let id = e.to_string();
    let change = tx(
        &pod,
        &json!([
            { "assert": { "entity": id, "attribute": "note/name", "value": "Grace" } },
            { "assert": { "entity": id, "attribute": "note/new", "value": 5 } },
            { "assert": { "entity": id, "attribute": "social/tag", "value": "d" } },
            { "retract": { "entity": id, "attribute": "social/tag", "value": "b" } },
            { "list": { "entity": id, "attribute": "x/steps", "value": ["second", "third", "first"] } },
        ]),
    );
    let after = pod.state(&e).unwrap();
    assert_ne!(before, after);
    let undone = pod
        .undo_commit(App::Console, &change.commit.unwrap(), None)
        .unwrap();
    assert!(undone.kept.is_empty(), "{undone:?}");
    let sorted = |state: &Option<Json>| {
        let mut state = state.clone().unwrap();
        let tags = state["social/tag"].as_array_mut().unwrap();
        tags.sort_by_key(ToString::to_string);
        state
    };
    assert_eq!(sorted(&pod.state(&e).unwrap()), sorted(&before));
    // once more there is nothing left to do
    let again = pod
        .undo_commit(App::Console, &change.commit.unwrap(), None)
        .unwrap();
    assert_eq!(again.commit, None);
    assert_eq!(again.kept.len(), 4, "{again:?}");
    // and taking that back brings it back
    pod.undo_commit(App::Console, &undone.commit.unwrap(), None)
        .unwrap();
    assert_eq!(sorted(&pod.state(&e).unwrap()), sorted(&after));
}

#[test]
fn of_one_entity_alone() {
    let (_dir, pod) = pod();
    let both = tx(
        &pod,
        &json!([
            { "assert": { "entity": "_:a", "attribute": "note/name", "value": "Ada" } },
            { "assert": { "entity": "_:b", "attribute": "note/name", "value": "Grace" } },
        ]),
    );
    let id = |name: &str| both.entities.iter().find(|(n, _)| n == name).unwrap().1;
    let commit = both.commit.unwrap();
    pod.undo_commit(App::Console, &commit, Some(&id("_:a")))
        .unwrap();
    assert_eq!(pod.state(&id("_:a")).unwrap(), None);
    assert!(pod.state(&id("_:b")).unwrap().is_some());
    let other = EntityId::derive("did:rhizome:x", b"x");
    assert!(
        pod.undo_commit(App::Console, &commit, Some(&other))
            .is_err()
    );
}

#[test]
fn room_is_counted_by_kind_writer_and_month() {
    let (_dir, pod) = pod();
    let cid = pod.blobs().put_bytes(b"a picture").unwrap().to_string();
    tx(
        &pod,
        &json!([
            { "assert": { "entity": "_:p", "attribute": "social/type", "value": "post" } },
            { "assert": { "entity": "_:p", "attribute": "social/text", "value": "12345" } },
            { "assert": { "entity": "_:m", "attribute": "social/type", "value": "media" } },
            { "assert": { "entity": "_:m", "attribute": "social/mime", "value": "image/png" } },
            { "assert": { "entity": "_:m", "attribute": "social/blob", "value": { "blob": cid } } },
        ]),
    );
    let used = pod.storage().unwrap();
    let line = |list: &Json, member: &str, name: &str| -> Json {
        let mut all = list.as_array().unwrap().iter();
        all.find(|line| line[member] == name).unwrap().clone()
    };
    let post = line(&used["kinds"], "kind", "post");
    assert_eq!(
        (&post["schema"], &post["entities"]),
        (&json!("social"), &json!(1))
    );
    assert_eq!((&post["tuples"], &post["bytes"]), (&json!(2), &json!(9)));
    let media = line(&used["kinds"], "kind", "media");
    assert_eq!(
        (&media["files"], &media["file_bytes"]),
        (&json!(1), &json!(9))
    );
    let png = line(&used["files"]["types"], "type", "image/png");
    assert_eq!((&png["count"], &png["bytes"]), (&json!(1), &json!(9)));
    assert_eq!(used["files"]["unnamed"]["count"], 0);
    assert_eq!(line(&used["apps"], "app", "command line")["commits"], 1);
    let months = used["months"].as_array().unwrap();
    let commits: u64 = months.iter().map(|m| m["commits"].as_u64().unwrap()).sum();
    assert_eq!(commits, used["commits"].as_u64().unwrap());
    let disk = &used["disk"];
    let sum = ["tuples", "files", "other"].map(|part| disk[part].as_u64().unwrap());
    assert_eq!(disk["total"].as_u64().unwrap(), sum.iter().sum::<u64>());
    assert!(sum[0] > 0);
}

#[test]
fn what_was_changed_since_stays() {
    let (_dir, pod) = pod();
    let (e, commit) = made(
        &pod,
        &[("note/name", "Ada".into()), ("note/text", "hello".into())],
    );
    set(&pod, e, "note/text", "goodbye");
    let undone = pod.undo_commit(App::CommandLine, &commit, None).unwrap();
    assert_eq!(undone.kept, [(e, "note/text".to_owned())]);
    assert_eq!(
        pod.state(&e).unwrap(),
        Some(json!({ "note/text": "goodbye" }))
    );
}

#[test]
fn what_cannot_be_taken_back_says_why() {
    let (_dir, pod) = pod();
    let (e, made) = made(&pod, &[("note/name", "Ada".into())]);
    let erased = tx(&pod, &json!([{ "erase": { "entity": e.to_string() } }]));
    let why = |id: &CommitId| {
        let error = pod.undo_commit(App::CommandLine, id, None).unwrap_err();
        assert_eq!(error.code(), "request");
        error.to_string()
    };
    assert!(why(&erased.commit.unwrap()).contains("gone for good"));
    assert!(why(&made).contains("not here") || why(&made).contains("any more"));
    assert!(why(&CommitId([7; 32])).contains("no such commit"));
    let own = pod.commits(None, 50).unwrap();
    let reserved = own["commits"].as_array().unwrap();
    assert_eq!(reserved.len() as u64, own["total"].as_u64().unwrap());
}

#[test]
fn over_the_api() {
    let node = node::start();
    let receipt = node
        .client
        .transact(
            &json!([{ "assert": { "entity": "_:e", "attribute": "note/name", "value": "Ada" } }]),
        )
        .unwrap();
    let commit = receipt["commit"].as_str().unwrap();
    let listed = node.client.commits(10).unwrap();
    assert_eq!(listed["commits"][0]["commit"], commit);
    assert_eq!(listed["commits"][0]["app"], "command line");
    assert_eq!(listed["commits"][0]["about"][0], receipt["entities"]["_:e"]);
    let at = listed["commits"][0]["at"].as_i64().unwrap();
    let q = json!("[:find ?n :where [_ \"note/name\" ?n]]");
    let rows = |ms| node.client.query_as_of(ms, &q, &[]).unwrap()["rows"].clone();
    assert_eq!(rows(at), json!([["Ada"]]));
    assert_eq!(rows(at - 1), json!([]));
    let undone = node.client.undo(commit).unwrap();
    assert_eq!(
        (&undone["removed"], &undone["kept"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(rows(i64::MAX), json!([]));
    assert_eq!(rows(at), json!([["Ada"]]));
    let wrong = node.client.undo("what").unwrap_err();
    assert_eq!(wrong.code(), "request");
}

/// What it costs: printed with `--nocapture`, as a figure for the documentation.
#[test]
fn a_large_pod_as_it_was_is_made_once() {
    let (_dir, pod) = pod();
    for batch in 0..10 {
        let all: Vec<Json> = (0..10_000)
            .map(|n| json!({ "assert": { "entity": format!("_:e{}", n / 5), "attribute": format!("x/a{}", n % 5), "value": format!("{batch} {n}") } }))
            .collect();
        tx(&pod, &Json::Array(all));
    }
    let half = pod.commit_times()["times"][4].as_i64().unwrap();
    let q = json!("[:find (count ?v) :where [_ \"x/a1\" ?v]]");
    let ask = || {
        let start = Instant::now();
        let answer = pod.query_as_of(half, &q, &[], &Stop::new(false)).unwrap();
        (answer["rows"][0][0].as_i64().unwrap(), start.elapsed())
    };
    let (first, again) = (ask(), ask());
    println!(
        "100,000 tuples as they were: {:?}, then {:?}",
        first.1, again.1
    );
    assert_eq!((first.0, again.0), (10_000, 10_000));
    assert!(again.1 < first.1);
}
