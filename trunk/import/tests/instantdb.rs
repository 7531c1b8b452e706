//! Backups of InstantDB.

use crate::pods::{Place, attribute, entity, now, pod, text, value};
use rhizome_import::{
    ImportError, InstantDb, MemoryPod, Options, ProblemCode, Report, Source, Table, fixture,
    importers, recognise,
};
use rhizome_replica::Edit;
use rhizome_tuple::Value;
use serde_json::json;

fn lines(of: &[serde_json::Value]) -> Vec<u8> {
    let lines = of.iter().map(|entity| {
        format!(
            "{}\n",
            json!({"entity": entity, "createdAt": 1_700_000_000_123_i64})
        )
    });
    lines.collect::<String>().into_bytes()
}

fn attr(kind: &str) -> serde_json::Value {
    json!({"valueType": kind, "config": {"unique": false, "indexed": false}})
}

fn config() -> Vec<u8> {
    let link = |on: &str, label: &str, has: &str, to: &str, back: &str| json!({"forward": {"on": on, "label": label, "has": has}, "reverse": {"on": to, "label": back, "has": "many"}});
    let config = json!({
        "counts": {"posts": 2, "people": 1, "$files": 2}, "tripleCount": 20, "title": "A blog", "appId": "app-1", "rules": null,
        "schema": {
            "entities": {
                "posts": {"attrs": {"title": attr("string"), "words": attr("number"), "at": attr("date"), "draft": attr("boolean"),
                    "meta": attr("json"), "any thing": attr("any")}},
                "people": {"attrs": {"name": attr("string")}},
                "$files": {"attrs": {"path": attr("string")}}},
            "links": {
                "author": link("posts", "author", "one", "people", "posts"),
                "likes": link("people", "likes", "many", "posts", "likedBy"),
                "pictures": link("posts", "pictures", "many", "$files", "posts")}}});
    config.to_string().into_bytes()
}

fn posts() -> Vec<serde_json::Value> {
    vec![
        json!({"id": "p1", "title": "One", "words": 12, "at": "2021-01-07 18:50:43.447955", "draft": false, "meta": {"a": [1]},
            "any thing": 2.5, "author": "u1", "pictures": ["f1", "f2"]}),
        json!({"id": "p2", "title": "Two", "words": 1.5, "at": 1_600_000_000_000_i64, "draft": true, "meta": null, "any thing": "x"}),
    ]
}

fn backup() -> Vec<fixture::File> {
    let file = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
    vec![
        file("config.json", config()),
        file("entities/posts.jsonl", lines(&posts())),
        file(
            "entities/people.jsonl",
            lines(&[json!({"id": "u1", "name": "Zoë", "likes": ["p2"]})]),
        ),
        file(
            "entities/$files.jsonl",
            lines(&[
                json!({"id": "f1", "path": "a.png", "size": 4, "location-id": "loc-1", "content-type": "image/png"}),
                json!({"id": "f2", "path": "b.png", "size": 4, "location-id": "loc-2"}),
            ]),
        ),
        file(
            "entities/$magicCodes.jsonl",
            lines(&[json!({"id": "m1", "codeHash": "secret"})]),
        ),
        file("files/loc-1", fixture::png(4, 4, [1, 1, 1], [9, 9, 9])),
    ]
}

fn run(place: &Place, source: &Source, pod: &mut MemoryPod) -> Report {
    place
        .run(source, &InstantDb, pod, Options::new(now))
        .unwrap()
}

