//! Searching a pod, in process and over the API.

use rhizome_pod::{App, Opening, Pod, PodHome, Search, Stop, json::parse_changes};
use serde_json::{Value as Json, json};

use crate::node;

fn tx(pod: &Pod, changes: &Json) {
    pod.transact(App::CommandLine, &parse_changes(changes).unwrap())
        .unwrap();
}

fn say(entity: &str, attribute: &str, value: impl Into<Json>) -> Json {
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value.into() } })
}

fn posts(pod: &Pod) {
    tx(
        pod,
        &json!([
            say("_:a", "social/type", "post"),
            say("_:a", "social/text", "Two espressos at the Café Central"),
            say(
                "_:a",
                "social/html",
                "<p>Two espressos at the Café Central</p>"
            ),
            say("_:a", "social/audience", "public"),
            say("_:b", "social/type", "media"),
            say("_:b", "social/alt", "a cup of espresso"),
            say("_:b", "social/url", "https://example.org/espresso"),
        ]),
    );
}

fn search(q: &str) -> Search {
    Search {
        q: q.into(),
        ..Search::default()
    }
}

/// The excerpts, with `[…]` around what was looked for.
fn shown(answer: &Json) -> Vec<String> {
    let part = |p: &Json| {
        let text = p["text"].as_str().unwrap();
        if p["hit"] == true {
            format!("[{text}]")
        } else {
            text.to_owned()
        }
    };
    let hits = answer["hits"].as_array().unwrap();
    hits.iter()
        .map(|h| h["excerpt"].as_array().unwrap().iter().map(part).collect())
        .collect()
}

fn found(pod: &Pod, q: &str) -> Vec<String> {
    shown(&pod.search(&search(q), &Stop::new(false)).unwrap())
}

#[test]
fn what_people_wrote_is_found_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path());
    let pod = home.init(&Opening::by("a test")).unwrap();
    posts(&pod);
    assert_eq!(found(&pod, "cafe"), ["Two espressos at the [Café] Central"]);
    assert_eq!(found(&pod, "espresso*").len(), 2);
    for nothing in ["public", "post", "example", "p"] {
        assert_eq!(found(&pod, nothing), Vec::<String>::new(), "{nothing}");
    }
    let of = |attribute: Option<&str>, kind: Option<&str>| {
        let search = Search {
            attributes: attribute.map(str::to_owned).into_iter().collect(),
            kind: kind.map(str::to_owned),
            ..search("espresso*")
        };
        shown(&pod.search(&search, &Stop::new(false)).unwrap())
    };
    assert_eq!(of(Some("social/alt"), None), ["a cup of [espresso]"]);
    assert_eq!(of(None, Some("media")), ["a cup of [espresso]"]);
    assert!(of(Some("social/alt"), Some("post")).is_empty());
    // as another command finds it, and after one that did not know of the index
    drop(pod);
    let pod = home.open(&Opening::by("a test")).unwrap();
    tx(&pod, &json!([say("_:c", "note/text", "espresso beans")]));
    drop(pod);
    let pod = home.open(&Opening::by("a test")).unwrap();
    assert_eq!(found(&pod, "beans"), ["espresso [beans]"]);
    assert_eq!(found(&pod, "espresso*").len(), 3);
    #[cfg(unix)]
    {
        let mode = std::fs::metadata(dir.path().join("search")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
    // the index is in the way of nothing
    drop(pod);
    std::fs::remove_dir_all(dir.path().join("search")).unwrap();
    let pod = home.open(&Opening::by("a test")).unwrap();
    assert_eq!(found(&pod, "espresso*").len(), 3);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let pod = PodHome::at(dir.path())
        .init(&Opening::by("a test"))
        .unwrap();
    let code = |search: &Search| {
        let refused = pod.search(search, &Stop::new(false)).unwrap_err();
        refused.code().to_owned()
    };
    assert_eq!(code(&search("  ")), "search");
    assert_eq!(code(&search("-not")), "search");
    assert_eq!(code(&search(&"word ".repeat(65))), "search");
    let many = Search {
        limit: Some(1_001),
        ..search("a")
    };
    assert_eq!(code(&many), "request");
    let whose = Search {
        pod: Some("somebody".into()),
        ..search("a")
    };
    assert_eq!(code(&whose), "request");
}

#[test]
fn over_the_api_a_new_post_is_found_at_once() {
    let node = node::start();
    posts(&node.pod);
    let answer = node.client.search(&search("cafe central")).unwrap();
    assert_eq!(shown(&answer), ["Two espressos at the [Café] [Central]"]);
    assert_eq!(answer["hits"][0]["type"], "post");
    assert_eq!(answer["hits"][0]["attribute"], "social/text");
    assert_eq!(answer["complete"], true);
    for n in 0..20 {
        let text = format!("quite new number {n}");
        let change = json!([say("_:n", "note/text", text.as_str())]);
        node.client.transact(&change).unwrap();
        let answer = node
            .client
            .search(&search(&format!("\"number {n}\"")))
            .unwrap();
        assert_eq!(shown(&answer), [format!("quite new [number {n}]")]);
    }
    // what is taken back is gone at once as well
    let answer = node.client.search(&search("\"number 7\"")).unwrap();
    let entity = answer["hits"][0]["entity"].as_str().unwrap();
    let gone = json!([{ "retract": { "entity": entity, "attribute": "note/text" } }]);
    node.client.transact(&gone).unwrap();
    let answer = node.client.search(&search("\"number 7\"")).unwrap();
    assert_eq!(shown(&answer), Vec::<String>::new());
    let refused = node.client.search(&search("")).unwrap_err();
    assert_eq!(refused.code(), "search");
}
