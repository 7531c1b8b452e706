//! `rhizome sync-sql` beside a running pod and a real database.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rhizome_sql::fixture::Server;
use serde_json::{Value as Json, json};

use crate::shell::Shell;

const NOTES: &str = "[:find ?n ?text ?at :where [?n :note/text ?text] [?n :note/at ?at]]";
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that is killed in the end.
struct Sync(Child);

impl Drop for Sync {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it and waits for its first word.
fn sync(shell: &Shell, to: &str) -> (Sync, Json) {
    let child = shell
        .command()
        .args(["sync-sql", "--to", to, "--table", "notes", NOTES])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut sync = Sync(child);
    let mut line = String::new();
    let mut out = BufReader::new(sync.0.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    // what it says later is read, or it would wait for that
    std::thread::spawn(move || out.lines().for_each(drop));
    (
        sync,
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}")),
    )
}

fn note(shell: &Shell, id: &str, text: &str) -> String {
    let entity = if id.is_empty() { "_:n" } else { id };
    let mut changes =
        vec![json!({ "assert": { "entity": entity, "attribute": "note/text", "value": text } })];
    if id.is_empty() {
        let at = json!({ "time": 1_700_000_000_000_i64 });
        changes
            .push(json!({ "assert": { "entity": entity, "attribute": "note/at", "value": at } }));
    }
    let receipt = shell.tx(&json!(changes)).json();
    receipt["entities"]["_:n"].as_str().unwrap_or(id).to_owned()
}

fn texts(server: &Server) -> Vec<String> {
    let Ok(mut db) = server.connect() else {
        return Vec::new();
    };
    let rows = db.query("SELECT text FROM notes ORDER BY text", &[]);
    rows.map(|rows| rows.iter().map(|r| r.get(0)).collect())
        .unwrap_or_default()
}

/// Waits until the table holds just this.
fn await_texts(server: &Server, wanted: &[&str]) -> Duration {
    let start = Instant::now();
    loop {
        let there = texts(server);
        if there == wanted {
            return start.elapsed();
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{there:?} instead of {wanted:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn postgres_follows_the_pod_and_nothing_is_lost_when_either_restarts() {
    let Some(mut server) = Server::start().unwrap() else {
        return;
    };
    let to = server.address();
    let shell = Shell::with_pod();
    let up = shell.up();
    let one = note(&shell, "", "one");
    let (first, said) = sync(&shell, &to);
    assert_eq!((&said["rows"], &said["added"]), (&json!(1), &json!(1)));
    let mut db = server.connect().unwrap();
    let types = "SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'notes'";
    let types: String = db.query_one(types, &[]).unwrap().get(0);
    assert_eq!(types, "text,text,text,timestamp with time zone");

    // how long until a commit is there: from its being written, not from when the command began
    let (token, url) = (
        up.ready["token"].as_str().unwrap(),
        up.ready["url"].as_str().unwrap(),
    );
    let mut waits = Vec::new();
    for i in 0..20 {
        let text = format!("timed {i}");
        let body =
            json!([{ "assert": { "entity": one, "attribute": "note/text", "value": text } }]);
        ureq::post(format!("{url}/api/1/tx"))
            .header("authorization", format!("Bearer {token}"))
            .send(body.to_string())
            .unwrap();
        let start = Instant::now();
        loop {
            let there: String = db.query_one("SELECT text FROM notes", &[]).unwrap().get(0);
            if there == text {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{there:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        waits.push(start.elapsed());
    }
    waits.sort();
    println!(
        "a commit is in PostgreSQL after {:?} (median of 20; at most {:?})",
        waits[10], waits[19]
    );
    // the bound is one second; a machine that does other things may be slower now and then
    assert!(waits[10] < Duration::from_secs(1), "{waits:?}");
    drop(db);

    // the server dies; what is written meanwhile is there once it is back
    server.kill();
    note(&shell, &one, "one again");
    let two = note(&shell, "", "two");
    server.run().unwrap();
    println!(
        "after a restart of PostgreSQL: {:?}",
        await_texts(&server, &["one again", "two"])
    );

    // sync-sql dies, and so do writes and removals pass by it
    drop(first);
    shell
        .tx(&json!([{ "retract": { "entity": two, "attribute": "note/text" } }]))
        .json();
    let three = note(&shell, "", "three");
    let (second, said) = sync(&shell, &to);
    assert_eq!(
        (
            &said["rows"],
            &said["added"],
            &said["changed"],
            &said["removed"]
        ),
        (&json!(2), &json!(1), &json!(0), &json!(1))
    );
    assert_eq!(texts(&server), ["one again", "three"]);

    // and the pod
    drop(up);
    let _up = shell.up();
    note(&shell, &three, "drei");
    println!(
        "after a restart of the pod: {:?}",
        await_texts(&server, &["drei", "one again"])
    );
    drop(second);
    let (_third, said) = sync(&shell, &to);
    assert_eq!(
        (&said["added"], &said["changed"], &said["removed"]),
        (&json!(0), &json!(0), &json!(0))
    );
}

#[test]
fn a_sqlite_file_once() {
    let shell = Shell::with_pod();
    note(&shell, "", "one");
    let file = shell.dir.path().join("out.db");
    let to = format!("sqlite:{}", file.display());
    let once =
        |query: &str| shell.run(&["sync-sql", "--once", "--to", &to, "--table", "notes", query]);
    assert_eq!(
        once(NOTES).json(),
        json!({ "table": "notes", "rows": 1, "added": 1, "changed": 0, "removed": 0 })
    );
    assert_eq!(once(NOTES).json()["added"], json!(0));
    {
        let db = rusqlite::Connection::open(&file).unwrap();
        let (text, at): (String, String) = db
            .query_row("SELECT text, at FROM notes", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .unwrap();
        assert_eq!(
            (text.as_str(), at.as_str()),
            ("one", "2023-11-14T22:13:20.000Z")
        );
    }
    // with a node that runs, the same
    let _up = shell.up();
    note(&shell, "", "two");
    assert_eq!(once(NOTES).json()["added"], json!(1));
    assert_eq!(
        once("[:find ?x :where [?x :note/text _]]").error()["code"],
        json!("table")
    );
    assert!(once("[:find").error()["position"]["line"].is_u64());
    let wrong = shell.run(&["sync-sql", "--to", "mysql://x", "--table", "x", NOTES]);
    assert_eq!(
        (wrong.code, wrong.error()["code"].clone()),
        (2, json!("target"))
    );
}
