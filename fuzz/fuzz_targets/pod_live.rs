//! Messages over the WebSocket, one a line: refused with a code, or granted; and what a live query says first is what the same query
//! answers when it is asked once.
#![no_main]

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use libfuzzer_sys::fuzz_target;
use rhizome_pod::{
    App, Opening, Pod, PodHome, Stop, fuzzing,
    json::parse_changes,
    live::{Event, Next},
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

static POD: LazyLock<(TempDir, Arc<Pod>)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let pod = PodHome::at(directory.path().join("pod")).init(&Opening::by("fuzz")).expect("a pod");
    let fact = |verb: &str, e: &str, a: &str, v: Json| json!({ verb: { "entity": e, "attribute": a, "value": v } });
    let changes = json!([
        fact("assert", "_:a", "x/name", json!("a")),
        fact("assert", "_:a", "x/to", json!({ "ref": "_:b" })),
        fact("insert", "_:b", "x/tag", json!(5)),
        fact("insert", "_:b", "x/tag", json!(2.5)),
        fact("assert", "_:b", "x/name", json!("b")),
        fact("assert", "_:b", "x/at", json!({ "time": 7 })),
    ]);
    pod.transact(App::CommandLine, &parse_changes(&changes).expect("changes")).expect("written");
    (directory, Arc::new(pod))
});

fn sorted(rows: impl Iterator<Item = Json>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    rows.sort();
    rows
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let pod = &POD.1;
    let session = pod.hub().session();
    let mut asked: BTreeMap<u64, Json> = BTreeMap::new();
    for message in text.lines().take(16) {
        assert!(!fuzzing::opens(message) || message.contains(fuzzing::TOKEN));
        let json: Json = serde_json::from_str(message).unwrap_or_default();
        match fuzzing::hear(&session, message) {
            Some(refusal) => {
                assert!(refusal["error"]["code"].is_string() && refusal["error"]["message"].is_string(), "{refusal}");
            }
            None => {
                if let Some(id) = json["unsubscribe"].as_u64() {
                    asked.remove(&id);
                } else if let Some(id) = json["subscribe"].as_u64() {
                    assert!(asked.insert(id, json).is_none(), "a number was given twice");
                }
            }
        }
    }
    let stop = Stop::new(false);
    while let Some(next) = session.outbox().try_next() {
        match next {
            Next::Event(Event::Reset { id, columns, rows }) => {
                let said = asked.get(&id).expect("nothing is heard of what nobody asked");
                let q = &said["q"];
                let inputs = said["inputs"].as_array().cloned().unwrap_or_default();
                let once = pod.query(q, &inputs, &stop).expect("it was subscribed to");
                // of a nested query it is the objects; a limit without an order may cut differently
                if let Some(answers) = once["rows"].as_array().filter(|_| once["columns"] == json!(columns)) {
                    assert_eq!(rows.len(), answers.len());
                    if !q.to_string().contains("limit") {
                        let live = sorted(rows.into_iter().map(|row| Json::Array(row.cells)));
                        assert_eq!(live, sorted(answers.iter().cloned()));
                    }
                }
            }
            Next::Event(Event::Entities { id, states }) => {
                let wanted = asked.get(&id).expect("asked")["entities"].as_array().map_or(0, Vec::len);
                assert!(states.len() <= wanted);
            }
            Next::Event(Event::Figures { id }) => assert!(asked.contains_key(&id)),
            Next::Event(other) => panic!("{other:?}"),
            Next::Stale(stale) => session.reset(&stale),
            Next::Closed => panic!("the session is open"),
        }
    }
});
