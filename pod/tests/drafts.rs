//! Branches of a pod that live beside it.

use std::sync::Arc;

use rhizome_pod::{
    App, DeviceRole, GrantTerms, Opening, PairingCode, Pod, PodError, PodHome, PodNode, Power,
    Stop, Whose, json::parse_changes,
};
use rhizome_tuple::EntityId;
use rhizome_view::Why;
use serde_json::{Value as Json, json};

use crate::sharing::{cloud, person, terms, visit};

fn pod(dir: &std::path::Path) -> Pod {
    let home = PodHome::at(dir.join("pod"));
    home.init(&Opening::by("test")).unwrap()
}

fn set(e: &str, a: &str, v: impl Into<Json>) -> Json {
    json!({ "assert": { "entity": e, "attribute": a, "value": v.into() } })
}

fn write(pod: &Pod, changes: &Json) -> Vec<EntityId> {
    let done = pod.transact(App::CommandLine, &parse_changes(changes).unwrap());
    done.unwrap()
        .entities
        .into_iter()
        .map(|(_, id)| id)
        .collect()
}

const TITLES: &str = "[:find ?e ?t :where [?e :title ?t] :order [?t]]";

fn titles(answer: &Json) -> Vec<String> {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| row[1].as_str().unwrap().to_owned())
        .collect()
}

fn own(pod: &Pod) -> Vec<String> {
    let answer = pod.query(&json!(TITLES), &[], &Stop::new(false));
    titles(&answer.unwrap())
}

fn drafted(pod: &Pod, name: &str) -> Vec<String> {
    let answer = pod.query_draft(name, &json!(TITLES), &[], &Stop::new(false));
    titles(&answer.unwrap())
}

