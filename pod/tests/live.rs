use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::node::{self, Node};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

async fn knock(node: &Node) -> Socket {
    let url = format!("ws://{}/api/1/live", node.address());
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

pub async fn connect(node: &Node) -> Socket {
    let mut socket = knock(node).await;
    say(&mut socket, json!({ "auth": node.running.token })).await;
    assert_eq!(hear(&mut socket).await, json!({ "ready": true }));
    socket
}

pub async fn say(socket: &mut Socket, message: Json) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
}

pub async fn hear(socket: &mut Socket) -> Json {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next())
            .await
            .expect("nothing came")
            .unwrap()
            .unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn tx(node: &Node, changes: &Json) -> Json {
    node.client.transact(changes).unwrap()
}

#[test]
fn the_first_message_is_the_token() {
    let node = node::start();
    block_on(async {
        for bad in [
            json!({ "auth": "wrong" }),
            json!({ "subscribe": 1, "status": true }),
            json!([]),
        ] {
            let mut socket = knock(&node).await;
            say(&mut socket, bad).await;
            let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
                panic!("not closed")
            };
            assert_eq!(u16::from(frame.code), 4401);
        }
        let mut request = format!("ws://{}/api/1/live", node.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", "http://evil.example".parse().unwrap());
        assert!(tokio_tungstenite::connect_async(request).await.is_err());
    });
}

#[test]
fn entities_are_told_at_first_and_when_they_change() {
    let node = node::start();
    let made = tx(
        &node,
        &json!([
            { "assert": { "entity": "_:a", "attribute": "x/y", "value": 1 } },
            { "assert": { "entity": "_:b", "attribute": "x/y", "value": 2 } },
        ]),
    );
    let (a, b) = (
        made["entities"]["_:a"].as_str().unwrap(),
        made["entities"]["_:b"].as_str().unwrap(),
    );
    block_on(async {
        let mut socket = connect(&node).await;
        say(&mut socket, json!({ "subscribe": 7, "entities": [a, b] })).await;
        assert_eq!(
            hear(&mut socket).await,
            json!({ "id": 7, "entities": { a: { "x/y": 1 }, b: { "x/y": 2 } } })
        );
        tx(
            &node,
            &json!([{ "assert": { "entity": b, "attribute": "x/y", "value": 3 } }]),
        );
        assert_eq!(
            hear(&mut socket).await,
            json!({ "id": 7, "entities": { b: { "x/y": 3 } } })
        );
        tx(
            &node,
            &json!([{ "retract": { "entity": a, "attribute": "x/y" } }]),
        );
        assert_eq!(
            hear(&mut socket).await,
            json!({ "id": 7, "entities": { a: null } })
        );
        // something else changes: nothing is heard of it, the next message is the next change
        tx(
            &node,
            &json!([{ "assert": { "entity": "_:c", "attribute": "x/y", "value": 9 } }]),
        );
        tx(
            &node,
            &json!([{ "assert": { "entity": a, "attribute": "x/y", "value": 4 } }]),
        );
        assert_eq!(
            hear(&mut socket).await,
            json!({ "id": 7, "entities": { a: { "x/y": 4 } } })
        );
        say(&mut socket, json!({ "unsubscribe": 7 })).await;
        say(&mut socket, json!({ "subscribe": 8, "entities": [b] })).await;
        assert_eq!(hear(&mut socket).await["id"], 8);
    });
}

#[test]
fn status_follows_the_pod() {
    let node = node::start();
    block_on(async {
        let mut socket = connect(&node).await;
        say(&mut socket, json!({ "subscribe": 1, "status": true })).await;
        assert_eq!(hear(&mut socket).await["status"]["tuples"], 0);
        for n in 0..50 {
            tx(
                &node,
                &json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": n } }]),
            );
        }
        let mut heard = 0;
        while hear(&mut socket).await["status"]["tuples"] != 50 {
            heard += 1;
        }
        assert!(heard < 40, "at most four times a second, not per commit");
    });
}

