use std::str::FromStr;

use rhizome_pod::{App, Opening, Pod, PodHome, Receipt, json::parse_changes};
use rhizome_tuple::EntityId;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

fn pod() -> (TempDir, Pod) {
    let dir = tempfile::tempdir().unwrap();
    let pod = PodHome::at(dir.path())
        .init(&Opening::by("a test"))
        .unwrap();
    (dir, pod)
}

fn tx(pod: &Pod, changes: &Json) -> Receipt {
    pod.transact(App::CommandLine, &parse_changes(changes).unwrap())
        .unwrap()
}

fn state(pod: &Pod, id: EntityId) -> Json {
    pod.state(&id).unwrap().unwrap_or(Json::Null)
}

#[test]
fn new_entities_are_linked_within_a_transaction() {
    let (_dir, pod) = pod();
    let receipt = tx(
        &pod,
        &json!([
            { "assert": { "entity": "_:post", "attribute": "post/by", "value": { "ref": "_:me" } } },
            { "assert": { "entity": "_:me", "attribute": "name", "value": "Wren" } },
            { "assert": { "entity": "_:post", "attribute": "post/text", "value": "hello" } },
        ]),
    );
    let id = |name: &str| receipt.entities.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(receipt.entities.len(), 2);
    assert_eq!(
        state(&pod, id("_:post")),
        json!({ "post/by": { "ref": id("_:me").to_string() }, "post/text": "hello" })
    );
    assert_eq!((receipt.added, receipt.removed), (3, 0));
}

#[test]
fn a_plain_assert_merges_as_the_schema_says() {
    let (_dir, pod) = pod();
    let receipt = tx(
        &pod,
        &json!([
            { "assert": { "entity": "_:p", "attribute": "social/tag", "value": "birds" } },
            { "assert": { "entity": "_:p", "attribute": "social/tag", "value": "bridges" } },
            { "assert": { "entity": "_:p", "attribute": "social/media", "value": { "ref": "_:b" } } },
            { "assert": { "entity": "_:p", "attribute": "social/media", "value": { "ref": "_:a" } } },
            { "assert": { "entity": "_:p", "attribute": "social/text", "value": "one" } },
            { "assert": { "entity": "_:p", "attribute": "social/text", "value": "two" } },
        ]),
    );
    let id = |name: &str| receipt.entities.iter().find(|(n, _)| n == name).unwrap().1;
    let now = state(&pod, id("_:p"));
    assert_eq!(now["social/text"], "two");
    assert_eq!(now["social/tag"].as_array().unwrap().len(), 2);
    // a list keeps its order, whatever the order of the ids
    assert_eq!(
        now["social/media"],
        json!([{ "ref": id("_:b").to_string() }, { "ref": id("_:a").to_string() }])
    );

    tx(
        &pod,
        &json!([{ "retract": { "entity": id("_:p").to_string(), "attribute": "social/tag", "value": "birds" } }]),
    );
    assert_eq!(state(&pod, id("_:p"))["social/tag"], json!(["bridges"]));
    tx(
        &pod,
        &json!([{ "retract": { "entity": id("_:p").to_string(), "attribute": "social/text" } }]),
    );
    assert_eq!(state(&pod, id("_:p")).get("social/text"), None);
}

#[test]
fn counters_lists_and_sets_by_name() {
    let (_dir, pod) = pod();
    let receipt = tx(
        &pod,
        &json!([
            { "add": { "entity": "_:x", "attribute": "x/likes", "value": 3 } },
            { "add": { "entity": "_:x", "attribute": "x/likes", "value": -1 } },
            { "insert": { "entity": "_:x", "attribute": "x/seen", "value": "a" } },
            { "insert": { "entity": "_:x", "attribute": "x/seen", "value": "b" } },
            { "list": { "entity": "_:x", "attribute": "x/order", "value": [3, 1, 2] } },
            { "push": { "entity": "_:x", "attribute": "x/order", "value": 0 } },
        ]),
    );
    let now = state(&pod, receipt.entities[0].1);
    assert_eq!(now["x/likes"], 2);
    assert_eq!(now["x/order"], json!([3, 1, 2, 0]));
    assert_eq!(now["x/seen"].as_array().unwrap().len(), 2);
}

#[test]
fn a_transaction_that_changes_nothing_has_no_commit() {
    let (_dir, pod) = pod();
    let receipt = tx(
        &pod,
        &json!([{ "assert": { "entity": "_:x", "attribute": "x/y", "value": 1 } }]),
    );
    let id = receipt.entities[0].1.to_string();
    let again = tx(
        &pod,
        &json!([{ "assert": { "entity": id, "attribute": "x/y", "value": 1 } }]),
    );
    assert_eq!((again.commit, again.added, again.removed), (None, 0, 0));
    assert_eq!(pod.figures().commits, 1);
}

#[test]
fn an_entity_tells_who_wrote_it_and_what_was_there() {
    let (_dir, pod) = pod();
    let receipt = tx(
        &pod,
        &json!([
            { "assert": { "entity": "_:post", "attribute": "social/text", "value": "first" } },
            { "assert": { "entity": "_:other", "attribute": "social/reply-to", "value": { "ref": "_:post" } } },
        ]),
    );
    let (id, other) = (receipt.entities[0].1, receipt.entities[1].1);
    let edit = json!([{ "assert": { "entity": id.to_string(), "attribute": "social/text", "value": "second" } }]);
    pod.transact(App::Console, &parse_changes(&edit).unwrap())
        .unwrap();

    let detail = serde_json::to_value(pod.entity(&id).unwrap()).unwrap();
    let tuple = &detail["tuples"][0];
    assert_eq!(
        (&tuple["attribute"], &tuple["value"], &tuple["merge"]),
        (&json!("social/text"), &json!("second"), &json!("register"))
    );
    assert_eq!(tuple["app"], "console");
    assert_eq!(detail["conflicts"], json!([]));
    let history: Vec<(&str, &Json, bool)> = detail["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| {
            (
                h["kind"].as_str().unwrap(),
                &h["value"],
                h["current"].as_bool().unwrap(),
            )
        })
        .collect();
    assert!(history.contains(&("assert", &json!("second"), true)));
    assert!(history.contains(&("assert", &json!("first"), false)));
    assert!(history.iter().any(|h| h.0 == "create"));
    assert_eq!(
        detail["incoming"],
        json!([{ "entity": other.to_string(), "attribute": "social/reply-to" }])
    );

    let unknown = EntityId::from_str("rz:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    let nothing = serde_json::to_value(pod.entity(&unknown).unwrap()).unwrap();
    assert_eq!(
        (&nothing["tuples"], &nothing["history_total"]),
        (&json!([]), &json!(0))
    );
}
