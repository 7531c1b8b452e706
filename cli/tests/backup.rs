//! Backups: made, gone on with, verified, and what is taken back from them.

use crate::shell::Shell;
use rhizome_import::fixture::{mastodon, write_folder};
use serde_json::{Value as Json, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A pod with an archive in it, and its words.
fn full() -> (Shell, String) {
    let shell = Shell::new();
    let words = shell.init();
    let archive = shell.path("archive");
    write_folder(&mastodon(), archive.as_ref()).unwrap();
    shell.run(&["import", &archive]).json();
    (shell, words)
}

fn say(shell: &Shell, text: &str) {
    shell
        .tx(&json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": text } }]))
        .json();
}

fn restored(place: &str, words: &str) -> (Shell, Json) {
    let other = Shell::new();
    let report = other.run_with(&["restore", place], words).json();
    (other, report)
}

fn files(at: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            out.push(path);
        }
    }
    out
}

#[test]
fn what_is_restored_is_equal_and_the_backup_goes_on() {
    let (first, words) = full();
    let place = first.path("backup");
    let report = first.run(&["backup", &place, "--verify"]).json();
    assert_eq!(
        (&report["complete"], &report["verified"]),
        (&json!(true), &json!([]))
    );
    assert!(report["files"].as_u64().unwrap() > 0);
    // what is new, and no more
    say(&first, "later");
    let next = first.run(&["backup"]).json();
    assert_eq!(next["complete"], true);
    assert_eq!(next["files_added"], 0);
    let (all, new) = (
        report["sent"].as_u64().unwrap(),
        next["sent"].as_u64().unwrap(),
    );
    assert!(new * 4 < all, "{new} of {all}");
    let state = first.run(&["backup", "--state"]).json();
    assert_eq!(
        (&state["error"], &state["hours"]),
        (&Json::Null, &Json::Null)
    );

    // nothing of it can be read
    let names: Vec<_> = files(place.as_ref());
    for file in &names {
        let bytes = fs::read(file).unwrap();
        let found = |what: &[u8]| memchr::memmem::find(&bytes, what).is_some();
        assert!(
            !found(b"later") && !found(b"social/text"),
            "{}",
            file.display()
        );
    }

    let (other, report) = restored(&place, &words);
    assert_eq!(report["sync"]["equal"], true);
    assert_eq!(other.said(), first.said());
    assert_eq!(other.run(&["doctor"]).json()["findings"], json!([]));
    // the place of the backup was not taken for a peer
    assert_eq!(other.run(&["peers"]).json()["peers"], json!([]));
    say(&other, "by the new device");
    let on = other.run(&["backup", &place, "--verify"]).json();
    assert_eq!(
        (&on["complete"], &on["verified"]),
        (&json!(true), &json!([]))
    );
    let (third, _) = restored(&place, &words);
    assert_eq!(third.said(), other.said());
}

#[test]
fn other_words_other_folders_and_damage_are_refused() {
    let (first, words) = full();
    let place = first.path("backup");
    first.run(&["backup", &place]).json();
    let others = Shell::new().init();
    let empty = Shell::new();
    let refused = empty.run_with(&["restore", &place], &others);
    assert_eq!(refused.error()["code"], "refused");
    // and after that the right ones still do
    empty.run_with(&["restore", &place], &words).json();
    // there is a pod already
    let again = empty.run_with(&["restore", &place], &words);
    assert_eq!(again.error()["code"], "exists");
    let nothing = empty.path("nothing");
    let none = Shell::new().run_with(&["restore", &nothing], &words);
    assert!(
        none.error()["message"]
            .as_str()
            .unwrap()
            .contains("no backup")
    );
    assert!(!Path::new(&nothing).exists());

    let documents = first.path("documents");
    fs::create_dir(&documents).unwrap();
    fs::write(Path::new(&documents).join("letter.txt"), "dear").unwrap();
    let refused = first.run(&["backup", &documents]);
    assert!(
        refused.error()["message"]
            .as_str()
            .unwrap()
            .contains("other files")
    );
    assert_eq!(fs::read_dir(&documents).unwrap().count(), 1);

    let blob = files(&Path::new(&place).join("blobs"))
        .into_iter()
        .max_by_key(|file| fs::metadata(file).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    // the device that had it is out
    assert_eq!(first.run(&["backup"]).error()["code"], "refused");
    let damaged = empty.run(&["backup", &place, "--verify"]);
    assert_eq!(
        (damaged.code, &damaged.error()["code"]),
        (5, &json!("damaged"))
    );
}

#[test]
fn a_backup_that_is_killed_in_the_middle_is_gone_on_with() {
    let (first, words) = full();
    let place = first.path("backup");
    for wait in [5, 20, 50, 100, 200] {
        let mut child = first
            .command()
            .args(["backup", &place])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        say(&first, &format!("after {wait}"));
    }
    let report = first.run(&["backup", &place, "--verify"]).json();
    assert_eq!(
        (&report["complete"], &report["verified"]),
        (&json!(true), &json!([]))
    );
    let (other, _) = restored(&place, &words);
    assert_eq!(other.said(), first.said());
}

#[test]
fn a_node_makes_backups_too() {
    let (first, words) = full();
    let place = first.path("backup");
    let up = first.up();
    let report = first.run(&["backup", &place, "--every", "24"]).json();
    assert_eq!(report["complete"], true);
    let state = first.run(&["backup", "--state"]).json();
    assert_eq!(
        (&state["hours"], &state["error"]),
        (&json!(24), &Json::Null)
    );
    assert_eq!(state["report"]["commits"], report["commits"]);
    let off = first.run(&["backup", "--off"]).json();
    assert_eq!(off["directory"], Json::Null);
    assert_eq!(first.run(&["backup"]).error()["code"], "request");
    drop(up);
    let (other, _) = restored(&place, &words);
    assert_eq!(other.said(), first.said());
}
