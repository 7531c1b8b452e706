//! Two devices and nothing else: they find each other by what the pod says of them, and one that was taken out learns it.

use crate::three::{Process, UP, digest, notes, run, say};
use serde_json::{Value as Json, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(40);

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn both(a: &Path, b: &Path, text: &str) -> bool {
    notes(a).iter().any(|n| n == text)
        && notes(b).iter().any(|n| n == text)
        && digest(a) == digest(b)
}

#[test]
fn two_devices_need_nobody_else_and_a_removed_one_learns_it() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, phone] = ["laptop", "phone"].map(|n| dir.path().join(n));
    let file = dir.path().join("tx.json");
    run(&laptop, &["init"]).unwrap();
    let up = Process::start(&laptop, &UP);
    let pair = Process::start(&laptop, &["pair"]);
    let code = pair.ready["code"].as_str().unwrap();
    run(&phone, &["join", code, "--name", "phone"]).expect("the phone joins");
    drop(pair);
    assert_eq!(
        digest(&laptop),
        digest(&phone),
        "joining leaves both with the same"
    );

    let other = Process::start(&phone, &UP);
    assert!(say(&laptop, &file, "from the laptop"));
    assert!(say(&phone, &file, "from the phone"));
    until("they exchange", || {
        both(&laptop, &phone, "from the laptop") && both(&laptop, &phone, "from the phone")
    });

    // one that is off is no fault, and is found again
    drop(other);
    assert!(say(&laptop, &file, "while the phone was off"));
    let once = run(&laptop, &["sync", "--once"]).expect("nothing is wrong");
    assert_eq!(once["peers"][0]["away"], json!(true), "{once}");
    drop(up);
    let other = Process::start(&phone, &UP);
    let once = run(&laptop, &["sync", "--once"]).expect("the phone is there");
    assert_eq!(
        (&once["peers"][0]["away"], &once["peers"][0]["equal"]),
        (&json!(false), &json!(true)),
        "{once}"
    );
    assert!(both(&laptop, &phone, "while the phone was off"));
    let up = Process::start(&laptop, &UP);
    assert!(say(&phone, &file, "back again"));
    until("they find each other again", || {
        both(&laptop, &phone, "back again")
    });
    drop(other);

    // taken out while it was off, it hears of it from whom it asks
    let devices = run(&laptop, &["devices"]).unwrap();
    let all = devices["devices"].as_array().unwrap();
    let key = all.iter().find(|d| d["name"] == "phone").unwrap()["key"].clone();
    run(&laptop, &["devices", "remove", key.as_str().unwrap()]).unwrap();
    assert!(say(&phone, &file, "not knowing yet"));
    assert_eq!(run(&phone, &["sync", "--once"]), None);
    let left = run(&phone, &["devices"]).unwrap();
    let left = left["devices"].as_array().unwrap();
    assert!(
        left.iter().all(|d| d["this"] == Json::Bool(false)),
        "{left:?}"
    );
    assert!(!say(&phone, &file, "in vain"));
    // what it wrote and nobody had is no state of the pod any more
    assert!(!notes(&laptop).iter().any(|n| n == "not knowing yet"));
    drop(up);
}
