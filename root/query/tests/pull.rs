//! Pull patterns by example.

use rhizome_query::{Limits, Prepared, QueryError};
use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

fn id(name: &str) -> EntityId {
    EntityId::derive("did:key:test", name.as_bytes())
}

fn rz(name: &str) -> String {
    id(name).to_string()
}

/// root > a > b, root > c; a and c know each other.
fn pod() -> Snapshot {
    let mut facts = Vec::new();
    for (name, parent, knows) in [
        ("root", None, None),
        ("a", Some("root"), Some("c")),
        ("b", Some("a"), None),
        ("c", Some("root"), Some("a")),
    ] {
        facts.push((id(name), "f/name", Value::from(name)));
        facts.extend(parent.map(|p| (id(name), "f/parent", Value::Ref(id(p)))));
        facts.extend(knows.map(|k| (id(name), "f/knows", Value::Ref(id(k)))));
    }
    facts.push((id("a"), "f/tag", Value::from("x")));
    facts.push((id("a"), "f/tag", Value::from("y")));
    facts.push((id("a"), "f/made", Value::Time(5)));
    Snapshot::from_facts(facts).expect("a snapshot")
}

fn pull(of: &str, pattern: &str, limits: &Limits) -> Result<Json, QueryError> {
    let text = format!("[:find (pull ?e {pattern}) . :where [?e :f/name {of:?}]]");
    Prepared::with(&text, None, limits)?
        .run(&pod(), &[])?
        .json(0, 0)
}

#[test]
fn patterns_fetch_what_they_say() {
    for (of, pattern, expected) in [
        ("a", "[:f/name]", json!({ "f/name": "a" })),
        (
            "a",
            "[*]",
            json!({ "id": rz("a"), "f/name": "a", "f/parent": rz("root"), "f/knows": rz("c"), "f/tag": ["x", "y"], "f/made": 5 }),
        ),
        (
            "a",
            "[\"*\" {:f/parent [:f/name]}]",
            json!({ "id": rz("a"), "f/name": "a", "f/parent": { "f/name": "root" }, "f/knows": rz("c"), "f/tag": ["x", "y"], "f/made": 5 }),
        ),
        (
            "a",
            "[:id :db/id :f/nothing]",
            json!({ "id": rz("a"), "db/id": rz("a") }),
        ),
        (
            "a",
            "[[:f/tag :limit 1] [:f/nothing :default \"none\"] [:f/name :as \"name\"]]",
            json!({ "f/tag": "x", "f/nothing": "none", "name": "a" }),
        ),
        (
            "a",
            "[(limit :f/tag 1) (default :f/other 7)]",
            json!({ "f/tag": "x", "f/other": 7 }),
        ),
        (
            "b",
            "[:f/name {:f/parent [:f/name {:f/parent [:f/name]}]}]",
            json!({ "f/name": "b", "f/parent": { "f/name": "a", "f/parent": { "f/name": "root" } } }),
        ),
        (
            "b",
            "[:f/name {:f/parent ...}]",
            json!({ "f/name": "b", "f/parent": { "f/name": "a", "f/parent": { "f/name": "root" } } }),
        ),
        (
            "b",
            "[:f/name {:f/parent 1}]",
            json!({ "f/name": "b", "f/parent": { "f/name": "a", "f/parent": rz("root") } }),
        ),
        ("a", "[:f/_parent]", json!({ "f/_parent": [rz("b")] })),
        (
            "a",
            "[{:f/_parent [:f/name]}]",
            json!({ "f/_parent": [{ "f/name": "b" }] }),
        ),
        ("b", "[:f/name :f/_parent]", json!({ "f/name": "b" })),
        // a circle ends at the entity that was met before
        (
            "a",
            "[:f/name {:f/knows ...}]",
            json!({ "f/name": "a", "f/knows": { "f/name": "c", "f/knows": rz("a") } }),
        ),
    ] {
        assert_eq!(
            pull(of, pattern, &Limits::default()),
            Ok(expected),
            "{of} {pattern}"
        );
    }
    let tree = pull("root", "[:f/name {:f/_parent ...}]", &Limits::default()).expect("pulls");
    assert_eq!(tree["f/_parent"].as_array().map(Vec::len), Some(2));
    assert!(tree.to_string().contains("\"b\""));
}

#[test]
fn pulls_are_bounded() {
    let few = Limits {
        pull_entities: 2,
        ..Limits::default()
    };
    assert_eq!(
        pull("root", "[:f/name {:f/_parent ...}]", &few)
            .expect_err("too many")
            .code(),
        "limit"
    );
    let flat = Limits {
        pull_depth: 2,
        ..Limits::default()
    };
    let nested = "[:f/name {:f/parent [:f/name {:f/parent [:f/name]}]}]";
    assert_eq!(
        pull("b", nested, &flat).expect_err("too deep").code(),
        "limit"
    );
    // recursion stops at the depth instead
    assert_eq!(
        pull("b", "[:f/name {:f/parent ...}]", &flat),
        Ok(json!({ "f/name": "b", "f/parent": { "f/name": "a", "f/parent": rz("root") } }))
    );
}
