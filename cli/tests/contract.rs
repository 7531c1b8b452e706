//! What scripts rely on.

use crate::shell::Shell;
use serde_json::json;

#[test]
fn a_pod_is_made_once() {
    let shell = Shell::new();
    let made = shell.run(&["init"]).json();
    assert!(made["did"].as_str().unwrap().starts_with("did:rhizome:"));
    assert_eq!(made["recovery_words"].as_array().unwrap().len(), 24);
    let again = shell.run(&["init"]);
    assert_eq!(again.error()["code"], "exists");
}

#[test]
fn what_tx_says_query_sees() {
    let shell = Shell::with_pod();
    let receipt = shell
        .tx(&json!([
            { "assert": { "entity": "_:ada", "attribute": "person/name", "value": "Ada" } },
            { "assert": { "entity": "_:ada", "attribute": "person/age", "value": 36 } },
            { "assert": { "entity": "_:bob", "attribute": "person/name", "value": "Bob" } },
            { "assert": { "entity": "_:bob", "attribute": "person/knows", "value": { "ref": "_:ada" } } },
        ]))
        .json();
    let ada = receipt["entities"]["_:ada"].as_str().unwrap();
    for q in [
        r#"[:find ?n ?a :where [?p "person/knows" ?q] [?q "person/name" ?n] [?q "person/age" ?a]]"#,
        r"[:find ?n ?a :where [?p :person/knows ?q] [?q :person/name ?n] [?q :person/age ?a]]",
    ] {
        let answer = shell.query(q);
        assert_eq!(answer["columns"], json!(["?n", "?a"]));
        assert_eq!(answer["rows"], json!([["Ada", 36]]));
    }
    let by_id = shell.query(&format!(r#"[:find ?n :where ["{ada}" :person/name ?n]]"#));
    assert_eq!(by_id["rows"], json!([["Ada"]]));
    shell
        .tx(&json!([{ "retract": { "entity": ada, "attribute": "person/age", "value": 36 } }]))
        .json();
    assert_eq!(
        shell.query("[:find ?a :where [_ :person/age ?a]]")["rows"],
        json!([])
    );
    let with_input = shell
        .run(&[
            "query",
            "[:find ?p :in $ ?n :where [?p :person/name ?n]]",
            "--input",
            "\"Ada\"",
        ])
        .json();
    assert_eq!(with_input["rows"], json!([[ada]]));
    let nested = shell.query(
        r#"{"person": {"$": {"where": {"name": "Bob"}, "fields": ["name"]}, "knows": {"$": {"fields": ["name", "age"]}}}}"#,
    );
    assert_eq!(
        nested["person"].as_array().map(Vec::len),
        Some(1),
        "{nested}"
    );
    assert_eq!(nested["person"][0]["name"], "Bob");
    assert!(
        nested["person"][0]["knows"].to_string().contains("Ada"),
        "{nested}"
    );
}

#[test]
fn an_import_can_run_again() {
    let shell = Shell::with_pod();
    let csv = shell.file(
        "books.csv",
        "id,title,year\n1,Emma,1815\n2,Persuasion,1817\n",
    );
    let first = shell.import(&csv);
    assert_eq!(
        (&first["added"], &first["changed"]),
        (&json!(2), &json!(0)),
        "{first}"
    );
    let second = shell.import(&csv);
    assert_eq!(
        (&second["added"], &second["changed"], &second["unchanged"]),
        (&json!(0), &json!(0), &json!(2)),
        "{second}"
    );
    let tsv = shell.file(
        "tuples.tsv",
        "1\tname\ts\tAda\n1\tfollows\tr\t2\n1\tfollows\tr\t3\n2\tname\ts\tBob\n2\tborn\tt\t1000\n",
    );
    shell.import(&tsv);
    let rows = shell.query(
        r#"[:find ?n ?t :where [?a :name "Ada"] [?a :follows ?b] [?b :name ?n] [?b :born ?t]]"#,
    );
    assert_eq!(rows["rows"], json!([["Bob", 1000]]));
}

#[test]
fn the_doctor_finds_nothing_in_a_healthy_pod() {
    let shell = Shell::with_pod();
    shell
        .tx(&json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": 1 } }]))
        .json();
    let diagnosis = shell.run(&["doctor"]).json();
    assert_eq!(diagnosis["findings"], json!([]));
    assert_eq!(diagnosis["tuples"], json!(1));
    let rebuilt = shell.run(&["doctor", "--rebuild"]).json();
    assert_eq!(rebuilt, diagnosis);
}

#[test]
fn the_repl_answers_line_by_line() {
    let shell = Shell::with_pod();
    let answer = shell.run_with(
        &["repl"],
        "[{\"assert\": {\"entity\": \"_:a\", \"attribute\": \"x/y\", \"value\": 7}}]\n[:find ?v\n :where [_ :x/y ?v]]\n",
    );
    assert_eq!(answer.code, 0);
    let last: serde_json::Value = serde_json::from_str(answer.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["rows"], json!([[7]]));
}

#[test]
fn completions_and_the_manual_are_printed() {
    let shell = Shell::new();
    assert!(shell.run(&["completions", "bash"]).out.contains("rhizome"));
    assert!(shell.run(&["man"]).out.contains(".TH"));
}
