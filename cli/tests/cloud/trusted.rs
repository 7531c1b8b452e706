//! A peer with keys is a device like any other that is always on: joined as a member, run without a page, it keeps up and answers queries.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::three::{Process, UP, digest, notes, run, say};

const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn a_trusted_peer_answers_queries_and_may_not_add_devices() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, server] = ["laptop", "server"].map(|n| dir.path().join(n));
    let file = dir.path().join("tx.json");
    run(&laptop, &["init"]).unwrap();
    let up = Process::start(&laptop, &UP);
    let pair = Process::start(&laptop, &["pair", "--member"]);
    let code = pair.ready["code"].as_str().unwrap();
    run(&server, &["join", code, "--name", "server"]).expect("it joins");
    drop(pair);
    let serving = Process::start(&server, &UP);

    assert!(say(&laptop, &file, "for the server"));
    let start = Instant::now();
    while digest(&laptop) != digest(&server) {
        assert!(start.elapsed() < PATIENCE, "it does not keep up");
        std::thread::sleep(Duration::from_millis(50));
    }
    // it answers while the laptop is off, over HTTP as any pod does
    drop(up);
    assert_eq!(notes(&server), ["for the server"]);

    let devices = run(&server, &["devices"]).unwrap();
    let devices = devices["devices"].as_array().unwrap();
    let role = |name: &str| {
        devices
            .iter()
            .find(|d| d["name"] == name)
            .map(|d| &d["role"])
    };
    assert_eq!(role("server"), Some(&json!("member")));
    let other = devices.iter().find(|d| d["this"] == false).unwrap();
    assert_eq!(run(&server, &["pair"]), None);
    let key = other["key"].as_str().unwrap();
    assert_eq!(run(&server, &["devices", "remove", key]), None);

    // killed and started again it goes on where it was
    serving.kill();
    let serving = Process::start(&server, &UP);
    let up = Process::start(&laptop, &UP);
    assert!(say(&laptop, &file, "after the power failed"));
    let start = Instant::now();
    while digest(&laptop) != digest(&server) {
        assert!(start.elapsed() < PATIENCE, "it does not keep up");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop((up, serving));
}
