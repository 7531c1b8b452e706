//! Nested JSON queries on a small pod.

use rhizome_query::iql::{Names, Query};
use rhizome_query::{Limits, QueryError};
use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

fn id(name: &str) -> EntityId {
    EntityId::derive("did:key:test", name.as_bytes())
}

fn pod() -> Snapshot {
    let mut facts = Vec::new();
    for (person, name, friend) in [
        ("ada", "Ada", "bob"),
        ("bob", "Bob", "ada"),
        ("eve", "Eve", "bob"),
    ] {
        facts.push((id(person), "social/type", Value::from("person")));
        facts.push((id(person), "social/name", Value::from(name)));
        facts.push((id(person), "social/friend", Value::Ref(id(friend))));
    }
    for (post, author, text, created, likes) in [
        ("p1", "ada", "first", 10, Some(3)),
        ("p2", "bob", "second_one", 30, None),
        ("p3", "ada", "third", 20, Some(7)),
        ("p4", "eve", "Fourth%", 30, Some(3)),
    ] {
        facts.push((id(post), "social/type", Value::from("post")));
        facts.push((id(post), "social/author", Value::Ref(id(author))));
        facts.push((id(post), "social/text", Value::from(text)));
        facts.push((id(post), "social/created", Value::Time(created)));
        facts.push((id(post), "import/key", Value::from(format!("k{created}"))));
        if let Some(n) = likes {
            facts.push((id(post), "social/likes", Value::Integer(n)));
        }
    }
    facts.push((id("p1"), "social/tag", Value::from("x")));
    facts.push((id("p1"), "social/tag", Value::from("y")));
    facts.push((id("p3"), "social/tag", Value::from("y")));
    facts.push((id("p3"), "social/reply-to", Value::Ref(id("p1"))));
    // a namespace without types: what has such attributes
    facts.push((id("f1"), "folder/name", Value::from("root")));
    facts.push((id("f2"), "folder/name", Value::from("leaf")));
    facts.push((id("f2"), "folder/parent", Value::Ref(id("f1"))));
    Snapshot::from_facts(facts).expect("a snapshot")
}

fn run(query: Json) -> Result<Json, QueryError> {
    Query::parse(&query.to_string(), &Limits::default())?.run(
        &pod(),
        &Names::default(),
        &Limits::default(),
    )
}

/// The names of the entities that a query on posts finds, in order.
fn posts(options: Json) -> Vec<&'static str> {
    let found = run(json!({ "post": { "$": options.clone() } }))
        .unwrap_or_else(|e| panic!("{options}: {e}"));
    let name = |j: &Json| {
        let known = ["p1", "p2", "p3", "p4"];
        *known
            .iter()
            .find(|n| j["id"] == id(n).to_string())
            .unwrap_or_else(|| panic!("{j}"))
    };
    found["post"]
        .as_array()
        .expect("an array")
        .iter()
        .map(name)
        .collect()
}