#[test]
fn what_is_not_understood_is_answered() {
    let node = node::start();
    block_on(async {
        let mut socket = connect(&node).await;
        for bad in [
            json!({}),
            json!({ "subscribe": 1 }),
            json!({ "subscribe": 1, "status": true, "entities": [] }),
            json!({ "sub": 1 }),
        ] {
            say(&mut socket, bad).await;
            assert_eq!(hear(&mut socket).await["error"]["code"], "request");
        }
        say(
            &mut socket,
            json!({ "subscribe": 2, "entities": ["rz:nope"] }),
        )
        .await;
        assert_eq!(hear(&mut socket).await["id"], 2);
        say(&mut socket, json!({ "subscribe": 3, "status": true })).await;
        assert_eq!(hear(&mut socket).await["status"]["tuples"], 0);
        say(&mut socket, json!({ "subscribe": 3, "status": true })).await;
        let taken = hear(&mut socket).await;
        assert_eq!(
            (&taken["id"], &taken["error"]["code"]),
            (&json!(3), &json!("subscription"))
        );
        let many = vec!["rz:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; 1_001];
        say(&mut socket, json!({ "subscribe": 4, "entities": many })).await;
        assert_eq!(hear(&mut socket).await["error"]["code"], "subscription");
    });
}

#[test]
fn a_slow_client_misses_steps_but_not_the_outcome() {
    let node = node::start();
    let made = tx(
        &node,
        &json!([{ "assert": { "entity": "_:a", "attribute": "x/text", "value": "start" } }]),
    );
    let a = made["entities"]["_:a"].as_str().unwrap().to_owned();
    block_on(async {
        let mut socket = connect(&node).await;
        say(&mut socket, json!({ "subscribe": 1, "entities": [a] })).await;
        hear(&mut socket).await;
        // far more than the pod keeps for one client, while nobody reads
        let last = 40;
        for n in 0..=last {
            let text = format!("{n} {}", "x".repeat(500_000));
            tx(
                &node,
                &json!([{ "assert": { "entity": a, "attribute": "x/text", "value": text } }]),
            );
        }
        let mut heard = 0;
        loop {
            let message = hear(&mut socket).await;
            heard += 1;
            if message["entities"][&a]["x/text"]
                .as_str()
                .unwrap()
                .starts_with(&format!("{last} "))
            {
                break;
            }
        }
        assert!(heard < last, "{heard} messages: the queue has a bound");
    });
}

#[test]
fn a_query_is_told_as_differences_with_stable_keys() {
    let node = node::start();
    let made = tx(
        &node,
        &json!([{ "assert": { "entity": "_:a", "attribute": "x/name", "value": "one" } }]),
    );
    let a = made["entities"]["_:a"].as_str().unwrap();
    block_on(async {
        let mut socket = connect(&node).await;
        let q = "[:find ?e ?name :where [?e :x/name ?name]]";
        say(&mut socket, json!({ "subscribe": 1, "q": q })).await;
        let first = hear(&mut socket).await;
        assert_eq!(
            (&first["reset"], &first["done"], &first["columns"]),
            (&json!(true), &json!(true), &json!(["?e", "?name"]))
        );
        let key = first["rows"][0][0].clone();
        assert_eq!(first["rows"], json!([[key, [a, "one"]]]));

        let made = tx(
            &node,
            &json!([{ "assert": { "entity": "_:b", "attribute": "x/name", "value": "two" } }]),
        );
        let change = hear(&mut socket).await;
        assert_eq!(change["added"][0][1][1], "two");
        assert_eq!(change["removed"], json!([]));
        let second = change["added"][0][0].clone();

        // something that the query does not see, then a change of the second row: the first row's key is never named
        tx(
            &node,
            &json!([{ "assert": { "entity": a, "attribute": "x/other", "value": 1 } }]),
        );
        tx(
            &node,
            &json!([{ "assert": { "entity": made["entities"]["_:b"], "attribute": "x/name", "value": "2" } }]),
        );
        let change = hear(&mut socket).await;
        let b = &made["entities"]["_:b"];
        let wanted =
            json!({ "id": 1, "added": [], "changed": [[second, [b, "2"]]], "removed": [] });
        assert_eq!(change, wanted);
        tx(
            &node,
            &json!([{ "retract": { "entity": b, "attribute": "x/name" } }]),
        );
        assert_eq!(hear(&mut socket).await["removed"], json!([second]));

        say(&mut socket, json!({ "subscribe": 2, "q": q })).await;
        let other = hear(&mut socket).await;
        assert_eq!(other["rows"], json!([[other["rows"][0][0], [a, "one"]]]));

        say(&mut socket, json!({ "subscribe": 3, "q": "[:find ?e" })).await;
        let refused = hear(&mut socket).await;
        assert_eq!(
            (&refused["id"], &refused["error"]["code"]),
            (&json!(3), &json!("syntax"))
        );
        assert_eq!(refused["error"]["position"]["line"], 1);
    });
}

#[test]
fn an_ordered_query_keeps_its_order() {
    let node = node::start();
    tx(
        &node,
        &json!([{ "assert": { "entity": "_:b", "attribute": "x/name", "value": "b" } }]),
    );
    block_on(async {
        let mut socket = connect(&node).await;
        let names = |message: &Json| -> Vec<Json> {
            message["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r[1][0].clone())
                .collect()
        };
        say(
            &mut socket,
            json!({ "subscribe": 1, "q": "[:find ?name :where [_ :x/name ?name] :order [[?name :desc]] :limit 2]" }),
        )
        .await;
        assert_eq!(names(&hear(&mut socket).await), ["b"]);
        say(
            &mut socket,
            json!({ "subscribe": 2, "q": { "x": { "$": { "order": { "name": "asc" } } } } }),
        )
        .await;
        let nested = hear(&mut socket).await;
        assert_eq!(nested["columns"], json!(["namespace", "entity"]));
        assert_eq!(
            (&nested["rows"][0][1][0], &nested["rows"][0][1][1]["name"]),
            (&json!("x"), &json!("b"))
        );

        tx(
            &node,
            &json!([
                { "assert": { "entity": "_:a", "attribute": "x/name", "value": "a" } },
                { "assert": { "entity": "_:c", "attribute": "x/name", "value": "c" } },
            ]),
        );
        for _ in 0..2 {
            let message = hear(&mut socket).await;
            if message["id"] == 1 {
                // "a" never enters the window; "c" is its first row
                let rows: Vec<(&Json, &Json)> = message["added"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|r| (&r[1][0], &r[2]))
                    .collect();
                assert_eq!(rows, [(&json!("c"), &json!(0))]);
            } else {
                let rows: Vec<(&Json, &Json)> = message["added"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|r| (&r[1][1]["name"], &r[2]))
                    .collect();
                assert_eq!(
                    rows,
                    [(&json!("a"), &json!(0)), (&json!("c"), &json!(2))],
                    "{message}"
                );
            }
        }
        // the object keeps its key when it changes and moves
        let b = nested["rows"][0][1][1]["id"].clone();
        tx(
            &node,
            &json!([{ "assert": { "entity": b, "attribute": "x/name", "value": "d" } }]),
        );
        for _ in 0..2 {
            let message = hear(&mut socket).await;
            if message["id"] == 2 {
                assert_eq!(message["changed"][0][0], nested["rows"][0][0]);
                assert_eq!(message["changed"][0][1][1]["name"], "d");
                assert_eq!(message["changed"][0][2], 2);
            }
        }
    });
}

#[test]
fn a_large_result_comes_in_bounded_messages() {
    let node = node::start();
    let many: Vec<Json> = (0..2_500)
        .map(
            |n| json!({ "assert": { "entity": format!("_:{n}"), "attribute": "x/n", "value": n } }),
        )
        .collect();
    tx(&node, &json!(many));
    block_on(async {
        let mut socket = connect(&node).await;
        say(
            &mut socket,
            json!({ "subscribe": 1, "q": "[:find ?e ?n :where [?e :x/n ?n]]" }),
        )
        .await;
        let mut rows = 0;
        let mut messages = 0;
        loop {
            let message = hear(&mut socket).await;
            messages += 1;
            assert_eq!(message.get("reset").is_some(), messages == 1);
            rows += message["rows"].as_array().unwrap().len();
            if message.get("done").is_some() {
                break;
            }
        }
        assert_eq!((rows, messages), (2_500, 3));
    });
}

/// Takes a message about an ordered result in, as the protocol says.
fn follow(rows: &mut Vec<Json>, message: &Json) {
    let part = |name: &str| message[name].as_array().cloned().unwrap_or_default();
    if message["reset"] == true {
        rows.clear();
    }
    rows.extend(part("rows"));
    let mut out = part("removed");
    out.extend(part("changed").iter().map(|r| r[0].clone()));
    rows.retain(|r| !out.contains(&r[0]));
    let mut back = part("added");
    back.extend(part("changed"));
    back.sort_by_key(|r| r[2].as_u64());
    for row in back {
        let at = usize::try_from(row[2].as_u64().unwrap()).unwrap();
        rows.insert(at, row);
    }
}

#[test]
fn who_subscribes_while_others_write_misses_nothing() {
    const COMMITS: usize = 100;
    let node = node::start();
    let many: Vec<Json> = (0..3_000)
        .flat_map(|n| {
            let entity = format!("_:{n}");
            let number = json!({ "assert": { "entity": entity, "attribute": "x/n", "value": n % 7 } });
            let named = n % 20 == 0;
            let name = json!({ "assert": { "entity": entity, "attribute": "x/name", "value": format!("-{n}") } });
            std::iter::once(number).chain(named.then_some(name))
        })
        .collect();
    tx(&node, &json!(many));
    let write = || {
        for n in 0..COMMITS {
            let change = json!([
                { "assert": { "entity": "_:new", "attribute": "x/n", "value": n % 7 } },
                { "assert": { "entity": "_:new", "attribute": "x/name", "value": format!("{n:03}") } },
            ]);
            node.client.transact(&change).unwrap();
        }
    };
    let read = async {
        let mut socket = connect(&node).await;
        let queries: Vec<Json> = (0..24)
            .map(|i| match i % 4 {
                // takes some time at first
                3 => json!(format!("[:find ?name (count ?b) :where [?a :x/name ?name] [?a :x/n ?n] [?b :x/n ?n] :order [[0 :desc]] :limit {}]", 10 + i)),
                0 => json!({ "x": { "$": { "where": { "n": i % 7 }, "order": { "name": "desc" }, "limit": 40 } } }),
                1 => json!(format!("[:find ?e ?name :where [?e :x/n {}] [?e :x/name ?name] :order [[1 :desc] [0 :asc]]]", i % 7)),
                _ => json!({ "x": { "$": { "where": { "name": { "$gt": format!("{:03}", i) } }, "order": { "name": "asc" } } } }),
            })
            .collect();
        for (i, q) in queries.iter().enumerate() {
            say(&mut socket, json!({ "subscribe": i, "q": q })).await;
        }
        let mut results = vec![Vec::new(); queries.len()];
        let mut last = Json::Null;
        say(&mut socket, json!({ "subscribe": 99, "q": "[:find ?name :where [_ :x/name ?name] :order [[0 :desc]] :limit 1]" })).await;
        let end = format!("{:03}", COMMITS - 1);
        while last != end {
            let message = hear(&mut socket).await;
            assert_eq!(message["error"], Json::Null);
            let id = usize::try_from(message["id"].as_u64().unwrap()).unwrap();
            if id == 99 {
                for part in ["rows", "added"] {
                    if let Some(row) = message[part].get(0) {
                        last = row[1][0].clone();
                    }
                }
            } else {
                follow(&mut results[id], &message);
            }
        }
        // what was queued after the last commit is heard before the answer to something new
        say(
            &mut socket,
            json!({ "subscribe": 100, "q": "[:find ?e :where [?e :x/none _]]" }),
        )
        .await;
        loop {
            let message = hear(&mut socket).await;
            let id = usize::try_from(message["id"].as_u64().unwrap()).unwrap();
            if id == 100 {
                break;
            }
            if id != 99 {
                follow(&mut results[id], &message);
            }
        }
        for (q, rows) in queries.iter().zip(results) {
            let fresh = node.client.query(q, &[]).unwrap();
            let shown: Vec<Json> = match q {
                Json::String(_) => rows.iter().map(|r| r[1].clone()).collect(),
                _ => rows.iter().map(|r| r[1][1].clone()).collect(),
            };
            let wanted = match q {
                Json::String(_) => &fresh["rows"],
                _ => &fresh["x"],
            };
            assert_eq!(&Json::from(shown), wanted, "{q}");
        }
    };
    std::thread::scope(|threads| {
        threads.spawn(write);
        block_on(read);
    });
}
