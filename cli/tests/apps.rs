//! A program that asks, and a person who lets it in by command.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use data_encoding::BASE64URL_NOPAD;
use rhizome_ipld::SigningKey;
use serde_json::{Value as Json, json};

use crate::three::{Process, UP, run};

/// What a program sends, and what it hears.
fn post(up: &Process, path: &str, token: Option<&str>, body: &Json) -> (u16, Json) {
    let url = up.ready["url"].as_str().unwrap();
    let host = url
        .trim_start_matches("http://")
        .split(['/', '#'])
        .next()
        .unwrap();
    let (body, mut stream) = (body.to_string(), TcpStream::connect(host).unwrap());
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "POST /api/1{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n",
        body.len(),
        bearer.unwrap_or_default()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Json::Null))
}

/// Runs a command that fails; what it says.
fn fails(home: &std::path::Path, arguments: &[&str]) -> bool {
    run(home, arguments).is_none()
}

#[test]
fn a_program_is_let_in_narrowed_and_sent_away_by_command() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("pod");
    run(&home, &["init"]).unwrap();
    let file = dir.path().join("tx.json");
    let set = |e: &str, a: &str, v: Json| json!({ "assert": { "entity": e, "attribute": a, "value": v } });
    let changes = json!([
        set("_:a", "is-photo", true.into()),
        set("_:a", "photo-album", "home".into()),
        set("_:a", "photo/title", "ours".into()),
        set("_:b", "is-photo", true.into()),
        set("_:b", "photo-album", "away".into()),
        set("_:b", "photo/title", "theirs".into()),
        set("_:c", "diary/text", "nobody's business".into()),
    ]);
    fs::write(&file, changes.to_string()).unwrap();
    run(&home, &["tx", file.to_str().unwrap()]).unwrap();
    assert!(
        fails(&home, &["apps", "show", "AAAA-AAAA"]),
        "nobody can wait"
    );
    let up = Process::start(&home, &UP);
    assert!(fails(&home, &["apps", "show", "AAAA-AAAA"]));

    let key = SigningKey::from_seed([9; 32]);
    let client = key.public().to_did_key();
    let ask = || {
        let scope = json!([{ "where": "is-photo: true", "can": "write", "why": "to print them" }]);
        let body = json!({ "client_id": client, "name": "print shop", "scope": scope });
        post(&up, "/apps/device", None, &body).1
    };
    let redeem = |up: &Process, code: &str| {
        let proof = key.sign(format!("rhizome app token v1\n{code}").as_bytes());
        let body = json!({ "grant_type": "device_code", "device_code": code, "client_id": client, "proof": BASE64URL_NOPAD.encode(&proof) });
        post(up, "/apps/token", None, &body).1
    };
    // refused
    let asked = ask();
    run(
        &home,
        &["apps", "deny", asked["user_code"].as_str().unwrap()],
    )
    .unwrap();
    let answer = redeem(&up, asked["device_code"].as_str().unwrap());
    assert_eq!(answer["error"]["code"], "access_denied");
    // narrowed
    let asked = ask();
    let user = asked["user_code"].as_str().unwrap();
    let list = run(&home, &["apps"]).unwrap();
    assert_eq!(list["waiting"][0]["user_code"], user);
    let shown = run(&home, &["apps", "show", user]).unwrap();
    assert_eq!(
        (&shown["scopes"][0]["matches"], &shown["scopes"][0]["why"]),
        (&json!(2), &json!("to print them"))
    );
    run(
        &home,
        &[
            "apps",
            "allow",
            user,
            "--where",
            "photo-album: home",
            "--can",
            "read",
            "--days",
            "3",
        ],
    )
    .unwrap();
    let token = redeem(&up, asked["device_code"].as_str().unwrap());
    let access = token["access_token"].as_str().unwrap().to_owned();
    let q = json!({ "q": "[:find ?t :where [_ :photo/title ?t]]" });
    assert_eq!(
        post(&up, "/query", Some(&access), &q).1["rows"],
        json!([["ours"]])
    );
    assert_eq!(
        post(
            &up,
            "/query",
            Some(&access),
            &json!({ "q": "[:find ?t :where [_ :diary/text ?t]]" })
        )
        .1["rows"],
        json!([])
    );
    assert_eq!(
        post(
            &up,
            "/tx",
            Some(&access),
            &json!([set("_:x", "is-photo", true.into())])
        )
        .0,
        403
    );
    // killed and started again: the token is as good as before, the activity is there
    std::thread::sleep(Duration::from_millis(100));
    up.kill();
    let up = Process::start(&home, &UP);
    assert_eq!(
        post(&up, "/query", Some(&access), &q).1["rows"],
        json!([["ours"]])
    );
    let id = token["grant"].as_str().unwrap();
    let activity = run(&home, &["apps", "activity", id]).unwrap();
    let kinds: Vec<&str> = activity["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"came") && kinds.contains(&"query"),
        "{kinds:?}"
    );
    run(&home, &["apps", "revoke", &id[id.len() - 10..]]).unwrap();
    assert_eq!(post(&up, "/query", Some(&access), &q).0, 401);
    let list = run(&home, &["apps"]).unwrap();
    assert!(
        list["apps"][0]["revoked_ms"].is_i64() && list["apps"][0]["online"] == false,
        "{list}"
    );
    drop(up);
    assert_eq!(
        run(&home, &["apps"]).unwrap()["apps"][0]["name"],
        "print shop"
    );
}
