//! The words are stolen, and friends set it right.

use crate::{
    shell::{Shell, words},
    three::Process,
};
use serde_json::{Value as Json, json};

#[test]
fn two_of_three_friends_outvote_whoever_has_the_words() {
    let [laptop, thief, cloud, fresh] = std::array::from_fn(|_| Shell::new());
    let friends: [Shell; 3] = std::array::from_fn(|_| Shell::with_pod());
    let old = laptop.init();
    let peer = Process::start(&cloud.home(), &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = peer.ready["address"].as_str().unwrap();
    let note = |text: &str| json!([{ "assert": { "entity": "_:n", "attribute": "note/text", "value": text } }]);
    laptop.tx(&note("mine")).json();
    laptop.run(&["peers", "add", address]).json();

    let cards: Vec<String> = friends
        .iter()
        .map(|f| {
            f.run(&["recovery", "card"]).json()["card"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let group = ["recovery", "friends", "--need", "2"];
    let group: Vec<&str> = group
        .into_iter()
        .chain(cards.iter().map(String::as_str))
        .collect();
    // not without the words, and not with a card twice
    let other = Shell::new().init();
    assert_ne!(laptop.run_with(&group, &other).code, 0);
    let twice = ["recovery", "friends", "--need", "2", &cards[0], &cards[0]];
    assert_eq!(laptop.run_with(&twice, &old).error()["code"], "request");
    let set = laptop.run_with(&group, &old).json();
    assert_eq!(
        set["policies"],
        json!([{ "need": 2, "of": 3 }, { "need": 1, "of": 1 }])
    );
    laptop.run(&["sync", "--once"]).json();

    // with the words alone a thief takes the pod, and the laptop is out
    thief.run_with(&["recover", "--peer", address], &old).json();
    thief.tx(&note("all mine")).json();
    thief.run(&["sync", "--once"]).json();
    assert_eq!(laptop.run(&["sync", "--once"]).error()["code"], "sync");

    // one friend is too few, and one who was not chosen no help
    let request = laptop.dir.path().join("request");
    let request = request.to_str().unwrap();
    let alone = ["recovery", "ask", &cards[2], "--out", request];
    assert_eq!(laptop.run(&alone).error()["code"], "request");
    let asked = ["recovery", "ask", &cards[2], &cards[0], "--out", request];
    let asked = laptop.run(&asked).json();
    let new = words(&asked["words"]);
    let did = laptop.run(&["digest"]).json()["did"].clone();
    let look = friends[0].run(&["recovery", "sign", request]).json();
    assert_eq!((&look["did"], &look["missing"]), (&did, &json!(2)));
    assert_ne!(
        friends[1]
            .run(&["recovery", "sign", request, "--out", request])
            .code,
        0
    );
    let answers: Vec<String> = [0, 2]
        .iter()
        .map(|f| {
            let answer = laptop.dir.path().join(format!("answer-{f}"));
            let answer = answer.to_str().unwrap().to_owned();
            friends[*f]
                .run(&["recovery", "sign", request, "--out", &answer])
                .json();
            answer
        })
        .collect();
    let few = ["recovery", "finish", &answers[0]];
    assert_ne!(laptop.run_with(&few, &new).code, 0);
    let finish = ["recovery", "finish", &answers[0], &answers[1]];
    // the new words are to be on paper
    assert_ne!(laptop.run_with(&finish, &old).code, 0);
    let done = laptop.run_with(&finish, &new).json();
    assert_eq!(
        done["policies"],
        json!([{ "need": 2, "of": 3 }, { "need": 1, "of": 1 }])
    );

    // the peer takes the laptop again, and the thief not any more, nor the old words
    laptop.tx(&note("mine again")).json();
    let synced = laptop.run(&["sync", "--once"]).json();
    assert_eq!(synced["peers"][0]["error"], Json::Null, "{synced}");
    assert_eq!(thief.run(&["sync", "--once"]).error()["code"], "sync");
    assert_ne!(
        fresh.run_with(&["recover", "--peer", address], &old).code,
        0
    );

    // what is sealed since is for the new words
    let again = Shell::new();
    again.run_with(&["recover", "--peer", address], &new).json();
    let found = again.query("[:find ?t :where [?n :note/text ?t]]");
    let rows = found["rows"].as_array().unwrap();
    let rows: Vec<&str> = rows.iter().map(|r| r[0].as_str().unwrap()).collect();
    assert!(
        rows.contains(&"mine") && rows.contains(&"mine again"),
        "{rows:?}"
    );
    assert!(!rows.contains(&"all mine"), "{rows:?}");
}