/// (attribute, base, draft, changed since) of an entity in a diff.
fn difference(pod: &Pod, name: &str, entity: &EntityId) -> Vec<(String, Json, Json, bool)> {
    let diff = pod.draft_diff(name).unwrap().to_json();
    let mut all = diff["entities"].as_array().unwrap().iter();
    let Some(of) = all.find(|e| e["entity"] == entity.to_string()) else {
        return Vec::new();
    };
    let place = |p: &Json| {
        let attribute = p["attribute"].as_str().unwrap().to_owned();
        let changed = p["changed"] == true;
        (attribute, p["base"].clone(), p["draft"].clone(), changed)
    };
    of["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(place)
        .collect()
}

fn why<T: std::fmt::Debug>(refused: Result<T, PodError>) -> String {
    match refused {
        Err(PodError::Request(why) | PodError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_draft_follows_its_base_and_is_adopted_in_part_made_undone_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let pod = pod(dir.path());
    let made = write(
        &pod,
        &json!([
            set("_:one", "title", "one"),
            set("_:one", "place", "here"),
            { "list": { "entity": "_:one", "attribute": "tags", "value": ["x", "y", "x"] } },
            set("_:two", "title", "two"),
        ]),
    );
    let (e1, e2) = (made[0].to_string(), made[1].to_string());
    let begun = pod.new_draft("my idea", None).unwrap();
    assert_eq!((begun.state, begun.changes, begun.of), ("open", 0, None));
    assert_eq!(drafted(&pod, "my idea"), own(&pod));
    let tuples = pod.figures().tuples;
    let said = pod
        .draft_transact(
            "my idea",
            &json!([
                set(&e1, "title", "first"),
                { "push": { "entity": &e1, "attribute": "tags", "value": "z" } },
                set("_:new", "title", "three"),
                set("_:new", "next", json!({ "ref": "_:other" })),
                set("_:other", "title", "four"),
                set(&e2, "next", json!({ "ref": "_:new" })),
            ]),
        )
        .unwrap();
    assert_eq!((said.draft.changes, said.draft.entities), (6, 4));
    let new = said
        .made
        .iter()
        .find(|(name, _)| name == "_:new")
        .unwrap()
        .1;
    // a second time it goes on from there
    pod.draft_transact("my idea", &json!([set(&e2, "title", "second")]))
        .unwrap();
    assert_eq!(
        drafted(&pod, "my idea"),
        ["first", "four", "second", "three"]
    );
    assert_eq!(own(&pod), ["one", "two"], "nobody else sees it");
    let q = json!("[:find (pull ?e [:title :tags]) :where [?e :title \"first\"]]");
    let stop = Stop::new(false);
    let answer = pod.query_draft("my idea", &q, &[], &stop).unwrap();
    assert_eq!(answer["rows"][0][0]["tags"], json!(["x", "y", "x", "z"]));
    let joined = json!(
        "[:find ?t :where [?e :title \"second\"] [?e :next ?n] [?n :next ?m] [?m :title ?t]]"
    );
    let answer = pod.query_draft("my idea", &joined, &[], &stop).unwrap();
    assert_eq!(answer["rows"], json!([["four"]]));

    // what the base says later is there too, unless the draft says otherwise
    write(
        &pod,
        &json!([set(&e1, "place", "there"), set("_:five", "title", "five")]),
    );
    assert_eq!(
        drafted(&pod, "my idea"),
        ["first", "five", "four", "second", "three"]
    );
    let is = |a: &str, b: Json, d: Json, changed: bool| (a.to_owned(), b, d, changed);
    assert_eq!(
        difference(&pod, "my idea", &made[0]),
        [
            is(
                "tags",
                json!(["x", "y", "x"]),
                json!(["x", "y", "x", "z"]),
                false
            ),
            is("title", json!(["one"]), json!(["first"]), false),
        ]
    );
    write(
        &pod,
        &json!([set(&e1, "title", "uno"), set(&e2, "title", "second")]),
    );
    assert_eq!(
        difference(&pod, "my idea", &made[0])[1],
        is("title", json!(["uno"]), json!(["first"]), true)
    );
    // what the base says by now too is no difference
    assert_eq!(difference(&pod, "my idea", &made[1]).len(), 1);
    // who has seen it and says it again means it
    pod.draft_transact("my idea", &json!([set(&e1, "title", "first")]))
        .unwrap();
    assert!(!difference(&pod, "my idea", &made[0])[1].3);
    assert!(difference(&pod, "my idea", &new).len() == 2 && drafted(&pod, "my idea").len() == 5);

    // in part: the rest stays, and goes on
    let part = pod.adopt_draft("my idea", Some(&made[0])).unwrap();
    assert_eq!((part.state, part.changes, part.adopted), ("open", 5, 1));
    assert_eq!(own(&pod), ["first", "five", "second"]);
    assert!(difference(&pod, "my idea", &made[0]).is_empty());
    assert!(why(pod.adopt_draft("my idea", Some(&made[0]))).contains("says nothing of"));
    write(&pod, &json!([set(&e1, "title", "later")]));
    assert!(drafted(&pod, "my idea").contains(&"later".to_owned()));
    pod.draft_transact(
        "my idea",
        &json!([set(&e1, "title", "last"), set(&e1, "place", "nowhere")]),
    )
    .unwrap();
    let whole = pod.adopt_draft("my idea", None).unwrap();
    assert_eq!(
        (whole.state, whole.changes, whole.entities),
        ("adopted", 0, 0)
    );
    let all = ["five", "four", "last", "second", "three"];
    assert_eq!(own(&pod), all);
    assert_eq!(drafted(&pod, "my idea"), all);
    assert!(why(pod.adopt_draft("my idea", None)).contains("was adopted"));
    assert!(
        why(pod.draft_transact("my idea", &json!([set(&e1, "title", "x")])))
            .contains("was adopted")
    );

    // undone: through both adoptions; what was changed since stays
    write(&pod, &json!([set(&e1, "place", "elsewhere")]));
    let undone = pod.undo_draft("my idea").unwrap();
    assert_eq!(undone.kept, [(made[0], "place".to_owned())]);
    assert_eq!(undone.draft.state, "open");
    // the title was changed between the adoptions: back to that
    assert_eq!(own(&pod), ["five", "later", "second"]);
    assert!(why(pod.undo_draft("my idea")).contains("nothing of the draft"));
    assert_eq!(
        drafted(&pod, "my idea"),
        all,
        "and the draft says what it said"
    );

    // dropped, which changes nothing else
    pod.drop_draft("my idea", false).unwrap();
    assert_eq!(own(&pod), ["five", "later", "second"]);
    assert_eq!(pod.drafts().unwrap()[0].state, "dropped");
    assert!(why(pod.drop_draft("my idea", false)).contains("already"));
    assert!(why(pod.new_draft("my idea", None)).contains("was dropped"));
    pod.drop_draft("my idea", true).unwrap();
    assert!(pod.drafts().unwrap().is_empty());
    assert!(why(pod.draft_diff("my idea")).contains("no draft"));
    let now = pod.replica().snapshot();
    let left = now
        .attributes()
        .filter(|(_, name)| name.starts_with("draft/"));
    let left = left
        .map(|(a, _)| now.attribute_stats(a).tuples)
        .sum::<u64>();
    assert_eq!(left, 0, "nothing of it is left");
    assert!(pod.figures().tuples < tuples + 20);
    // and again by this name
    let again = pod.new_draft("my idea", None).unwrap();
    assert_eq!((again.state, again.changes), ("open", 0));
    pod.draft_transact("my idea", &json!([set(&e1, "title", "anew")]))
        .unwrap();
    assert_eq!(drafted(&pod, "my idea"), ["anew", "five", "second"]);
}

#[test]
fn what_is_no_draft_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let pod = pod(dir.path());
    let made = write(&pod, &json!([set("_:one", "title", "one")]));
    let e1 = made[0].to_string();
    for name in ["", " x", "x ", "a\nb", &"x".repeat(101)] {
        assert!(
            why(pod.new_draft(name, None)).contains("the name of a draft"),
            "{name:?}"
        );
    }
    pod.new_draft("d", None).unwrap();
    assert!(why(pod.new_draft("d", None)).contains("already"));
    let stranger = format!("did:rhizome:{}", "b".repeat(59));
    if let Ok(stranger) = stranger.parse() {
        assert!(why(pod.new_draft("theirs", Some(&stranger))).contains("shares nothing"));
    }
    assert!(
        why(pod.draft_transact("e", &json!([set(&e1, "title", "x")]))).contains("rhizome drafts")
    );
    let erase = json!([{ "erase": { "entity": &e1 } }]);
    assert!(why(pod.draft_transact("d", &erase)).contains("erases nothing"));
    assert!(why(pod.draft_transact("d", &json!([]))).contains("nothing in it"));
    assert!(matches!(
        pod.draft_transact("d", &json!({})),
        Err(PodError::Change(_))
    ));
    assert!(why(pod.adopt_draft("d", None)).contains("says nothing"));
    assert!(why(pod.undo_draft("d")).contains("nothing of the draft"));
    let long = "x".repeat(600 << 10);
    assert!(why(pod.draft_transact("d", &json!([set(&e1, "title", long)]))).contains("split it"));
    let many: Vec<Json> = (0..5000).map(|n| set(&e1, &format!("a{n}"), n)).collect();
    let many = Json::Array(many);
    for n in 0..5 {
        let said = pod.draft_transact("d", &many);
        assert_eq!(said.is_ok(), n < 4, "{n}: {said:?}");
    }
    for n in 1..100 {
        pod.new_draft(&format!("draft {n}"), None).unwrap();
    }
    assert!(why(pod.new_draft("one more", None)).contains("there are 100 drafts"));
    // somebody else says that something is a draft
    let name = pod.drafts().unwrap().len();
    write(
        &pod,
        &json!([
            set("_:x", "draft/name", "false one"),
            set("_:x", "draft/state", "open")
        ]),
    );
    assert_eq!(pod.drafts().unwrap().len(), name);
}

/// Whatever the base says, before and afterwards, a draft answers as the pod does once it is adopted.
#[test]
fn a_draft_answers_as_what_becomes_of_it() {
    let queries = [
        json!("[:find ?e ?a ?v :where [?e ?a ?v] (not [?e \"rhizome/type\" _]) :order [?e ?a ?v]]"),
        json!("[:find ?n ?m :where [?e :name ?n] [?e :friend ?f] [?f :name ?m] :order [?n ?m]]"),
        json!("[:find ?e (pull ?e [*]) :where [?e :kind \"k1\"] :order [?e]]"),
        json!(
            "[:find ?k (count ?e) (sum ?n) :with ?e :where [?e :kind ?k] [?e :size ?n] :order [?k]]"
        ),
        json!("[:find ?n :where [?e :name ?n] (not [?e :friend _]) [(> ?n \"n3\")] :order [?n]]"),
        json!("[:find ?n ?s :where [?e :name ?n] (or [?e :size ?s] [?e :tags ?s]) :order [?n ?s]]"),
    ];
    let stop = Stop::new(false);
    let mut different = 0;
    for seed in 0..20u64 {
        let dir = tempfile::tempdir().unwrap();
        let pod = pod(dir.path());
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % n
        };
        let start: Vec<Json> = (0..8)
            .map(|n| set(&format!("_:e{n}"), "name", format!("n{n}")))
            .collect();
        let all = write(&pod, &Json::Array(start));
        let mut wish = |odd: Option<bool>| {
            let e = below(8);
            // base and draft speak of the same entities, of other attributes
            let mine = ["friend", "size", "name"];
            let theirs = ["tags", "kind", "count"];
            let a = match odd {
                Some(true) => mine[below(3) as usize],
                Some(false) => theirs[below(3) as usize],
                None => [mine, theirs].concat()[below(6) as usize],
            };
            let e = all[e as usize].to_string();
            let body = |v: Json| json!({ "entity": e, "attribute": a, "value": v });
            if below(6) == 0 {
                return json!({ "retract": { "entity": e, "attribute": a } });
            }
            match a {
                "friend" => {
                    json!({ "assert": body(json!({ "ref": all[below(8) as usize].to_string() })) })
                }
                "size" => json!({ "assert": body(json!(below(50))) }),
                "name" => json!({ "assert": body(json!(format!("n{}", below(9)))) }),
                "kind" => json!({ "assert": body(json!(format!("k{}", below(3)))) }),
                "count" => json!({ "add": body(json!(below(9))) }),
                _ if below(3) == 0 => json!({ "list": body(json!([below(3), "t", below(3)])) }),
                _ => json!({ "push": body(json!(format!("t{}", below(4)))) }),
            }
        };
        let before: Vec<Json> = (0..30).map(|_| wish(None)).collect();
        write(&pod, &Json::Array(before));
        pod.new_draft("d", None).unwrap();
        for _ in 0..3 {
            let some: Vec<Json> = (0..5).map(|_| wish(Some(seed % 2 == 0))).collect();
            pod.draft_transact("d", &Json::Array(some)).unwrap();
        }
        let later: Vec<Json> = (0..10).map(|_| wish(Some(seed % 2 != 0))).collect();
        write(&pod, &Json::Array(later));
        // what the pod says of drafts is left out
        let answers = |draft: bool| -> Vec<Json> {
            let ask = |q: &Json| {
                let asked = if draft {
                    pod.query_draft("d", q, &[], &stop)
                } else {
                    pod.query(q, &[], &stop)
                };
                asked.unwrap()
            };
            queries.iter().map(ask).collect()
        };
        let plain = answers(false);
        let thought = answers(true);
        different += usize::from(plain != thought);
        pod.adopt_draft("d", None).unwrap();
        assert_eq!(answers(false), thought, "seed {seed}");
        pod.undo_draft("d").unwrap();
        assert_eq!(answers(false), plain, "seed {seed}");
    }
    assert!(different >= 18, "{different}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_devices_of_a_person_have_it_and_add_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (laptop, l) = person(dir.path(), "laptop").await;
    let (code, mut waiting) = l.invite(DeviceRole::Admin).unwrap();
    let code: PairingCode = code.to_string().parse().unwrap();
    let home = PodHome::at(dir.path().join("tablet"));
    let here = || vec!["127.0.0.1:0".parse().unwrap()];
    let opening = Opening::by("test");
    let tablet = home.join(&opening, &code, "tablet", here()).await.unwrap();
    let tablet = Arc::new(tablet);
    waiting.joined().await.unwrap();
    let t = PodNode::start(Arc::clone(&tablet), here()).await.unwrap();
    let sync = async || {
        t.sync_with(&l.address().unwrap(), None).await.unwrap();
    };
    let made = write(
        &laptop,
        &json!([set("_:one", "title", "one"), set("_:two", "title", "two")]),
    );
    let (e1, e2) = (made[0].to_string(), made[1].to_string());
    sync().await;
    // both begin it, without each other
    laptop.new_draft("plan", None).unwrap();
    tablet.new_draft("plan", None).unwrap();
    laptop
        .draft_transact("plan", &json!([set(&e1, "title", "by the laptop")]))
        .unwrap();
    sync().await;
    tablet
        .draft_transact("plan", &json!([set(&e1, "title", "by the tablet")]))
        .unwrap();
    laptop
        .draft_transact("plan", &json!([set(&e2, "title", "deux")]))
        .unwrap();
    tablet
        .draft_transact("plan", &json!([set("_:x", "title", "three")]))
        .unwrap();
    sync().await;
    sync().await;
    for pod in [&laptop, &tablet] {
        assert_eq!(pod.drafts().unwrap().len(), 1);
        assert_eq!(drafted(pod, "plan"), ["by the tablet", "deux", "three"]);
        assert_eq!(own(pod), ["one", "two"]);
    }
    assert_eq!(
        laptop.draft_diff("plan").unwrap().to_json(),
        tablet.draft_diff("plan").unwrap().to_json()
    );
    tablet.adopt_draft("plan", None).unwrap();
    sync().await;
    assert_eq!(own(&laptop), ["by the tablet", "deux", "three"]);
    assert_eq!(laptop.drafts().unwrap()[0].state, "adopted");
    laptop.undo_draft("plan").unwrap();
    sync().await;
    assert_eq!(own(&tablet), ["one", "two"]);
    for node in [l, t] {
        node.shutdown().await.unwrap();
    }
}

#[test]
fn a_draft_of_a_group_is_adopted_there_by_who_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let pod = pod(dir.path());
    let group = pod.create_group("Chess").unwrap().did;
    let changes = json!([set("_:a", "title", "opening")]);
    let changes = parse_changes(&changes).unwrap();
    let made = pod.transact_shared(&group, &changes).unwrap().entities;
    let a = made[0].1.to_string();
    pod.new_draft("moves", Some(&group)).unwrap();
    let said = json!([
        set(&a, "title", "the opening"),
        set("_:b", "title", "an end"),
        set(&a, "next", json!({ "ref": "_:b" })),
    ]);
    pod.draft_transact("moves", &said).unwrap();
    assert_eq!(drafted(&pod, "moves"), ["an end", "the opening"]);
    let stop = Stop::new(false);
    let there = |q: &str| {
        let answer = pod.query_shared(Whose::Of(group), &json!(q), &[], &stop);
        answer.unwrap()
    };
    assert_eq!(titles(&there(TITLES)), ["opening"]);
    assert!(why(pod.adopt_draft("moves", Some(&made[0].1))).contains("as a whole"));
    let adopted = pod.adopt_draft("moves", None).unwrap();
    assert_eq!((adopted.state, adopted.changes), ("adopted", 0));
    assert_eq!(titles(&there(TITLES)), ["an end", "the opening"]);
    let next = there("[:find ?t :where [_ :next ?e] [?e :title ?t]]");
    assert_eq!(next["rows"], json!([["an end"]]));
    assert!(own(&pod).is_empty());
    assert!(why(pod.undo_draft("moves")).contains("change it there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_draft_of_what_somebody_shares_is_proposed_to_them_and_shown_to_nobody_before() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let made = write(
        &alice,
        &json!([
            set("_:one", "shared", true),
            set("_:one", "title", "one"),
            { "list": { "entity": "_:one", "attribute": "tags", "value": ["b", "a"] } },
            set("_:two", "shared", true),
            set("_:two", "title", "two"),
            set("_:two", "also", true),
            set("_:private", "title", "private"),
        ]),
    );
    let (e1, e2) = (made[0].to_string(), made[1].to_string());
    // her own draft, about what she shares, and with what would be shared
    alice.new_draft("hers", None).unwrap();
    alice
        .draft_transact(
            "hers",
            &json!([
                set(&e1, "title", "secret"),
                set("_:x", "shared", true),
                set("_:x", "title", "secret")
            ]),
        )
        .unwrap();
    let (_, first) = alice.grant(&terms(&bob, None)).unwrap();
    let also = GrantTerms {
        predicate: "also: true".parse().unwrap(),
        power: Power::Read,
        ..terms(&bob, None)
    };
    let (_, second) = alice.grant(&also).unwrap();
    let reserved = GrantTerms {
        predicate: "draft/state: open".parse().unwrap(),
        ..terms(&bob, None)
    };
    assert!(why(alice.grant(&reserved).map(drop)).contains("of itself"));
    a.sync_all().await.unwrap();
    b.accept(&first).await.unwrap();
    // without a share of it there is nothing to draft
    let hers = alice.did().parse().unwrap();
    let seen = bob.shared(Whose::Of(hers)).unwrap();
    assert!(
        !seen
            .attributes()
            .any(|(_, name)| name.starts_with("draft/"))
    );
    let stop = Stop::new(false);
    let theirs = |q: &str| {
        bob.query_shared(Whose::Of(hers), &json!(q), &[], &stop)
            .unwrap()
    };
    assert_eq!(titles(&theirs(TITLES)), ["one", "two"]);

    // nor does a guest make one of her things a draft
    let pretend =
        json!([{ "assert": { "entity": &e2, "attribute": "draft/state", "value": "open" } }]);
    bob.transact_shared(&hers, &parse_changes(&pretend).unwrap())
        .unwrap();
    b.sync_all().await.unwrap();
    a.sync_all().await.unwrap();
    assert_eq!(alice.proposals().unwrap()[0].why, Some(Why::Reserved));
    b.sync_all().await.unwrap();

    bob.new_draft("for her", Some(&hers)).unwrap();
    bob.draft_transact(
        "for her",
        &json!([
            set(&e1, "title", "the first"),
            { "push": { "entity": &e1, "attribute": "tags", "value": "c" } },
            set(&e2, "title", "the second"),
            set("_:n", "shared", true),
            set("_:n", "title", "a third"),
            set("_:n", "next", json!({ "ref": &e1 })),
            set(&e2, "next", json!({ "ref": "_:n" })),
        ]),
    )
    .unwrap();
    assert_eq!(
        drafted(&bob, "for her"),
        ["a third", "the first", "the second"]
    );
    assert_eq!(titles(&theirs(TITLES)), ["one", "two"]);
    assert!(own(&bob).is_empty());
    let tags = difference(&bob, "for her", &made[0]);
    assert_eq!(
        (&tags[0].1, &tags[0].2),
        (&json!(["b", "a"]), &json!(["b", "a", "c"]))
    );
    // with a second share of the same it is the same
    b.accept(&second).await.unwrap();
    assert_eq!(
        drafted(&bob, "for her"),
        ["a third", "the first", "the second"]
    );
    assert_eq!(difference(&bob, "for her", &made[0]), tags);
    // what she says meanwhile is there
    write(
        &alice,
        &json!([set(&e1, "place", "here"), set(&e2, "title", "zwei")]),
    );
    a.sync_all().await.unwrap();
    b.sync_all().await.unwrap();
    let place = json!("[:find ?t :where [?e :place \"here\"] [?e :title ?t]]");
    let answer = bob.query_draft("for her", &place, &[], &stop).unwrap();
    assert_eq!(answer["rows"], json!([["the first"]]));
    let (_, base, _, changed) = difference(&bob, "for her", &made[1])[1].clone();
    assert_eq!((base, changed), (json!(["zwei"]), true));

    assert!(why(bob.adopt_draft("for her", None)).contains("draft propose"));
    let elsewhere = bob.did().parse().unwrap();
    assert!(why(b.propose_draft("for her", &elsewhere, "").await).contains("proposed to them"));
    let proposed = b
        .propose_draft("for her", &hers, "better so")
        .await
        .unwrap();
    assert!(proposed.proposed_ms.is_some() && proposed.state == "open");
    b.sync_all().await.unwrap();
    a.sync_all().await.unwrap();
    let asked = alice.proposals().unwrap().remove(0);
    assert_eq!(
        (asked.comment.as_str(), asked.from.as_str()),
        ("better so", bob.did())
    );
    alice.adopt(&asked.id, None).unwrap();
    assert_eq!(
        own(&alice),
        ["a third", "private", "the first", "the second"]
    );
    let q = json!(
        "[:find ?t :where [?e :title \"the second\"] [?e :next ?n] [?n :next ?m] [?m :title ?t]]"
    );
    let answer = alice.query(&q, &[], &stop).unwrap();
    assert_eq!(answer["rows"], json!([["the first"]]));
    // of one's own pod too, to anybody who shares something
    bob.new_draft("own", None).unwrap();
    bob.draft_transact(
        "own",
        &json!([set("_:y", "shared", true), set("_:y", "title", "from Bob")]),
    )
    .unwrap();
    b.propose_draft("own", &hers, "").await.unwrap();
    b.sync_all().await.unwrap();
    a.sync_all().await.unwrap();
    let asked = alice.proposals().unwrap().remove(0);
    alice.adopt(&asked.id, None).unwrap();
    assert!(own(&alice).contains(&"from Bob".to_owned()));
    assert!(
        why(a
            .propose_draft("hers", &bob.did().parse().unwrap(), "")
            .await)
        .contains("shares nothing")
    );
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    // hers is hers still
    visit(&alice).await;
    visit(&bob).await;
    let titles = titles(&theirs(TITLES));
    assert!(
        !titles.contains(&"secret".to_owned()) && titles.len() == 4,
        "{titles:?}"
    );
    peer.shutdown().await.unwrap();
}
