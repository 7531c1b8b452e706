use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::node::{self, Node};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn block_on<T>(work: impl Future<Output = T>) -> T {
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

async fn connect(node: &Node) -> Socket {
    let mut socket = knock(node).await;
    say(&mut socket, json!({ "auth": node.running.token })).await;
    assert_eq!(hear(&mut socket).await, json!({ "ready": true }));
    socket
}

async fn say(socket: &mut Socket, message: Json) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
}

async fn hear(socket: &mut Socket) -> Json {
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
                assert_eq!(message["reset"], true);
                let rows = message["rows"].as_array().unwrap();
                let names: Vec<&Json> = rows.iter().map(|r| &r[1][1]["name"]).collect();
                assert_eq!(names, ["a", "b", "c"]);
                assert_eq!(rows[1][0], nested["rows"][0][0], "the key stays");
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
