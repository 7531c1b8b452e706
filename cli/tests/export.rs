//! Leaving with everything, and arriving with it.

use crate::shell::Shell;
use rhizome_import::fixture::{mastodon, write_folder};
use serde_json::json;

#[test]
fn what_is_exported_and_imported_into_an_empty_pod_makes_an_equal_one() {
    let first = Shell::with_pod();
    let archive = first.path("archive");
    write_folder(&mastodon(), archive.as_ref()).unwrap();
    first.run(&["import", &archive]).json();
    first
        .tx(&json!([
            { "assert": { "entity": "_:a", "attribute": "x/y", "value": 2.0 } },
            { "insert": { "entity": "_:a", "attribute": "x/set", "value": "one" } },
            { "add": { "entity": "_:a", "attribute": "x/count", "value": 3 } },
            { "list": { "entity": "_:a", "attribute": "x/list", "value": ["b", "a", "b"] } },
        ]))
        .json();
    let before = first.said();
    // once by the command that holds the pod, once through the node that does
    for (up, name) in [(false, "pod.car"), (true, "pod.zip")] {
        let running = up.then(|| first.up());
        let out = first.path(name);
        let exported = first.run(&["export", "--out", &out]).json();
        drop(running);
        assert_eq!(exported["format"], name[4..]);
        assert_eq!(exported["exported"]["missing_total"], 0);
        assert!(exported["exported"]["files"].as_u64().unwrap() > 0);
        let second = Shell::with_pod();
        let report = second.run(&["import", &out]).json();
        assert_eq!(report["recognised"]["importer"], "rhizome");
        assert_eq!(report["complete"], true);
        assert_eq!(report["totals"]["problems"], json!({}));
        assert_eq!(second.said(), before);
        let again = second.run(&["import", &out]).json();
        assert_eq!((&again["added"], &again["changed"]), (&json!(0), &json!(0)));
        // and what was imported there goes on here
        let archive = second.run(&["import", &archive]).json();
        assert_eq!(
            (&archive["added"], &archive["changed"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(second.run(&["doctor"]).json()["findings"], json!([]));
    }
}

#[test]
fn an_export_that_fails_leaves_nothing_behind() {
    let shell = Shell::with_pod();
    let nowhere = shell.path("no/such/folder/pod.car");
    assert_eq!(
        shell.run(&["export", "--out", &nowhere]).error()["code"],
        "file"
    );
    let out = shell.path("pod.xyz");
    let wrong = shell.run(&["export", "--format", "xyz", "--out", &out]);
    assert!(wrong.error()["message"].as_str().unwrap().contains("car"));
    assert!(!std::path::Path::new(&out).exists());
    std::fs::create_dir(&out).unwrap();
    shell.run(&["export", "--out", &out]).error();
    let left: Vec<_> = std::fs::read_dir(shell.path(".")).unwrap().collect();
    let partial = |name: &std::ffi::OsStr| name.to_string_lossy().contains("partial");
    assert!(
        !left
            .iter()
            .any(|entry| partial(&entry.as_ref().unwrap().file_name()))
    );
}
