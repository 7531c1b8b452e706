//! Every mistake gets an exit code and an error that says what to do.

use crate::shell::Shell;
use serde_json::json;

#[test]
fn without_a_pod_the_error_says_how_to_make_one() {
    let answer = Shell::new().run(&["query", "[:find ?x :where [?x :a ?y]]"]);
    assert_eq!(answer.code, 3);
    assert!(
        answer.error()["message"]
            .as_str()
            .unwrap()
            .contains("rhizome init")
    );
}

#[test]
fn a_wrong_query_shows_where() {
    let answer = Shell::with_pod().run(&["query", "[:find ?x\n :where [?x :a]"]);
    let error = answer.error();
    assert_eq!(answer.code, 1);
    assert!(error["position"]["line"].as_u64().unwrap() >= 1, "{error}");
}

#[test]
fn a_wrong_transaction_changes_nothing() {
    let shell = Shell::with_pod();
    for changes in [
        json!({ "assert": {} }),
        json!([{ "assert": { "entity": "nobody", "attribute": "x/y", "value": 1 } }]),
        json!([
            { "assert": { "entity": "_:a", "attribute": "x/y", "value": 1 } },
            { "assert": { "entity": "_:a", "attribute": "has space", "value": 1 } }
        ]),
        json!([{ "explode": { "entity": "_:a", "attribute": "x/y", "value": 1 } }]),
    ] {
        let answer = shell.tx(&changes);
        assert_eq!(answer.code, 1, "{changes}");
        assert!(!answer.error()["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(shell.run_with(&["tx", "-"], "[{").code, 1);
    assert_eq!(shell.run(&["doctor"]).json()["tuples"], json!(0));
}

#[test]
fn a_wrong_passphrase_is_said_to_be_one() {
    let shell = Shell::new();
    let init = shell
        .command()
        .arg("init")
        .env("RHIZOME_PASSPHRASE", "correct horse")
        .output()
        .unwrap();
    assert!(init.status.success());
    let wrong = shell.run(&["doctor"]);
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.error()["message"]
            .as_str()
            .unwrap()
            .contains("passphrase"),
        "{}",
        wrong.err
    );
    let right = shell
        .command()
        .arg("doctor")
        .env("RHIZOME_PASSPHRASE", "correct horse")
        .output()
        .unwrap();
    assert!(right.status.success());
}

#[test]
fn what_is_no_export_is_refused() {
    let shell = Shell::with_pod();
    let answer = shell.run(&["import", "/nowhere/at/all.zip"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.error()["message"]
            .as_str()
            .unwrap()
            .contains("/nowhere/at/all.zip")
    );
}
