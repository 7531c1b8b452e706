//! Many pods as one: whose word counts, who is shown to say it, and how it keeps up.

use std::sync::Arc;

use rhizome_pod::{Pod, PodNode, Post, Whose};
use rhizome_replica::Edit;
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::{Value as Json, json};

use crate::{
    live::{block_on, connect, hear, say},
    public::{change, did, publish},
    views::{cloud, home, start, sync},
};

fn ask(pod: &Pod, q: &str) -> Vec<Json> {
    let answer = pod.query_shared(Whose::Followed, &json!(q), &[], &false.into());
    let mut rows = answer.unwrap()["rows"].as_array().unwrap().clone();
    rows.sort_by_key(Json::to_string);
    rows
}

/// Who says which text.
fn said(pod: &Pod) -> Vec<(String, String)> {
    let rows = ask(
        pod,
        r#"[:find ?of ?t :where [?e "social/text" ?t] [?e "view/of" ?of]]"#,
    );
    let text = |v: &Json| v.as_str().unwrap().to_owned();
    let mut out: Vec<_> = rows.iter().map(|r| (text(&r[0]), text(&r[1]))).collect();
    out.sort();
    out
}

fn by(pod: &Pod, text: &str) -> (String, String) {
    (pod.did().to_owned(), text.to_owned())
}

fn set(entity: &str, attribute: &str, value: impl Into<Json>) -> Json {
    let value: Json = value.into();
    json!({ "assert": { "entity": entity, "attribute": attribute, "value": value } })
}

fn post(pod: &Pod, text: &str, at: &str) -> EntityId {
    let time = json!({ "time": at });
    let changes = json!([
        set("_:p", "public", true),
        set("_:p", "social/type", "post"),
        set("_:p", "social/text", text),
        set("_:p", "social/created", time),
    ]);
    change(pod, &changes).unwrap()
}

/// Says something of an entity that may be another's.
fn speak(pod: &Pod, entity: &EntityId, text: &str) {
    let e = entity.to_string();
    let changes = json!([set(&e, "public", true), set(&e, "social/text", text)]);
    change(pod, &changes);
}

fn hide(pod: &Pod, entity: &EntityId) {
    let retract = json!({ "entity": entity.to_string(), "attribute": "public" });
    change(pod, &json!([{ "retract": retract }]));
}