#[test]
fn conditions() {
    let p = |name: &str| id(name).to_string();
    for (condition, expected) in [
        (json!({}), vec!["p1", "p2", "p3", "p4"]),
        (json!({ "text": "first" }), vec!["p1"]),
        (json!({ "social/text": "first" }), vec!["p1"]),
        (json!({ "text": { "$eq": "first" } }), vec!["p1"]),
        (
            json!({ "text": { "$ne": "first" } }),
            vec!["p2", "p3", "p4"],
        ),
        (json!({ "likes": 3 }), vec!["p1", "p4"]),
        (json!({ "likes": 3.0 }), vec!["p1", "p4"]),
        (json!({ "likes": { "$not": 3 } }), vec!["p2", "p3"]),
        (json!({ "likes": { "$gt": 3 } }), vec!["p3"]),
        (
            json!({ "likes": { "$gte": 3, "$lt": 7 } }),
            vec!["p1", "p4"],
        ),
        (
            json!({ "likes": { "$not": { "$gt": 3 } } }),
            vec!["p1", "p2", "p4"],
        ),
        (json!({ "likes": null }), vec!["p2"]),
        (json!({ "likes": { "$isNull": true } }), vec!["p2"]),
        (
            json!({ "likes": { "$isNull": false } }),
            vec!["p1", "p3", "p4"],
        ),
        (json!({ "created": { "$lte": 20 } }), vec!["p1", "p3"]),
        (json!({ "created": 20 }), vec!["p3"]),
        (
            json!({ "created": { "$gt": { "time": "1970-01-01T00:00:00.020Z" } } }),
            vec!["p2", "p4"],
        ),
        (
            json!({ "text": { "$in": ["first", "third", "none"] } }),
            vec!["p1", "p3"],
        ),
        (
            json!({ "text": { "$nin": ["first", "third"] } }),
            vec!["p2", "p4"],
        ),
        (json!({ "text": { "$like": "f%" } }), vec!["p1"]),
        (json!({ "text": { "$ilike": "f%" } }), vec!["p1", "p4"]),
        (json!({ "text": { "$like": "%\\%" } }), vec!["p4"]),
        (json!({ "tag": "y" }), vec!["p1", "p3"]),
        (json!({ "tag": { "$ne": "x" } }), vec!["p2", "p3", "p4"]),
        (json!({ "author.name": "Ada" }), vec!["p1", "p3"]),
        (
            json!({ "author.friend.name": "Bob" }),
            vec!["p1", "p3", "p4"],
        ),
        (json!({ "author": p("eve") }), vec!["p4"]),
        (json!({ "author.id": p("eve") }), vec!["p4"]),
        (
            json!({ "id": { "$in": [p("p1"), p("p2")] } }),
            vec!["p1", "p2"],
        ),
        (json!({ "id": { "$ne": p("p1") } }), vec!["p2", "p3", "p4"]),
        (json!({ "_reply-to.text": "third" }), vec!["p1"]),
        (json!({ "reply-to.author.name": "Ada" }), vec!["p3"]),
        (
            json!({ "or": [{ "likes": 7 }, { "text": "first" }] }),
            vec!["p1", "p3"],
        ),
        (
            json!({ "or": [{ "likes": null }, { "author.name": "Eve" }] }),
            vec!["p2", "p4"],
        ),
        (
            json!({ "and": [{ "tag": "x" }, { "tag": "y" }] }),
            vec!["p1"],
        ),
        (json!({ "or": [] }), vec![]),
        (
            json!({ "not": { "tag": "y", "likes": 7 } }),
            vec!["p1", "p2", "p4"],
        ),
        (json!({ "nowhere": 5 }), vec![]),
        (json!({ "nowhere": null }), vec!["p1", "p2", "p3", "p4"]),
        (json!({ "key": "k20" }), vec!["p3"]),
        (json!({ "text": "never written" }), vec![]),
    ] {
        let mut found = posts(json!({ "where": condition }));
        found.sort_unstable();
        assert_eq!(found, expected, "{condition}");
    }
}

