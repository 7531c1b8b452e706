//! Two processes show the same pictures, and two people look at them.

use crate::shell::Shell;
use serde_json::{Value as Json, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

/// A command that somebody talks with.
struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Talk {
    fn with(shell: &Shell, arguments: &[&str]) -> Self {
        let mut child = shell
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn line(&mut self) -> Json {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    fn say(&mut self, answer: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(answer.as_bytes()).unwrap();
    }

    /// Says nothing more.
    fn hang_up(&mut self) {
        self.input.take();
    }

    /// The code of its error, or nothing.
    fn end(mut self) -> Option<String> {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.success(), errors.is_empty(), "{errors}");
        // what else there is on standard error is from the log
        let last = errors.lines().last()?;
        let error: Json = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {errors}"));
        Some(error["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// Both commands, and that they show the same.
fn begin(old: &Shell, new: &Shell) -> (Talk, Talk) {
    let mut pair = Talk::with(old, &["pair", "--compare"]);
    let code = pair.line()["code"].as_str().unwrap().to_owned();
    assert!(
        code.starts_with("rhizome:1:") && !code.contains('.'),
        "{code}"
    );
    let mut join = Talk::with(new, &["join", &code, "--name", "phone"]);
    let (here, there) = (pair.line(), join.line());
    assert_eq!(here, there);
    assert_eq!(here.as_object().unwrap().len(), 1);
    let emoji = here["emoji"].as_array().unwrap();
    assert_eq!(emoji.len(), 7);
    for one in emoji {
        assert!(one["symbol"].is_string() && one["name"].is_string());
    }
    (pair, join)
}

fn devices(shell: &Shell) -> Json {
    shell.run(&["devices"]).json()
}

#[test]
fn two_yeses_make_a_device() {
    let (old, new) = (Shell::with_pod(), Shell::new());
    old.tx(
        &json!([{ "assert": { "entity": "_:n", "attribute": "note/text", "value": "before" } }]),
    )
    .json();
    let (mut pair, mut join) = begin(&old, &new);
    pair.say("yes\n");
    join.say("yes\n");
    assert_eq!(pair.line()["joined"]["name"], "phone");
    assert_eq!(join.line()["name"], "phone");
    assert_eq!((pair.end(), join.end()), (None, None));
    assert_eq!(devices(&old)["devices"].as_array().unwrap().len(), 2);
    let notes = "[:find ?t :where [_ :note/text ?t]]";
    assert_eq!(new.query(notes)["rows"], json!([["before"]]));
}

#[test]
fn one_no_leaves_all_as_it_was() {
    let old = Shell::with_pod();
    old.run(&["devices"]).json();
    let no = Some("not-confirmed".to_owned());
    // before this, the device gets its name
    let mut before = None;
    for (here, there) in [
        (Some("no\n"), Some("yes\n")),
        (Some("yes\n"), Some("no\n")),
        // who says nothing says no; and one no ends both
        (None, Some("yes\n")),
        (Some(""), Some("y\n")),
    ] {
        let new = Shell::new();
        let (mut pair, mut join) = begin(&old, &new);
        for (talk, answer) in [(&mut pair, here), (&mut join, there)] {
            match answer {
                Some(answer) => talk.say(answer),
                None => talk.hang_up(),
            }
        }
        let ended = [pair.end(), join.end()];
        assert!(ended.contains(&no), "{ended:?}");
        assert!(ended.iter().all(Option::is_some), "{ended:?}");
        assert_eq!(ended, [no.clone(), no.clone()]);
        assert_eq!(new.run(&["devices"]).error()["code"], "no-pod");
        let now = devices(&old);
        assert_eq!(now["devices"].as_array().unwrap().len(), 1);
        assert_eq!(
            before.get_or_insert(now["devices"][0]["key"].clone()),
            &now["devices"][0]["key"]
        );
    }
}

#[test]
fn a_pod_that_runs_compares_too() {
    let (old, new) = (Shell::with_pod(), Shell::new());
    let _up = old.up();
    let (pair, mut join) = begin(&old, &new);
    join.say("no\n");
    // it still waits for its own person, and ends all the same
    assert_eq!(pair.end().as_deref(), Some("not-confirmed"));
    assert_eq!(join.end().as_deref(), Some("not-confirmed"));
    let (mut pair, mut join) = begin(&old, &new);
    join.say("yes\n");
    pair.say("yes\n");
    assert_eq!(pair.line()["joined"]["name"], "phone");
    assert_eq!(join.line()["name"], "phone");
    assert_eq!((pair.end(), join.end()), (None, None));
    assert_eq!(devices(&old)["devices"].as_array().unwrap().len(), 2);
}

#[test]
fn a_code_with_a_secret_takes_no_look() {
    let (old, new) = (Shell::with_pod(), Shell::new());
    let mut pair = Talk::with(&old, &["pair"]);
    let code = pair.line()["code"].as_str().unwrap().to_owned();
    let (address, secret) = code.split_once('.').unwrap();
    let cut = new.run_with(&["join", address], "yes\n");
    assert_eq!((cut.out.as_str(), cut.code), ("", 1));
    assert_eq!(cut.error()["code"], "refused");
    // half a secret is none
    let half = new.run(&["join", &format!("{address}.{}", &secret[..20])]);
    assert_eq!(half.error()["code"], "request");
    new.run(&["join", &code, "--name", "phone"]).json();
    assert_eq!(pair.line()["joined"]["name"], "phone");
    // what came of the attempts is in the log
    pair.child.wait().unwrap();
    assert_eq!(devices(&old)["devices"].as_array().unwrap().len(), 2);
}