async fn round(nodes: &[&PodNode]) {
    for node in nodes {
        sync(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_word_of_the_maker_counts_and_nobody_else_s() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| home(dir.path(), name));
    let (a, b, c) = (start(&alice).await, start(&bob).await, start(&carol).await);
    for node in [&a, &b, &c] {
        node.add_peer(&address, token.as_ref()).await.unwrap();
    }
    assert!(said(&carol).is_empty());
    let one = post(&alice, "by Alice", "2026-01-01T00:00:00Z");
    let two = post(&alice, "by Alice too", "2026-01-02T00:00:00Z");
    // Bob is followed first, and was there first: he speaks of her posts
    speak(&bob, &one, "Bob about one");
    speak(&bob, &two, "Bob about two");
    let own = post(&bob, "by Bob", "2026-01-03T00:00:00Z");
    publish(&bob);
    round(&[&b]).await;
    c.follow(&did(&bob), None).await.unwrap();
    // as long as nobody else speaks of them, it is Bob who does
    let of_bob = vec![
        by(&bob, "Bob about one"),
        by(&bob, "Bob about two"),
        by(&bob, "by Bob"),
    ];
    assert_eq!(said(&carol), of_bob);
    let given = publish(&alice);
    round(&[&a]).await;
    c.follow(&did(&alice), None).await.unwrap();
    let mut all = vec![
        by(&alice, "by Alice"),
        by(&alice, "by Alice too"),
        by(&bob, "by Bob"),
    ];
    all.sort();
    assert_eq!(said(&carol), all);
    // he cannot delete or erase it, and she can
    hide(&bob, &one);
    change(&bob, &json!([{ "erase": { "entity": two.to_string() } }]));
    round(&[&b, &c]).await;
    assert_eq!(said(&carol), all);
    speak(&bob, &one, "Bob again");
    round(&[&b, &c]).await;
    assert_eq!(said(&carol), all);
    change(
        &alice,
        &json!([set(&two.to_string(), "social/text", "better")]),
    );
    round(&[&a, &c]).await;
    assert!(said(&carol).contains(&by(&alice, "better")));
    hide(&alice, &two);
    round(&[&a, &c]).await;
    assert!(!said(&carol).iter().any(|(_, text)| text == "better"));
    // what she says no more others may say, in their own names
    hide(&alice, &one);
    round(&[&a, &c]).await;
    assert!(said(&carol).contains(&by(&bob, "Bob again")));
    // nor can who says it be forged: Bob's program writes what an honest one does not
    let view = bob.views().unwrap().list().into_iter().next().unwrap();
    let author = view.author("keeper").unwrap();
    let forged = Edit::Assert(own, Attribute::new("view/of").unwrap(), alice.did().into());
    let replica = view.replica().unwrap();
    replica
        .write(
            &author,
            vec![forged],
            1_900_000_000_000,
            [3; 16],
            Durability::Durable,
        )
        .unwrap();
    round(&[&b, &c]).await;
    let there = ask(&carol, r#"[:find ?t :where [?e "social/text" ?t]]"#);
    assert!(there.contains(&json!(["by Bob"])));
    assert!(said(&carol).contains(&by(&bob, "by Bob")));
    assert!(!said(&carol).contains(&by(&alice, "by Bob")));
    // what one makes public oneself is there too
    post(&carol, "by Carol", "2026-01-04T00:00:00Z");
    publish(&carol);
    assert!(said(&carol).contains(&by(&carol, "by Carol")));
    // taken back, and followed no longer
    alice.revoke(&given.id).unwrap();
    carol.unfollow(&did(&bob)).unwrap();
    assert_eq!(said(&carol), [by(&carol, "by Carol")]);
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_its_maker_the_word_of_whoever_was_followed_first_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let [first, second, reader] = ["first", "second", "reader"].map(|n| home(dir.path(), n));
    let (f, s, r) = (
        start(&first).await,
        start(&second).await,
        start(&reader).await,
    );
    for node in [&f, &s, &r] {
        node.add_peer(&address, token.as_ref()).await.unwrap();
    }
    let theirs = EntityId::derive("did:rhizome:somebody", b"else");
    for (pod, text) in [(&second, "the second"), (&first, "the first")] {
        speak(pod, &theirs, text);
        publish(pod);
    }
    round(&[&f, &s]).await;
    r.follow(&did(&first), None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    r.follow(&did(&second), None).await.unwrap();
    assert_eq!(said(&reader), [by(&first, "the first")]);
    // whichever comes last, also after a look at everything
    speak(&second, &theirs, "the second, later");
    round(&[&s, &r]).await;
    assert_eq!(said(&reader), [by(&first, "the first")]);
    for view in reader.views().unwrap().list() {
        view.close().unwrap();
        assert!(!view.is_open());
    }
    speak(&first, &theirs, "the first, later");
    round(&[&f, &r]).await;
    assert_eq!(said(&reader), [by(&first, "the first, later")]);
    reader.unfollow(&did(&first)).unwrap();
    assert_eq!(said(&reader), [by(&second, "the second, later")]);
    // who is followed again is not the first any more
    r.follow(&did(&first), None).await.unwrap();
    assert_eq!(said(&reader), [by(&second, "the second, later")]);
    for node in [f, s, r] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

fn texts(posts: &[Post]) -> Vec<&str> {
    posts.iter().map(|p| &*p.text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_timeline_has_the_newest_first_and_comments_of_those_who_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| home(dir.path(), name));
    let (a, b, c) = (start(&alice).await, start(&bob).await, start(&carol).await);
    for node in [&a, &b, &c] {
        node.add_peer(&address, token.as_ref()).await.unwrap();
    }
    let old = post(&alice, "old", "2025-05-05T00:00:00Z");
    post(&alice, "new", "2026-05-05T00:00:00Z");
    post(&bob, "between", "2025-12-12T00:00:00Z");
    let comment = |text: &str, at: &str| {
        let time = json!({ "time": at });
        let changes = json!([
            set("_:c", "public", true),
            set("_:c", "social/type", "reply"),
            set("_:c", "social/text", text),
            set("_:c", "social/created", time),
            set("_:c", "social/reply-to", json!({ "ref": old.to_string() })),
        ]);
        change(&bob, &changes).unwrap()
    };
    let steps =
        json!({ "entity": old.to_string(), "attribute": "x/steps", "value": ["z", "a", "m"] });
    change(&alice, &json!([{ "list": steps }]));
    comment("second", "2027-01-02T00:00:00Z");
    comment("first", "2027-01-01T00:00:00Z");
    publish(&alice);
    publish(&bob);
    round(&[&a, &b]).await;
    // Bob's comments are seen by who follows Bob
    c.follow(&did(&alice), None).await.unwrap();
    let posts = carol.timeline(50).unwrap().posts;
    assert_eq!(texts(&posts), ["new", "old"]);
    assert_eq!(posts[1].replies, 0);
    c.follow(&did(&bob), None).await.unwrap();
    let posts = carol.timeline(50).unwrap().posts;
    assert_eq!(texts(&posts), ["new", "between", "old"]);
    assert_eq!(posts[1].of, bob.did());
    assert_eq!((posts[2].replies, posts[2].of.as_str()), (2, alice.did()));
    assert_eq!(texts(&posts[2].comments), ["first", "second"]);
    assert_eq!(posts[2].comments[0].of, bob.did());
    // lists keep their order
    let now = carol.shared(Whose::Followed).unwrap();
    let (e, name) = (now.eid(&old).unwrap(), now.aid("x/steps").unwrap());
    let steps: Vec<Value> = now
        .list(e, name)
        .unwrap()
        .iter()
        .filter_map(|w| now.value(*w))
        .collect();
    assert_eq!(steps, ["z", "a", "m"].map(Value::from));
    assert_eq!(texts(&carol.timeline(1).unwrap().posts), ["new"]);
    // comments without their post stand by themselves
    carol.unfollow(&did(&alice)).unwrap();
    let posts = carol.timeline(50).unwrap().posts;
    assert_eq!(texts(&posts), ["second", "first", "between"]);
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[test]
fn what_is_followed_is_heard_live_beside_what_is_in_the_pod() {
    let node = crate::node::start();
    let pod = Arc::clone(&node.pod);
    post(&pod, "one", "2026-01-01T00:00:00Z");
    publish(&pod);
    block_on(async {
        let mut socket = connect(&node).await;
        let q = r#"[:find ?of ?t :where [?e "social/text" ?t] [?e "view/of" ?of]]"#;
        let own = r#"[:find ?t :where [?e "social/text" ?t]]"#;
        let wish = json!({ "subscribe": 7, "q": q, "pod": "followed" });
        say(&mut socket, wish.clone()).await;
        let first = hear(&mut socket).await;
        assert_eq!((&first["id"], &first["reset"]), (&json!(7), &json!(true)));
        assert_eq!(first["rows"][0][1], json!([pod.did(), "one"]));
        // one number is one subscription, in whichever pod
        for taken in [wish, json!({ "subscribe": 7, "q": own })] {
            say(&mut socket, taken).await;
            let refused = hear(&mut socket).await;
            assert_eq!(refused["id"], 7);
            assert!(refused["error"]["message"].as_str().unwrap().contains('7'));
        }
        say(&mut socket, json!({ "subscribe": 8, "q": own })).await;
        assert_eq!(hear(&mut socket).await["id"], 8);
        say(
            &mut socket,
            json!({ "subscribe": 8, "q": q, "pod": "followed" }),
        )
        .await;
        assert!(hear(&mut socket).await["error"].is_object());
        say(&mut socket, json!({ "subscribe": 9, "q": q, "pod": "all" })).await;
        assert_eq!(hear(&mut socket).await["error"]["code"], "request");
        let bad = json!({ "subscribe": 10, "q": "[:find", "pod": "followed" });
        say(&mut socket, bad).await;
        let refused = hear(&mut socket).await;
        assert!(
            refused["id"] == 10 && refused["error"].is_object(),
            "{refused}"
        );
        // something new: it comes twice, once for each
        post(&pod, "two", "2026-01-02T00:00:00Z");
        pod.tend_views(None).unwrap();
        let mut heard = [hear(&mut socket).await, hear(&mut socket).await];
        heard.sort_by_key(|message| message["id"].as_u64());
        assert_eq!((&heard[0]["id"], &heard[1]["id"]), (&json!(7), &json!(8)));
        assert_eq!(heard[0]["added"][0][1], json!([pod.did(), "two"]));
        // and no longer, once that is ended
        say(&mut socket, json!({ "unsubscribe": 7 })).await;
        say(&mut socket, json!({ "subscribe": 11, "q": own })).await;
        assert_eq!(hear(&mut socket).await["id"], 11);
        post(&pod, "three", "2026-01-03T00:00:00Z");
        pod.tend_views(None).unwrap();
        let heard = [hear(&mut socket).await, hear(&mut socket).await];
        assert!(heard.iter().all(|message| message["id"] != 7), "{heard:?}");
    });
    let answer = node.client.query_shared(
        "followed",
        &json!("[:find ?t :where [?e \"social/text\" ?t]]"),
        &[],
    );
    assert_eq!(answer.unwrap()["rows"].as_array().unwrap().len(), 3);
    let timeline = node.client.timeline(2).unwrap();
    assert_eq!(timeline["posts"][0]["text"], "three");
    assert_eq!(timeline["posts"].as_array().unwrap().len(), 2);
    let nobody =
        node.client
            .query_shared("nobody", &json!("[:find ?t :where [?e \"a/b\" ?t]]"), &[]);
    assert!(nobody.is_err());
}