#[test]
fn order_and_pages() {
    // pages far beyond the end
    for (limit, offset) in [
        (4, 4_030_000_006_679_214_011_u64),
        (u64::MAX, u64::MAX),
        (u64::MAX, 0),
    ] {
        let page =
            posts(json!({ "order": { "created": "asc" }, "limit": limit, "offset": offset }));
        assert_eq!(page.is_empty(), offset > 0);
    }
    let tie = |a: &'static str, b: &'static str| if id(a) < id(b) { [a, b] } else { [b, a] };
    let [t1, t2] = tie("p2", "p4");
    assert_eq!(
        posts(json!({ "order": { "created": "asc" } })),
        ["p1", "p3", t1, t2]
    );
    for limit in 0..5 {
        for offset in 0..5 {
            let desc = [t1, t2, "p3", "p1"];
            let expected: Vec<&str> = desc.iter().skip(offset).take(limit).copied().collect();
            assert_eq!(
                posts(json!({ "order": { "created": "desc" }, "limit": limit, "offset": offset })),
                expected,
                "{limit} {offset}"
            );
        }
    }
    // entities without the value come last in both directions
    let [a, b] = tie("p1", "p4");
    assert_eq!(
        posts(json!({ "order": { "likes": "desc" }, "limit": 4 })),
        ["p3", a, b, "p2"]
    );
    assert_eq!(
        posts(json!({ "order": { "likes": "asc" }, "limit": 3 })),
        [a, b, "p3"]
    );
    assert_eq!(
        posts(json!({ "order": { "likes": "asc" } })),
        [a, b, "p3", "p2"]
    );
    assert_eq!(
        posts(json!({ "order": [{ "likes": "desc" }, { "created": "desc" }] })),
        ["p3", "p4", "p1", "p2"]
    );
    // a set orders by its first value in the direction; each entity once
    assert_eq!(
        posts(
            json!({ "where": { "tag": { "$isNull": false } }, "order": { "tag": "asc" }, "limit": 2 })
        ),
        ["p1", "p3"]
    );
    assert_eq!(
        posts(json!({ "where": { "tag": "y" }, "order": { "tag": "asc" }, "limit": 5 })),
        ["p1", "p3"]
    );
    let after = id(t2).to_string();
    assert_eq!(
        posts(json!({ "order": { "created": "desc" }, "first": 1, "after": after })),
        ["p3"]
    );
    assert_eq!(
        posts(json!({ "order": { "created": "desc" }, "first": 9, "after": id("p1").to_string() })),
        Vec::<&str>::new()
    );
}

#[test]
fn objects() {
    let result = run(json!({ "post": { "$": { "where": { "text": "third" }, "fields": ["text", "created", "tag"] },
        "author": { "_author": { "$": { "order": { "created": "desc" }, "fields": ["text"] } } },
        "reply-to": { "$": { "fields": ["tag"] } }, "_reply-to": {} } }))
    .expect("runs");
    assert_eq!(
        result,
        json!({ "post": [{
            "id": id("p3").to_string(), "text": "third", "created": 20, "tag": "y",
            "author": { "id": id("ada").to_string(), "type": "person", "name": "Ada", "friend": id("bob").to_string(),
                        "_author": [{ "id": id("p3").to_string(), "text": "third" }, { "id": id("p1").to_string(), "text": "first" }] },
            "reply-to": { "id": id("p1").to_string(), "tag": ["x", "y"] },
            "_reply-to": []
        }] })
    );
    let all = run(
        json!({ "post": { "$": { "where": { "text": "first" } } }, "folder": { "parent": {} } }),
    )
    .expect("runs");
    assert_eq!(all["post"][0]["import/key"], "k10");
    assert_eq!(all["post"][0]["likes"], 3);
    let mut folders: Vec<Json> = all["folder"].as_array().expect("folders").clone();
    folders.sort_by_key(|f| f["name"].to_string());
    assert_eq!(
        folders,
        [
            json!({ "id": id("f2").to_string(), "name": "leaf", "parent": { "id": id("f1").to_string(), "name": "root" } }),
            json!({ "id": id("f1").to_string(), "name": "root", "parent": null })
        ]
    );
}

#[test]
fn a_namespace_may_begin_with_a_dollar_sign() {
    let facts = [
        (id("u"), "$users/email", Value::from("ada@example.org")),
        (id("b"), "books/title", Value::from("Notes")),
        (id("b"), "books/$user", Value::Ref(id("u"))),
    ];
    let snapshot = Snapshot::from_facts(facts).expect("a snapshot");
    let run = |query: Json| {
        Query::parse(&query.to_string(), &Limits::default())?.run(
            &snapshot,
            &Names::default(),
            &Limits::default(),
        )
    };
    let user = json!({ "id": id("u").to_string(), "email": "ada@example.org" });
    let found = run(json!({ "$users": { "$": { "where": { "email": "ada@example.org" } } } }));
    assert_eq!(found.expect("runs"), json!({ "$users": [user] }));
    let found = run(
        json!({ "books": { "$": { "fields": ["title"] }, "$user": { "$": { "fields": ["$users/email"] } } } }),
    );
    assert_eq!(found.expect("runs")["books"][0]["$user"]["id"], user["id"]);
    for option in ["$where", "$order", "$"] {
        let refused =
            run(json!({ option: {} })).expect_err("an option in the place of a namespace");
        assert!(
            refused.to_string().contains("a namespace or a link"),
            "{refused}"
        );
    }
    let refused =
        run(json!({ "books": { "$where": {} } })).expect_err("an option in the place of a link");
    assert!(
        refused.to_string().contains("a namespace or a link"),
        "{refused}"
    );
}