#[test]
fn a_backup_becomes_entities_with_links_and_files() {
    let (place, mut pod) = (Place::new(), pod());
    let source = place.source("backup", &backup());
    let all = importers(Table::new());
    let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
    let best = recognise(&source, &all).unwrap().remove(0);
    assert_eq!(
        (best.importer, best.account.as_deref()),
        ("instantdb", Some("app-1"))
    );
    let report = run(&place, &source, &mut pod);
    assert_eq!(report.kinds["posts"].added, 2);
    assert_eq!(report.kinds["$files"].added, 2);
    assert_eq!(report.audience.keys().collect::<Vec<_>>(), [&"direct"]);
    let (one, two) = (
        entity("instantdb", "posts/p1"),
        entity("instantdb", "posts/p2"),
    );
    let author = entity("instantdb", "people/u1");
    let of = |name: &str| value(&pod, &one, name).cloned();
    assert_eq!(of("posts/id"), Some(Value::from("p1")));
    assert_eq!(of("posts/title"), Some(Value::from("One")));
    assert_eq!(of("posts/words"), Some(Value::Integer(12)));
    assert_eq!(of("posts/at"), Some(Value::Time(1_610_045_443_447)));
    assert_eq!(of("posts/draft"), Some(Value::Boolean(false)));
    assert_eq!(of("posts/meta"), Some(Value::from(r#"{"a":[1]}"#)));
    assert_eq!(of("posts/any%20thing"), Some(Value::Float(2.5)));
    assert_eq!(
        of("posts/serverCreatedAt"),
        Some(Value::Time(1_700_000_000_123))
    );
    assert_eq!(of("posts/author"), Some(Value::Ref(author)));
    assert_eq!(pod.values(&one, "posts/pictures").len(), 2);
    assert_eq!(pod.values(&author, "people/likes"), [Value::Ref(two)]);
    assert_eq!(
        value(&pod, &two, "posts/at"),
        Some(&Value::Time(1_600_000_000_000))
    );
    let file = entity("instantdb", "$files/f1");
    assert!(matches!(
        value(&pod, &file, "$files/blob"),
        Some(Value::Blob(_))
    ));
    // The second file is not in the zip; the table of codes and the schema stay files.
    assert_eq!(report.totals.problems[&ProblemCode::MissingFile], 1);
    assert_eq!(report.totals.problems[&ProblemCode::NotImported], 1);
    let kept: Vec<&str> = report.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(kept, ["config.json", "entities/$magicCodes.jsonl"]);
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed), (0, 0));
}

#[test]
fn a_later_backup_adds_changes_and_empties_and_leaves_what_was_edited_here() {
    let (place, mut pod) = (Place::new(), pod());
    run(&place, &place.source("a", &backup()), &mut pod);
    let (one, two) = (
        entity("instantdb", "posts/p1"),
        entity("instantdb", "posts/p2"),
    );
    pod.apply(Edit::Assert(
        two,
        attribute("posts/title"),
        Value::from("Mine"),
    ));
    let mut later = backup();
    let mut posts = posts();
    posts[0] = json!({"id": "p1", "title": "One, again", "pictures": ["f1"]});
    posts.push(json!({"id": "p3", "title": "Three"}));
    later[1].1 = lines(&posts);
    let report = run(&place, &place.source("b", &later), &mut pod);
    assert_eq!((report.added, report.kinds["posts"].changed), (1, 1));
    assert_eq!(
        text(&pod, &one, "posts/title").as_deref(),
        Some("One, again")
    );
    assert_eq!(value(&pod, &one, "posts/author"), None);
    assert_eq!(pod.values(&one, "posts/pictures").len(), 1);
    assert_eq!(text(&pod, &two, "posts/title").as_deref(), Some("Mine"));
}

#[test]
fn without_its_schema_a_backup_is_refused_with_the_reason() {
    let place = Place::new();
    for config in [None, Some(&b"{\"schema\": 7}"[..]), Some(b"{")] {
        let mut files = backup();
        files.remove(0);
        files.extend(config.map(|bytes| ("config.json".to_owned(), bytes.to_vec())));
        let source = place.source("backup", &files);
        let failed = place.run(&source, &InstantDb, &mut pod(), Options::new(now));
        let error = failed.unwrap_err().error;
        assert!(
            matches!(&error, ImportError::NotRecognised { why, .. } if why.contains("config.json")),
            "{error}"
        );
    }
    let other = [("config.json".to_owned(), b"{\"name\": \"x\"}".to_vec())];
    let source = place.source("other", &other);
    assert_eq!(recognise(&source, &[&InstantDb]).unwrap(), []);
}

#[test]
fn what_is_wrong_in_a_table_costs_itself() {
    let (place, mut pod) = (Place::new(), pod());
    let mut files = backup();
    files[1].1 = b"{\"entity\":{\"id\":\"p1\",\"author\":7,\"at\":\"soon\",\"pictures\":[3]},\"createdAt\":1}\n[]\n{\"entity\":{}}\n\n{\"entity\"".to_vec();
    let report = run(&place, &place.source("a", &files), &mut pod);
    assert_eq!(report.kinds["posts"].added, 1);
    assert_eq!(report.kinds["entity"].skipped, 3);
    assert_eq!(report.totals.problems[&ProblemCode::Type], 3);
    let one = entity("instantdb", "posts/p1");
    assert_eq!(text(&pod, &one, "posts/at").as_deref(), Some("soon"));
}