#[test]
fn a_schema_names_links_backwards() {
    let mut names = Names::default();
    names
        .backwards
        .insert(("person".into(), "posts".into()), "social/author".into());
    names
        .fields
        .insert(("person".into(), "title".into()), "social/name".into());
    names
        .targets
        .insert(("person".into(), "posts".into()), "post".into());
    let query = json!({ "person": { "$": { "where": { "title": "Eve", "posts.likes": 3 }, "fields": ["title"] }, "posts": { "$": { "fields": ["text"] } } } });
    let found = Query::parse(&query.to_string(), &Limits::default())
        .and_then(|q| q.run(&pod(), &names, &Limits::default()))
        .expect("runs");
    assert_eq!(
        found,
        json!({ "person": [{ "id": id("eve").to_string(), "title": "Eve", "posts": [{ "id": id("p4").to_string(), "text": "Fourth%" }] }] })
    );
}

#[test]
fn mistakes_name_their_path() {
    for (query, path, expected) in [
        (json!([]), "the query", "an object"),
        (json!({}), "the query", "at least one namespace"),
        (json!({ "post": 5 }), "post", "an object"),
        (
            json!({ "post": { "$": { "limit": -1 } } }),
            "post.$.limit",
            "a number",
        ),
        (
            json!({ "post": { "$": { "wher": {} } } }),
            "post.$.wher",
            "one of where",
        ),
        (
            json!({ "post": { "$": { "where": { "a": { "$gtt": 1 } } } } }),
            "post.$.where.a.$gtt",
            "one of $eq",
        ),
        (
            json!({ "post": { "$": { "where": { "a": { "$in": 1 } } } } }),
            "post.$.where.a.$in",
            "an array",
        ),
        (
            json!({ "post": { "$": { "where": { "a..b": 1 } } } }),
            "post.$.where.a..b",
            "names between the dots",
        ),
        (
            json!({ "post": { "$": { "where": { "or": [{ "a": [] }] } } } }),
            "post.$.where.or.0.a",
            "a value",
        ),
        (
            json!({ "post": { "author": { "$": { "order": "desc" } } } }),
            "post.author.$.order",
            "asc",
        ),
        (
            json!({ "post": { "$": { "after": "p1" } } }),
            "post.$.after",
            "the id",
        ),
        (
            json!({ "post": { "$": { "after": id("ada").to_string() } } }),
            "post.$.after",
            "in the result",
        ),
    ] {
        match run(query.clone()) {
            Err(QueryError::Shape {
                path: p,
                expected: e,
                ..
            }) => assert!(p == path && e.contains(expected), "{query}: {p}: {e}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    let deep = (0..60).fold(json!({}), |inner, _| json!({ "a": inner }));
    assert_eq!(run(deep).expect_err("too deep").code(), "limit");
    assert_eq!(
        Query::parse("{\"post\": ", &Limits::default())
            .expect_err("not JSON")
            .code(),
        "syntax"
    );
    let small = Limits {
        pull_entities: 2,
        ..Limits::default()
    };
    let all = Query::parse("{\"post\": {}}", &small)
        .and_then(|q| q.run(&pod(), &Names::default(), &small));
    assert_eq!(all.expect_err("too many").code(), "limit");
}
